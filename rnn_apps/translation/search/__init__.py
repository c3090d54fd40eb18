"""Searching for a translation: greedy, beam, sampled."""
