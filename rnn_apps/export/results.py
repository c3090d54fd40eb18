"""The results of an export: forms and their reasons, errors, sizes, times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.base.errors import UserError

TARGETS = ("litert", "tflm")
MODES = ("sequence", "streaming")
QUANTIZATIONS = (None, "dynamic", "float16", "int8")
# Largest difference from Keras in units of the output's largest value, by quantisation.
TOLERANCES = {None: 1e-5, "float16": 5e-3, "dynamic": 0.05, "int8": 0.1}
# The share of labels that rounding may turn over where two are equally likely, in float32 too.
TIES = 1e-3
# A quantised output may differ from Keras by this part of its own standard deviation, over all.
MOST_OF_VARIATION = 0.5


class ExportError(UserError):
    """A model that cannot be exported as asked, or whose file is not right; no file is left.

    The message names the layer or the operator that stands in the way and what to choose instead.
    """


@dataclass(frozen=True)
class LayerForm:
    """The form that one recurrent layer takes in the file, and why."""

    layer: str
    kind: str
    form: str
    reason: str


@dataclass(frozen=True)
class LabelErrors:
    """How many of an output's whole numbers or truth values are others than in Keras."""

    differing: int
    compared: int

    def __str__(self) -> str:
        share = self.differing / max(1, self.compared)
        return f"{self.differing} of {self.compared} ({100 * share:.2g} %)"


@dataclass(frozen=True)
class Variation:
    """How much of what varies in an output is left in a quantised file.

    Attributes:
        differs: root mean square of the difference from Keras, in standard deviations of Keras'
            values over the compared data, of all channels (places of the last dimension) together.
        worst: the largest of the same figures of single channels.
        worst_channel: number of the channel that has it, from 0.
        lost: numbers of the channels that the file cannot follow at all, since they are smaller
            than a step of the integers in which it keeps the larger ones beside them.
    """

    differs: float
    worst: float
    worst_channel: int
    lost: tuple[int, ...] = ()


@dataclass(frozen=True)
class OutputError:
    """The difference of one output from the Keras model, over all compared examples.

    `maximum_absolute` is max |file - Keras|; `relative_rmse` is the root mean square of the
    difference divided by that of the Keras output (0 where both are zero); `scale` is
    max |Keras|, and `tolerance` bounds `maximum_absolute / max(scale, 0.1)`.

    A `state` of a stream is memory that only the model reads again: what it does to the outputs
    is judged there, over whole sequences. One unit of a trained layer that is about to turn over
    may be far off for a few timesteps without any consequence. So `tolerance` bounds the
    `relative_rmse` of a state, over all its units.

    `labels` is set for outputs of whole numbers or truth values: class 7 is no nearer to class 8
    than to class 70. So `tolerance` bounds the share of them that differ.

    `variation` is set for outputs of real numbers in quantised files, where the data show enough of
    it: beside a large offset, an error of a few percent can be all that the output has to say.
    """

    signature: str
    output: str
    maximum_absolute: float
    relative_rmse: float
    scale: float
    tolerance: float
    state: bool = False
    labels: LabelErrors | None = None
    variation: Variation | None = None

    @property
    def within(self) -> bool:
        """Whether the difference is inside the tolerance (false where it is not a number)."""
        return self.follows and self._near

    @property
    def follows(self) -> bool:
        """Whether a quantised output still changes with the model's, as far as the data tell."""
        if self.variation is None:
            return True
        most = max(MOST_OF_VARIATION, self.tolerance)
        return not self.variation.lost and self.variation.differs <= most

    @property
    def _near(self) -> bool:
        if self.labels is not None:
            return self.labels.differing <= max(TIES, self.tolerance) * self.labels.compared
        # The floor is there for outputs that are near zero by cancellation: their rounding errors
        # are those of the numbers they come from.
        if self.state:
            return self.relative_rmse * min(1.0, self.scale / 0.1) <= self.tolerance
        return self.maximum_absolute <= self.tolerance * max(0.1, self.scale)


@dataclass(frozen=True)
class ProofExtent:
    """How much was run and compared to measure the errors of one signature.

    Attributes:
        sequences: number of different sequences.
        timesteps: timesteps of the longest stream; 0 where each call is a whole sequence.
        chunk: timesteps of one call of a stream; 0 where each call is a whole sequence.
        calibrated: number of these sequences on which the ranges of int8 were measured.
    """

    sequences: int
    timesteps: int = 0
    chunk: int = 0
    calibrated: int = 0

    def __str__(self) -> str:
        text = f"{self.sequences} sequence{'s' if self.sequences > 1 else ''}"
        if self.chunk:
            text += f" of up to {self.timesteps} timesteps, in chunks of {self.chunk}"
        if self.calibrated:
            which = "all" if self.calibrated == self.sequences else f"{self.calibrated}"
            text += f" ({which} of which calibrated int8)"
        return text


@dataclass(frozen=True)
class Verification:
    """The results of running and comparing a file; `latency_ms` and `arena_bytes` as measured."""

    path: Path
    target: str
    errors: tuple[OutputError, ...]
    compared: int
    latency_ms: float | None = None
    arena_bytes: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every output is within its tolerance."""
        return all(error.within for error in self.errors)


@dataclass(frozen=True)
class MetricResult:
    """The task's metric of the Keras model and of the file, and what it was measured on."""

    name: str
    keras: float
    file: float
    measured_on: str


@dataclass(frozen=True)
class ExportResult:
    """A written and verified file.

    `latencies_ms` holds the median of one invocation on one thread by signature; `arena_bytes` is
    known on TFLite Micro only.
    `measured_on` says by signature how many sequences the errors were measured on.
    `candidates` holds what `form="auto"` measured: form -> milliseconds of the fastest run, summed
    over the signatures, or why it failed. `metric` is set if the export was given one.
    """

    path: Path
    target: str
    mode: str
    quantize: str | None
    forms: tuple[LayerForm, ...]
    signatures: dict[str, Any]
    operators: tuple[str, ...]
    errors: tuple[OutputError, ...]
    bytes: int
    latencies_ms: Mapping[str, float] = field(default_factory=dict)
    arena_bytes: int | None = None
    candidates: dict[str, float | str] = field(default_factory=dict)
    reference_data: str = "random"
    measured_on: dict[str, ProofExtent] = field(default_factory=dict)
    card: Path | None = None
    metric: MetricResult | None = None

    @property
    def latency_ms(self) -> float | None:
        """The latency of the only signature, or of the first where there are several."""
        return next(iter(self.latencies_ms.values()), None)

    @property
    def error(self) -> float:
        """The largest absolute difference from the Keras model over all outputs."""
        return max((error.maximum_absolute for error in self.errors), default=0.0)

    @property
    def form(self) -> str:
        """The recurrent layers' form: one name, or several joined with `+`."""
        return "+".join(dict.fromkeys(form.form for form in self.forms)) or "none"
