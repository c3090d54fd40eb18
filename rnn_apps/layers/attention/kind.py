"""What a kind of attention is: its weights, keys, energies, place and memories, in one class.

The decoder, its training loop and its exported form all ask this class, so that a new kind is one
file.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import keras

from rnn_apps.layers.attention.stage import Stage


@dataclass(frozen=True)
class AttentionWeight:
    """A trainable weight of an attention.

    Args:
        name: name of the weight.
        shape: axes, each a number or one of "query" (size of the query), "annotation" (size of an
            annotation) and "units" (size of the attention's hidden layer).
        used_in: "keys" if `AttentionKind.keys` uses it, once per source; "product" if it is the
            matrix of `Products.times`; "step" if the energies use it in any other way.
        initializer: name of the Keras initializer.
    """

    name: str
    shape: tuple[int | Literal["query", "annotation", "units"], ...]
    used_in: Literal["keys", "product", "step"]
    initializer: str = "glorot_uniform"


@dataclass(frozen=True)
class Memory:
    """A tensor that an attention carries from one decoding step to the next.

    Args:
        name: name of the tensor; exported decoders have an input of this name.
        start: function of `present` [batch, positions] that gives the value before the first step,
            [batch, ...].
        follow: function (value, attention weights [batch, positions]) -> the next step's value.
    """

    name: str
    start: Callable[[Any], Any]
    follow: Callable[[Any, Any], Any]


COVERAGE = Memory(
    "attended",
    start=lambda present: keras.ops.zeros_like(present),
    follow=lambda attended, weights: attended + weights,
)
"""The sum of the attention weights that each position has had so far (Tu et al. 2016)."""


class Products(Protocol):
    """The products that energies are made of.

    The caller of `AttentionKind.energies` chooses how each is computed: the training loop, a
    single step and many queries at once each have their own fastest way.
    """

    def times(self, value: Any, name: str) -> Any:
        """The product of a value [..., m] with the weight `name` [m, n], [..., n]."""

    def inner(self, query: Any, keys: Any) -> Any:
        """The inner products of a query [..., n] with keys [..., positions, n]."""

    def score(self, hidden: Any, name: str) -> Any:
        """Hidden layers [..., positions, n] times the column `name` [n, 1], [..., positions]."""

    def vector(self, name: str) -> Any:
        """The weight `name` itself; None if there is none."""


@dataclass(frozen=True)
class AttentionKind(abc.ABC):
    """A kind of attention: how well each position of a source fits a query.

    A subclass gives its name, title, stage and `energies`, and whatever else differs from the
    defaults here. Objects are hashable: equal ones share their compiled training loops.

    Args:
        coverage: True if the energies depend on the attention that each position has had so far;
            for kinds with `has_coverage`.
    """

    coverage: bool = False

    name: ClassVar[str]
    """Name in configurations, such as "bahdanau"."""
    title: ClassVar[str]
    """Name as papers write it."""
    stage: ClassVar[Stage]
    """Where a plain decoder reads the source, `Stage.BEFORE` or `Stage.AFTER`; a conditional
    decoder reads it between its two cells, whatever the kind."""
    has_coverage: ClassVar[bool] = False
    """Whether the energies can depend on the attention so far."""

    @property
    def weights(self) -> tuple[AttentionWeight, ...]:
        """The trainable weights, in the order in which `.keras` files hold them."""
        return ()

    @property
    def memories(self) -> tuple[Memory, ...]:
        """What is carried from one decoding step to the next."""
        return (COVERAGE,) if self.coverage else ()

    @property
    def has_own_keys(self) -> bool:
        """Whether the keys are something else than the annotations."""
        return type(self).keys is not AttentionKind.keys

    def check_sizes(self, query: int, annotation: int) -> None:
        """Refuses sizes that do not fit each other.

        Args:
            query: size of the decoder's state.
            annotation: size of the encoder's output at one position.

        Raises:
            ConfigurationError: the kind needs other sizes; by default none are refused.
        """
        return

    def keys(self, annotations: Any, weights: Mapping[str, Any]) -> Any:
        """The part of the energies that depends on the source alone, computed once per source.

        Args:
            annotations: encoder outputs, [batch, positions, size].
            weights: weights with `used_in` = "keys", by name.

        Returns:
            The keys [batch, positions, n]; the annotations themselves by default.
        """
        return annotations

    @abc.abstractmethod
    def energies(
        self, query: Any, keys: Any, memories: Mapping[str, Any], products: Products
    ) -> Any:
        """How well each position fits a query; the softmax of it is the attention.

        The axes before the last ones broadcast. One step has queries [batch, size] and keys
        [batch or 1, positions, n]; many queries at once, which only a kind without memories gets,
        are [batch, timesteps, size], their keys [batch, 1, positions, n].

        Args:
            query: state or output that the attention is asked with, see `Stage`.
            keys: result of `keys`.
            memories: values of `memories`, by name.
            products: products with the weights.

        Returns:
            The energies [..., positions].
        """
