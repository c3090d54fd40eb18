/* sums[0 .. 3] = in[depth] times four rows of weights, which begin `stride` apart. The order of whole
   numbers does not matter: both ways below give the same. At most 512 numbers, so that 32 bits hold
   every sum. */
#if defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && !defined(__ARM_FEATURE_MVE)
/* Two sums of 16-bit products at a time (SMLAD), on weights of which bytes 0 and 2 (SXTB16), and
   then 1 and 3, become 16 bits. */
#define @_EVEN(to, word) __asm__("sxtb16 %0, %1" : "=r"(to) : "r"(word))
#define @_ODD(to, word) __asm__("sxtb16 %0, %1, ror #8" : "=r"(to) : "r"(word))
#define @_ADD(sum, x, y) __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(y))
#define @_LOW(to, x, y) __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(to) : "r"(x), "r"(y))
#define @_HIGH(to, x, y) __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(to) : "r"(x), "r"(y))
#define @_ROW(sum, from) \
    memcpy(&word, from, 4); \
    @_ODD(part, word); \
    @_EVEN(word, word); \
    @_ADD(sum, word, even); \
    @_ADD(sum, part, odd)
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const int16_t *const end = in + (depth - depth % 4);
    int32_t a = 0, b = 0, c = 0, d = 0, left = depth % 4;
    while (in != end) {
        uint32_t first, second, even, odd, word, part;
        memcpy(&first, in, 4);
        memcpy(&second, in + 2, 4);
        in += 4;
        @_LOW(even, first, second);
        @_HIGH(odd, second, first);
        @_ROW(a, w0);
        @_ROW(b, w1);
        @_ROW(c, w2);
        @_ROW(d, w3);
        w0 += 4;
        w1 += 4;
        w2 += 4;
        w3 += 4;
    }
    for (; left > 0; --left) {
        const int32_t x = *in++;
        a += x * *w0++;
        b += x * *w1++;
        c += x * *w2++;
        d += x * *w3++;
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
