/* sums[0 .. 3] += in[depth] times the weights of four columns, for what is left of the depth. */
@_NOINLINE static void @_sums_left(const int16_t *in, const int8_t *weights, int32_t depth, int32_t *sums)
{
    for (int32_t column = 0; column < 4; ++column) {
        int32_t sum = sums[column];
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8 && !defined(__AVX2__)
/* Code for each possible depth would be half a kilobyte. */
#pragma GCC unroll 1
#endif
        for (int32_t row = 0; row < depth; ++row)
            sum += (int32_t)in[row] * *weights++;
        sums[column] = sum;
    }
}
