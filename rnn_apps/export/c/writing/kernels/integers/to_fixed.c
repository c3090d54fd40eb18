/* The nearest whole number of 16 bits. */
static inline int32_t @_to_fixed(float x)
{
    x = x > -32767.0f ? x : -32767.0f;
    x = x < 32767.0f ? x : 32767.0f;
    return (int32_t)(x + (x < 0.0f ? -0.5f : 0.5f));
}
