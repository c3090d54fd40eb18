"""`train`: from a configuration to a run that is trained and judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_json
from pipelines.base.errors import ConfigurationError, DataError
from pipelines.text.encoding import encode_corpus
from pipelines.text.token_streams import StreamBatches
from pipelines.tokenizers import Tokenizer, load_tokenizer, train_tokenizer
from pipelines.tokenizers.tokenizer import token_keys
from rnn_apps.application import going_on
from rnn_apps.application.configuration import check
from rnn_apps.application.going_on import OF_A_VOCABULARY, Start, open_origin, require_same
from rnn_apps.application.own_vocabulary import TOKENIZER_FOLDERS, named_vocabularies
from rnn_apps.application.run_training import TrainingFolder
from rnn_apps.application.train_run import Outcome, Preparation, judge_trained, train_run
from rnn_apps.language_modelling.config import APPLICATION, LanguageModellingConfig
from rnn_apps.language_modelling.judging.example_text import EXAMPLES, save_examples
from rnn_apps.language_modelling.network.build import build_model
from rnn_apps.language_modelling.network.capabilities import check_capabilities
from rnn_apps.language_modelling.network.objective import make_objective
from rnn_apps.language_modelling.run import Run, load
from rnn_apps.language_modelling.run_data import TEXT, OwnText
from rnn_apps.language_modelling.trained import TOKENIZER, TOKENS, TrainedLanguageModel
from rnn_apps.language_modelling.understood import understood
from rnn_apps.training.trained_model import TrainedModel
from rnn_apps.training.transfer import SharedRows

if TYPE_CHECKING:
    from pipelines.text.corpus import TextCorpus
    from pipelines.text.encoding import TokenArray


def config_from(origin: str, **settings: Any) -> LanguageModellingConfig:
    """A configuration that goes on from a trained run, with its network, vocabulary.

    Args:
        origin: folder of a trained run, or name of a saved model.
        settings: fields of `LanguageModellingConfig` that differ: `data`, `run` and so on.

    Raises:
        UserError: there is no such run.
        ConfigurationError: a setting does not exist or has a value that cannot be used.
    """
    return going_on.config_from(LanguageModellingConfig, APPLICATION, origin, **settings)


def train(
    config: LanguageModellingConfig, resume: bool = False, data: str | TextCorpus = ""
) -> Run:
    """Trains a language model and judges it on the test text, if any was held out.

    The validation loss of an epoch is measured with the state carried through as many streams as
    training has; each of them begins without context, so it lies a little above the exact figure,
    which the evaluation of the run gives.

    Args:
        config: configuration; its `run` names the folder.
        resume: True to continue the run in that folder from its last checkpoint, to the same
            weights that a run without interruption would have reached.
        data: source, or text in memory, that replaces `config.data`; empty for `config.data`.

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
    config: LanguageModellingConfig, resume: bool = False, data: str | TextCorpus = ""
) -> TrainingFolder:
    """As `train`, but the model is not judged yet.

    Whatever is wrong with the configuration or the text is said before the folder is changed.
    """
    check(config)
    check_capabilities(config)
    return train_run(
        config,
        APPLICATION,
        lambda folder: _prepared(folder, config, data),
        resume=resume,
        scratch=TOKENS,
    )


