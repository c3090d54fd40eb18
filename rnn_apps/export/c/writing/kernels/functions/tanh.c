/* tanh x with an absolute error of at most 4e-7: a quotient of polynomials up to |x| = 8.2. The size
   is limited as a whole number, of which compilers make vector instructions everywhere. */
static inline float @_tanh(float x)
{
    float square, above, below;
    int32_t bits, size, limited;
    memcpy(&bits, &x, sizeof bits);
    size = bits & 0x7fffffff;
    limited = size < 0x41033333 ? size : 0x41033333;
    limited = size > 0x7f800000 ? size : limited; /* Not a number stays so. */
    limited |= bits & (-2147483647 - 1);
    memcpy(&x, &limited, sizeof x);
    square = x * x;
    above = x * (1.0f + square * (0.134321237f + square * (3.5566872e-3f
          + square * (2.16372892e-5f + square * 1.48405777e-8f))));
    below = 1.0f + square * (0.467654494f + square * (2.61083019e-2f
          + square * (3.38644254e-4f + square * 8.37061213e-7f)));
    return above / below;
}
