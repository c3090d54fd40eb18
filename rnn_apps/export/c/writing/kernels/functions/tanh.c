/* tanh x with an absolute error of at most 4e-7: a quotient of polynomials up to |x| = 8.2. */
static inline float @_tanh(float x)
{
    float square, above, below;
    x = x < -8.2f ? -8.2f : x;
    x = x > 8.2f ? 8.2f : x;
    square = x * x;
    above = x * (1.0f + square * (0.134321237f + square * (3.5566872e-3f
          + square * (2.16372892e-5f + square * 1.48405777e-8f))));
    below = 1.0f + square * (0.467654494f + square * (2.61083019e-2f
          + square * (3.38644254e-4f + square * 8.37061213e-7f)));
    return above / below;
}
