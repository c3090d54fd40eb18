/* How sums of 16-bit numbers times 8-bit weights are made: `@_COLUMNS` columns at a time. Weights lie
   by fours of columns: 8 weights of each of the four columns, the next 8 of each, and so on; what is
   left of the depth follows column by column. The order of whole numbers does not matter: all ways
   below give the same. At most 512 numbers of 16 bits times 8 bits fit into one sum of 32 bits. */
#if defined(__AVX512VNNI__)
/* x is 256 times its upper byte and its lower byte, and one instruction adds up four products of
   bytes, the first factor without a sign: lower byte times weight, and weight + 128 times upper byte,
   less 128 times the upper byte. A register holds 16 rows of four columns. */
#define @_BYTES(low, high, from, load) \
    w = load(from); \
    low = _mm512_dpbusd_epi32(low, lower, w); \
    high = _mm512_dpbusd_epi32(high, _mm512_xor_si512(w, raised), upper)
#define @_ROWS(given, load) \
    x = _mm512_permutexvar_epi64(twice, given); \
    lower = _mm512_shuffle_epi8(x, lowers); \
    upper = _mm512_shuffle_epi8(x, uppers); \
    @_BYTES(a, e, w0, load); \
    @_BYTES(b, f, w1, load); \
    @_BYTES(c, g, w2, load); \
    @_BYTES(d, h, w3, load); \
    more = _mm512_dpbusd_epi32(more, raised, upper)
#define @_HALF(from) \
    _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(const void *)(from)))
#define @_BOTH(low, high) \
    _mm512_add_epi32(low, _mm512_slli_epi32(_mm512_sub_epi32(high, more), 8))
#define @_PAIRS(x, y) \
    _mm512_add_epi32(_mm512_permutex2var_epi32(x, evens, y), _mm512_permutex2var_epi32(x, odds, y))
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const __m512i twice = _mm512_set_epi64(3, 2, 3, 2, 1, 0, 1, 0);
    const __m512i lowers = _mm512_set4_epi32(0x0e0c0a08, 0x06040200, 0x0e0c0a08, 0x06040200);
    const __m512i uppers = _mm512_set4_epi32(0x0f0d0b09, 0x07050301, 0x0f0d0b09, 0x07050301);
    const __m512i evens = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    const __m512i raised = _mm512_set1_epi8(-128);
    const int16_t *const end = in + (depth - depth % 16);
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, e = a, f = a, g = a, h = a, more = a;
    __m512i x, w, lower, upper;
    while (in != end) {
        @_ROWS(@_HALF(in), _mm512_loadu_si512);
        in += 16;
        w0 += 64;
        w1 += 64;
        w2 += 64;
        w3 += 64;
    }
    if (depth % 16 >= 8) {
        @_ROWS(_mm512_zextsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)in)), @_HALF);
        in += 8;
        w0 += 32;
        w1 += 32;
        w2 += 32;
        w3 += 32;
    }
    /* Two sums of each column in the lower half, two more in the upper one. */
    a = @_PAIRS(@_BOTH(a, e), @_BOTH(b, f));
    c = @_PAIRS(@_BOTH(c, g), @_BOTH(d, h));
    a = _mm512_add_epi32(_mm512_shuffle_i32x4(a, c, 0x88), _mm512_shuffle_i32x4(a, c, 0xdd));
    _mm512_storeu_si512(sums, a);
    if (depth % 8) {
        @_sums_left(in, w0, depth % 8, sums);
        @_sums_left(in, w1, depth % 8, sums + 4);
        @_sums_left(in, w2, depth % 8, sums + 8);
        @_sums_left(in, w3, depth % 8, sums + 12);
    }
}
#elif defined(__AVX512BW__)
#define @_ADD(sum, w) _mm512_add_epi32(sum, _mm512_madd_epi16(x, w))
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
        a = @_ADD(a, @_LOAD(w0));
        b = @_ADD(b, @_LOAD(w1));
        c = @_ADD(c, @_LOAD(w2));
        d = @_ADD(d, @_LOAD(w3));
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
/* Even and odd weights become 16 bits by themselves: half a register holds two sums of two columns. */
#define @_TAKE(sum, from) \
    w = _mm256_loadu_si256((const __m256i *)(const void *)(from)); \
    sum = _mm256_add_epi32( \
        sum, _mm256_add_epi32(_mm256_madd_epi16(even, _mm256_maddubs_epi16(ones, w)), \
                              _mm256_madd_epi16(odd, _mm256_srai_epi16(w, 8)))); \
    from += 32
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    const int8_t *w0 = weights, *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const __m256i evens = _mm256_set1_epi64x(0x0d0c090805040100);
    const __m256i odds = _mm256_set1_epi64x(0x0f0e0b0a07060302);
    const __m256i ones = _mm256_set1_epi16(1);
    const int16_t *const end = in + (depth - depth % 8);
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    while (in != end) {
        const __m256i x = _mm256_broadcastsi128_si256(
            _mm_loadu_si128((const __m128i *)(const void *)in));
        const __m256i even = _mm256_shuffle_epi8(x, evens), odd = _mm256_shuffle_epi8(x, odds);
        __m256i w;
        @_TAKE(a, w0);
        @_TAKE(b, w1);
        @_TAKE(c, w2);
        @_TAKE(d, w3);
        in += 8;
    }
    a = _mm256_permute4x64_epi64(_mm256_hadd_epi32(a, b), 0xd8);
    c = _mm256_permute4x64_epi64(_mm256_hadd_epi32(c, d), 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)sums, a);
    _mm256_storeu_si256((__m256i *)(void *)(sums + 8), c);
    if (depth % 8) {
        @_sums_left(in, w0, depth % 8, sums);
        @_sums_left(in, w1, depth % 8, sums + 4);
        @_sums_left(in, w2, depth % 8, sums + 8);
        @_sums_left(in, w3, depth % 8, sums + 12);
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
    if (depth % 8 != 0)
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
        if (row < depth)
            @_sums_left(in + row, from, depth - row, sums + 4 * four);
    }
}
#elif defined(__wasm_simd128__)
#define @_ADD(sum, from) \
    sum = wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(x, wasm_i16x8_load8x8(from)))
#define @_NEIGHBOURS(a, b) \
    wasm_i32x4_add(wasm_i32x4_shuffle(a, b, 0, 2, 4, 6), wasm_i32x4_shuffle(a, b, 1, 3, 5, 7))
static inline void @_sums(const int16_t *in, const int8_t *weights, int32_t stride, int32_t depth,
                          int32_t *sums)
{
    for (int32_t four = 0; four < 2; ++four) {
        const int8_t *from = weights + four * stride;
        v128_t a = wasm_i32x4_splat(0), b = a, c = a, d = a;
        int32_t row;
        for (row = 0; row + 8 <= depth; row += 8) {
            const v128_t x = wasm_v128_load(in + row);
            @_ADD(a, from);
            @_ADD(b, from + 8);
            @_ADD(c, from + 16);
            @_ADD(d, from + 24);
            from += 32;
        }
        a = @_NEIGHBOURS(a, b);
        c = @_NEIGHBOURS(c, d);
        wasm_v128_store(sums + 4 * four, @_NEIGHBOURS(a, c));
        if (row < depth)
            @_sums_left(in + row, from, depth - row, sums + 4 * four);
    }
}
#elif defined(@_DSP)
#define @_sums @_paired_sums
#else
#define @_sums @_four_sums
#endif
