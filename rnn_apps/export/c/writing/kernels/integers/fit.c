/* The nearest number of 16 bits. */
static inline int32_t @_fit(int32_t x)
{
#if defined(__GNUC__) && defined(__ARM_FEATURE_SAT) && !defined(__ARM_NEON)
    __asm__("ssat %0, #16, %1" : "=r"(x) : "r"(x));
    return x;
#else
    x = x < -32768 ? -32768 : x;
    return x > 32767 ? 32767 : x;
#endif
}
