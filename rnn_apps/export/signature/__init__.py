"""What goes into a model and comes out of it: names, types, shapes and data that fits them."""
