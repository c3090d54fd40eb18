/* The natural logarithm of any number; `log` is for those above 0. */
static inline float @_logarithm(float x)
{
    const float value = @_log(x), above = x < @_infinity() ? value : x;
    const float below = x == 0.0f ? -@_infinity() : @_not_a_number();
    return x > 0.0f ? above : below;
}
