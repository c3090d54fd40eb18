/* sqrt(x) with a relative error of at most 4e-7 for normal numbers, those from 1.2e-38 up; not a
   number below 0. */
static inline float @_sqrt(float x)
{
    const float root = x * @_rsqrt(x);
    return x == 0.0f || x == @_infinity() ? x : root;
}
