"""Which form a recurrent layer takes: what is possible, what the rules prefer, what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras

from rnn_apps.export.forms.cell_steps import kind_of
from rnn_apps.export.forms.chunked_loop import CHUNK, recurrent_bytes
from rnn_apps.export.forms.replaceable_layers import layer_name
from rnn_apps.export.forms.replacement import LayerUse
from rnn_apps.export.results import ExportError, LayerForm
from rnn_apps.layers.cells.registry import cell_of

FORMS = ("fused", "blocked loop", "loop", "chunked loop", "compact loop", "unrolled", "keras loop")

# Timesteps up to which unrolling is considered: a file grows by ten to twenty operators for each.
UNROLLED_TIMESTEPS = 64
UNROLLED_INT8_TIMESTEPS = 200
# XNNPACK packs the recurrent kernel anew for each timestep of an unrolled layer. Measured with int8
# weights: at 3.3 MB in all (LSTM of 128 units, 50 timesteps) 1.3 times faster than the best loop.
UNROLLED_COPIES_BYTES = 4 * 2**20
# Fewer do not pay for the second loop.
BLOCKED_TIMESTEPS = 16


# Below this size no device's store feels the difference: the runtime itself is larger.
SMALL_FILE_BYTES = 64 * 2**10


def best_of(milliseconds: Sequence[float], sizes: Sequence[int]) -> int:
    """The index of the best of several files that all are right: fast, but not at any size.

    A file that is twice as large as another has to be 1.41 times as fast (its time multiplied by
    the square root of its size has to be less). Files up to 64 KiB count as equally large.
    """
    costs = [
        time * max(size, SMALL_FILE_BYTES) ** 0.5
        for time, size in zip(milliseconds, sizes, strict=True)
    ]
    return costs.index(min(costs))


def why_not(form: str, use: LayerUse, target: str, quantize: str | None) -> str | None:
    """Why a layer cannot take a form on a target; None if it can."""
    checks = {
        "fused": _why_not_fused,
        "blocked loop": _why_not_blocked,
        "loop": _why_not_loop,
        "compact loop": _why_not_loop,
        "chunked loop": _why_not_chunked,
        "unrolled": _why_not_unrolled,
        "keras loop": _why_not_keras,
    }
    return checks[form](use, target, quantize)


def _why_not_fused(use: LayerUse, target: str, quantize: str | None) -> str | None:
    layer = use.layer
    if kind_of(layer) != "LSTM":
        return f"there is no fused operator for {kind_of(layer)}"
    cell = layer.cell
    if cell.activation is not keras.activations.tanh:
        return "the fused LSTM's activation is tanh"
    if cell.recurrent_activation is not keras.activations.sigmoid:
        return "the fused LSTM's gates are sigmoid"
    if use.masked:
        return "the fused LSTM knows no mask"
    if use.given_state or layer.return_state:
        return "the fused LSTM keeps its states to itself"
    if quantize == "float16" and (use.timesteps is None or use.batch is None):
        return "LiteRT loses the fused LSTM's float16 weights when an input is resized"
    return None


def _why_not_loop(use: LayerUse, target: str, quantize: str | None) -> str | None:
    if quantize == "int8":
        return "the converter cannot quantise a loop to int8"
    return None


def _why_not_blocked(use: LayerUse, target: str, quantize: str | None) -> str | None:
    if use.masked:
        return "the blocked loop knows no mask"
    if target == "tflm":
        return "the blocked loop is made for LiteRT's XNNPACK; on TFLite Micro the plain loop is it"
    if cell_of(use.layer.cell) is None:
        return "the blocked loop is for registered cells, whose equations are known"
    if use.timesteps is not None and use.timesteps < BLOCKED_TIMESTEPS:
        return f"it needs at least {BLOCKED_TIMESTEPS} timesteps"
    return _why_not_loop(use, target, quantize)


def _why_not_chunked(use: LayerUse, target: str, quantize: str | None) -> str | None:
    if use.timesteps is None or use.timesteps < 2 * CHUNK:
        return f"it needs at least {2 * CHUNK} timesteps, known beforehand"
    return _why_not_loop(use, target, quantize)


def _why_not_unrolled(use: LayerUse, target: str, quantize: str | None) -> str | None:
    if use.timesteps is None:
        return "unrolling needs a number of timesteps that is known beforehand"
    limit = UNROLLED_INT8_TIMESTEPS if quantize == "int8" else UNROLLED_TIMESTEPS
    if use.timesteps > limit:
        return f"unrolling stops at {limit} timesteps, the layer has {use.timesteps}"
    return None


def _why_not_keras(use: LayerUse, target: str, quantize: str | None) -> str | None:
    if use.timesteps is None:
        return "Keras' own loop needs a number of timesteps that is known beforehand"
    if use.batch is None:
        return "Keras' own loop needs a batch size that is known beforehand"
    return _why_not_loop(use, target, quantize)


def preferred_forms(use: LayerUse, target: str, quantize: str | None) -> list[tuple[str, str]]:
    """The forms that a layer can take, best first by rule, each with its reason.

    The order is that of measurements on one core (docs/edge-matrix.md); on LiteRT `auto` measures
    the first ones against each other.
    """
    kind = kind_of(use.layer)
    if use.timesteps == 1:
        order = {"unrolled": "one timestep, no loop", "fused": "one operator for the whole step"}
    elif quantize == "int8":
        order = {
            "fused": "the one LSTM that quantises to int8",
            "unrolled": "the converter quantises no loop to int8",
        }
    elif target == "litert":
        order = {}
        if kind == "SimpleRNN":
            order["unrolled"] = "few operators a timestep: no loop"
        elif quantize == "dynamic" and _copies_are_small(use):
            order["unrolled"] = "int8 weights: a copy for each timestep still fits a cache"
        order |= {
            "fused": "one operator for the whole layer",
        }
        if use.batch == 1 and not use.masked:
            order["chunked loop"] = "a loop whose body does several timesteps"
        order |= {
            "blocked loop": "a loop in a loop, which copies its outputs once a block",
            "loop": "one loop over one output tensor, updated in place",
        }
    else:
        order = {"fused": "one operator for the whole layer"}
        if _projection_is_wider(use.layer):
            order["compact loop"] = "the features go around, and only they take memory"
        order["loop"] = "one loop over one output tensor, updated in place"
    return [(f, why) for f, why in order.items() if why_not(f, use, target, quantize) is None]


def _projection_is_wider(layer: keras.layers.RNN) -> bool:
    """Whether the projection of a timestep is wider than its features."""
    cell = cell_of(layer.cell)
    if cell is None or cell.reads_inputs:
        return False
    features, projected = layer.cell.kernel.shape
    return bool(features < projected)


def _copies_are_small(use: LayerUse) -> bool:
    """Whether int8 copies of the recurrent kernel, one per timestep, are small together."""
    copies = (use.timesteps or 0) * recurrent_bytes(use.layer, weight_bytes=1)
    return copies <= UNROLLED_COPIES_BYTES


def candidates(
    uses: Sequence[LayerUse],
    target: str,
    quantize: str | None,
    form: str | Mapping[str, str],
) -> list[tuple[LayerForm, ...]]:
    """The combinations of forms to try, best first by rule; one if the user named the form.

    `auto` and `rule` give the same; it is for the caller to measure or to take the first.

    Raises:
        ExportError: a layer can take no form, or not the one that was asked for.
    """
    _refuse_unknown_layers(uses, form)
    if not uses:
        return [()]
    if form not in ("auto", "rule"):
        return [tuple(_asked(use, target, quantize, form) for use in uses)]
    options = [_options(use, target, quantize) for use in uses]
    combinations: list[tuple[LayerForm, ...]] = []
    for index in range(max(len(option) for option in options)):
        combination = tuple(option[min(index, len(option) - 1)] for option in options)
        if combination not in combinations:
            combinations.append(combination)
    return combinations


def _refuse_unknown_layers(uses: Sequence[LayerUse], form: str | Mapping[str, str]) -> None:
    if isinstance(form, str):
        return
    names = [layer_name(use.layer) for use in uses]
    if unknown := sorted(set(form) - set(names)):
        raise ExportError(
            f"form= names {', '.join(map(repr, unknown))}; the model's recurrent layers are "
            f"{', '.join(map(repr, names)) or 'none'}"
        )


def _options(use: LayerUse, target: str, quantize: str | None) -> list[LayerForm]:
    name, kind = layer_name(use.layer), kind_of(use.layer)
    options = [
        LayerForm(name, kind, form, reason)
        for form, reason in preferred_forms(use, target, quantize)
    ]
    if not options:
        reasons = "; ".join(
            f"{form}: {why_not(form, use, target, quantize)}" for form in ("fused", "unrolled")
        )
        raise ExportError(
            f"layer {name!r} ({kind}) has no form for target {target!r} with quantize={quantize!r} "
            f"({reasons}). {_advice(use, target, quantize)}"
        )
    return options


def _advice(use: LayerUse, target: str, quantize: str | None) -> str:
    if quantize == "int8" and target == "litert":
        return 'Choose quantize="dynamic", or mode="streaming" for int8.'
    if quantize == "int8":
        return 'Choose mode="streaming", fewer timesteps, or quantize=None.'
    return "Give timesteps=."


def _asked(
    use: LayerUse, target: str, quantize: str | None, form: str | Mapping[str, str]
) -> LayerForm:
    name, kind = layer_name(use.layer), kind_of(use.layer)
    asked = form if isinstance(form, str) else form.get(name, "auto")
    if asked in ("auto", "rule"):
        return _options(use, target, quantize)[0]
    reason = why_not(asked, use, target, quantize)
    if reason is not None:
        possible = ", ".join(f for f in FORMS if why_not(f, use, target, quantize) is None)
        raise ExportError(
            f"layer {name!r} ({kind}) cannot take the form {asked!r}: {reason}. "
            f"It can take: {possible or 'none'}."
        )
    return LayerForm(name, kind, asked, "asked for")
