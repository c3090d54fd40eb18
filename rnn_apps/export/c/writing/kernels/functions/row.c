/* A row of a table with `rows` rows: what is outside is the nearest one, never other memory. */
static inline int32_t @_row(int32_t index, int32_t rows)
{
    return index < 0 ? 0 : index < rows ? index : rows - 1;
}
