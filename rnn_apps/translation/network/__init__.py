"""The translation models: encoder, attention, decoder and their loss."""
