"""What a forecasting network is: the features it reads, what it can do, and the graph it builds.

A network turns the scaled features of a window into raw numbers for each step of the horizon; the
head makes a forecast of them. Scaling, calendar features, normalisation, heads, calibration and
export are the same for all networks, so that a new one is a single class.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rnn_apps.forecasting.config import OUTPUTS, ForecastingConfig
from rnn_apps.forecasting.network.registry import register_network, registered_network

if TYPE_CHECKING:
    import keras

NetworkClass = TypeVar("NetworkClass", bound="type[Network]")


@dataclass(frozen=True)
class Features:
    """What a network reads, all scaled; tensors of a functional model.

    Attributes:
        target: past target [batch, lookback].
        past: past covariates, known-future covariates and calendar [batch, lookback, C]; or None.
        future: known-future covariates and calendar [batch, horizon, F]; or None.
        context: static covariates and the series' embedding [batch, S]; or None.
        location, scale: statistics of the series' scaling, each [batch, 1].
        shift, factor: statistics of the window's normalisation, each [batch, 1]; None without one.
    """

    target: Any
    past: Any | None
    future: Any | None
    context: Any | None
    location: Any
    scale: Any
    shift: Any | None
    factor: Any | None


@dataclass(frozen=True)
class Capability:
    """What a network declares that it can do; everything else is refused before training.

    Attributes:
        outputs: values of `output` that the network can be trained for.
        past, future, static: whether the network reads covariates of that kind.
        calendar: whether the network reads features of the time stamps.
        series_embedding: whether the network reads an embedding of the series.
        sample_paths: way of drawing joint paths over the horizon: "copula" (every step's own
            distribution, joined as validation windows show), "ancestral" (step by step, each draw
            fed back) or "none".
        autoregressive: whether the network feeds its own forecast back; `network` fills it in.
    """

    outputs: tuple[str, ...]
    past: bool = False
    future: bool = False
    static: bool = False
    calendar: bool = False
    series_embedding: bool = False
    sample_paths: str = "none"
    autoregressive: bool = False

    def __post_init__(self) -> None:
        """Refuses a declaration that the toolkit cannot serve.

        Raises:
            ValueError: an output is unknown, or the sample paths do not fit the network.
        """
        unknown = [output for output in self.outputs if output not in OUTPUTS]
        if unknown or not self.outputs:
            raise ValueError(f"outputs = {self.outputs}: choose from {', '.join(OUTPUTS)}")
        fitting = ("ancestral" if self.autoregressive else "copula", "none")
        if self.sample_paths not in fitting:
            kind = "a network that feeds its forecast back" if self.autoregressive else "a network"
            raise ValueError(
                f"sample_paths = {self.sample_paths!r}: {kind} draws paths by {fitting[0]!r}, or "
                "declares 'none'"
            )

    def quantiles(self, output: str) -> bool:
        """Whether the deployed network gives quantiles of an output.

        The quantiles of a step that was reached by feeding back the mean would leave out the
        uncertainty of the steps before, so that an autoregressive network gives none.
        """
        return output != "point" and not self.autoregressive


class Network(ABC):
    """One way of making the horizon. Subclasses are declared with the decorator `network`.

    Args:
        config: configuration of the run.
    """

    capability: ClassVar[Capability]
    autoregressive: ClassVar[bool] = False

    def __init__(self, config: ForecastingConfig) -> None:
        self.config = config

    def check(self) -> None:  # noqa: B027 - a network without settings of its own refuses nothing
        """Refuses settings that the network cannot serve.

        Raises:
            ConfigurationError: names the field, its value, why it does not fit and what does.
        """

    @abstractmethod
    def outputs(self, features: Features, width: int) -> Any:
        """Builds the graph that forecasts.

        Args:
            features: scaled features of the window.
            width: number of raw head inputs per step.

        Returns:
            Raw head inputs [batch, horizon, width], float32.
        """

    def training_outputs(self, inputs: dict[str, Any], features: Features, width: int) -> Any:
        """Builds the graph that is trained; by default that of `outputs`.

        Args:
            inputs: raw inputs by name; a network that also reads the truth adds to them.
            features: scaled features of the window.
            width: number of raw head inputs per step.

        Returns:
            Raw head inputs [batch, horizon, width], float32.
        """
        return self.outputs(features, width)

    def copy_weights(self, trained: keras.Model, deployed: keras.Model) -> None:
        """Copies the trained weights into a deployed model, whose graph `outputs` has built."""
        deployed.set_weights(trained.get_weights())


def network(name: str, **declared: Any) -> Callable[[NetworkClass], NetworkClass]:
    """Decorates a subclass of `Network`: registers it and states what it can do.

    Args:
        name: name of the network, as ``model = "NAME"`` and ``--model NAME``.
        declared: fields of `Capability`; what is left out is refused.

    Raises:
        ConfigurationError: a class of another module has that name.
        ValueError: the declaration names an unknown output, or sample paths that do not fit.
    """

    def declare(network_class: NetworkClass) -> NetworkClass:
        capability = Capability(**declared, autoregressive=network_class.autoregressive)
        register_network(name, network_class)
        network_class.capability = capability
        return network_class

    return declare


def find_network(name: str) -> type[Network]:
    """The class of a network by its name.

    Raises:
        ConfigurationError: no network has that name.
    """
    network_class: type[Network] = registered_network(name)
    return network_class


def network_of(config: ForecastingConfig) -> Network:
    """The network that a config's `model` names, with that config."""
    return find_network(config.model)(config)
