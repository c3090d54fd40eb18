#if defined(@_DSP)
/* Two products of 16 bits at a time, and bytes 0 and 2, or 1 and 3, as 16 bits each. */
#define @_EVEN(to, word) __asm__("sxtb16 %0, %1" : "=r"(to) : "r"(word))
#define @_ODD(to, word) __asm__("sxtb16 %0, %1, ror #8" : "=r"(to) : "r"(word))
#define @_ADD_PAIRS(sum, x, y) __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(x), "r"(y))
#endif
