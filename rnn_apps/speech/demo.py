"""The demo: digits spoken by a synthesiser, from recordings to what the device hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipelines.speech import Recording, features
from rnn_apps.application.definition import DemoResult, Picture
from rnn_apps.edge import EdgeRecogniser
from rnn_apps.export.formats import require_all
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.judging.charts import heard
from rnn_apps.speech.run import Run
from rnn_apps.speech.run_report import wav_file
from rnn_apps.speech.training_run import train

SOURCE = "builtin:digits"
SILENCE = "no word written"


def demo_config(folder: Path) -> SpeechConfig:
    """A network that a small device runs, on speech that is not hard: a synthesiser's digits."""
    return SpeechConfig(
        data=SOURCE,
        run=str(folder),
        tokenizer="words",
        sample_rate=8000,
        bands=40,
        filters=(16, 32),
        time_kernel=3,
        frequency_kernel=3,
        cell="gru",
        units=96,
        layers=2,
        lookahead=5,
        dropout=0.2,
        time_masks=2,
        longest_time_mask=12,
        frequency_masks=2,
        learning_rate=5e-3,
        schedule="cosine",
        warmup_steps=50,
        batch_size=32,
        epochs=7,
        monitor="val_wer",
        gradient_flow=False,
    )


def demo(folder: Path) -> DemoResult:
    """Trains, judges, exports, verifies and uses a recogniser.

    Args:
        folder: folder for the run and the exported files.
    """
    run = train(demo_config(folder / "run"))
    words = run.metrics["test"]["decoding"]["greedy"]["words"]
    exported = run.export(folder / "exported", ("saved_model", "streaming"))
    require_all(exported)
    row = dict(zip(exported["table"]["header"], exported["table"]["rows"][-1], strict=True))
    recording = run.recordings("test")[0]
    recognised = EdgeRecogniser(folder / "exported").transcribe(recording.path)[0]
    return DemoResult(
        data=f"{SOURCE}: synthetic speech, voices that were not trained on",
        metric="word error rate",
        figure=words["rate"],
        baselines={SILENCE: 1.0},
        proof=(
            f"LiteRT, streaming: word error rate {row['word error rate']:.4f}, real-time factor "
            f"{row['real-time factor']:.3f}, {row['KiB']:.0f} KiB"
        ),
        use=f"The exported file heard {recognised.text!r} where {recording.transcript!r} was said.",
        report=run.folder.report,
        notes={"words said": words["reference"], "delay in ms": row["delay in ms"]},
        pictures=(_heard(run, recording, recognised.text),),
    )


def _heard(run: Run, recording: Recording, text: str) -> Picture:
    """A recording to hear, the spectrogram that the model reads, and what it takes it for."""
    config = run.config
    read = features(recording.read(config.sample_rate), config.feature_config())
    [log_probabilities] = run.recogniser.log_probabilities(
        {"features": read[np.newaxis], "frame_lengths": np.array([len(read)], np.int32)}
    )
    figure = heard(
        read, np.exp(log_probabilities), [*run.labels.tokenizer.tokens, ""], config.hop_seconds,
        config.seconds_per_output, config.padding_seconds,
    )  # fmt: skip
    caption = (
        "Log mel spectrogram of a test recording, and below it the probability of each word over "
        f"time (grey: no word). Said: {recording.transcript!r}, recognised: {text!r}."
    )
    return Picture(caption, figure, sound=wav_file(recording, config.sample_rate))
