/* `count` columns of the product below, the beginnings of whose weights are 4 or 1 columns apart. */
static inline void @_half_columns(float *out, const int16_t *in, const int8_t *weights,
                                  const float *factors, int32_t depth, int32_t count, int32_t adds)
{
    const int32_t apart = count < 4 ? 1 : 4;
    float totals[@_COLUMNS] = {0};
    int32_t sums[@_COLUMNS];
    for (int32_t k = 0; k < count; ++k)
        totals[k] = adds ? out[k] : 0.0f;
    for (int32_t start = 0; start < depth; start += 512) {
        const int32_t rows = depth - start < 512 ? depth - start : 512;
        if (count == @_COLUMNS)
            @_sums(in + start, weights + apart * start, 4 * depth, rows, sums);
        else if (count == 4)
            @_four_sums(in + start, weights + apart * start, 4 * depth, rows, sums);
        else
            sums[0] = @_sum(in + start, weights + apart * start, rows);
        for (int32_t k = 0; k < count; ++k)
            totals[k] += (float)sums[k] * factors[k];
    }
    for (int32_t k = 0; k < count; ++k)
        out[k] = totals[k];
}

/* As the product in 16 bits, with floats as results: each column has a factor of its own. */
@_NOINLINE static void @_half_product(float *@_RESTRICT out, const int16_t *@_RESTRICT in,
                           const int8_t *@_RESTRICT weights, const float *@_RESTRICT factors,
                           int32_t depth, int32_t columns, int32_t adds)
{
    const int32_t rest = columns % @_COLUMNS, fours = rest / 4;
    int32_t column;
    for (column = 0; column < columns - rest; column += @_COLUMNS, weights += @_COLUMNS * depth)
        @_half_columns(out + column, in, weights, factors + column, depth, @_COLUMNS, adds);
    for (int32_t k = 0; k < fours; ++k, column += 4, weights += 4 * depth)
        @_half_columns(out + column, in, weights, factors + column, depth, 4, adds);
    for (int32_t k = 0; k < rest % 4; ++k, ++column, weights += depth)
        @_half_columns(out + column, in, weights, factors + column, depth, 1, adds);
}
