"""Text for language models: read and checked, encoded once, batched as streams of tokens."""
