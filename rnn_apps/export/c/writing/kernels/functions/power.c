/* x^y: of a number below 0 for whole y only. Its relative error is up to 3e-7 times the larger of 1
   and the exponent of e that it is. */
static inline float @_power(float x, float y)
{
    const float exponent = y * @_logarithm(x < 0.0f ? -x : x), root = @_exp(0.5f * exponent);
    const float size = exponent > 88.0f ? root * root : @_exp(exponent);
    const int32_t is_whole = @_floor(y) == y, is_odd = @_floor(0.5f * y) != 0.5f * y;
    if (y == 0.0f || x == 1.0f)
        return 1.0f;
    if (exponent != exponent || (x < 0.0f && x > -@_infinity() && !is_whole))
        return @_not_a_number();
    return x < 0.0f && is_whole && is_odd ? -size : size;
}
