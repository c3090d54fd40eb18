/* The largest whole number that is not above x. */
static inline float @_floor(float x)
{
    float whole;
    if (!(x < 8388608.0f && x > -8388608.0f))
        return x;
    whole = (float)(int32_t)x;
    return whole > x ? whole - 1.0f : whole;
}
