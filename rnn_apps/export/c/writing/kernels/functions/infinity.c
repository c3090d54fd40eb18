/* Infinity, for which C has no number without math.h. */
static inline float @_infinity(void)
{
    const int32_t bits = 0x7f800000;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