def _prepared(
    folder: TrainingFolder, config: LanguageModellingConfig, data: str | TextCorpus
) -> Preparation:
    """Reads and encodes the text and learns its vocabulary; see `train_run`."""
    folder.check_config(config)
    own = OwnText(config, data)
    own.require_named()
    texts = {name: own.part(name) for name in own.present()}
    origin = open_origin(config, folder, TrainedLanguageModel)
    if origin is not None:
        vocabulary = () if config.new_vocabulary else OF_A_VOCABULARY
        require_same(config, origin, ("cell", "output", "tied", *vocabulary))
    tokenizer = _tokenizer(folder, texts["train"], config, origin)
    encoded = {
        name: encode_corpus(text, tokenizer, folder.path / TOKENS) for name, text in texts.items()
    }
    training, validation = encoded["train"], encoded.get("validation")
    about = {
        "name": training.name, "sha256": training.sha256, "tokens": training.length,
        "characters": training.characters, "bytes": training.bytes,
    }  # fmt: skip
    if validation is not None:
        about["validation_sha256"] = validation.sha256
    folder.check_data(TEXT, about, source=training.name)
    batches = _streams(training, config, shift=True)
    _require_judgeable(encoded)
    lines = understood(encoded, tokenizer, texts)

    def write_beginning(beside: Path) -> None:
        write_json(beside / TEXT, about)
        tokenizer.save(beside / TOKENIZER)

    def finish(trained: TrainedModel) -> Outcome:
        figures = trained.figures() | {"tokens_per_epoch": batches.examples}

        def write(beside: Path) -> None:
            if set(encoded) == {"train"}:
                # Exports are proven on the judged text, or on this where none is judged.
                save_examples(beside / EXAMPLES, training.ids)

        about = {**training.report, "understood": lines}
        return Outcome({"training": figures, "data": about}, write)

    return Preparation(
        config=config,
        build_model=lambda: build_model(config, tokenizer.size),
        batches=batches,
        objective=make_objective(config),
        understood=lines,
        write_beginning=write_beginning,
        finish=finish,
        validation=None if validation is None else _streams(validation, config, shift=False),
        has_test="test" in encoded,
        start=None if origin is None else _start(origin, tokenizer, config),
    )


def _start(
    origin: TrainedLanguageModel, tokenizer: Tokenizer, config: LanguageModellingConfig
) -> Start:
    """The weights of the run that the training goes on from, those of known tokens row by row."""
    if tokenizer.fingerprint == origin.tokenizer.fingerprint:
        return Start(origin, config.from_run)
    old, new = token_keys(origin.tokenizer), token_keys(tokenizer)
    by_row = SharedRows(old, new, axis=0, name="tokens")
    by_column = SharedRows(old, new, axis=-1, name="tokens")
    # An adaptive softmax has its tokens in clusters, in an order that is the vocabulary's own.
    adaptive = config.output == "adaptive" and not config.tied
    return Start(
        origin,
        config.from_run,
        rows={"embedding": by_row, "output": by_row if config.output == "sampled" else by_column},
        anew=frozenset({"output"}) if adaptive else frozenset(),
    )


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


def _tokenizer(
    folder: TrainingFolder,
    text: TextCorpus,
    config: LanguageModellingConfig,
    origin: TrainedLanguageModel | None,
) -> Tokenizer:
    """The vocabulary of the training text, a named one, or that of the run it goes on from.

    On resuming, that of the run.
    """
    if folder.resumed:
        return load_tokenizer(folder.path / TOKENIZER)
    if origin is not None and not config.new_vocabulary:
        return origin.tokenizer
    if config.vocabulary:
        [address] = config.vocabulary
        tokenizer, *others = named_vocabularies(address, config.tokenizer)
        if others:
            raise ConfigurationError(
                f"vocabulary = {address!r} has one for each of two languages: name one of the "
                f"folders {' and '.join(TOKENIZER_FOLDERS[1:])} in it"
            )
        return tokenizer
    return train_tokenizer(
        config.tokenizer,
        text.chunks(),
        vocabulary_size=config.vocabulary_size,
        minimum_count=max(config.minimum_count, 1),
        learn_unknown=not config.minimum_count,
        seed=config.example_seed,
    )


def _streams(tokens: TokenArray, config: LanguageModellingConfig, *, shift: bool) -> StreamBatches:
    """Training moves the streams' borders every epoch (`shift`) and may vary the lengths."""
    return StreamBatches(
        tokens,
        batch_size=config.batch_size,
        timesteps=config.timesteps,
        seed=config.example_seed,
        random_lengths=config.random_lengths and shift,
        shift=shift,
    )
