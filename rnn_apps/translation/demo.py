"""The demo: localised phrases, judged on values that were never trained on."""

from __future__ import annotations

from pathlib import Path

from rnn_apps.application.definition import DemoResult, Picture
from rnn_apps.edge import EdgeTranslator
from rnn_apps.export.formats import require_all
from rnn_apps.translation.config import TranslationConfig
from rnn_apps.translation.judging.judgement import BASELINE, GREEDY
from rnn_apps.translation.run import Run
from rnn_apps.translation.run_report import attention_chart
from rnn_apps.translation.training_run import train

SOURCE = "phrases"
SENTENCE = "Wednesday, March 14, 2029"


def demo_config(folder: Path) -> TranslationConfig:
    """A few passes over the built-in phrases with a network that a small device runs."""
    return TranslationConfig(
        data=f"builtin:{SOURCE}",
        source_language="en",
        target_language="de",
        run=str(folder),
        vocabulary_size=600,
        attention="bahdanau",
        decoder="plain",
        cell="gru",
        units=128,
        embedding_size=64,
        embedding_range=1.0,
        embedding_dropout=0.0,
        annotation_dropout=0.1,
        output_dropout=0.1,
        label_smoothing=0.0,
        token_budget=1024,
        batch_size=64,
        epochs=2,
        learning_rate=2e-3,
        warmup_steps=50,
        schedule="cosine",
        dev_bleu=False,
        beam_width=1,
        # Two minutes with evaluation and export, on a slow machine too; what that leaves is shown.
        max_minutes=1.5,
        gradient_flow=False,
    )


def demo(folder: Path) -> DemoResult:
    """Trains, judges, exports, verifies and uses a translation model.

    Args:
        folder: folder for the run and the exported files.
    """
    run = train(demo_config(folder / "run"))
    found = run.metrics["test"]["translated_by"]
    judged, baseline = found[GREEDY], found[BASELINE]
    exported = run.export(folder / "exported", ("tflite",))
    require_all(exported)
    row = dict(zip(exported["table"]["header"], exported["table"]["rows"][-1], strict=True))
    translated = EdgeTranslator(folder / "exported").translate([SENTENCE])[0][0].text
    return DemoResult(
        data=f"builtin:{SOURCE}, English to German, values never trained on",
        metric="not exactly right, %",
        figure=100.0 * (1.0 - judged["exact"]),
        baselines={BASELINE: 100.0 * (1.0 - baseline["exact"])},
        proof=(
            "LiteRT: Keras' greedy translations, "
            f"{row['sentences per second, greedy']:.0f} phrases per second, {row['KiB']:.0f} KiB"
        ),
        use=f"Translated by the exported file: {SENTENCE} → {translated}",
        report=run.folder.report,
        notes={"BLEU": judged["bleu"], "chrF": judged["chrf"]},
        pictures=_attention(run, translated),
    )


def _attention(run: Run, translated: str) -> tuple[Picture, ...]:
    """Where the model looks in the sentence while it writes the translation."""
    [scored] = run.score([(SENTENCE, translated)])
    figure = attention_chart(run, SENTENCE, scored)
    if figure is None:
        return ()
    return (Picture(f"Attention: {SENTENCE} → {translated}", figure),)
