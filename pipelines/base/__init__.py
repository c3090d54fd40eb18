"""The ground of all packages: errors, atomic files, lazy imports, child processes, the log."""
