/* e^x - 1, also near 0. */
static inline float @_expm1(float x)
{
    const float near = x * (1.0f + x * (0.5f + x * (1.66666667e-1f + x * (4.16666667e-2f
                     + x * 8.33333333e-3f))));
    return x < 0.05f && x > -0.05f ? near : @_exp(x) - 1.0f;
}
