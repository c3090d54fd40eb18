"""Speech recognition with CTC: train, judge, transcribe, export."""
