/* out[columns] += in[rows] times the rows of `weights`, which begin `stride` elements apart. */
static inline void @_product(float *out, const float *in, const float *weights, int32_t rows,
                             int32_t columns, int32_t stride)
{
    for (int32_t column = 0; column < columns; column += 64)
        @_tile(out + column, in, weights + column, rows,
               columns - column < 64 ? columns - column : 64, stride);
}
