/* sum multiplier / 2^shift, rounded, or the nearest number of 30 bits. */
static inline int32_t @_scaled(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return shift > 32 ? (high + (1 << (shift - 33))) >> (shift - 32) : @_raised(high, 32 - shift);
}

/* out[columns] = in[depth] times weights [columns, depth], in 16 bits; with `adds` 1 it is added to
   what is there. Each column has a multiplier of its own. */
@_NOINLINE static void @_fixed_product(int16_t *@_RESTRICT out, const int16_t *@_RESTRICT in,
                            const int8_t *@_RESTRICT weights,
                            const int32_t *@_RESTRICT multipliers, int32_t shift, int32_t depth,
                            int32_t columns, int32_t adds)
{
    const int32_t fours = columns - columns % 4;
    int32_t column;
    for (column = 0; column < fours; column += 4) {
        int32_t totals[4];
        for (int32_t k = 0; k < 4; ++k)
            totals[k] = adds ? out[column + k] : 0;
        for (int32_t start = 0; start < depth; start += 512) {
            int32_t sums[4];
            @_sums(in + start, weights + column * depth + start, depth,
                   depth - start < 512 ? depth - start : 512, sums);
            for (int32_t k = 0; k < 4; ++k)
                totals[k] += @_scaled(sums[k], multipliers[column + k], shift);
        }
        for (int32_t k = 0; k < 4; ++k)
            out[column + k] = (int16_t)@_fit(totals[k]);
    }
    for (column = fours; column < columns; ++column) {
        int32_t total = adds ? out[column] : 0;
        for (int32_t start = 0; start < depth; start += 512)
            total += @_scaled(@_sum(in + start, weights + column * depth + start,
                                    depth - start < 512 ? depth - start : 512),
                              multipliers[column], shift);
        out[column] = (int16_t)@_fit(total);
    }
}
