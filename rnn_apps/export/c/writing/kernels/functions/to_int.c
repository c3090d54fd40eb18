/* A whole number towards zero; what does not fit is the nearest that does. */
static inline int32_t @_to_int(float x)
{
    if (!(x > -2147483000.0f))
        return -2147483647;
    return x < 2147483000.0f ? (int32_t)x : 2147483647;
}
