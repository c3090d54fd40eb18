/* sqrt(x) with a relative error of at most 4e-7; 0 for x <= 0. */
static inline float @_sqrt(float x)
{
    return x * @_rsqrt(x);
}
