"""Comparing what was written with Keras, before anybody can use it."""
