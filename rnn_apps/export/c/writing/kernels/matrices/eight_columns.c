#if defined(__GNUC__) && defined(__thumb2__) && defined(__ARM_FEATURE_FMA) && !defined(__ARM_NEON) \
    && !defined(__ARM_FEATURE_MVE)
#define @_EIGHT
/* One row times eight columns. */
#define @_ROW(x) \
    "vldmia %[weights], {s8-s15}\n\t" \
    "add %[weights], %[weights], %[stride]\n\t" \
    "vfma.f32 s0, s8, " x "\n\tvfma.f32 s1, s9, " x "\n\tvfma.f32 s2, s10, " x "\n\t" \
    "vfma.f32 s3, s11, " x "\n\tvfma.f32 s4, s12, " x "\n\tvfma.f32 s5, s13, " x "\n\t" \
    "vfma.f32 s6, s14, " x "\n\tvfma.f32 s7, s15, " x "\n\t"
/* out[0 .. 7] += in[rows] times eight columns of `weights`, for a Cortex-M with single precision: the
   sums stay in registers, and one instruction loads eight weights. `rows` is a multiple of 4. */
static inline void @_eight_columns(float *out, const float *in, const float *weights, int32_t rows,
                                   int32_t stride)
{
    const float *const end = in + rows;
    __asm__ volatile("vldmia %[out], {s0-s7}\n"
                     "1:\n\t"
                     "vldmia %[in]!, {s16-s19}\n\t" @_ROW("s16") @_ROW("s17") @_ROW("s18")
                     @_ROW("s19")
                     "cmp %[in], %[end]\n\t"
                     "bne 1b\n\t"
                     "vstmia %[out], {s0-s7}"
                     : [in] "+r"(in), [weights] "+r"(weights)
                     : [out] "r"(out), [end] "r"(end), [stride] "r"(4 * stride)
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9",
                       "s10", "s11", "s12", "s13", "s14", "s15", "s16", "s17", "s18", "s19");
}
#endif
