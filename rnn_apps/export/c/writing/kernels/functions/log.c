/* The natural logarithm of x with an error of at most 3e-7 (relative, absolute below 1).
   x = m 2^n with m between sqrt(1/2) and sqrt(2): n ln 2 + 2 artanh((m - 1) / (m + 1)).
   What is below the smallest normal number counts as that number. */
static inline float @_log(float x)
{
    float m, s, square;
    int32_t bits, n;
    x = x < 1.17549435e-38f ? 1.17549435e-38f : x;
    memcpy(&bits, &x, sizeof bits);
    n = (bits - 0x3f3504f3) >> 23;
    bits -= n * 8388608;
    memcpy(&m, &bits, sizeof m);
    s = (m - 1.0f) / (m + 1.0f);
    square = s * s;
    return (float)n * 0.693147181f + s * (2.0f + square * (0.666666667f
         + square * (0.4f + square * (0.285714286f + square * 0.222222222f))));
}
