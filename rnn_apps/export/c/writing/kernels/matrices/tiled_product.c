#if defined(@_WIDTH) && !defined(__ARM_FEATURE_MVE)
#define @_TURNS
/* A tile of 64 columns, from the first row to the last one or, with `way` -1, back. */
@_NOINLINE static void @_whole_tile(float *@_RESTRICT out, const float *@_RESTRICT in,
                                    const float *@_RESTRICT weights, int32_t rows, int32_t way)
{
    const int32_t first = way < 0 ? rows - 1 : 0, count = @_WIDTH < 16 ? 8 : 4;
    for (int32_t column = 0; column < 64; column += count * @_WIDTH)
        @_registers(out + column, in + first, weights + 64 * first + column, rows, way, 64 * way,
                    count, @_WIDTH < 16 ? 1 : 2);
}
#endif

/* The same for constant weights, which lie by tiles of 64 columns (the last one has what is left):
   all rows of a tile lie one behind the other. A loop over time passes `turned` 0 and 1 in turn: what
   is read backwards begins with the weights that were read last, which are still in the caches. A
   float's last digits depend on it, as the order of its sum does. */
@_NOINLINE static void @_tiled_product(float *@_RESTRICT out, const float *@_RESTRICT in,
                                       const float *@_RESTRICT weights, int32_t rows,
                                       int32_t columns, int32_t turned)
{
    int32_t column = 0, way = 1;
#if defined(@_TURNS)
    if (turned) {
        column = (columns - 1) / 64 * 64;
        way = -1;
    }
#else
    (void)turned;
#endif
    for (; column >= 0 && column < columns; column += 64 * way) {
        const int32_t width = columns - column < 64 ? columns - column : 64;
#if defined(@_TURNS)
        if (width == 64) {
            @_whole_tile(out + column, in, weights + column * rows, rows, way);
            continue;
        }
#endif
        @_tile(out + column, in, weights + column * rows, rows, width, width);
    }
}
