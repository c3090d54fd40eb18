/* e^x with a relative error of at most 3e-7 from -87 to 88; 0 below, 1.6e38 above.
   x = n ln 2 + r with |r| <= ln 2 / 2: a polynomial of r, and n as the exponent's bits. */
static inline float @_exp(float x)
{
    float r, power, scale;
    int32_t n, bits;
    x = x > -87.0f ? x : -87.0f;
    x = x > 88.0f ? 88.0f : x;
    n = (int32_t)(x * 1.44269504f + (x < 0.0f ? -0.5f : 0.5f));
    r = x - (float)n * 0.693359375f + (float)n * 2.12194440e-4f;
    power = 1.0f + r * (1.0f + r * (0.5f + r * (1.66666667e-1f + r * (4.16666667e-2f
          + r * (8.33333333e-3f + r * (1.38888889e-3f + r * 1.98412698e-4f))))));
    bits = (n + 127) * 8388608;
    memcpy(&scale, &bits, sizeof scale);
    return x <= -87.0f ? 0.0f : power * scale;
}
