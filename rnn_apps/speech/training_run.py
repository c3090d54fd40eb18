"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
from threadpoolctl import threadpool_limits

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import ConfigurationError
from pipelines.speech import SpeechBatches
from pipelines.speech.feature_extraction.noise import noise_digest
from pipelines.speech.recordings.labels import LabelSet
from pipelines.tokenizers.tokenizer import token_keys
from rnn_apps.application import going_on
from rnn_apps.application.configuration import check
from rnn_apps.application.going_on import Start, open_origin, require_same
from rnn_apps.application.run_training import TrainingFolder
from rnn_apps.application.train_run import Outcome, Preparation, judge_trained, train_run
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.judging.predictions import TABLES
from rnn_apps.speech.network.build import build_model
from rnn_apps.speech.network.capabilities import check_capabilities
from rnn_apps.speech.network.objective import make_objective
from rnn_apps.speech.recognition import Recogniser, greedy_error_rates
from rnn_apps.speech.run import Run, load
from rnn_apps.speech.run_data import (
    RECORDINGS,
    Utterances,
    judged_batches,
    list_fingerprint,
    listened_to,
    load_parts,
    prepare,
    train_labels,
    training_batches,
)
from rnn_apps.speech.trained import TOKENIZER, TrainedRecogniser
from rnn_apps.speech.understood import understood
from rnn_apps.training.trained_model import TrainedModel
from rnn_apps.training.transfer import SharedRows

if TYPE_CHECKING:
    from pipelines.speech import Recordings

# A run that goes on from another reads its features, which are normalised by its statistics. The
# padding may differ: it changes what is read, not how.
_OF_THE_FEATURES = (
    "features", "sample_rate", "window_seconds", "hop_seconds", "fft_size", "bands",
    "lowest_frequency", "highest_frequency", "coefficients", "deltas", "floor", "normalisation",
)  # fmt: skip

_OF_THE_SPELLING = ("tokenizer", "lowercase", "language", "punctuation", "numbers")


def config_from(origin: str, **settings: Any) -> SpeechConfig:
    """A configuration that goes on from a trained run, with its network, alphabet and features.

    Args:
        origin: folder of a trained run, or name of a saved model.
        settings: fields of `SpeechConfig` that differ: `data`, `run` and so on.

    Raises:
        UserError: there is no such run.
        ConfigurationError: a setting does not exist or has a value that cannot be used.
    """
    return going_on.config_from(SpeechConfig, APPLICATION, origin, **settings)


