/* Powers of the frequencies of 2 half real numbers, half being a power of two. `values` holds the
   numbers as half complex ones in bit-reversed order, and then power k at 2 k, k <= half. `turns` are
   cosine and sine of k / (2 half) of a turn, k < half. A complex transform of half the length (Cooley
   and Tukey 1965), and the step from it to that of real numbers. */
static void @_power_spectrum(float *@_RESTRICT values, const float *@_RESTRICT turns, int32_t half)
{
    float *const end = values + 2 * half;
    float first, last, *one, *other;
    int32_t length = 2;
    if (half >= 4) {
        /* Transforms of four numbers have no products. */
        for (one = values; one != end; one += 8) {
            const float a = one[0] + one[2], b = one[1] + one[3];
            const float c = one[0] - one[2], d = one[1] - one[3];
            const float e = one[4] + one[6], f = one[5] + one[7];
            const float g = one[4] - one[6], h = one[5] - one[7];
            one[0] = a + e;
            one[1] = b + f;
            one[2] = c + h;
            one[3] = d - g;
            one[4] = a - e;
            one[5] = b - f;
            one[6] = c - h;
            one[7] = d + g;
        }
        length = 8;
    }
    for (; length <= half; length *= 2) {
        const int32_t step = 4 * half / length;
        for (one = values; one != end; one += length) {
            const float *turn = turns;
            other = one + length;
            for (const float *const stop = other; one != stop; one += 2, other += 2, turn += step) {
                const float re = other[0] * turn[0] + other[1] * turn[1];
                const float im = other[1] * turn[0] - other[0] * turn[1];
                const float own_re = one[0], own_im = one[1];
                other[0] = own_re - re;
                other[1] = own_im - im;
                one[0] = own_re + re;
                one[1] = own_im + im;
            }
        }
    }
    first = values[0] + values[1];
    last = values[0] - values[1];
    values[0] = first * first;
    *end = last * last;
    one = values + 2;
    other = end - 2;
    for (int32_t k = 1; k <= half / 2; ++k, one += 2, other -= 2) {
        const float c = turns[2 * k], s = turns[2 * k + 1];
        const float even_re = 0.5f * (one[0] + other[0]), even_im = 0.5f * (one[1] - other[1]);
        const float odd_re = 0.5f * (one[1] + other[1]), odd_im = 0.5f * (other[0] - one[0]);
        const float re = odd_re * c + odd_im * s, im = odd_im * c - odd_re * s;
        one[0] = (even_re + re) * (even_re + re) + (even_im + im) * (even_im + im);
        other[0] = (even_re - re) * (even_re - re) + (even_im - im) * (even_im - im);
    }
}
