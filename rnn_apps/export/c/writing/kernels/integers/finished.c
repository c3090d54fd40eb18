/* Sums of all columns of a block as numbers of 16 bits; the shift is from 33 on. */
#if defined(__AVX512BW__)
static inline void @_finished(int16_t *out, const int32_t *sums, const int32_t *multipliers,
                              int32_t shift, int32_t adds)
{
    const __m512i x = _mm512_loadu_si512(sums), y = _mm512_loadu_si512(multipliers);
    const __m512i even = _mm512_srli_epi64(_mm512_mul_epi32(x, y), 32);
    const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32));
    __m512i high = _mm512_mask_mov_epi32(even, 0xaaaa, odd);
    high = _mm512_add_epi32(high, _mm512_set1_epi32(1 << (shift - 33)));
    high = _mm512_sra_epi32(high, _mm_cvtsi32_si128(shift - 32));
    if (adds)
        high = _mm512_add_epi32(
            high, _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)out)));
    _mm256_storeu_si256((__m256i *)(void *)out, _mm512_cvtsepi32_epi16(high));
}
#elif defined(__AVX2__)
static inline __m256i @_scaled_eight(const int16_t *out, const int32_t *sums,
                                     const int32_t *multipliers, int32_t shift, int32_t adds)
{
    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)sums);
    const __m256i y = _mm256_loadu_si256((const __m256i *)(const void *)multipliers);
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epi32(x, y), 32);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32));
    __m256i high = _mm256_blend_epi32(even, odd, 0xaa);
    high = _mm256_add_epi32(high, _mm256_set1_epi32(1 << (shift - 33)));
    high = _mm256_sra_epi32(high, _mm_cvtsi32_si128(shift - 32));
    if (adds)
        high = _mm256_add_epi32(
            high, _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)out)));
    return high;
}
static inline void @_finished(int16_t *out, const int32_t *sums, const int32_t *multipliers,
                              int32_t shift, int32_t adds)
{
    const __m256i low = @_scaled_eight(out, sums, multipliers, shift, adds);
    const __m256i high = @_scaled_eight(out + 8, sums + 8, multipliers + 8, shift, adds);
    const __m256i all = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    _mm256_storeu_si256((__m256i *)(void *)out, all);
}
#elif defined(__ARM_FEATURE_MVE)
static inline void @_finished(int16_t *out, const int32_t *sums, const int32_t *multipliers,
                              int32_t shift, int32_t adds)
{
    const int32x4_t high = vmulhq_s32(vldrwq_s32(sums), vldrwq_s32(multipliers));
    const int32x4_t before = adds ? vldrhq_s32(out) : vdupq_n_s32(0);
    const int32x4_t total = vaddq_s32(vrshlq_s32(high, vdupq_n_s32(32 - shift)), before);
    vstrhq_s32(out, vmaxq_s32(vminq_s32(total, vdupq_n_s32(32767)), vdupq_n_s32(-32768)));
}
#else
static inline void @_finished(int16_t *out, const int32_t *sums, const int32_t *multipliers,
                              int32_t shift, int32_t adds)
{
    for (int32_t k = 0; k < @_COLUMNS; ++k)
        out[k] = (int16_t)@_fit(@_scaled(sums[k], multipliers[k], shift) + (adds ? out[k] : 0));
}
#endif
