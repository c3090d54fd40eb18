/* For |x| from 2e4 on: x = n pi / 2 + r with |r| <= pi / 4; gives r, and n up to multiples of 4.
   x = m 2^e with a whole m of 24 bits. Of the binary digits of 2 / pi those are left out whose
   products with x are multiples of 4, and the next 64 are multiplied by m (Payne and Hanek, 1983).
   What is infinite has no sine. */
@_NOINLINE static float @_far_angle(float x, int32_t *n)
{
    static const uint32_t digits[7] = {0x00000000u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
                                       0xf534ddc0u, 0xdb629599u, 0x3c439041u};
    uint64_t factor;
    int64_t rest;
    int32_t bits, place, quarters;
    float r;
    memcpy(&bits, &x, sizeof bits);
    place = ((bits >> 23) & 255) - 120;
    *n = 0;
    if (place > 134)
        return @_not_a_number();
    factor = ((uint64_t)digits[place / 32] << 32) | digits[place / 32 + 1];
    if (place % 32 != 0)
        factor = (factor << (place % 32)) | (digits[place / 32 + 2] >> (32 - place % 32));
    factor *= (uint64_t)((bits & 0x7fffff) | 0x800000);
    quarters = (int32_t)((factor >> 61) + 1) >> 1;
    rest = (int64_t)(factor - ((uint64_t)quarters << 62));
    r = (float)(int32_t)(rest >> 32) * 1.46291808e-9f;
    *n = bits < 0 ? -quarters : quarters;
    return bits < 0 ? -r : r;
}
