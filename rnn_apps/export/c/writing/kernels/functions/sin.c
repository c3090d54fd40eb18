/* sin x; see `quarter`. */
static inline float @_sin(float x)
{
    return @_quarter(x, 0);
}
