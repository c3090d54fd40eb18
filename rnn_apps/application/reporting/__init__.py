"""The report of a run: one HTML file with values, tables, charts and sound."""
