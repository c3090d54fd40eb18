/* a / b, rounded towards minus infinity; 0 for b = 0. */
static inline int32_t @_floordiv(int32_t a, int32_t b)
{
    const uint32_t opposite = 0u - (uint32_t)a;
    const int32_t quotient = b == 0 ? 0 : b == -1 ? (int32_t)opposite : a / b;
    return b != 0 && b != -1 && quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
