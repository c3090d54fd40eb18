/* out[columns] += in[depth] times a matrix whose elements lie at any distance from each other. */
@_NOINLINE static void @_strided_product(float *@_RESTRICT out, const float *@_RESTRICT in, int32_t in_step,
                              const float *@_RESTRICT matrix, int32_t row_step,
                              int32_t column_step, int32_t depth, int32_t columns)
{
    for (int32_t column = 0; column < columns; ++column) {
        float sum = 0.0f;
        for (int32_t row = 0; row < depth; ++row)
            sum += in[row * in_step] * matrix[row * row_step + column * column_step];
        out[column] += sum;
    }
}
