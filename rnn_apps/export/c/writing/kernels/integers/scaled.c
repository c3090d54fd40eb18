/* sum multiplier / 2^shift, rounded; the shift is from 33 on. */
static inline int32_t @_scaled(int32_t sum, int32_t multiplier, int32_t shift)
{
    const int32_t high = (int32_t)(((int64_t)sum * multiplier) >> 32);
    return (high + (1 << (shift - 33))) >> (shift - 32);
}
