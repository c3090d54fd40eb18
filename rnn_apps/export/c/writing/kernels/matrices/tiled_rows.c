#if defined(@_WIDTH) && !defined(__ARM_FEATURE_MVE)
#define @_SHARED (@_WIDTH == 16 ? 4 : 2)
/* Columns of `@_SHARED` registers of `count` rows, at most 5: what is read of the weights serves for
   all of them, and their sums stay in registers. */
static inline void @_shared(float *out, int32_t out_step, const float *in, int32_t in_step,
                            const float *weights, int32_t depth, int32_t count)
{
    @_vector sums[5 * @_SHARED];
    int32_t row, k;
    for (row = 0; row < count; ++row)
        for (k = 0; k < @_SHARED; ++k)
            sums[row * @_SHARED + k] = @_AT(out + row * out_step + @_WIDTH * k);
    for (int32_t at = 0; at < depth; ++at)
        for (k = 0; k < @_SHARED; ++k) {
            const @_vector w = @_AT(weights + at * 64 + @_WIDTH * k);
            for (row = 0; row < count; ++row)
                sums[row * @_SHARED + k] += in[row * in_step + at] * w;
        }
    for (row = 0; row < count; ++row)
        for (k = 0; k < @_SHARED; ++k)
            *(@_vector *)(void *)(out + row * out_step + @_WIDTH * k) = sums[row * @_SHARED + k];
}
#endif

/* The tiled product for several rows, which begin `out_step` and `in_step` elements apart. */
@_NOINLINE static void @_tiled_rows(float *@_RESTRICT out, int32_t out_step,
                                    const float *@_RESTRICT in, int32_t in_step,
                                    const float *@_RESTRICT weights, int32_t rows, int32_t depth,
                                    int32_t columns)
{
    for (int32_t column = 0; column < columns; column += 64, weights += 64 * depth) {
        const int32_t width = columns - column < 64 ? columns - column : 64;
        int32_t row = 0;
#if defined(@_SHARED)
        if (width == 64)
            for (; row + 4 <= rows; row += rows - row == 5 ? 5 : 4)
                for (int32_t k = 0; k < 64; k += @_SHARED * @_WIDTH) {
                    if (rows - row == 5)
                        @_shared(out + row * out_step + column + k, out_step, in + row * in_step,
                                 in_step, weights + k, depth, 5);
                    else
                        @_shared(out + row * out_step + column + k, out_step, in + row * in_step,
                                 in_step, weights + k, depth, 4);
                }
#endif
        for (; row < rows; ++row)
            @_tile(out + row * out_step + column, in + row * in_step, weights, depth, width, width);
    }
}
