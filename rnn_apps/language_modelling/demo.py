"""The demo: a character model of built-in text, from data to what the device writes."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.application.definition import DemoResult, Picture
from rnn_apps.edge import EdgeLanguageModel, SamplingConfig
from rnn_apps.export.formats import require_all
from rnn_apps.language_modelling.config import LanguageModellingConfig
from rnn_apps.language_modelling.device.contract import STEP_FILES
from rnn_apps.language_modelling.judging.judgement import BASELINE, MODEL
from rnn_apps.language_modelling.training_run import train

SOURCE = "world_english_bible"
PROMPT = "In the beginning"
WRITTEN_TOKENS = 160


def demo_config(folder: Path) -> LanguageModellingConfig:
    """One pass over the built-in text with a network that a small device runs."""
    return LanguageModellingConfig(
        data=f"builtin:{SOURCE}",
        run=str(folder),
        tokenizer="characters",
        cell="gru",
        units=208,
        layers=1,
        embedding_size=64,
        hidden_dropout=0.0,
        output_dropout=0.0,
        batch_size=32,
        timesteps=32,
        epochs=1,
        learning_rate=4e-3,
        warmup_steps=50,
        schedule="cosine",
        gradient_flow=False,
    )


def demo(folder: Path) -> DemoResult:
    """Trains, judges, exports, verifies and uses a language model.

    Args:
        folder: folder for the run, the exported files and a text.
    """
    run = train(demo_config(folder / "run"))
    found = run.metrics["test"]["models"]
    judged, baseline = found[MODEL], found[BASELINE]
    exported = run.export(folder / "exported", ("saved_model", "tflite"))
    require_all(exported)
    _, kibibytes, bits, _, _, milliseconds = exported["table"]["rows"][-1]
    device = EdgeLanguageModel(folder / "exported", STEP_FILES["tflite"].file)
    sampling = SamplingConfig(temperature=0.7, seed=1)
    text = PROMPT + "".join(device.write(PROMPT, WRITTEN_TOKENS, sampling))
    return DemoResult(
        data=f"builtin:{SOURCE}, characters",
        metric="bits per character",
        figure=judged["bits_per_character"],
        baselines={BASELINE: baseline["bits_per_character"]},
        proof=(
            f"LiteRT: Keras' greedy text, {1000 / milliseconds:.0f} characters per second, "
            f"{kibibytes:.0f} KiB"
        ),
        use=f"Written by the exported file: {text}",
        report=run.folder.report,
        notes={
            "perplexity": judged["perplexity"],
            "bits per character of the exported file on the test text's beginning": bits,
        },
        pictures=(Picture("Written by the exported file, at a temperature of 0.7", text=text),),
    )
