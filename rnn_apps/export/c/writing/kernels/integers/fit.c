/* The nearest number of 16 bits; -32768 is left out, so that every number has its negative. */
static inline int32_t @_fit(int32_t x)
{
    x = x < -32767 ? -32767 : x;
    return x > 32767 ? 32767 : x;
}
