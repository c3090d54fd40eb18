"""Which configuration may continue a run."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from pipelines.base.errors import ConfigurationError
from rnn_apps.training.config import TrainingConfig


def check_same_config(saved: dict[str, Any], config: TrainingConfig) -> None:
    """Refuses to continue a run with other settings than it began with.

    Settings that move no weight may change, such as `epochs`, `patience` or `max_minutes`; but not
    `epochs` if what a step does depends on them, as by a learning rate that ends with the last one.

    Raises:
        ConfigurationError: names every field that changed, with its old and new value.
    """
    may_change = changeable(config)
    # A setting that the run does not know of is newer than the run: it trained by the default.
    defaults = {field.name: field.default for field in fields(config)}
    before, now = (
        {name: _as_json(value) for name, value in {**defaults, **settings}.items()}
        for settings in (saved, asdict(config))
    )
    changed = [
        f"{name} (was {before[name]!r}, is {now.get(name)!r})"
        for name in sorted(before)
        if name not in may_change and before[name] != now.get(name)
    ]
    if changed:
        raise ConfigurationError(
            f"the run cannot be resumed with other settings: {', '.join(changed)}. "
            "Set them back, or train in another folder"
        )


def changeable(config: TrainingConfig) -> frozenset[str]:
    """The settings that may have another value when a run is resumed."""
    return config.MAY_CHANGE_ON_RESUME - ({"epochs"} if config.ends_with_the_epochs else set())


def _as_json(value: Any) -> Any:
    """The value as a checkpoint holds it: JSON has lists only."""
    if isinstance(value, tuple | list):
        return [_as_json(item) for item in value]
    return value
