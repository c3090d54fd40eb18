/* `count` columns of a product in 16 bits; the weights of one lie beside those of three others if
   there are at least four. */
static inline void @_fixed_columns(int16_t *out, const int16_t *in, const int8_t *weights,
                                   const int32_t *multipliers, int32_t shift, int32_t depth,
                                   int32_t count, int32_t adds)
{
    const int32_t apart = count < 4 ? 1 : 4;
    int32_t totals[@_COLUMNS] = {0}, sums[@_COLUMNS];
    int32_t start = 0;
    do {
        const int32_t rows = depth - start < 512 ? depth - start : 512;
        if (count == @_COLUMNS)
            @_sums(in + start, weights + apart * start, 4 * depth, rows, sums);
        else if (count == 4)
            @_four_sums(in + start, weights + apart * start, 4 * depth, rows, sums);
        else
            sums[0] = @_sum(in + start, weights + apart * start, rows);
        if (start == 0)
            for (int32_t k = 0; k < count; ++k)
                totals[k] = adds ? out[k] : 0;
        if (shift > 32)
            for (int32_t k = 0; k < count; ++k)
                totals[k] += @_scaled(sums[k], multipliers[k], shift);
        else
            for (int32_t k = 0; k < count; ++k)
                totals[k] += @_scaled_up(sums[k], multipliers[k], shift);
        start += 512;
    } while (start < depth);
    for (int32_t k = 0; k < count; ++k)
        out[k] = (int16_t)@_fit(totals[k]);
}
