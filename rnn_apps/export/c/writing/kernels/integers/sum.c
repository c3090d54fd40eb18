/* in[depth] times one row of weights; at most 512 numbers. */
static inline int32_t @_sum(const int16_t *in, const int8_t *weights, int32_t depth)
{
    int32_t sum = 0;
    for (int32_t row = 0; row < depth; ++row)
        sum += (int32_t)in[row] * weights[row];
    return sum;
}
