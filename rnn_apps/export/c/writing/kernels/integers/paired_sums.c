#if defined(@_DSP)
/* Two products of 16 bits at a time (SMLAD), on weights of 8 bits of which bytes 0 and 2 (SXTB16), and
   then 1 and 3, become 16 bits. Here they are neighbours, as fours of them lie in another order. */
#define @_TWO_WORDS(first, second, from) \
    __asm__("ldrd %0, %1, [%2], #8" : "=&r"(first), "=&r"(second), "+r"(from) : : "memory")
#define @_COLUMN(sum) \
    @_TWO_WORDS(word, next, weights); \
    if (sizeof *weights == 1) { \
        @_ODD(part, word); \
        @_EVEN(word, word); \
        @_ADD_PAIRS(sum, word, x0); \
        @_ADD_PAIRS(sum, part, x1); \
        @_ODD(part, next); \
        @_EVEN(next, next); \
        @_ADD_PAIRS(sum, next, x2); \
        @_ADD_PAIRS(sum, part, x3); \
    } else { \
        @_ADD_PAIRS(sum, word, x0); \
        @_ADD_PAIRS(sum, next, x1); \
        @_TWO_WORDS(word, next, weights); \
        @_ADD_PAIRS(sum, word, x2); \
        @_ADD_PAIRS(sum, next, x3); \
    }
#define @_EIGHT_ROWS \
    @_COLUMN(a); \
    @_COLUMN(b); \
    @_COLUMN(c); \
    @_COLUMN(d)
/* sums[0 .. 3] = in[depth] times the weights of four columns. */
static inline void @_paired_sums(const int16_t *in, const int8_t *weights, int32_t stride,
                                 int32_t depth, int32_t *sums)
{
    const int16_t *const end = in + (depth - depth % 8);
    int32_t a = 0, b = 0, c = 0, d = 0;
    uint32_t x0, x1, x2, x3, word, next, part = 0;
    (void)stride;
    (void)part;
    if (((uintptr_t)in & 3) == 0) {
        while (in != end) {
            @_TWO_WORDS(x0, x1, in);
            @_TWO_WORDS(x2, x3, in);
            @_EIGHT_ROWS;
        }
    } else {
        while (in != end) {
            memcpy(&x0, in, 4);
            memcpy(&x1, in + 2, 4);
            memcpy(&x2, in + 4, 4);
            memcpy(&x3, in + 6, 4);
            in += 8;
            @_EIGHT_ROWS;
        }
    }
    sums[0] = a;
    sums[1] = b;
    sums[2] = c;
    sums[3] = d;
    if (depth % 8 != 0)
        @_sums_left(in, weights, depth % 8, sums);
}
#endif
