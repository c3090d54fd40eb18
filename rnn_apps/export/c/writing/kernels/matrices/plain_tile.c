/* out[columns] += in[rows] times the rows of `weights`, which begin `stride` elements apart. Eight
   rows are added up at a time, so that each sum is loaded and stored once for eight products. */
@_NOINLINE static void @_plain_tile(float *@_RESTRICT out, const float *@_RESTRICT in,
                         const float *@_RESTRICT weights, int32_t rows, int32_t columns,
                         int32_t stride)
{
    const int32_t eights = rows - rows % 8;
    int32_t row, column;
    for (row = 0; row < eights; row += 8) {
        const float *w0 = weights + row * stride, *w1 = w0 + stride, *w2 = w1 + stride;
        const float *w3 = w2 + stride, *w4 = w3 + stride, *w5 = w4 + stride, *w6 = w5 + stride;
        const float *w7 = w6 + stride;
        const float a = in[row], b = in[row + 1], c = in[row + 2], d = in[row + 3];
        const float e = in[row + 4], f = in[row + 5], g = in[row + 6], h = in[row + 7];
        for (column = 0; column < columns; ++column)
            out[column] += a * w0[column] + b * w1[column] + c * w2[column] + d * w3[column]
                + (e * w4[column] + f * w5[column] + g * w6[column] + h * w7[column]);
    }
    for (row = eights; row < rows; ++row) {
        const float *w = weights + row * stride;
        const float a = in[row];
        for (column = 0; column < columns; ++column)
            out[column] += a * w[column];
    }
}
