/* sums[0 .. 3] = in[depth] times four rows of weights, which begin `stride` apart. The order of whole
   numbers does not matter: all ways below give the same. At most 512 numbers, so that 32 bits hold
   every sum. */
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__ARM_ACLE)
#include <arm_acle.h>
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0, row = 0;
    for (; row + 4 <= depth; row += 4) {
        uint32_t low, high, w0, w1, w2, w3;
        int32_t even, odd;
        memcpy(&low, in + row, 4);
        memcpy(&high, in + row + 2, 4);
        memcpy(&w0, weights + row, 4);
        memcpy(&w1, weights + row + stride, 4);
        memcpy(&w2, weights + row + 2 * stride, 4);
        memcpy(&w3, weights + row + 3 * stride, 4);
        even = (int32_t)((low & 0xffffu) | (high << 16));
        odd = (int32_t)((high & 0xffff0000u) | (low >> 16));
        a = __smlad(__sxtb16((int32_t)w0), even, a);
        a = __smlad(__sxtb16((int32_t)__ror(w0, 8)), odd, a);
        b = __smlad(__sxtb16((int32_t)w1), even, b);
        b = __smlad(__sxtb16((int32_t)__ror(w1, 8)), odd, b);
        c = __smlad(__sxtb16((int32_t)w2), even, c);
        c = __smlad(__sxtb16((int32_t)__ror(w2, 8)), odd, c);
        d = __smlad(__sxtb16((int32_t)w3), even, d);
        d = __smlad(__sxtb16((int32_t)__ror(w3, 8)), odd, d);
    }
    for (; row < depth; ++row) {
        const int32_t x = in[row];
        a += x * weights[row];
        b += x * weights[row + stride];
        c += x * weights[row + 2 * stride];
        d += x * weights[row + 3 * stride];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
#else
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    for (int32_t row = 0; row < depth; ++row) {
        const int32_t x = in[row];
        a += x * weights[row];
        b += x * weights[row + stride];
        c += x * weights[row + 2 * stride];
        d += x * weights[row + 3 * stride];
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
}
#endif
