"""Measurements against published results, each with the command that makes it."""
