/* Loops with tanh or sigmoid go over so many elements at a time, so that all but the table is done by
   vector instructions where there are some. */
#if defined(__SSE4_1__) || (defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)) \
    || defined(__wasm_simd128__)
#define @_LANES 16
#if defined(__AVX2__)
#include <immintrin.h>
#endif
#else
#define @_LANES 1
#endif

/* tanh of the first `count` numbers. */
static inline void @_fixed_tanhs(int32_t *x, int32_t count)
{
#if @_LANES == 1
    for (int32_t k = 0; k < count; ++k)
        x[k] = @_fixed_tanh(x[k]);
#else
    int32_t pairs[@_LANES], k = 0;
#if defined(__AVX2__)
    for (; k + 8 <= count; k += 8) {
        __m256i *at = (__m256i *)(void *)(x + k);
        const __m256i low = _mm256_set1_epi32(-32768), high = _mm256_set1_epi32(32767);
        const __m256i inside = _mm256_max_epi32(_mm256_min_epi32(_mm256_loadu_si256(at), high), low);
        const __m256i pair = _mm256_i32gather_epi32((const int *)(const void *)(@_tanh_table + 256),
                                                    _mm256_srai_epi32(inside, 7), 2);
        const __m256i near = _mm256_srai_epi32(_mm256_slli_epi32(pair, 16), 16);
        const __m256i rise = _mm256_sub_epi32(_mm256_srai_epi32(pair, 16), near);
        const __m256i rest = _mm256_and_si256(inside, _mm256_set1_epi32(127));
        const __m256i more = _mm256_add_epi32(_mm256_mullo_epi32(rise, rest), _mm256_set1_epi32(64));
        _mm256_storeu_si256(at, _mm256_add_epi32(near, _mm256_srai_epi32(more, 7)));
    }
#endif
    for (int32_t first = k; first < count; ++first)
        x[first] = @_fit(x[first]);
    for (int32_t first = k; first < count; ++first)
        memcpy(pairs + first, @_tanh_table + 256 + (x[first] >> 7), 4);
    for (; k < count; ++k) {
        /* The lower half is the first number: all these processors have it first in memory. */
        const int32_t near = (int16_t)pairs[k], next = pairs[k] >> 16;
        x[k] = near + (((next - near) * (x[k] & 127) + 64) >> 7);
    }
#endif
}
