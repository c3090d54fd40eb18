"""Which model takes which inputs and gives which outputs, as data; and the refusal of the rest.

`docs/forecasting-models.md` shows the same tables; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.configuration import check
from rnn_apps.forecasting.config import OUTPUTS, ForecastingConfig
from rnn_apps.forecasting.features.calendar_names import usable_features
from rnn_apps.forecasting.features.description import DataDescription


@dataclass(frozen=True)
class Capability:
    """What one model can do.

    Attributes:
        past, future, static: whether it takes covariates of that kind.
        calendar: whether it takes features of the time stamps.
        series_embedding: whether it takes an embedding of the series.
        outputs: the outputs that it can give.
        sample_paths: how it draws joint paths over the horizon.
    """

    past: bool
    future: bool
    static: bool
    calendar: bool
    series_embedding: bool
    outputs: tuple[str, ...]
    sample_paths: str


CAPABILITIES: dict[str, Capability] = {
    "direct": Capability(True, True, True, True, True, OUTPUTS, "copula"),
    "encoder_decoder": Capability(True, True, True, True, True, OUTPUTS, "copula"),
    # DeepAR unrolls one recurrence over past and future, so every input must be known in both.
    "deepar": Capability(
        False,
        True,
        True,
        True,
        True,
        ("point", "gaussian", "student_t", "negative_binomial"),
        "ancestral",
    ),
    "segment": Capability(True, True, True, True, True, OUTPUTS, "copula"),
}


def check_capabilities(config: ForecastingConfig, description: DataDescription) -> None:
    """Refuses a config that the model, its output or the data cannot serve.

    Raises:
        ConfigurationError: names the field, why it does not go, and what does.
    """
    check(config)
    capability = CAPABILITIES[config.model]
    if config.output not in capability.outputs:
        raise ConfigurationError(
            f"output = {config.output!r} does not go with model = {config.model!r}, which gives: "
            f"{', '.join(capability.outputs)}"
        )
    _check_covariates(config.model, capability, description)
    _check_quantiles(config)
    _check_normalisation(config)
    if config.model == "deepar" and config.lookback < 2:
        raise ConfigurationError("lookback = 1: model = 'deepar' needs at least 2 past time steps")
    if config.model == "segment" and config.lookback % config.segment_length:
        whole = max(1, round(config.lookback / config.segment_length)) * config.segment_length
        raise ConfigurationError(
            f"lookback = {config.lookback} is not a multiple of segment_length = "
            f"{config.segment_length}: choose lookback = {whole}, or another segment_length"
        )
    if config.scaling == "window" and config.series_embedding:
        raise ConfigurationError(
            "series_embedding knows the training series only; scaling = 'window' is for others "
            "too: set series_embedding = 0 or scaling = 'series'"
        )
    calendar_features(config, description)


def calendar_features(config: ForecastingConfig, description: DataDescription) -> tuple[str, ...]:
    """The calendar features that the config asks for, with "auto" resolved for the data.

    Raises:
        ConfigurationError: "auto" or "none" is combined with other names.
    """
    named = tuple(dict.fromkeys(config.calendar))
    if named in ((), ("none",)):
        return ()
    if named == ("auto",):
        return usable_features(description.step_minutes, description.span_minutes)
    for word in ("auto", "none"):
        if word in named:
            raise ConfigurationError(f"calendar: {word!r} cannot be combined with other features")
    if not description.step_minutes:
        raise ConfigurationError(
            f"calendar = {', '.join(named)}: the rows are counted and have no date; set calendar = "
            "none, or give a column of times"
        )
    return named


def _check_covariates(model: str, capability: Capability, description: DataDescription) -> None:
    for kind, taken, names in (
        ("past", capability.past, description.past_names),
        ("future", capability.future, description.future_names),
        ("static", capability.static, description.static_names),
    ):
        if names and not taken:
            others = [m for m, c in CAPABILITIES.items() if getattr(c, kind)]
            raise ConfigurationError(
                f"model = {model!r} takes no {kind} covariates ({', '.join(names)}): leave them "
                f"out with {kind}_covariates = none, or choose model = {' or '.join(others)}"
            )


def _check_quantiles(config: ForecastingConfig) -> None:
    levels = config.quantiles
    if list(levels) != sorted(set(levels)):
        raise ConfigurationError(f"quantiles = {levels}: each level once, in rising order")
    if config.output == "quantiles" and 0.5 not in levels:
        raise ConfigurationError(
            f"quantiles = {levels} lack 0.5, the median, which is the point forecast"
        )


def _check_normalisation(config: ForecastingConfig) -> None:
    longest = max(config.level_steps, *config.ensemble_level_steps, 1)
    if longest > config.lookback:
        raise ConfigurationError(
            f"a level of {longest} steps is more than lookback = {config.lookback}"
        )
    if config.ensemble_level_steps and (
        config.normalisation != "last_value" or config.model == "deepar"
    ):
        raise ConfigurationError(
            "ensemble_level_steps needs normalisation = 'last_value' and a model other than "
            "'deepar', which feeds its own forecast back"
        )
    if config.output == "negative_binomial" and config.normalisation != "none":
        raise ConfigurationError(
            f"normalisation = {config.normalisation!r} shifts the target, and a count has no other "
            "origin than 0: output = 'negative_binomial' needs normalisation = 'none'"
        )


def capability_table() -> str:
    """`CAPABILITIES` as a Markdown table, as `docs/forecasting-models.md` shows it."""
    header = (
        "model",
        "past covariates",
        "known-future covariates",
        "static covariates",
        "calendar",
        "series embedding",
        "outputs",
        "sample paths",
    )
    rows = [header, ("---",) * len(header)]
    for model, capability in CAPABILITIES.items():
        flags = (
            capability.past,
            capability.future,
            capability.static,
            capability.calendar,
            capability.series_embedding,
        )
        outputs = "all" if capability.outputs == OUTPUTS else ", ".join(capability.outputs)
        words = ("yes" if flag else "no" for flag in flags)
        rows.append((model, *words, outputs, capability.sample_paths))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
