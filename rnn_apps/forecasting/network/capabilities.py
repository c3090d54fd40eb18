"""The refusal of what a network has not declared, and the table of the declarations.

`docs/forecasting-models.md` shows the same table; a test compares the two.
"""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError
from rnn_apps.application.configuration import check
from rnn_apps.forecasting.config import OUTPUTS, ForecastingConfig
from rnn_apps.forecasting.features.calendar_names import usable_features
from rnn_apps.forecasting.features.description import DataDescription
from rnn_apps.forecasting.network.network import Capability, find_network, network_of
from rnn_apps.forecasting.network.registry import network_names
from rnn_apps.layers.cells.options import cell_options
from rnn_apps.layers.cells.registry import find_cell


def check_capabilities(config: ForecastingConfig, description: DataDescription) -> None:
    """Refuses a config that the network, its output or the data cannot serve.

    Raises:
        ConfigurationError: names the field, why it does not fit, and what does.
    """
    check(config)
    network = network_of(config)
    capability = network.capability
    if config.output not in capability.outputs:
        raise ConfigurationError(
            f"output = {config.output!r} is not available with model = {config.model!r}. "
            f"Available: {', '.join(capability.outputs)}"
        )
    _check_covariates(config.model, capability, description)
    _check_series_embedding(config, capability)
    _check_category_embedding(config, description)
    _check_quantiles(config)
    _check_normalisation(config, capability)
    _check_shortcut(config, capability)
    if config.mase_weighting and config.output not in ("point", "quantiles"):
        raise ConfigurationError(
            f"mase_weighting = {config.mase_weighting:g} weighs errors, and output = "
            f"{config.output!r} is trained on a likelihood: set mase_weighting = 0, or output = "
            "quantiles"
        )
    if config.transform != "none" and config.output == "negative_binomial":
        raise ConfigurationError(
            f"transform = {config.transform!r} is not available with output = "
            "'negative_binomial', which counts: set transform = none, or choose another output"
        )
    cell_options(find_cell(config.cell), config.cell_options)
    network.check()
    calendar_features(config, description)


def calendar_features(config: ForecastingConfig, description: DataDescription) -> tuple[str, ...]:
    """The calendar features of the model's graph, "auto" resolved for the network and the data.

    Raises:
        ConfigurationError: "auto" or "none" is combined with other names, the rows have no date, or
            the network reads no calendar.
    """
    taken = find_network(config.model).capability.calendar
    named = tuple(dict.fromkeys(config.calendar))
    if named in ((), ("none",)):
        return ()
    if named == ("auto",):
        usable = usable_features(description.step_minutes, description.span_minutes)
        return usable if taken else ()
    for word in ("auto", "none"):
        if word in named:
            raise ConfigurationError(f"calendar: {word!r} cannot be combined with other features")
    if not taken:
        raise ConfigurationError(
            f"model = {config.model!r} takes no calendar features ({', '.join(named)}): set "
            f"calendar = none, {_another_model('calendar')}"
        )
    if not description.step_minutes:
        raise ConfigurationError(
            f"calendar = {', '.join(named)}: the rows are counted and have no date; set calendar = "
            "none, or give a column of times"
        )
    return named


def capabilities() -> dict[str, Capability]:
    """What every registered network has declared, by the network's name."""
    return {name: find_network(name).capability for name in network_names()}


def _another_model(declared: str) -> str:
    """Advice to choose a model that has declared something, such as "past"."""
    able = [name for name, other in capabilities().items() if getattr(other, declared)]
    return f"or choose model = {' or '.join(able)}"


def _check_covariates(model: str, capability: Capability, description: DataDescription) -> None:
    for kind, taken, names in (
        ("past", capability.past, description.past_names),
        ("future", capability.future, description.future_names),
        ("static", capability.static, description.static_names),
    ):
        if names and not taken:
            raise ConfigurationError(
                f"model = {model!r} takes no {kind} covariates ({', '.join(names)}): leave them "
                f"out with {kind}_covariates = none, {_another_model(kind)}"
            )


def _check_category_embedding(config: ForecastingConfig, description: DataDescription) -> None:
    if config.category_embedding and not description.categories:
        raise ConfigurationError(
            f"category_embedding = {config.category_embedding}, but no covariate that changes with "
            "time has categories: set it to 0, or state such a covariate (past_covariates, "
            "future_covariates; categories, if its values are numbers)"
        )


def _check_series_embedding(config: ForecastingConfig, capability: Capability) -> None:
    if not config.series_embedding:
        return
    if not capability.series_embedding:
        raise ConfigurationError(
            f"model = {config.model!r} takes no series embedding: set series_embedding = 0, "
            f"{_another_model('series_embedding')}"
        )
    if config.scaling == "window":
        raise ConfigurationError(
            "series_embedding knows the training series only, and scaling = 'window' also serves "
            "other series: set series_embedding = 0 or scaling = 'series'"
        )


def _check_quantiles(config: ForecastingConfig) -> None:
    levels = config.quantiles
    if list(levels) != sorted(set(levels)):
        raise ConfigurationError(f"quantiles = {levels}: give each level once, in rising order")
    if config.output == "quantiles" and 0.5 not in levels:
        raise ConfigurationError(
            f"quantiles = {levels} lack 0.5, the median, which is the point forecast"
        )


def _check_normalisation(config: ForecastingConfig, capability: Capability) -> None:
    longest = max(config.level_steps, *config.ensemble_level_steps, 1)
    if longest > config.lookback:
        raise ConfigurationError(
            f"a level of {longest} steps is more than lookback = {config.lookback}"
        )
    if config.ensemble_level_steps and capability.autoregressive:
        raise ConfigurationError(
            f"ensemble_level_steps needs a model other than {config.model!r}, which feeds its own "
            "forecast back"
        )
    if config.ensemble_level_steps and config.normalisation != "last_value":
        raise ConfigurationError(
            f"normalisation = {config.normalisation!r}: ensemble_level_steps needs normalisation = "
            "'last_value'"
        )
    if config.output == "negative_binomial" and config.normalisation != "none":
        raise ConfigurationError(
            f"normalisation = {config.normalisation!r} shifts the target, but counts start at 0: "
            "output = 'negative_binomial' needs normalisation = 'none'"
        )


def _check_shortcut(config: ForecastingConfig, capability: Capability) -> None:
    if config.shortcut == "none":
        return
    reason = ""
    if capability.autoregressive:
        reason = f"model = {config.model!r}, which forecasts step by step"
    elif config.output == "negative_binomial":
        reason = "output = 'negative_binomial', whose counts start at 0"
    if reason:
        raise ConfigurationError(
            f"shortcut = {config.shortcut!r} is not available with {reason}: set shortcut = none, "
            "or choose another"
        )


def capability_table() -> str:
    """The declarations as a Markdown table, as `docs/forecasting-models.md` shows it."""
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
    for model, capability in capabilities().items():
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
