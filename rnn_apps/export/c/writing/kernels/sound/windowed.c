/* `length` samples times their window from `before` on, zeros around them, as half complex numbers
   in bit-reversed order. Numbers that are half / 2 apart lie beside each other in this order. */
static void @_windowed(float *@_RESTRICT values, const int16_t *@_RESTRICT samples,
                       const float *@_RESTRICT window, int32_t before, int32_t length, int32_t half)
{
    const int32_t pairs = half >= 2 ? 2 : 1;
    int32_t place = 0;
    samples += before;
    for (int32_t k = 0; k < half / pairs; ++k) {
        int32_t bit = half / 2;
        float *to = values + 2 * place;
        for (int32_t pair = 0; pair < pairs; ++pair)
            for (int32_t part = 0; part < 2; ++part, ++to) {
                const int32_t at = 2 * k + part + pair * half - before;
                const int inside = (uint32_t)at < (uint32_t)length;
                *to = inside ? (float)samples[at] * window[at] : 0.0f;
            }
        while (bit != 0 && (place & bit) != 0) {
            place -= bit;
            bit /= 2;
        }
        place += bit;
    }
}
