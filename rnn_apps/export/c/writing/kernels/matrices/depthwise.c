/* Adds a depthwise convolution of in [height, width, channels] to out [rows, columns, outputs];
   each channel has outputs / channels filters of its own. */
@_NOINLINE static void @_depthwise(float *@_RESTRICT out, const float *@_RESTRICT in,
                        const float *@_RESTRICT weights, int32_t height, int32_t width,
                        int32_t channels, int32_t rows, int32_t columns, int32_t outputs,
                        int32_t window_rows, int32_t window_columns, int32_t row_step,
                        int32_t column_step, int32_t row_spread, int32_t column_spread,
                        int32_t above, int32_t left)
{
    const int32_t filters = outputs / channels;
    for (int32_t r = 0; r < rows; ++r)
        for (int32_t c = 0; c < columns; ++c)
            for (int32_t wr = 0; wr < window_rows; ++wr) {
                const int32_t y = r * row_step - above + wr * row_spread;
                if (y < 0 || y >= height)
                    continue;
                for (int32_t wc = 0; wc < window_columns; ++wc) {
                    const int32_t x = c * column_step - left + wc * column_spread;
                    const float *w = weights + (wr * window_columns + wc) * outputs;
                    if (x < 0 || x >= width)
                        continue;
                    for (int32_t o = 0; o < outputs; ++o)
                        out[(r * columns + c) * outputs + o]
                            += in[(y * width + x) * channels + o / filters] * w[o];
                }
            }
}
