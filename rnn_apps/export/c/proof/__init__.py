"""The proof of C code: compiled on this computer, run in a child process, measured."""
