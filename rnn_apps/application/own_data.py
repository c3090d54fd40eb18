"""The data of a run: what it was trained on and its parts, and other data in its place."""

from __future__ import annotations

import abc
import functools
from typing import ClassVar, Generic, TypeVar

from pipelines.base.errors import ConfigurationError, DataError, UserError

PARTS = ("train", "validation", "test")
"""The parts of data, by the names that the command line and metrics.json use."""
EVALUATED = (*PARTS, "other_data")
"""What a run is evaluated on, by the names that metrics.json and the files of an evaluation use."""

Source = TypeVar("Source")
Whole = TypeVar("Whole")
Part = TypeVar("Part")


class OwnData(abc.ABC, Generic[Source, Whole, Part]):
    """The data that a run is trained, chosen and judged on; read when it is first asked for.

    Args:
        source: address of the data, or the data itself if it is in memory; empty or None if
            the run was trained on data in memory that is no longer there.

    Attributes:
        unnamed: message if there is nothing to train on, such as "no text is named".
        lost: data that is no longer there, such as "a text in memory, which is not kept".
        nothing_held_out: message if there is nothing to judge on, such as "no text was held out".
        address: argument that names data, as an example for messages.
        parts: names of all parts that such data may have.
    """

    unnamed: ClassVar[str]
    lost: ClassVar[str]
    nothing_held_out: ClassVar[str]
    address: ClassVar[str] = "--data SOURCE"
    parts: ClassVar[tuple[str, ...]] = PARTS

    def __init__(self, source: Source | None) -> None:
        self._source = None if isinstance(source, str) and not source else source

    @abc.abstractmethod
    def read(self, source: Source) -> Whole:
        """Reads data with all its parts, as the run's configuration says.

        Raises:
            DataError: the data cannot be read, or is too short for the split.
        """

    @abc.abstractmethod
    def present(self) -> tuple[str, ...]:
        """The names of the parts that there are, in the order of `parts`."""

    @abc.abstractmethod
    def part(self, name: str) -> Part:
        """One part of the run's own data.

        Args:
            name: name of the part; see `require`.
        """

    @property
    def name(self) -> str:
        """What the data is called in messages: its address, or the name that it has in memory."""
        if isinstance(self._source, str):
            return self._source
        return str(getattr(self._source, "name", "the run's data"))

    @functools.cached_property
    def whole(self) -> Whole:
        """The run's own data.

        Raises:
            UserError: the run was trained on data in memory, which is gone.
            DataError: the data cannot be read.
        """
        if self._source is None:
            raise UserError(
                f"the run was trained on {self.lost}. Give it again when the run is opened, or "
                f"name other data: {self.address}"
            )
        return self.read(self._source)

    def require_named(self) -> None:
        """Refuses to train on nothing.

        Raises:
            ConfigurationError: no data is named.
        """
        if self._source is None:
            raise ConfigurationError(f"{self.unnamed}. Say what to train on: {self.address}")

    def has(self, name: str) -> bool:
        """Whether there is a part of this name."""
        return name in self.present()

    def require(self, name: str) -> None:
        """Refuses a part that is not there.

        Raises:
            UserError: data never has such a part, or this data does not have it.
        """
        if name not in self.parts:
            raise UserError(f"part = {name!r}: choose from {', '.join(self.parts)}")
        present = self.present()
        if name not in present:
            raise UserError(
                f"{self.name} has no {name} part. Available: {', '.join(present) or 'none'}"
            )

    @property
    def held_out_part(self) -> str:
        """The test part, or validation where there is no test part, or "" where neither is."""
        return next((part for part in ("test", "validation") if self.has(part)), "")

    @property
    def judged_part(self) -> str:
        """The part that the run is judged on: test; validation where there is no test part.

        Raises:
            DataError: nothing was held out.
        """
        if part := self.held_out_part:
            return part
        raise DataError(
            f"{self.nothing_held_out} in training",
            file=self.name,
            advice=f"Name data to judge on: {self.address}.",
        )
