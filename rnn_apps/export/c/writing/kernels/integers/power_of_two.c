/* 2^exponent, for exponents that floats have. */
static inline float @_power_of_two(int32_t exponent)
{
    const int32_t bits = (exponent + 127) * 8388608;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}
