/* Copies bytes of a constant. It is a function that compilers cannot look into from outside: with
   AVX-512, GCC 12 writes wrong numbers for some constant arrays whose memcpy it takes apart. */
@_NOINLINE static void @_copied(void *@_RESTRICT out, const void *@_RESTRICT in, int32_t bytes)
{
    memcpy(out, in, (size_t)bytes);
}
