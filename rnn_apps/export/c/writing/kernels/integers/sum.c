/* in[depth] times one row of weights; at most 512 numbers. */
static inline int32_t @_sum(const int16_t *in, const int8_t *weights, int32_t depth)
{
    int32_t sum = 0;
#if defined(@_DSP)
    for (; depth >= 4; depth -= 4, in += 4, weights += 4) {
        uint32_t x0, x1, word, next;
        memcpy(&x0, in, 4);
        memcpy(&x1, in + 2, 4);
        memcpy(&word, weights, 4);
        if (sizeof *weights == 1) {
            @_ODD(next, word);
            @_EVEN(word, word);
        } else {
            memcpy(&next, weights + 2, 4);
        }
        @_ADD_PAIRS(sum, word, x0);
        @_ADD_PAIRS(sum, next, x1);
    }
#endif
    for (int32_t row = 0; row < depth; ++row)
        sum += (int32_t)in[row] * weights[row];
    return sum;
}
