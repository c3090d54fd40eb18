/* A row of a table with `rows` rows, of which -1 is the last one: what is outside is the nearest
   one, never other memory. */
static inline int32_t @_row(int32_t index, int32_t rows)
{
    const int32_t row = index < 0 ? index + rows : index;
    return row < 0 ? 0 : row < rows ? row : rows - 1;
}
