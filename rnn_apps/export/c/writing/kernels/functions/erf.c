/* The error function with an absolute error of at most 8e-7. */
static inline float @_erf(float x)
{
    float square, above, below;
    x = x < -3.9f ? -3.9f : x;
    x = x > 3.9f ? 3.9f : x;
    square = x * x;
    above = x * (1.12837887f + square * (0.310447451f + square * (6.69256467e-2f
          + square * (8.39668511e-3f + square * 3.00218741e-4f))));
    below = 1.0f + square * (0.60845202f + square * (0.162169801f + square * (2.4382122e-2f
          + square * (2.11559645e-3f + square * 1.75655828e-5f))));
    return above / below;
}
