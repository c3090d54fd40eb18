/* The sine of x plus `turns` quarter turns, with an error of at most 3e-7. x = n pi / 2 + r with
   |r| <= pi / 4, and one polynomial each for sine and cosine of r. */
static inline float @_quarter(float x, int32_t turns)
{
    float r, square, sine, cosine, value;
    int32_t n;
    if (x > -2e4f && x < 2e4f) {
        n = (int32_t)(x * 0.636619772f + (x < 0.0f ? -0.5f : 0.5f));
        r = x - (float)n * 1.5703125f - (float)n * 4.83751297e-4f - (float)n * 7.54978995e-8f;
    } else {
        r = @_far_angle(x, &n);
    }
    square = r * r;
    sine = r + r * square * (-1.66666546e-1f + square * (8.33216087e-3f
           - square * 1.95152959e-4f));
    cosine = 1.0f - 0.5f * square + square * square * (4.16666457e-2f
             + square * (-1.38873163e-3f + square * 2.44331571e-5f));
    n += turns;
    value = (n & 1) != 0 ? cosine : sine;
    return (n & 2) != 0 ? -value : value;
}
