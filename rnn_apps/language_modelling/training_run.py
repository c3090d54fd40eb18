"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import ConfigurationError, DataError
from pipelines.text.corpus import TextParts
from pipelines.text.encoding import encode_corpus
from pipelines.text.token_streams import StreamBatches
from pipelines.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from rnn_apps.application.configuration import check
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.application.run_training import TrainingFolder, claimed_run
from rnn_apps.language_modelling.config import APPLICATION, LanguageModellingConfig
from rnn_apps.language_modelling.network.build import build_model
from rnn_apps.language_modelling.network.capabilities import check_capabilities
from rnn_apps.language_modelling.network.objective import make_objective
from rnn_apps.language_modelling.run import TOKENIZER, TOKENS, Run, load
from rnn_apps.language_modelling.run_text import TEXT, own_parts
from rnn_apps.language_modelling.understood import understood
from rnn_apps.training import fit
from rnn_apps.training.trained_model import save_model

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus
    from pipelines.text.encoding import TokenArray

_log = logging.getLogger(__name__)


def train(
    config: LanguageModellingConfig, resume: bool = False, data: str | TextCorpus = ""
) -> Run:
    """Trains a language model and judges it on the test text, if any was held out.

    The validation loss of an epoch is measured with the state carried through as many streams as
    training has; each of them begins without context, so it lies a little above the exact figure,
    which the evaluation of the run gives.

    Args:
        config: the configuration; its `run` names the folder.
        resume: continue the run in that folder from its last checkpoint, to the same weights that
            a run without interruption would have reached.
        data: a source, or a text in memory, instead of `config.data`.

    Returns:
        The run; its folder holds config.toml, tokenizer/, checkpoints/, model.keras,
        metrics.json, history.csv and report.html.

    Raises:
        UserError: names what cannot be used and what to do about it.
    """
    folder = fit_run(config, resume, data)
    run = load(folder.path, data)
    if run.text.has("validation") or run.text.has("test"):
        run.evaluate()
    else:
        _log.info("Nothing was held out, so the run is not judged. evaluate --data judges it.")
    return run


def fit_run(
    config: LanguageModellingConfig, resume: bool = False, data: str | TextCorpus = ""
) -> RunFolder:
    """As `train`, but the model is not judged yet.

    Whatever is wrong with the configuration or the text is said before the folder is changed.
    """
    check(config)
    check_capabilities(config)
    with claimed_run(config.run, APPLICATION, resume=resume, scratch=TOKENS) as folder:
        folder.check_config(config)
        parts = _text(config, data)
        tokenizer = _tokenizer(folder, parts.train, config)
        training = encode_corpus(parts.train, tokenizer, folder.path / TOKENS)
        about = {
            "name": training.name, "sha256": training.sha256, "tokens": training.length,
            "characters": training.characters, "bytes": training.bytes,
        }  # fmt: skip
        batches = _streams(training, config, shift=True)
        validation = None
        if parts.validation is not None:
            held_out = encode_corpus(parts.validation, tokenizer, folder.path / TOKENS)
            about["validation_sha256"] = held_out.sha256
            validation = _streams(held_out, config, shift=False)
        folder.check_data(TEXT, about, source=training.name)
        encoded, texts = {"train": training}, {"train": parts.train}
        if parts.validation is not None:
            encoded["validation"], texts["validation"] = held_out, parts.validation
        if parts.test is not None:
            encoded["test"] = encode_corpus(parts.test, tokenizer, folder.path / TOKENS)
            texts["test"] = parts.test
        _require_judgeable(encoded)
        lines = understood(encoded, tokenizer, texts)

        def begin() -> None:
            with folder.begin(config) as beside:
                write_json(beside / TEXT, about)
                tokenizer.save(beside / TOKENIZER)
            for line in lines:
                _log.info(line)

        trained = fit(
            lambda: build_model(config, tokenizer.size),
            batches,
            make_objective(config),
            config,
            folder=folder.path,
            validation=validation,
            resume=resume,
            begin=begin,
            write_model=False,
        )
        figures = trained.figures() | {"tokens_per_epoch": batches.examples}
        found = {**training.report, "understood": lines}
        with folder.finish(training=figures, data=found) as beside:
            save_model(trained.model, beside / folder.model.name)
    return folder


def _require_judgeable(parts: Mapping[str, TokenArray]) -> None:
    """Refuses a part that could not be scored, before the training and not after it.

    Raises:
        DataError: a part has fewer than two tokens.
    """
    for name, part in parts.items():
        if part.length < 2:
            raise DataError(
                f"the {name} text has {part.length} token: there is nothing to predict",
                file=part.name,
                advice="Give more text or another split.",
            )


def _text(config: LanguageModellingConfig, data: str | TextCorpus) -> TextParts:
    if not (data or config.data):
        raise ConfigurationError("no text is named. Say what to train on: --data file:PATH")
    return own_parts(config, data or config.data)


def _tokenizer(
    folder: TrainingFolder, text: TextCorpus, config: LanguageModellingConfig
) -> Tokenizer:
    """The vocabulary of the training text; on resuming, that of the run."""
    if folder.resumed:
        return load_tokenizer(folder.path / TOKENIZER)
    return train_tokenizer(
        config.tokenizer,
        text.chunks(),
        vocabulary_size=config.vocabulary_size,
        minimum_count=max(config.minimum_count, 1),
        learn_unknown=not config.minimum_count,
        seed=config.seed,
    )


def _streams(tokens: TokenArray, config: LanguageModellingConfig, *, shift: bool) -> StreamBatches:
    """Training moves the streams' borders every epoch (`shift`) and may vary the lengths."""
    return StreamBatches(
        tokens,
        batch_size=config.batch_size,
        timesteps=config.timesteps,
        seed=config.seed,
        random_lengths=config.random_lengths and shift,
        shift=shift,
    )
