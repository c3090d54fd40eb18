/* sum multiplier / 2^shift with a shift of at most 32, or the nearest number of 30 bits. */
static inline int32_t @_scaled_up(int32_t sum, int32_t multiplier, int32_t shift)
{
    return @_raised((int32_t)(((int64_t)sum * multiplier) >> 32), 32 - shift);
}
