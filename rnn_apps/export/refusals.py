"""What a target cannot run is refused here, before anything is written, with what to do instead."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import keras

from pipelines.base.errors import ConfigurationError
from rnn_apps.edge.runtime.computed_sizes import computes_sizes
from rnn_apps.edge.runtime.flatbuffer import read_model_file
from rnn_apps.export.flatbuffers.inspection import operator_name
from rnn_apps.export.forms.choice import FORMS
from rnn_apps.export.options import Options, SignatureRequest
from rnn_apps.export.results import MODES, QUANTIZATIONS, TARGETS, ExportError, LayerForm
from rnn_apps.export.signature.model_signature import InputTensor

FUSED_OPERATORS = {"LSTM": "UNIDIRECTIONAL_SEQUENCE_LSTM"}


def refuse_model(model: Any) -> None:
    """Refuses what is not a built Keras model on TensorFlow.

    Raises:
        ConfigurationError: not a Keras model.
        ExportError: another backend, or a model without weights yet.
    """
    if not isinstance(model, keras.Model):
        raise ConfigurationError(
            f"{type(model).__name__} is not a Keras model. Load a file first, with "
            "keras.saving.load_model"
        )
    if keras.backend.backend() != "tensorflow":
        raise ExportError("export needs Keras' TensorFlow backend: set KERAS_BACKEND=tensorflow")
    if not model.built:
        raise ExportError(f"{model.name!r} is not built: call it once on data, or give it an Input")
    _refuse_separate_arguments(model)


def _refuse_separate_arguments(model: keras.Model) -> None:
    """Refuses a subclassed model that is called with one argument for each input."""
    needed = [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name not in ("training", "mask")
    ]
    if len(needed) > 1:
        raise ExportError(
            f"call() of {model.name!r} takes its inputs as separate arguments "
            f"({', '.join(needed)}). Wrap it in a model whose call() takes one tuple or dict of "
            "them and passes them on"
        )


def refuse_request(request: SignatureRequest, options: Options) -> None:
    """Refuses arguments that are invalid or that the target does not support.

    Raises:
        ConfigurationError: an argument's value is unknown.
        ExportError: the target cannot run what was asked for.
    """
    refuse_model(request.model)
    _refuse_unknown("target", options.target, TARGETS)
    _refuse_unknown("mode", request.mode, MODES)
    _refuse_unknown("quantize", options.quantize, QUANTIZATIONS)
    named = [options.form] if isinstance(options.form, str) else list(options.form.values())
    for form in named:
        _refuse_unknown("form", form, ("auto", "rule", *FORMS))
    for name in ("batch_size", "chunk", "timesteps"):
        value = getattr(request, name)
        for number in value.values() if isinstance(value, Mapping) else [value]:
            if number is not None and not (isinstance(number, Integral) and int(number) >= 1):
                raise ConfigurationError(f"{name} = {number!r} must be a whole number above 0")
    for name, limit in (("tolerance", options.tolerance), ("time_limit", options.time_limit)):
        # Written so that what is not a number is refused.
        if limit is not None and not limit >= 0:
            raise ConfigurationError(f"{name} = {limit} must be at least 0")
    if request.mode == "streaming" and request.timesteps is not None:
        raise ConfigurationError("a streaming step takes chunk= timesteps; leave out timesteps")
    if request.mode == "sequence" and request.chunk != 1:
        raise ConfigurationError('chunk= is for mode="streaming"; a sequence is taken whole')
    if options.integer_io and options.quantize != "int8":
        raise ConfigurationError('integer_io needs quantize="int8"')
    if options.target == "tflm" and options.quantize in ("dynamic", "float16"):
        raise ExportError(
            f'TFLite Micro cannot run quantize="{options.quantize}": it has no kernels that mix '
            "such weights with float activations (they fail to start, or give NaN without a word). "
            'Choose quantize="int8" or None.'
        )
    if options.quantize == "int8" and request.representative_data is None:
        raise ExportError(
            'quantize="int8" needs representative_data: real sequences of full length, from which '
            "the ranges of all activations are measured"
        )


def refuse_place(path: Path, *, is_folder: bool) -> None:
    """Refuses to put a file over a folder, and a SavedModel over anything but another one.

    Raises:
        ConfigurationError: something stands at `path` that would be lost.
    """
    if not is_folder and path.is_dir():
        raise ConfigurationError(f"{path} is a folder. Name a file in it, such as model.tflite")
    if not is_folder or not path.exists():
        return
    if not path.is_dir():
        raise ConfigurationError(f"{path} is a file. Name a folder for the SavedModel")
    if any(path.iterdir()) and not (path / "saved_model.pb").exists():
        raise ConfigurationError(
            f"{path} holds other files, which a SavedModel there would replace. Name a new folder"
        )


def _refuse_unknown(name: str, value: Any, known: Sequence[Any]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name} = {value!r}: choose from {', '.join(map(repr, known))}")


def refuse_free_shapes(inputs: Sequence[InputTensor]) -> None:
    """Refuses free dimensions where every shape must be known.

    Raises:
        ExportError: an input has a free dimension.
    """
    for input in inputs:
        if None in input.shape:
            raise ExportError(
                f"TFLite Micro needs fixed shapes, and input {input.name!r} is {input.shape}: "
                "give timesteps="
            )


def refuse_operators(operators: Sequence[str], forms: Sequence[LayerForm]) -> None:
    """Refuses a file with operators that no runtime has built in, or without the fused ones.

    Raises:
        ExportError: TensorFlow or custom operators in the file, or a fusion that did not happen.
    """
    foreign = [name for name in operators if name.startswith("Flex") or not name.isupper()]
    if foreign:
        raise ExportError(f"the file would need operators that are not built in: {foreign}")
    for form in forms:
        expected = FUSED_OPERATORS.get(form.kind) if form.form == "fused" else None
        if expected is not None and expected not in operators:
            raise ExportError(f"layer {form.layer!r} was not fused to {expected}")


def refuse_states_of_unknown_batch(path: Path) -> None:
    """Refuses a fused LSTM at a free batch in a file that computes sizes while it runs.

    LiteRT then gives the LSTM's states their memory before it knows the batch: at a larger one than
    that of the file, they are written over what lies behind them.

    Raises:
        ExportError: the file has both.
    """
    file, _ = read_model_file(path)
    if not computes_sizes(file):
        return
    for graph in file.subgraphs:
        for operator in graph.operators:
            is_fused = operator_name(operator) in FUSED_OPERATORS.values()
            if is_fused and graph.tensors[operator.inputs[0]].free_shape[0] == -1:
                raise ExportError(
                    "a fused LSTM needs to know its batch before it runs, and this model computes "
                    "sizes while it runs. Give batch_size, or form 'loop' for its LSTM layers."
                )
