/* Loops with tanh or sigmoid go over so many elements at a time, so that all but the table is done by
   vector instructions where there are some. */
#if defined(__SSE4_1__) || (defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)) \
    || defined(__wasm_simd128__)
#define @_LANES 16
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
    int32_t pairs[@_LANES];
    for (int32_t k = 0; k < count; ++k)
        x[k] = @_fit(x[k]);
    for (int32_t k = 0; k < count; ++k)
        memcpy(pairs + k, @_tanh_table + 256 + (x[k] >> 7), 4);
    for (int32_t k = 0; k < count; ++k) {
        /* The lower half is the first number: all these processors have it first in memory. */
        const int32_t near = (int16_t)pairs[k], next = pairs[k] >> 16;
        x[k] = near + (((next - near) * (x[k] & 127) + 64) >> 7);
    }
#endif
}
