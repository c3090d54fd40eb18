/* Adds a convolution of in [height, width, channels] to out [rows, columns, outputs], in 16 bits, with
   weights [outputs, window_rows * window_columns * channels]. */
@_NOINLINE static void @_fixed_convolution(
    int16_t *@_RESTRICT out, const int16_t *@_RESTRICT in, const int8_t *@_RESTRICT weights,
    const int32_t *@_RESTRICT multipliers, int16_t *@_RESTRICT patch, int32_t shift, int32_t height,
    int32_t width, int32_t channels, int32_t rows, int32_t columns, int32_t outputs,
    int32_t window_rows, int32_t window_columns, int32_t row_step, int32_t column_step,
    int32_t row_spread, int32_t column_spread, int32_t above, int32_t left)
{
    const int32_t depth = window_rows * window_columns * channels;
    for (int32_t r = 0; r < rows; ++r)
        for (int32_t c = 0; c < columns; ++c, out += outputs)
            @_fixed_product(out,
                @_window_patch(patch, in, height, width, channels, r * row_step - above,
                               c * column_step - left, window_rows, window_columns, row_spread,
                               column_spread),
                weights, multipliers, shift, depth, outputs, 1);
}
