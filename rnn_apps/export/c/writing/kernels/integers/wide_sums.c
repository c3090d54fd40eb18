/* As the sums of 8-bit weights, with weights of 16 bits, which lie in the same order. Those of a column
   are so small that sums of 512 products fit into 32 bits. */
#if defined(__AVX2__)
#define @_ADD_PAIRS(sum, from) \
    sum = _mm256_add_epi32( \
        sum, _mm256_madd_epi16(x, _mm256_loadu_si256((const __m256i *)(const void *)(from))))
#define @_STORE_FOUR(to, a, b) \
    a = _mm256_hadd_epi32(a, b); \
    a = _mm256_hadd_epi32(a, a); \
    _mm_storeu_si128((__m128i *)(void *)(to), \
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1)))
/* Each half of a register holds partial sums of one column. */
static inline void @_wide_sums(const int16_t *in, const int16_t *weights, int32_t stride,
                               int32_t depth, int32_t *sums)
{
    const int16_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const int16_t *const end = in + (depth - depth % 8);
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, x;
    while (in != end) {
        x = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)in));
        @_ADD_PAIRS(a, w0);
        @_ADD_PAIRS(b, w0 + 16);
        @_ADD_PAIRS(c, w1);
        @_ADD_PAIRS(d, w1 + 16);
        @_ADD_PAIRS(e, w2);
        @_ADD_PAIRS(f, w2 + 16);
        @_ADD_PAIRS(g, w3);
        @_ADD_PAIRS(h, w3 + 16);
        in += 8;
        w0 += 32;
        w1 += 32;
        w2 += 32;
        w3 += 32;
    }
    @_STORE_FOUR(sums, a, b);
    @_STORE_FOUR(sums + 4, c, d);
    @_STORE_FOUR(sums + 8, e, f);
    @_STORE_FOUR(sums + 12, g, h);
    if (depth % 8 != 0) {
        @_wide_sums_left(in, w0, depth % 8, sums);
        @_wide_sums_left(in, w1, depth % 8, sums + 4);
        @_wide_sums_left(in, w2, depth % 8, sums + 8);
        @_wide_sums_left(in, w3, depth % 8, sums + 12);
    }
}
#elif defined(__ARM_FEATURE_MVE)
static inline void @_wide_sums(const int16_t *in, const int16_t *weights, int32_t stride,
                               int32_t depth, int32_t *sums)
{
    const int16_t *const end = in + (depth - depth % 8);
    int32_t a = 0, b = 0, c = 0, d = 0;
    (void)stride;
    while (in != end) {
        const int16x8_t x = vldrhq_s16(in);
        a = vmladavaq_s16(a, x, vldrhq_s16(weights));
        b = vmladavaq_s16(b, x, vldrhq_s16(weights + 8));
        c = vmladavaq_s16(c, x, vldrhq_s16(weights + 16));
        d = vmladavaq_s16(d, x, vldrhq_s16(weights + 24));
        in += 8;
        weights += 32;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    if (depth % 8 != 0)
        @_wide_sums_left(in, weights, depth % 8, sums);
}
#elif (defined(__ARM_NEON) && defined(__aarch64__)) || defined(__wasm_simd128__)
#if defined(__wasm_simd128__)
#define @_REGISTER v128_t
#define @_ZERO wasm_i32x4_splat(0)
#define @_ADD_PAIRS(sum, from) \
    sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(wasm_v128_load(in + row), wasm_v128_load(from)))
#define @_BESIDE(a, b) \
    wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7))
#define @_STORE_FOUR(to, a, b, c, d) wasm_v128_store(to, @_BESIDE(@_BESIDE(a, b), @_BESIDE(c, d)))
#else
#define @_REGISTER int32x4_t
#define @_ZERO vdupq_n_s32(0)
#define @_ADD_PAIRS(sum, from) \
    x = vld1q_s16(in + row); \
    w = vld1q_s16(from); \
    sum = vmlal_s16(sum, vget_low_s16(x), vget_low_s16(w)); \
    sum = vmlal_high_s16(sum, x, w)
#define @_STORE_FOUR(to, a, b, c, d) vst1q_s32(to, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)))
#endif
static inline void @_wide_sums(const int16_t *in, const int16_t *weights, int32_t stride,
                               int32_t depth, int32_t *sums)
{
    for (int32_t four = 0; four < 2; ++four) {
        const int16_t *from = weights + four * stride;
        @_REGISTER a = @_ZERO, b = a, c = a, d = a;
        int32_t row;
        for (row = 0; row + 8 <= depth; row += 8) {
#if !defined(__wasm_simd128__)
            int16x8_t x, w;
#endif
            @_ADD_PAIRS(a, from);
            @_ADD_PAIRS(b, from + 8);
            @_ADD_PAIRS(c, from + 16);
            @_ADD_PAIRS(d, from + 24);
            from += 32;
        }
        @_STORE_FOUR(sums + 4 * four, a, b, c, d);
        if (row < depth)
            @_wide_sums_left(in + row, from, depth - row, sums + 4 * four);
    }
}
#elif defined(@_DSP)
#define @_wide_sums @_wide_paired_sums
#else
#define @_wide_sums @_wide_four_sums
#endif
