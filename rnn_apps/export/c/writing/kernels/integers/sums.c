/* How sums of 16-bit numbers times 8-bit weights are made: `@_COLUMNS` columns at a time. Weights lie
   by fours of columns: 8 weights of each of the four columns, the next 8 of each, and so on; what is
   left of the depth follows column by column. The order of whole numbers does not matter: all ways
   below give the same. At most 512 numbers of 16 bits times 8 bits fit into one sum of 32 bits. */
#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>
#define @_COLUMNS 16
#elif defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#define @_COLUMNS 4
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define @_COLUMNS 8
#else
#define @_COLUMNS 4
#endif

#if defined(__AVX512BW__)
#if defined(__AVX512VNNI__)
#define @_ADD(sum, x, w) _mm512_dpwssd_epi32(sum, x, w)
#else
#define @_ADD(sum, x, w) _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
#endif
#define @_LOAD(from) \
    _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)(from)))
/* Each quarter of a register holds partial sums of one column. */
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const __m512i order = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const int32_t row = depth - depth % 8;
    const int16_t *const end = in + row;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    while (in != end) {
        const __m512i x = _mm512_broadcast_i32x4(
            _mm_loadu_si128((const __m128i *)(const void *)in));
        a = @_ADD(a, x, @_LOAD(w0));
        b = @_ADD(b, x, @_LOAD(w1));
        c = @_ADD(c, x, @_LOAD(w2));
        d = @_ADD(d, x, @_LOAD(w3));
        in += 8;
        w0 += 32;
        w1 += 32;
        w2 += 32;
        w3 += 32;
    }
    a = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    c = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    a = _mm512_add_epi32(_mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c));
    _mm512_storeu_si512(sums, _mm512_permutexvar_epi32(order, a));
    if (row < depth)
        for (int32_t four = 0; four < 4; ++four)
            @_sums_left(in, weights + four * stride + 4 * row, depth - row, sums + 4 * four);
}
#elif defined(__AVX2__)
#define @_LOAD(from) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(from)))
#define @_ADD(sum, from) sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, @_LOAD(from)))
/* Each half of a register holds partial sums of one column. */
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const __m256i order = _mm256_set_epi32(7, 3, 6, 2, 5, 1, 4, 0);
    const int16_t *const end = in + (depth - depth % 8);
    for (int32_t eight = 0; eight < 16; eight += 8) {
        const int8_t *w0 = weights + eight / 4 * stride, *w1 = w0 + stride;
        const int16_t *from = in;
        __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, x;
        while (from != end) {
            x = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)from));
            @_ADD(a, w0);
            @_ADD(b, w0 + 16);
            @_ADD(c, w1);
            @_ADD(d, w1 + 16);
            from += 8;
            w0 += 32;
            w1 += 32;
        }
        a = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        a = _mm256_permutevar8x32_epi32(a, order);
        _mm256_storeu_si256((__m256i *)(void *)(sums + eight), a);
        @_sums_left(from, w0, depth % 8, sums + eight);
        @_sums_left(from, w1, depth % 8, sums + eight + 4);
    }
}
#elif defined(__ARM_FEATURE_MVE)
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int16_t *const end = in + (depth - depth % 8);
    int32_t a = 0, b = 0, c = 0, d = 0;
    (void)stride;
    while (in != end) {
        const int16x8_t x = vldrhq_s16(in);
        a = vmladavaq_s16(a, x, vldrbq_s16(weights));
        b = vmladavaq_s16(b, x, vldrbq_s16(weights + 8));
        c = vmladavaq_s16(c, x, vldrbq_s16(weights + 16));
        d = vmladavaq_s16(d, x, vldrbq_s16(weights + 24));
        in += 8;
        weights += 32;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    @_sums_left(in, weights, depth % 8, sums);
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define @_ADD(sum, x, from) \
    w = vmovl_s8(vld1_s8(from)); \
    sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(w)); \
    sum = vmlal_high_s16(sum, x, w)
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    for (int32_t four = 0; four < 2; ++four) {
        const int8_t *from = weights + four * stride;
        int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;
        int32_t row;
        for (row = 0; row + 8 <= depth; row += 8) {
            const int16x8_t x = vld1q_s16(in + row);
            int16x8_t w;
            @_ADD(a, x, from);
            @_ADD(b, x, from + 8);
            @_ADD(c, x, from + 16);
            @_ADD(d, x, from + 24);
            from += 32;
        }
        vst1q_s32(sums + 4 * four, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
        @_sums_left(in + row, from, depth - row, sums + 4 * four);
    }
}
#elif defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
/* Two products of 16 bits at a time (SMLAD), on weights of which bytes 0 and 2 (SXTB16), and then 1
   and 3, become 16 bits. */
#define @_PAIR(first, second, from, place) \
    __asm__("ldrd %0, %1, [%2, %3]" : "=r"(first), "=r"(second) : "r"(from), "I"(place))
#define @_EVEN(to, word) __asm__("sxtb16 %0, %1" : "=r"(to) : "r"(word))
#define @_ODD(to, word) __asm__("sxtb16 %0, %1, ror #8" : "=r"(to) : "r"(word))
#define @_ADD(sum, x, y) __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(y))
#define @_LOW(to, x, y) __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(to) : "r"(x), "r"(y))
#define @_HIGH(to, x, y) __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(to) : "r"(x), "r"(y))
#define @_COLUMN(sum, place) \
    @_PAIR(word, next, weights, place); \
    @_ODD(part, word); \
    @_EVEN(word, word); \
    @_ADD(sum, word, x0); \
    @_ADD(sum, part, x1); \
    @_ODD(part, next); \
    @_EVEN(next, next); \
    @_ADD(sum, next, x2); \
    @_ADD(sum, part, x3)
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int16_t *const end = in + (depth - depth % 8);
    int32_t a = 0, b = 0, c = 0, d = 0;
    (void)stride;
    while (in != end) {
        uint32_t x0, x1, x2, x3, word, next, part;
        memcpy(&word, in, 4);
        memcpy(&next, in + 2, 4);
        @_LOW(x0, word, next);
        @_HIGH(x1, next, word);
        memcpy(&word, in + 4, 4);
        memcpy(&next, in + 6, 4);
        @_LOW(x2, word, next);
        @_HIGH(x3, next, word);
        in += 8;
        @_COLUMN(a, 0);
        @_COLUMN(b, 8);
        @_COLUMN(c, 16);
        @_COLUMN(d, 24);
        weights += 32;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    @_sums_left(in, weights, depth % 8, sums);
}
#else
#define @_sums @_four_sums
#endif
