#if defined(@_TURNS) && @_WIDTH >= 8
/* Registers of a row of a tile, and of a strip of it whose sums are made at once. */
#define @_ACROSS (64 / @_WIDTH)
#define @_STRIP (@_WIDTH == 16 ? 4 : 1)
/* A tile of 64 columns of both products: between the rows of the matrix of `out`, which take the time
   that reading them takes, sums of `count` rows are made, whose numbers are at hand. */
static inline void @_joined_tile(float *block, int32_t block_step, const float *in, int32_t in_step,
                                 const float *in_weights, int32_t depth, int32_t count, float *out,
                                 const float *values, const float *weights, int32_t rows,
                                 int32_t way)
{
    const int32_t each = depth * (@_ACROSS / @_STRIP);
    @_vector own[@_ACROSS];
    int32_t due = 0, row, k;
    memset(own, 0, sizeof own);
    if (way < 0) {
        values += rows - 1;
        weights += 64 * (rows - 1);
    }
    for (int32_t strip = 0; strip < 64; strip += @_STRIP * @_WIDTH) {
        @_vector sums[5 * @_STRIP];
        for (row = 0; row < count; ++row)
            for (k = 0; k < @_STRIP; ++k)
                sums[@_STRIP * row + k] = @_AT(block + row * block_step + strip + @_WIDTH * k);
        for (int32_t at = 0; at < depth; ++at) {
            for (k = 0; k < @_STRIP; ++k) {
                const @_vector w = @_AT(in_weights + 64 * at + strip + @_WIDTH * k);
                for (row = 0; row < count; ++row)
                    sums[@_STRIP * row + k] += in[row * in_step + at] * w;
            }
            for (due += rows; due >= each; due -= each) {
                for (k = 0; k < @_ACROSS; ++k)
                    own[k] += *values * @_AT(weights + @_WIDTH * k);
                values += way;
                weights += 64 * way;
            }
        }
        for (row = 0; row < count; ++row)
            for (k = 0; k < @_STRIP; ++k)
                *(@_vector *)(void *)(block + row * block_step + strip + @_WIDTH * k)
                    = sums[@_STRIP * row + k];
    }
    for (k = 0; k < @_ACROSS; ++k)
        *(@_vector *)(void *)(out + @_WIDTH * k) = @_AT(out + @_WIDTH * k) + own[k];
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
#if defined(@_ACROSS)
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
