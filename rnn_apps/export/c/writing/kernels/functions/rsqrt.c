/* 1 / sqrt(x) with a relative error of at most 3e-7: four steps of Newton's method from half the
   exponent, taken without a sign so that nothing overflows below 0. Infinity for 0, and not a number
   below. The error is that of normal numbers: below 1.2e-38 the result can be far too small. */
static inline float @_rsqrt(float x)
{
    float y, half = 0.5f * x;
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (int32_t)(0x5f3759dfu - ((uint32_t)bits >> 1));
    memcpy(&y, &bits, sizeof y);
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    y = y * (1.5f - half * y * y);
    y = x < @_infinity() ? y : 0.0f;
    return x > 0.0f ? y : x == 0.0f ? @_infinity() : @_not_a_number();
}
