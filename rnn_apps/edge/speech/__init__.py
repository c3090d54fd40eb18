"""Speech recognition on the device: samples in, transcripts out."""
