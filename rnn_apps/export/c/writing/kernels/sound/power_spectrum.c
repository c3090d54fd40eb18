/* Powers of the frequencies of 2 half real numbers, half being a power of two. `values` holds the
   numbers as half complex ones in bit-reversed order, and then power k at 2 k, the last one at 1.
   `turns` are cosine and sine of k / (2 half) of a turn, k < half. A complex transform of half the
   length (Cooley and Tukey 1965), and the step from it to that of real numbers. */
static void @_power_spectrum(float *@_RESTRICT values, const float *@_RESTRICT turns, int32_t half)
{
    float first, last;
    for (int32_t length = 2; length <= half; length *= 2) {
        const int32_t step = 4 * half / length;
        for (int32_t start = 0; start < half; start += length) {
            float *one = values + 2 * start, *other = one + length;
            for (int32_t k = 0; k < length; k += 2) {
                const float c = turns[k / 2 * step], s = turns[k / 2 * step + 1];
                const float re = other[k] * c + other[k + 1] * s;
                const float im = other[k + 1] * c - other[k] * s;
                other[k] = one[k] - re;
                other[k + 1] = one[k + 1] - im;
                one[k] += re;
                one[k + 1] += im;
            }
        }
    }
    first = values[0] + values[1];
    last = values[0] - values[1];
    values[0] = first * first;
    values[1] = last * last;
    for (int32_t k = 1; k <= half / 2; ++k) {
        float *one = values + 2 * k, *other = values + 2 * (half - k);
        const float c = turns[2 * k], s = turns[2 * k + 1];
        const float even_re = 0.5f * (one[0] + other[0]), even_im = 0.5f * (one[1] - other[1]);
        const float odd_re = 0.5f * (one[1] + other[1]), odd_im = 0.5f * (other[0] - one[0]);
        const float re = odd_re * c + odd_im * s, im = odd_im * c - odd_re * s;
        one[0] = (even_re + re) * (even_re + re) + (even_im + im) * (even_im + im);
        other[0] = (even_re - re) * (even_re - re) + (even_im - im) * (even_im - im);
    }
}
