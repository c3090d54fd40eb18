/* The largest number of each window of in [height, width, channels]; padding counts for nothing. */
@_NOINLINE static void @_maximum(float *@_RESTRICT out, const float *@_RESTRICT in, int32_t height, int32_t width,
                      int32_t channels, int32_t rows, int32_t columns, int32_t outputs,
                      int32_t window_rows, int32_t window_columns, int32_t row_step,
                      int32_t column_step, int32_t row_spread, int32_t column_spread,
                      int32_t above, int32_t left)
{
    for (int32_t r = 0; r < rows; ++r)
        for (int32_t c = 0; c < columns; ++c)
            for (int32_t o = 0; o < outputs; ++o) {
                float total = -3.40282347e+38f;
                for (int32_t wr = 0; wr < window_rows; ++wr)
                    for (int32_t wc = 0; wc < window_columns; ++wc) {
                        const int32_t y = r * row_step - above + wr * row_spread;
                        const int32_t x = c * column_step - left + wc * column_spread;
                        float value;
                        if (y < 0 || y >= height || x < 0 || x >= width)
                            continue;
                        value = in[(y * width + x) * channels + o];
                        total = value > total ? value : total;
                    }
                out[(r * columns + c) * outputs + o] = total;
            }
}
