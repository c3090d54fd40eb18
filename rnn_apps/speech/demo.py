"""The demo: digits spoken by a synthesiser, from recordings to what the device hears."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.application.definition import DemoResult
from rnn_apps.edge import EdgeRecogniser
from rnn_apps.export.formats import require_all
from rnn_apps.speech.config import SpeechConfig
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
        folder: where the run and the exported files go.
    """
    run = train(demo_config(folder / "run"))
    words = run.metrics["test"]["decoding"]["greedy"]["words"]
    exported = run.export(folder / "exported", ("saved_model", "streaming"))
    require_all(exported)
    row = dict(zip(exported["table"]["header"], exported["table"]["rows"][-1], strict=True))
    recording = run.recordings("test")[0]
    heard = EdgeRecogniser(folder / "exported").transcribe(recording.path)[0].text
    return DemoResult(
        data=f"{SOURCE}: synthetic speech, voices that were not trained on",
        metric="word error rate",
        figure=words["rate"],
        baselines={SILENCE: 1.0},
        proof=(
            f"LiteRT, streaming: word error rate {row['word error rate']:.4f}, real-time factor "
            f"{row['real-time factor']:.3f}, {row['KiB']:.0f} KiB"
        ),
        use=f"The exported file heard {heard!r} where {recording.transcript!r} was said.",
        report=run.folder.report,
        notes={"words said": words["reference"], "delay in ms": row["delay in ms"]},
    )
