/* 1 / (1 + e^-x) with an absolute error of at most 3e-7. */
static inline float @_sigmoid(float x)
{
    return 0.5f + 0.5f * @_tanh(0.5f * x);
}
