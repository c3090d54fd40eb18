"""Weights of a trained model for another one: what is taken over, row by row where sizes differ.

The parts of a network are its layers with weights, by name. A vocabulary, an alphabet, the series
or the horizon may differ between two networks: the parts that depend on them are taken over for the
rows that both have, and begin anew for the others.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt

from pipelines.base.errors import ConfigurationError, UserError
from rnn_apps.training.variables import read

Places = npt.NDArray[np.intp]


class Rows(Protocol):
    """The rows of a part that two networks share, where its size may differ between them.

    Attributes:
        axis: axis of the weights along which the rows lie: 0 for an embedding, -1 for the outputs
            of a dense layer.
        name: name of the rows, for the user, such as "labels".
    """

    @property
    def axis(self) -> int: ...  # noqa: D102 - see the class

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    def places(self, old: Sequence[int], new: Sequence[int]) -> tuple[Places, Places] | None:
        """The places of the shared rows in the trained and in the new network's weights.

        Args:
            old, new: shapes of the weights in the trained and in the new network.

        Returns:
            None if weights of these shapes are taken over whole or do not fit.
        """
        ...


@dataclass(frozen=True)
class SharedRows:
    """Rows that have a key, such as the tokens of a vocabulary; see `Rows`.

    Args:
        old, new: key of each row of the trained and of the new network; of equal keys in one of
            them the first counts.
        axis: axis of the weights along which the rows lie, as in `Rows`.
        name: name of the rows for the user, such as "labels".
    """

    old: Sequence[Hashable]
    new: Sequence[Hashable]
    axis: int
    name: str

    def places(self, old: Sequence[int], new: Sequence[int]) -> tuple[Places, Places] | None:
        """See `Rows`: weights have these rows if they have as many of them."""
        sizes = len(self.old), len(self.new)
        if len(old) != len(new) or (old[self.axis], new[self.axis]) != sizes:
            return None
        first: dict[Hashable, int] = {}
        for place, key in enumerate(self.old):
            first.setdefault(key, place)
        pairs = [(first[key], place) for place, key in enumerate(self.new) if key in first]
        shared = np.array(pairs, np.intp).reshape(-1, 2)
        return shared[:, 0], shared[:, 1]


@dataclass(frozen=True)
class FirstRows:
    """Rows that are shared in order from the first one on, such as the steps of a horizon.

    Args:
        axis: axis of the weights along which the rows lie, as in `Rows`.
        name: name of the rows for the user, such as "labels".
    """

    axis: int
    name: str

    def places(self, old: Sequence[int], new: Sequence[int]) -> tuple[Places, Places] | None:
        """See `Rows`: weights have these rows if nothing but their number differs."""
        if len(old) != len(new) or old[self.axis] == new[self.axis]:
            return None
        common = np.arange(min(old[self.axis], new[self.axis]))
        return common, common


def parts_of(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """The layers of a model that have weights, by name; those of a model inside it as "name/layer".

    A layer that is used in several places counts once.
    """
    parts: dict[str, keras.layers.Layer] = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            inside = parts_of(layer)
            parts |= {f"{layer.name}/{name}": part for name, part in inside.items()}
        elif layer.weights:
            parts[layer.name] = layer
    return parts


def named_parts(model: keras.Model, name: str, option: str) -> list[str]:
    """The parts that a name means: the one of this name, and those whose name begins with it.

    "encoder" means "encoder", "encoder_1", "encoder_2" and "encoder/gru".

    Args:
        model: network with the parts.
        name: name from the user.
        option: name of the setting, for the message.

    Raises:
        ConfigurationError: no part has this name; the message lists those that there are.
    """
    parts = list(parts_of(model))
    meant = [part for part in parts if part == name or part.startswith((f"{name}_", f"{name}/"))]
    if not meant:
        raise ConfigurationError(
            f"{option}: the network has no part {name!r}. Available: {', '.join(parts)}"
        )
    return meant


@dataclass(frozen=True)
class Taken:
    """What became of each part of a network when the weights of a trained one were taken over.

    Attributes:
        whole: parts whose weights were all taken over.
        rows: parts of which rows were taken over: number of these, number of all, their name.
        anew: parts that begin anew, since the trained network has none of that name.
        left: parts of the trained network that the new one does not have.
    """

    whole: tuple[str, ...]
    rows: Mapping[str, tuple[int, int, str]]
    anew: tuple[str, ...]
    left: tuple[str, ...]

    def check_frozen(self, model: keras.Model, names: Sequence[str]) -> None:
        """Refuses to freeze weights that nothing has trained.

        Args:
            model: network that took the weights.
            names: names of the parts that are to be frozen, as `named_parts` takes them.

        Raises:
            ConfigurationError: a part begins anew, or some of its rows do; says how many, and what
                to do.
        """
        frozen = {part for name in names for part in named_parts(model, name, "freeze")}
        untrained = [f"{part} begins anew as a whole" for part in self.anew if part in frozen]
        untrained += [
            f"{size - known:,} of {size:,} {rows} of {part} begin anew"
            for part, (known, size, rows) in self.rows.items()
            if part in frozen and known < size
        ]
        if untrained:
            raise ConfigurationError(
                f"freeze: {'; '.join(untrained)}, so that initial weights, drawn at random, would "
                "stay as they are. Leave the part out of freeze; learning_rates with PART=0.1 "
                "changes it slowly, and unfreeze lets it wait for some epochs"
            )

    def lines(self, origin: str) -> list[str]:
        """Sentences for the user.

        Args:
            origin: address of the trained network.
        """
        lines = [f"Going on from {origin}: the weights of {', '.join(self.whole) or 'no part'}."]
        for part, (known, size, name) in self.rows.items():
            rest = f"; {size - known:,} begin anew" if known < size else ""
            lines.append(f"{part}: {known:,} of {size:,} {name} have trained weights{rest}.")
        if self.anew:
            lines.append(f"New, with initial weights: {', '.join(self.anew)}.")
        if self.left:
            lines.append(f"Of {origin}, not used: {', '.join(self.left)}.")
        return lines


def take_weights(
    model: keras.Model,
    trained: keras.Model,
    *,
    origin: str,
    rows: Mapping[str, Rows] | None = None,
    own: Collection[str] = (),
    anew: Collection[str] = (),
) -> Taken:
    """Gives a network the weights of a trained one; nothing is changed if something does not fit.

    Args:
        model: network that takes the weights.
        trained: network that has them.
        origin: address of the trained network, for messages.
        rows: rows that both have, of the parts that depend on a vocabulary, on the series or on the
            horizon, by the part's name.
        own: names of parts that keep what they were built with, such as statistics of the data.
        anew: names of parts that begin anew whatever the trained network has.

    Raises:
        UserError: a part has weights of another number or shape, or no part is known.
    """
    there = parts_of(trained)
    assignments: list[tuple[Any, npt.NDArray[Any]]] = []
    whole: list[str] = []
    partly: dict[str, tuple[int, int, str]] = {}
    new: list[str] = []
    for name, part in parts_of(model).items():
        last = name.rsplit("/", 1)[-1]
        if last in own:
            continue
        if last in anew or name not in there:
            new.append(name)
            continue
        shared = (rows or {}).get(last)
        found, chosen = _matched(name, part, there[name], shared, origin)
        assignments += found
        if chosen is None:
            whole.append(name)
        else:
            partly[name] = chosen
    if not whole and not partly:
        raise UserError(
            f"{origin} has no part in common with this network: it has {', '.join(there)}; this "
            f"network {', '.join(new)}. Name a run of the same application and kind of network"
        )
    for variable, value in assignments:
        variable.assign(value)
    known = {*parts_of(model)}
    return Taken(tuple(whole), partly, tuple(new), tuple(n for n in there if n not in known))


def _matched(
    name: str,
    part: keras.layers.Layer,
    trained: keras.layers.Layer,
    rows: Rows | None,
    origin: str,
) -> tuple[list[tuple[Any, npt.NDArray[Any]]], tuple[int, int, str] | None]:
    """The new value of each of a part's weights, and how many of which rows were chosen."""
    if len(part.weights) != len(trained.weights):
        raise UserError(
            f"{name}: the part has {len(trained.weights)} weights in {origin} and "
            f"{len(part.weights)} in this network. Set the network's options as they are there"
        )
    assignments, chosen = [], None
    for variable, other in zip(part.weights, trained.weights, strict=True):
        before, now = tuple(other.shape), tuple(variable.shape)
        value = read(other)
        places = None if rows is None else rows.places(before, now)
        if rows is not None and places is not None and _agree(before, now, rows.axis):
            value = _with_rows(read(variable), value, rows.axis, *places)
            chosen = (len(places[1]), now[rows.axis], rows.name)
        elif before != now:
            raise UserError(
                f"{name}: {variable.name} has the shape {_shape(before)} in {origin} and "
                f"{_shape(now)} in this network. Set the network's sizes as they are there, or "
                "train without that run's weights"
            )
        assignments.append((variable, value))
    return assignments, chosen


def _agree(old: Sequence[int], new: Sequence[int], axis: int) -> bool:
    """Whether two shapes differ along one axis at most."""
    return np.delete(old, axis).tolist() == np.delete(new, axis).tolist()


def _with_rows(
    initial: npt.NDArray[Any], trained: npt.NDArray[Any], axis: int, old: Places, new: Places
) -> npt.NDArray[Any]:
    """The initial weights with the trained network's values in the rows that both have."""
    moved = np.moveaxis(initial, axis, 0)
    moved[new] = np.moveaxis(trained, axis, 0)[old]
    return np.moveaxis(moved, 0, axis)


def _shape(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
