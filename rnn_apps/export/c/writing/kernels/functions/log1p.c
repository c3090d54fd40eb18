/* log(1 + x), also near 0: what 1 + x loses of x is made up for. */
static inline float @_log1p(float x)
{
    const float sum = 1.0f + x, rest = sum - 1.0f, value = @_logarithm(sum);
    if (!(x > -0.5f && x < 1.0f))
        return value;
    return rest == 0.0f ? x : value * (x / rest);
}
