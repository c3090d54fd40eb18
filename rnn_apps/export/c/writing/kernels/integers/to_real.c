/* x / 2^fraction, exactly, for a number of 16 bits. */
static inline float @_to_real(int32_t x, int32_t fraction)
{
#if defined(@_NO_FLOATS)
    const uint32_t size = (uint32_t)(x < 0 ? -x : x);
    const int32_t places = size != 0 ? __builtin_clz(size) : 0;
    uint32_t bits = size != 0 ? (uint32_t)(157 - places - fraction) << 23 : 0;
    float real;
    bits += (size << places) >> 8; /* The first digit, which a float has not, adds 1 to the exponent. */
    bits |= x < 0 ? 0x80000000u : 0;
    memcpy(&real, &bits, sizeof real);
    return real;
#else
    return (float)x * @_power_of_two(-fraction);
#endif
}
