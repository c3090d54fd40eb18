/* out[columns] = in[depth] times weights [columns, depth], in 16 bits; with `adds` 1 it is added to
   what is there. Each column has a multiplier of its own. */
@_NOINLINE static void @_fixed_product(int16_t *@_RESTRICT out, const int16_t *@_RESTRICT in,
                            const int8_t *@_RESTRICT weights,
                            const int32_t *@_RESTRICT multipliers, int32_t shift, int32_t depth,
                            int32_t columns, int32_t adds)
{
    const int32_t rest = columns % @_COLUMNS, fours = rest / 4;
    int32_t column;
    for (column = 0; column < columns - rest; column += @_COLUMNS, weights += @_COLUMNS * depth)
        @_fixed_columns(out + column, in, weights, multipliers + column, shift, depth, @_COLUMNS, adds);
    for (int32_t k = 0; k < fours; ++k, column += 4, weights += 4 * depth)
        @_fixed_columns(out + column, in, weights, multipliers + column, shift, depth, 4, adds);
    for (int32_t k = 0; k < rest % 4; ++k, ++column, weights += depth)
        @_fixed_columns(out + column, in, weights, multipliers + column, shift, depth, 1, adds);
}
