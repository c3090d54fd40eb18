/* sums[0 .. 3] += in[depth] times the weights of four columns, for what is left of the depth. */
static inline void @_sums_left(const int16_t *in, const int8_t *weights, int32_t depth, int32_t *sums)
{
    for (int32_t column = 0; column < 4; ++column)
        for (int32_t row = 0; row < depth; ++row)
            sums[column] += (int32_t)in[row] * *weights++;
}
