/* cos x; see `quarter`. */
static inline float @_cos(float x)
{
    return @_quarter(x, 1);
}
