/* What is not a number, for which C has nothing without math.h. */
static inline float @_not_a_number(void)
{
    const int32_t bits = 0x7fc00000;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
