"""The demo: digits spoken by a synthesiser, from recordings to what the device hears."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.speech.config import SpeechConfig

SOURCE = "builtin:digits"


def demo_config(folder: Path) -> SpeechConfig:
    """A network that a small device runs, trained in two minutes on two cores."""
    return SpeechConfig(
        data=SOURCE,
        run=str(folder),
        sample_rate=8000,
        bands=40,
        filters=(16, 32),
        time_kernel=3,
        frequency_kernel=3,
        cell="gru",
        units=128,
        layers=2,
        lookahead=5,
        dropout=0.1,
        time_masks=1,
        longest_time_mask=12,
        frequency_masks=1,
        learning_rate=5e-3,
        schedule="cosine",
        warmup_steps=50,
        batch_size=32,
        epochs=9,
        monitor="val_wer",
        gradient_flow=False,
    )
