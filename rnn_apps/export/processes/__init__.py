"""What runs in a child process, since it can crash or hang: the converter and the runtimes."""
