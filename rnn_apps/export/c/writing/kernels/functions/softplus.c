/* log(1 + e^x), written so that nothing overflows and small values keep their digits. */
static inline float @_softplus(float x)
{
    const float tail = @_exp(x < 0.0f ? x : -x);
    const float small = tail * (1.0f - tail * (0.5f - tail * 0.333333333f));
    return (x > 0.0f ? x : 0.0f) + (tail < 1e-3f ? small : @_log(1.0f + tail));
}
