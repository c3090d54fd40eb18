/* As the product in 16 bits, with floats as results: each column has a factor of its own. */
@_NOINLINE static void @_half_product(float *@_RESTRICT out, const int16_t *@_RESTRICT in,
                           const int8_t *@_RESTRICT weights, const float *@_RESTRICT factors,
                           int32_t depth, int32_t columns, int32_t adds)
{
    const int32_t fours = columns - columns % 4;
    int32_t column;
    for (column = 0; column < fours; column += 4) {
        float totals[4];
        for (int32_t k = 0; k < 4; ++k)
            totals[k] = adds ? out[column + k] : 0.0f;
        for (int32_t start = 0; start < depth; start += 512) {
            int32_t sums[4];
            @_sums(in + start, weights + column * depth + start, depth,
                   depth - start < 512 ? depth - start : 512, sums);
            for (int32_t k = 0; k < 4; ++k)
                totals[k] += (float)sums[k] * factors[column + k];
        }
        for (int32_t k = 0; k < 4; ++k)
            out[column + k] = totals[k];
    }
    for (column = fours; column < columns; ++column) {
        float total = adds ? out[column] : 0.0f;
        for (int32_t start = 0; start < depth; start += 512)
            total += (float)@_sum(in + start, weights + column * depth + start,
                                  depth - start < 512 ? depth - start : 512)
                * factors[column];
        out[column] = total;
    }
}
