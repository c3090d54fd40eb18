/* The nearest whole number, of two the even one. */
static inline float @_round(float x)
{
    const float below = @_floor(x), rest = x - below;
    if (rest != 0.5f)
        return rest > 0.5f ? below + 1.0f : below;
    return 2.0f * @_floor(0.5f * below) == below ? below : below + 1.0f;
}
