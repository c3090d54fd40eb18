/* How many columns of a product in integers are made at a time. */
#if defined(__AVX512BW__) || defined(__AVX2__)
#include <immintrin.h>
#define @_COLUMNS 16
#elif defined(__ARM_FEATURE_MVE)
#include <arm_mve.h>
#define @_COLUMNS 4
#elif defined(__ARM_NEON) && defined(__aarch64__)
#include <arm_neon.h>
#define @_COLUMNS 8
#elif defined(__wasm_simd128__)
#include <wasm_simd128.h>
#define @_COLUMNS 8
#else
#define @_COLUMNS 4
#endif
