/* sums[0 .. 3] = in[depth] times the weights of four columns, on any processor. */
static inline void @_four_sums(const int16_t *in, const int8_t *weights, int32_t stride,
                               int32_t depth, int32_t *sums)
{
    int32_t a = 0, b = 0, c = 0, d = 0;
    (void)stride;
    for (int32_t eights = depth / 8; eights > 0; --eights) {
        for (int32_t k = 0; k < 8; ++k) {
            const int32_t x = in[k];
            a += x * weights[k];
            b += x * weights[k + 8];
            c += x * weights[k + 16];
            d += x * weights[k + 24];
        }
        in += 8;
        weights += 32;
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    if (depth % 8 != 0)
        @_sums_left(in, weights, depth % 8, sums);
}
