"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import ConfigurationError
from pipelines.pairs.batching import Encode, PairBatches
from pipelines.pairs.encoding import (
    EncodedPairs,
    TokenizerOptions,
    encode_pairs,
    sampled_encoding,
    train_tokenizers,
    without_too_long,
)
from pipelines.pairs.sentence_pairs import PairParts, SentencePairs
from pipelines.tokenizers import Tokenizer
from pipelines.tokenizers.sentence_ids import SPECIALS, vocabulary_size
from pipelines.tokenizers.subword_tokenizer import SubwordTokenizer
from pipelines.tokenizers.tokenizer import token_keys
from rnn_apps.application import going_on
from rnn_apps.application.configuration import check
from rnn_apps.application.going_on import OF_A_VOCABULARY, Start, open_origin, require_same
from rnn_apps.application.own_vocabulary import named_vocabularies
from rnn_apps.application.run_training import TrainingFolder
from rnn_apps.application.train_run import Outcome, Preparation, judge_trained, train_run
from rnn_apps.training.steps import Objective
from rnn_apps.training.trained_model import TrainedModel
from rnn_apps.training.trainer import Metrics
from rnn_apps.training.transfer import Rows, SharedRows
from rnn_apps.translation.config import APPLICATION, MAXIMISED, TranslationConfig
from rnn_apps.translation.judging.dev_metrics import dev_metrics
from rnn_apps.translation.judging.example_pairs import FILE, save_examples
from rnn_apps.translation.network.build import build_model
from rnn_apps.translation.network.capabilities import check_capabilities
from rnn_apps.translation.network.objective import make_objective
from rnn_apps.translation.run import Run, load
from rnn_apps.translation.run_data import PAIRS, RunData
from rnn_apps.translation.search.search_options import SearchOptions
from rnn_apps.translation.trained import (
    TrainedTranslationModel,
    load_tokenizers,
    save_tokenizers,
)
from rnn_apps.translation.training_callbacks import (
    EpochWeights,
    SampledShare,
    averaged_if_better,
)
from rnn_apps.translation.understood import (
    LANGUAGES,
    Understood,
    other_direction,
    trained_languages,
)


def config_from(origin: str, **settings: Any) -> TranslationConfig:
    """A configuration that goes on from a trained run, with its network, vocabularies.

    Args:
        origin: folder of a trained run, or name of a saved model.
        settings: fields of `TranslationConfig` that differ: `data`, `run` and so on.

    Raises:
        UserError: there is no such run.
        ConfigurationError: a setting does not exist or has a value that cannot be used.
    """
    return going_on.config_from(TranslationConfig, APPLICATION, origin, **settings)