def train(config: SpeechConfig, resume: bool = False, data: str | Recordings = "") -> Run:
    """Trains a speech recogniser and judges it on the test recordings.

    Args:
        config: configuration; its `run` names the folder.
        resume: True to continue the run in that folder from its last checkpoint, to the same
            weights that a run without interruption would have reached.
        data: source, or recordings, that replace `config.data`; empty for `config.data`.

    Returns:
        The run; its folder holds config.toml, tokenizer/, checkpoints/, model.keras,
        metrics.json, history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    folder = fit_run(config, resume, data)
    run = load(folder.path, data)
    judge_trained(run, folder)
    return run


def fit_run(
    config: SpeechConfig, resume: bool = False, data: str | Recordings = ""
) -> TrainingFolder:
    """As `train`, but the model is not judged yet.

    Whatever is wrong with the configuration or the recordings is said before the folder is changed.
    """
    check(config)
    check_capabilities(config)
    # TensorFlow's threads occupy the cores. Those of NumPy's products, small ones, would wait for
    # one another beside them, and features of changed recordings would take three times as long.
    with threadpool_limits(limits=1, user_api="blas"):
        return train_run(
            config, APPLICATION, lambda folder: _prepared(folder, config, data), resume=resume
        )


def _prepared(folder: TrainingFolder, config: SpeechConfig, data: str | Recordings) -> Preparation:
    """Reads the recordings, learns the alphabet and extracts features; see `train_run`."""
    folder.check_config(config)
    parts = load_parts(config, data)
    if "validation" not in parts and config.monitor in ("val_wer", "val_cer"):
        raise ConfigurationError(
            f"monitor = {config.monitor!r} needs validation recordings: name some, or give "
            "them a share in split"
        )
    origin = open_origin(config, folder, TrainedRecogniser)
    if origin is not None:
        vocabulary = () if config.new_vocabulary else _OF_THE_SPELLING
        require_same(config, origin, (*_OF_THE_FEATURES, "cell", *vocabulary))
    labels = _labels(folder, config, parts["train"], origin)
    training = prepare(config, parts["train"], labels)
    about = _about(training) | {"list_sha256": list_fingerprint(parts)}
    validation = prepare(config, parts["validation"], labels) if "validation" in parts else None
    if validation is not None:
        about["validation_sha256"] = _about(validation)["sha256"]
    if config.noise:
        about["noise_sha256"] = noise_digest(config.noise)
    folder.check_data(RECORDINGS, about, source=training.report.source)
    batches = training_batches(config, training)
    held_out = None if validation is None else judged_batches(config, validation)
    # What cannot be judged is said before training, not after it.
    used = {"train": training}
    if validation is not None:
        used["validation"] = validation
    if "test" in parts:
        used["test"] = listened_to(config, parts["test"], labels)
    lines = understood(config, used, labels, batches.examples)
    statistics = training.store.statistics() if config.normalisation == "global" else None
    size = training.store.config.size

    def write_beginning(beside: Path) -> None:
        write_json(beside / RECORDINGS, about)
        labels.tokenizer.save(beside / TOKENIZER)

    def finish(trained: TrainedModel) -> Outcome:
        figures = trained.figures() | {
            "utterances": batches.examples,
            "seconds_of_speech": round(_seconds(training)),
        }
        reports = {id(one.report): one.report for one in used.values()}
        return Outcome({
            "training": figures,
            "data": [report.as_dict() for report in reports.values()],
            "understood": lines,
        })  # fmt: skip

    judge = None
    if validation is not None and held_out is not None:
        judge = _Judge(held_out, validation.transcripts, labels)
    return Preparation(
        config=config,
        build_model=lambda: build_model(config, size, labels.size, statistics),
        batches=batches,
        objective=make_objective(config.consistency),
        understood=lines,
        write_beginning=write_beginning,
        finish=finish,
        validation=held_out,
        has_test="test" in parts,
        tables=TABLES,
        metrics=judge,
        metric_names=() if judge is None else ("val_wer", "val_cer"),
        start=None if origin is None else _start(origin, labels, config),
    )


def _start(origin: TrainedRecogniser, labels: LabelSet, config: SpeechConfig) -> Start:
    """The weights of the run that the training goes on from, those of known labels row by row."""
    old, new = ([*token_keys(one.tokenizer), "blank"] for one in (origin.labels, labels))
    if old == new:
        return Start(origin, config.from_run)
    rows = SharedRows(old, new, axis=-1, name="labels, the blank included,")
    return Start(origin, config.from_run, rows={"output": rows})


def _labels(
    folder: TrainingFolder,
    config: SpeechConfig,
    recordings: Recordings,
    origin: TrainedRecogniser | None,
) -> LabelSet:
    """The alphabet of the training transcripts, or of the run that the training goes on from.

    On resuming, that of the run.
    """
    if folder.resumed:
        return LabelSet.load(folder.path / TOKENIZER, config.spelling())
    if origin is not None and not config.new_vocabulary:
        return origin.labels
    return train_labels(config, recordings)


class _Judge:
    """The error rates on the validation recordings, as `fit` asks for at the end of an epoch.

    Args:
        batches: batches of the validation recordings, not shuffled.
        transcripts: transcript of each of them.
        labels: labels that the model writes.
    """

    def __init__(
        self, batches: SpeechBatches, transcripts: tuple[str, ...], labels: LabelSet
    ) -> None:
        self._batches = batches
        self._transcripts = transcripts
        self._labels = labels
        self._recogniser: tuple[keras.Model, Recogniser] | None = None

    def __call__(self, model: keras.Model) -> dict[str, float]:
        if self._recogniser is None or self._recogniser[0] is not model:
            self._recogniser = (model, Recogniser(model))
        return greedy_error_rates(
            self._recogniser[1], self._batches, self._transcripts, self._labels
        )


def _seconds(utterances: Utterances) -> float:
    return sum(one.seconds for one in utterances.store.recordings)


def _about(utterances: Utterances) -> dict[str, Any]:
    """How many recordings there are, with a fingerprint of them and of their transcripts."""
    digest = hashlib.sha256()
    rows = zip(utterances.store.files, utterances.transcripts, strict=True)
    for file, transcript in rows:
        # The file is named by the SHA-256 of the recording.
        digest.update(f"{file.stem} {transcript}\n".encode())
    return {"sha256": digest.hexdigest(), "recordings": len(utterances.transcripts)}
