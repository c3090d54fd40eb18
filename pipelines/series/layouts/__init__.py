"""Files that hold whole series, read as long tables: series as rows, Monash's .tsf, JSON lines."""
