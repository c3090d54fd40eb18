"""Sample paths: futures that are drawn as a whole."""
