/* `length` samples times their window from `before` on, zeros around them, as half complex numbers
   in bit-reversed order. */
static void @_windowed(float *@_RESTRICT values, const int16_t *@_RESTRICT samples,
                       const float *@_RESTRICT window, int32_t before, int32_t length, int32_t half)
{
    int32_t place = 0;
    for (int32_t k = 0; k < half; ++k) {
        int32_t bit = half / 2;
        for (int32_t part = 0; part < 2; ++part) {
            const int32_t at = 2 * k + part - before;
            const int inside = at >= 0 && at < length;
            values[2 * place + part] = inside ? (float)samples[2 * k + part] * window[at] : 0.0f;
        }
        while (bit != 0 && (place & bit) != 0) {
            place -= bit;
            bit /= 2;
        }
        place += bit;
    }
}
