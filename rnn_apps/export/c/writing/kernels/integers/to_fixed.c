/* x 2^fraction as the nearest whole number of 16 bits, halves away from zero. Not a number becomes some
   number. Processors without floats read the bits of x, which takes fewer instructions. */
static inline int32_t @_to_fixed(float x, int32_t fraction)
{
#if defined(@_NO_FLOATS)
    int32_t bits, places, size;
    memcpy(&bits, &x, sizeof bits);
    places = 150 - fraction - ((bits >> 23) & 255);
    size = (bits & 0x7fffff) | 0x800000;
    if (places > 0)
        size = places > 24 ? 0 : (size + (1 << (places - 1))) >> places;
    return @_fit(bits < 0 ? -size : size);
#elif defined(@_DSP) && defined(__ARM_FP)
    int32_t twice;
    x *= @_power_of_two(fraction + 1);
    __asm__("vcvt.s32.f32 %0, %0" : "+t"(x)); /* What is too large becomes the largest. */
    memcpy(&twice, &x, sizeof twice);
    __asm__("ssat %0, #17, %0" : "+r"(twice));
    return @_fit((twice + (twice >= 0)) >> 1);
#else
    int32_t twice;
    x *= @_power_of_two(fraction);
    x = x > -32768.0f ? x : -32768.0f;
    x = x < 32767.0f ? x : 32767.0f;
    twice = (int32_t)(x + x);
    return (twice + (twice >= 0)) >> 1;
#endif
}
