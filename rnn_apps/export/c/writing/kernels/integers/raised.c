/* x 2^places, or the nearest number of 30 bits. */
static inline int32_t @_raised(int32_t x, int32_t places)
{
    const int32_t most = places < 30 ? 1073741823 >> places : 0;
    x = x < -most ? -most : x;
    x = x > most ? most : x;
    return x * (int32_t)(1u << (places < 30 ? places : 0));
}
