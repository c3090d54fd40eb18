/* The same for constant weights, which lie by tiles of 64 columns (the last one has what is left):
   all rows of a tile lie one behind the other. */
static inline void @_tiled_product(float *out, const float *in, const float *weights, int32_t rows,
                                   int32_t columns)
{
    for (int32_t column = 0; column < columns; column += 64, weights += 64 * rows) {
        const int32_t width = columns - column < 64 ? columns - column : 64;
        @_tile(out + column, in, weights, rows, width, width);
    }
}
