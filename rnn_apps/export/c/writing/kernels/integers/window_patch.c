/* The numbers of one window of in [height, width, channels] whose first element is at [top, start]:
   where they are if they lie in one piece, else put together in `patch`. Padding is 0. */
static inline const int16_t *@_window_patch(int16_t *patch, const int16_t *in, int32_t height,
                                            int32_t width, int32_t channels, int32_t top,
                                            int32_t start, int32_t window_rows,
                                            int32_t window_columns, int32_t row_spread,
                                            int32_t column_spread)
{
    const int32_t end = start + (window_columns - 1) * column_spread;
    const int32_t is_row = column_spread == 1 && start >= 0 && end < width;
    const int32_t run = window_columns * channels;
    if (is_row && window_rows == 1 && top >= 0 && top < height)
        return in + (top * width + start) * channels;
    for (int32_t wr = 0; wr < window_rows; ++wr) {
        const int32_t y = top + wr * row_spread;
        int16_t *to = patch + wr * run;
        if (y < 0 || y >= height) {
            memset(to, 0, (size_t)run * sizeof(int16_t));
        } else if (is_row) {
            const int16_t *from = in + (y * width + start) * channels;
            for (int32_t k = 0; k < run; ++k)
                to[k] = from[k];
        } else {
            for (int32_t wc = 0; wc < window_columns; ++wc, to += channels) {
                const int32_t x = start + wc * column_spread;
                const int32_t is_inside = x >= 0 && x < width;
                const int16_t *from = in + (y * width + (is_inside ? x : 0)) * channels;
                for (int32_t k = 0; k < channels; ++k)
                    to[k] = is_inside ? from[k] : 0;
            }
        }
    }
    return patch;
}
