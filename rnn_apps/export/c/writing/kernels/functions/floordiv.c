/* a / b, rounded towards minus infinity. */
static inline int32_t @_floordiv(int32_t a, int32_t b)
{
    const int32_t quotient = b == 0 ? 0 : b == -1 ? (int32_t)(0u - (uint32_t)a) : a / b;
    return b != 0 && quotient * b != a && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}
