/* out[columns] = in[depth] times weights [columns, depth], in 16 bits, for a depth of at most 512 and a
   shift of at least 33: the same as the product of any depth. */
@_NOINLINE static void @_short_product(int16_t *@_RESTRICT out, const int16_t *@_RESTRICT in,
                            const int8_t *@_RESTRICT weights,
                            const int32_t *@_RESTRICT multipliers, int32_t shift, int32_t depth,
                            int32_t columns, int32_t adds)
{
    const int32_t rest = columns % @_COLUMNS, fours = rest / 4;
    int32_t sums[@_COLUMNS];
    const int16_t *const end = out + (columns - rest);
    for (; out != end; out += @_COLUMNS, multipliers += @_COLUMNS, weights += @_COLUMNS * depth) {
        @_sums(in, weights, 4 * depth, depth, sums);
        @_finished(out, sums, multipliers, shift, adds);
    }
    for (int32_t four = 0; four < fours; ++four, out += 4, multipliers += 4) {
        @_four_sums(in, weights, 4 * depth, depth, sums);
        weights += 4 * depth;
        for (int32_t k = 0; k < 4; ++k)
            out[k] = (int16_t)@_fit(@_scaled(sums[k], multipliers[k], shift) + (adds ? out[k] : 0));
    }
    for (int32_t k = 0; k < rest % 4; ++k, weights += depth)
        out[k] = (int16_t)@_fit(@_scaled(@_sum(in, weights, depth), multipliers[k], shift)
                                + (adds ? out[k] : 0));
}
