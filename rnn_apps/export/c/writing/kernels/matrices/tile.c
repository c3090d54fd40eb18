#if defined(__GNUC__) \
    && (defined(__SSE2__) || defined(__ARM_NEON) || defined(__wasm_simd128__) \
        || (defined(__ARM_FEATURE_MVE) && __ARM_FEATURE_MVE & 2))
#if defined(__AVX512F__)
#define @_WIDTH 16
#elif defined(__AVX__)
#define @_WIDTH 8
#else
#define @_WIDTH 4
#endif
/* A register of floats, which may lie at any place for a float. */
typedef float @_vector __attribute__((vector_size(4 * @_WIDTH), aligned(4), may_alias));
#define @_AT(place) (*(const @_vector *)(const void *)(place))

/* Columns of `count` registers, at most 8 in all: `together` rows at a time, each with its own sums,
   which stay in registers. Rows are taken from the first one on, or with `way` -1 (and a negative
   stride) from the last one back. */
static inline void @_registers(float *out, const float *in, const float *weights, int32_t rows,
                               int32_t way, int32_t stride, int32_t count, int32_t together)
{
    @_vector sums[8];
    int32_t row, k;
    memset(sums, 0, sizeof sums);
    for (k = 0; k < count; ++k)
        sums[k] = @_AT(out + @_WIDTH * k);
    for (row = 0; row + together <= rows; row += together) {
        for (k = 0; k < count * together; ++k)
            sums[k] += in[k / count * way]
                * @_AT(weights + k / count * stride + @_WIDTH * (k % count));
        in += together * way;
        weights += together * stride;
    }
    for (; row < rows; ++row) {
        for (k = 0; k < count; ++k)
            sums[k] += *in * @_AT(weights + @_WIDTH * k);
        in += way;
        weights += stride;
    }
    for (k = count; k < count * together; ++k)
        sums[k % count] += sums[k];
    for (k = 0; k < count; ++k)
        memcpy(out + @_WIDTH * k, &sums[k], sizeof(@_vector));
}
#endif

/* out[columns] += in[rows] times the rows of `weights`, which begin `stride` elements apart. */
@_NOINLINE static void @_tile(float *@_RESTRICT out, const float *@_RESTRICT in,
                   const float *@_RESTRICT weights, int32_t rows, int32_t columns, int32_t stride)
{
    int32_t column = 0;
#if defined(@_EIGHT)
    const int32_t fours = rows - rows % 4;
    for (; fours && column + 8 <= columns; column += 8)
        @_eight_columns(out + column, in, weights + column, fours, stride);
    @_plain_tile(out, in + fours, weights + fours * stride, rows - fours, column, stride);
#elif defined(@_WIDTH)
#if @_WIDTH < 16 && !defined(__ARM_FEATURE_MVE)
    for (; column + 8 * @_WIDTH <= columns; column += 8 * @_WIDTH)
        @_registers(out + column, in, weights + column, rows, 1, stride, 8, 1);
#endif
    for (; column + 4 * @_WIDTH <= columns; column += 4 * @_WIDTH)
        @_registers(out + column, in, weights + column, rows, 1, stride, 4,
                    @_WIDTH < 16 ? 1 : 2);
    for (; column + @_WIDTH <= columns; column += @_WIDTH)
        @_registers(out + column, in, weights + column, rows, 1, stride, 1, 2);
#endif
    if (column < columns)
        @_plain_tile(out + column, in, weights + column, rows, columns - column, stride);
}
