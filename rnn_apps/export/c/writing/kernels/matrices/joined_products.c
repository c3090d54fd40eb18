#if defined(@_TURNS) && @_WIDTH == 16
/* A tile of 64 columns of both products: between the rows of the matrix of `out`, which take the time
   that reading them takes, sums of `count` rows are made, whose numbers are at hand. */
static inline void @_joined_tile(float *block, int32_t block_step, const float *in, int32_t in_step,
                                 const float *in_weights, int32_t depth, int32_t count, float *out,
                                 const float *values, const float *weights, int32_t rows,
                                 int32_t way)
{
    @_vector sums[20], own[4];
    int32_t due = 0, row, k;
    for (row = 0; row < count; ++row)
        for (k = 0; k < 4; ++k)
            sums[4 * row + k] = @_AT(block + row * block_step + 16 * k);
    memset(own, 0, sizeof own);
    if (way < 0) {
        values += rows - 1;
        weights += 64 * (rows - 1);
    }
    for (int32_t at = 0; at < depth; ++at) {
        for (k = 0; k < 4; ++k) {
            const @_vector w = @_AT(in_weights + 64 * at + 16 * k);
            for (row = 0; row < count; ++row)
                sums[4 * row + k] += in[row * in_step + at] * w;
        }
        for (due += rows; due >= depth; due -= depth) {
            for (k = 0; k < 4; ++k)
                own[k] += *values * @_AT(weights + 16 * k);
            values += way;
            weights += 64 * way;
        }
    }
    for (row = 0; row < count; ++row)
        for (k = 0; k < 4; ++k)
            *(@_vector *)(void *)(block + row * block_step + 16 * k) = sums[4 * row + k];
    for (k = 0; k < 4; ++k)
        *(@_vector *)(void *)(out + 16 * k) = @_AT(out + 16 * k) + own[k];
}

/* The same as a function of its own: its registers are all that there are. */
@_NOINLINE static void @_joined_tiles(float *block, int32_t block_step,
                                      const float *@_RESTRICT in, int32_t in_step,
                                      const float *@_RESTRICT in_weights, int32_t depth,
                                      int32_t count, float *out, const float *@_RESTRICT values,
                                      const float *@_RESTRICT weights, int32_t rows, int32_t way)
{
    if (count == 5)
        @_joined_tile(block, block_step, in, in_step, in_weights, depth, 5, out, values, weights,
                      rows, way);
    else
        @_joined_tile(block, block_step, in, in_step, in_weights, depth, 4, out, values, weights,
                      rows, way);
}
#endif

/* block += in times one tiled matrix, for `count` rows, 4 or 5; and then out += values times another
   one, for one row, as the tiled product. `out` may be the first row of `block`. */
@_NOINLINE static void @_joined_products(float *block, int32_t block_step, const float *in,
                                         int32_t in_step, const float *in_weights, int32_t count,
                                         int32_t depth, float *out, const float *values,
                                         const float *weights, int32_t rows, int32_t columns,
                                         int32_t turned)
{
#if defined(@_TURNS) && @_WIDTH == 16
    const int32_t way = turned ? -1 : 1;
    for (int32_t column = turned ? (columns - 1) / 64 * 64 : 0; column >= 0 && column < columns;
         column += 64 * way) {
        const float *own = weights + column * rows, *others = in_weights + column * depth;
        if (columns - column >= 64)
            @_joined_tiles(block + column, block_step, in, in_step, others, depth, count,
                           out + column, values, own, rows, way);
        else {
            @_tiled_rows(block + column, block_step, in, in_step, others, count, depth,
                         columns - column);
            @_tiled_product(out + column, values, own, rows, columns - column, 0);
        }
    }
#else
    @_tiled_rows(block, block_step, in, in_step, in_weights, count, depth, columns);
    @_tiled_product(out, values, weights, rows, columns, turned);
#endif
}