def train(config: TranslationConfig, resume: bool = False, data: str | SentencePairs = "") -> Run:
    """Trains a translation model and judges it on the test pairs, if any were held out.

    Args:
        config: the configuration; its `run` names the folder.
        resume: continue the run in that folder from its last checkpoint, to the same weights that
            a run without interruption would have reached.
        data: a source, or pairs in memory, instead of `config.data`.

    Returns:
        The run; its folder holds config.toml, the tokenizers, checkpoints/, model.keras,
        metrics.json, history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    folder = fit_run(config, resume, data)
    run = load(folder.path, data)
    judge_trained(run, folder)
    return run


def fit_run(
    config: TranslationConfig, resume: bool = False, data: str | SentencePairs = ""
) -> TrainingFolder:
    """As `train`, but the model is not judged yet.

    Whatever is wrong with the configuration or the data is said before the folder is changed.
    """
    check(config)
    check_capabilities(config)
    if config.monitor in MAXIMISED:
        config = dataclasses.replace(config, monitor_mode="max")
    return train_run(
        config, APPLICATION, lambda folder: _prepared(folder, config, data), resume=resume
    )


def _prepared(
    folder: TrainingFolder, config: TranslationConfig, data: str | SentencePairs
) -> Preparation:
    """Reads the pairs, learns the vocabularies and encodes both; see `train_run`."""
    folder.check_config(config)
    own = RunData(config, data)
    own.require_named()
    parts = own.whole
    about = {"name": parts.train.name, "pairs": len(parts.train),
             "sha256": parts.train.fingerprint,
             LANGUAGES: list(parts.train.languages)}  # fmt: skip
    if parts.validation is not None:
        about["validation_sha256"] = parts.validation.fingerprint
    folder.check_data(PAIRS, about, source=parts.train.name)
    origin = open_origin(config, folder, TrainedTranslationModel)
    if origin is not None:
        vocabulary = () if config.new_vocabulary else OF_A_VOCABULARY
        same = ("cell", "joint_vocabulary", "tied", "attention", "decoder", *vocabulary)
        require_same(config, origin, same)
    source, target = _tokenizers(folder, parts.train, config, origin)
    training = encode_pairs(
        parts.train, source, target, longest=config.longest, length_ratio=config.length_ratio
    )
    encode = None
    if config.subword_sampling:
        assert isinstance(source, SubwordTokenizer) and isinstance(target, SubwordTokenizer)
        encode = sampled_encoding(training, source, target, config.subword_sampling)
    batches = _batches(training, config, shuffle=True, encode=encode)
    validation = metrics = None
    parts = _judgeable(parts, source, target)
    if parts.validation is None and config.average_epochs:
        raise ConfigurationError(
            f"average_epochs = {config.average_epochs} averages the best epochs, which validation "
            "pairs choose: give them a share in split, or set average_epochs to 0"
        )
    if parts.validation is not None:
        held_out = encode_pairs(parts.validation, source, target)
        validation = _batches(held_out, config, shuffle=False)
        if config.dev_bleu:
            metrics = dev_metrics(held_out, target, config.bleu_tokenizer)
    lines = Understood(parts, training, source, target, config).lines()
    if origin is not None:
        trained = trained_languages(origin)
        lines += other_direction(trained, parts.train.languages, config.from_run)
    sampled = SampledShare(config.scheduled_sampling, config.epochs)
    kept = EpochWeights(folder.path, config.average_epochs, config.monitor, _highest(config))
    objective = make_objective(
        config.label_smoothing,
        sampled.share if config.scheduled_sampling else None,
        config.consistency,
    )

    def write_beginning(beside: Path) -> None:
        write_json(beside / PAIRS, about)
        save_tokenizers(beside, source, target)

    def finish(trained: TrainedModel) -> Outcome:
        figures: dict[str, Any] = trained.figures() | {"target_tokens_per_epoch": batches.tokens}
        if config.average_epochs and validation is not None:
            figures |= _average(trained.model, kept, validation, objective, metrics, config)

        def write(beside: Path) -> None:
            if parts.validation is None and parts.test is None:
                # Exports are proven on the judged pairs, or on these where none are judged.
                save_examples(beside / FILE, parts.train.source, parts.train.target)

        data = training.report.as_dict() | {"understood": lines}
        return Outcome({"training": figures, "data": data}, write)

    return Preparation(
        config=config,
        build_model=lambda: build_model(config, vocabulary_size(source), vocabulary_size(target)),
        batches=batches,
        objective=objective,
        understood=lines,
        write_beginning=write_beginning,
        finish=finish,
        validation=validation,
        has_test=parts.test is not None,
        callbacks=[sampled, *([kept] if config.average_epochs else [])],
        metrics=metrics,
        metric_names=MAXIMISED if metrics is not None else (),
        start=None if origin is None else _start(origin, source, target, config),
    )


def _start(
    origin: TrainedTranslationModel, source: Tokenizer, target: Tokenizer, config: TranslationConfig
) -> Start:
    """The weights of the run that the training goes on from, those of known tokens row by row."""

    def rows(old: Tokenizer, new: Tokenizer, axis: int) -> Rows:
        # Padding, start and end of a sentence have the first ids.
        specials = list(range(SPECIALS))
        return SharedRows(
            [*specials, *token_keys(old)], [*specials, *token_keys(new)], axis=axis, name="tokens"
        )

    changed: dict[str, Rows] = {}
    if source.fingerprint != origin.source_tokenizer.fingerprint:
        changed["source_embedding"] = rows(origin.source_tokenizer, source, 0)
    if target.fingerprint != origin.target_tokenizer.fingerprint:
        changed["target_embedding"] = rows(origin.target_tokenizer, target, 0)
        changed["output"] = rows(origin.target_tokenizer, target, -1)
    return Start(origin, config.from_run, rows=changed)


def _judgeable(parts: PairParts, source: Tokenizer, target: Tokenizer) -> PairParts:
    """The parts, those that are judged on without what is too long to be translated at once.

    Raises:
        DataError: nothing else is in one of them. It is said before training, not after it.
    """
    longest = SearchOptions().longest_source

    def short(part: SentencePairs | None) -> SentencePairs | None:
        return None if part is None else without_too_long(part, source, target, longest)[0]

    return PairParts(parts.train, short(parts.validation), short(parts.test))


def _highest(config: TranslationConfig) -> bool:
    return config.monitor_mode == "max"


def _average(
    model: keras.Model,
    kept: EpochWeights,
    validation: PairBatches,
    objective: Objective,
    metrics: Metrics | None,
    config: TranslationConfig,
) -> dict[str, Any]:
    """The average of the best epochs' weights takes the model's place, if it is better."""

    def figure(model: keras.Model) -> float:
        if config.monitor == "val_loss" or metrics is None:
            batches = validation.epoch(0)
            sums = tf.function(
                lambda batch: objective(model, batch, False),
                input_signature=[batches.element_spec],
                autograph=False,
            )
            found = np.array([sums(batch) for batch in batches], np.float64)
            return float(found[:, 0].sum() / found[:, 1].sum())
        return float(metrics(model)[config.monitor])

    found = averaged_if_better(model, kept.averaged(), figure, _highest(config))
    if found is None:
        return {}
    name = config.monitor
    return {f"best epoch's {name}": found[0], f"averaged epochs' {name}": found[1]}


def _tokenizers(
    folder: TrainingFolder,
    pairs: SentencePairs,
    config: TranslationConfig,
    origin: TrainedTranslationModel | None,
) -> tuple[Tokenizer, Tokenizer]:
    """The vocabularies of the training pairs, named ones, or those of the run it goes on from.

    On resuming, those of the run.
    """
    if folder.resumed:
        return load_tokenizers(folder.path, config)
    if origin is not None and not config.new_vocabulary:
        return origin.source_tokenizer, origin.target_tokenizer
    if config.vocabulary:
        return _named_tokenizers(config)
    options = TokenizerOptions(
        config.tokenizer,
        config.vocabulary_size,
        config.joint_vocabulary,
        config.subword_model,
        config.normalization,
        config.minimum_count,
    )
    return train_tokenizers(pairs, options, config.example_seed)


def _named_tokenizers(config: TranslationConfig) -> tuple[Tokenizer, Tokenizer]:
    """The vocabularies that `vocabulary` names.

    Raises:
        ConfigurationError: there are two where both languages share one, or one where they do not.
    """
    named = [
        tokenizer
        for address in config.vocabulary
        for tokenizer in named_vocabularies(address, config.tokenizer)
    ]
    shown = ",".join(config.vocabulary)
    if len(named) > 2 or (len(named) == 2 and config.joint_vocabulary):
        raise ConfigurationError(
            f"vocabulary = {shown!r} names {len(named)} vocabularies, and joint_vocabulary = "
            f"{config.joint_vocabulary}: name one for both languages, or one for each with "
            "joint_vocabulary = false"
        )
    if len(named) == 1 and not config.joint_vocabulary:
        raise ConfigurationError(
            f"vocabulary = {shown!r} names one vocabulary for both languages: set "
            "joint_vocabulary = true, or name SOURCE,TARGET"
        )
    return named[0], named[-1]


def _batches(
    encoded: EncodedPairs,
    config: TranslationConfig,
    *,
    shuffle: bool,
    encode: Encode | None = None,
) -> PairBatches:
    return PairBatches(
        encoded.source,
        encoded.target,
        token_budget=config.token_budget,
        batch_size=config.batch_size,
        shuffle=shuffle,
        seed=config.example_seed,
        encode=encode,
    )
