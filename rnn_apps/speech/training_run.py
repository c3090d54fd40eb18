"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from pipelines.errors import ConfigurationError, UserError
from pipelines.speech import SpeechBatches
from pipelines.speech.labels import LabelSet
from rnn_apps.configuration import check
from rnn_apps.run_folder import RunFolder, create_run
from rnn_apps.speech.build import build_model
from rnn_apps.speech.capabilities import check_capabilities
from rnn_apps.speech.config import APPLICATION, SpeechConfig
from rnn_apps.speech.objective import ctc_objective
from rnn_apps.speech.recognition import Recogniser, greedy_error_rates
from rnn_apps.speech.run import TOKENIZER, Run, load
from rnn_apps.speech.run_data import (
    Utterances,
    judged_batches,
    load_parts,
    prepare,
    train_labels,
    training_batches,
)
from rnn_apps.training import fit

if TYPE_CHECKING:
    from pipelines.speech import Recordings

RECORDINGS = "recordings.json"


def train(config: SpeechConfig, resume: bool = False, data: str | Recordings = "") -> Run:
    """Trains a speech recogniser and judges it on the test recordings.

    Args:
        config: the configuration; its `run` names the folder.
        resume: continue the run in that folder from its last checkpoint, to the same weights that
            a run without interruption would have reached.
        data: a source, or recordings, instead of `config.data`.

    Returns:
        The run; its folder holds config.toml, tokenizer/, checkpoints/, model.keras,
        metrics.json, history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    folder = fit_run(config, resume, data)
    run = load(folder.path, data)
    run.evaluate()
    return run


def fit_run(config: SpeechConfig, resume: bool = False, data: str | Recordings = "") -> RunFolder:
    """As `train`, but the model is not judged yet.

    Whatever is wrong with the configuration or the recordings is said before the folder holds a
    run.
    """
    check(config)
    check_capabilities(config)
    if not config.run:
        raise UserError("no run folder is named. Say where the run goes: --run FOLDER")
    parts = load_parts(config, data)
    kept = Path(config.run) / TOKENIZER
    if resume and kept.exists():
        labels = LabelSet.load(kept, lowercase=config.lowercase)
    else:
        labels = train_labels(config, parts["train"])
    training = prepare(config, parts["train"], labels)
    batches = training_batches(config, training)
    validation = prepare(config, parts["validation"], labels) if "validation" in parts else None
    if validation is None and config.monitor in ("val_wer", "val_cer"):
        raise ConfigurationError(
            f"monitor = {config.monitor!r} needs validation recordings: name some, or give them a "
            "share in split"
        )
    folder = create_run(config.run, APPLICATION, config, resume=resume)
    source = training.report.source
    folder.keep_data(RECORDINGS, _about(training), source=source, resume=resume)
    labels.tokenizer.save(folder.path / TOKENIZER)
    statistics = training.store.statistics() if config.normalisation == "global" else None
    size = training.store.config.size
    held_out = None if validation is None else judged_batches(config, validation)
    trained = fit(
        lambda: build_model(config, size, labels.size, statistics),
        batches,
        ctc_objective,
        config,
        folder=folder.path,
        validation=held_out,
        resume=resume,
        metrics=None
        if validation is None or held_out is None
        else _Judge(held_out, validation.transcripts, labels),
    )
    reports = {id(one.report): one.report for one in (training, validation) if one is not None}
    folder.write_metrics(
        training=trained.figures()
        | {"utterances": batches.examples, "seconds_of_speech": round(_seconds(training))},
        data=[report.as_dict() for report in reports.values()],
    )
    return folder


class _Judge:
    """The error rates on the validation recordings, as `fit` asks for at the end of an epoch.

    Args:
        batches: of the validation recordings, not shuffled.
        transcripts: of each of them.
        labels: what the model writes.
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
    """What is trained on, with a fingerprint of recordings and transcripts."""
    digest = hashlib.sha256()
    rows = zip(utterances.store.files, utterances.transcripts, strict=True)
    for file, transcript in rows:
        # The file is named by the SHA-256 of the recording.
        digest.update(f"{file.stem} {transcript}\n".encode())
    return {"sha256": digest.hexdigest(), "recordings": len(utterances.transcripts)}
