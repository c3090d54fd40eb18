"""The language models: their layers, their loss, their state carried on."""
