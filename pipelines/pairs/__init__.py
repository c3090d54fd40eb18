"""Sentence pairs for translation: reading, filtering, subwords, batches."""
