"""A model's inputs and outputs by name, with the shapes that a file is made for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipelines.base.errors import ConfigurationError
from rnn_apps.export.signature.input_types import Retyped, retyped_inputs, with_input_types
from rnn_apps.export.signature.signature_names import signature_names

# Of an example: Python's and NumPy's own numbers are wider than any device wants.
_EXAMPLE_DTYPES = {
    "float64": "float32", "float16": "float32", "bfloat16": "float32", "int64": "int32",
}  # fmt: skip


@dataclass(frozen=True)
class InputTensor:
    """One input: its name in the file, its shape (None where it is free) and its dtype."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str

    def spec(self) -> tf.TensorSpec:
        """The TensorFlow description of this input."""
        return tf.TensorSpec(self.shape, self.dtype, name=self.name)


@dataclass(frozen=True)
class ModelSignature:
    """How to call a model with named tensors and how to name what comes back.

    Attributes:
        inputs: in the model's own order.
        structure: the model's input structure, with input names in place of tensors.
        output_names: names for a model that returns tensors in a list; a dict names its own.
        any_length: call the model also with a number of timesteps that it wasn't built for.
        renamed: other names for outputs, by the names that they would have.
        given: the model's own names of its inputs, by the file's, where the two differ.
        retyped: symbolic inputs, with the dtype that they have in the file instead of their own.
        symbolic: the model has Input layers; otherwise an example says what it takes.
    """

    inputs: tuple[InputTensor, ...]
    structure: Any
    output_names: tuple[str, ...] | None
    any_length: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)
    retyped: tuple[Retyped, ...] = field(default=(), compare=False)
    symbolic: bool = True

    def given_name(self, name: str) -> str:
        """What the model itself calls the input that is `name` in the file."""
        return self.given.get(name, name)

    def call(self, model: keras.Model, tensors: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Runs `model` for inference on named tensors; outputs by name, in float32 if floating."""
        flat = [tensors[input.name] for input in self.inputs]
        call = model.call if self.any_length else model
        # A scope of ours, since TensorFlow refuses one that starts with an underscore at the root,
        # which the name of a class such as `_Model` gives.
        with tf.name_scope("model"), with_input_types(self.retyped):
            outputs = call(keras.tree.pack_sequence_as(self.structure, flat), training=False)
        named = name_outputs(outputs, self.output_names)
        return {
            self.renamed.get(name, name): (
                tf.cast(value, "float32") if value.dtype.is_floating else value
            )
            for name, value in named.items()
        }


def name_outputs(outputs: Any, names: tuple[str, ...] | None) -> dict[str, tf.Tensor]:
    """Names a model's outputs: by its dict's keys, by `names`, or `output_0`, `output_1` ..."""
    if isinstance(outputs, Mapping) and all(tf.is_tensor(value) for value in outputs.values()):
        keys = signature_names([str(key) for key in outputs], "output")
        return dict(zip(keys, outputs.values(), strict=True))
    flat = [tf.convert_to_tensor(value) for value in keras.tree.flatten(outputs)]
    if names is None or len(names) != len(flat) or len(set(names)) != len(flat):
        names = tuple(f"output_{index}" for index in range(len(flat)))
    return dict(zip(signature_names(names, "output"), flat, strict=True))


def signature_of(
    model: keras.Model,
    example: Any = None,
    *,
    batch_size: int | None = None,
    timesteps: int | Mapping[str, int] | None = None,
) -> ModelSignature:
    """The signature of a built model.

    Input names are Keras' own: the keys of a dict input, else the names of the Input layers
    (`input_layer` where that has no name, `input_0` and so on where there is none).
    Output names are the layers' that give them, or `output_0` and so on.

    Args:
        example: representative input; needed only for a subclassed model without Input layers.
        batch_size: fixes the batch; None leaves it as the model has it.
        timesteps: fixes every other free dimension; a dict does so by input name.

    Raises:
        ConfigurationError: a subclassed model without an example, or an unknown input name.
    """
    structure = _symbolic_inputs(model)
    symbolic = structure is not None
    if structure is None:
        if example is None:
            raise ConfigurationError(
                f"{model.name!r} is a subclassed model without Input layers: give "
                "representative_data, from which the inputs' shapes are read"
            )
        structure = keras.tree.map_structure(np.asarray, example)
    own = _input_names(model, structure)
    names = signature_names(own, "input")
    retyped = tuple(retyped_inputs(model)) if symbolic else ()
    steps_of = _steps_by_name(timesteps, names, own)
    dtypes = {id(tensor): dtype for tensor, dtype in retyped}
    inputs = []
    for name, tensor in zip(names, keras.tree.flatten(structure), strict=True):
        _refuse_sparse(name, tensor)
        dtype = dtypes.get(id(tensor)) or keras.backend.standardize_dtype(tensor.dtype)
        if not symbolic:
            dtype = _EXAMPLE_DTYPES.get(dtype, dtype)
        shape = tuple(tensor.shape) if symbolic else (None, *tensor.shape[1:])
        by_name = isinstance(timesteps, Mapping)
        fixed = _fixed(name, shape, batch_size, steps_of.get(name), by_name)
        inputs.append(InputTensor(name, fixed, dtype))
    fixes_all = timesteps is not None and not isinstance(timesteps, Mapping)
    if fixes_all and not any(timesteps in input.shape[1:] for input in inputs):
        shapes = ", ".join(f"{input.name} {input.shape}" for input in inputs)
        raise ConfigurationError(
            f"timesteps = {timesteps} has nothing to fix: the model's inputs are {shapes}. Leave "
            "it out"
        )
    return ModelSignature(
        tuple(inputs),
        keras.tree.pack_sequence_as(structure, names),
        _output_names(model) if symbolic else None,
        given={name: mine for name, mine in zip(names, own, strict=True) if name != mine},
        retyped=retyped,
        symbolic=symbolic,
    )


def _refuse_sparse(name: str, tensor: Any) -> None:
    if getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
        raise ConfigurationError(
            f"input {name!r} is sparse or ragged; files for devices take dense tensors alone"
        )


def _symbolic_inputs(model: keras.Model) -> Any:
    """The Input layers' tensors in the model's own structure; None if it has none."""
    if isinstance(model, keras.Sequential):
        return model.inputs[0] if model.inputs else None
    try:
        return model.input
    except (AttributeError, ValueError):
        return None


def _output_names(model: keras.Model) -> tuple[str, ...] | None:
    """The names of the layers that give the outputs, as Keras names them."""
    if isinstance(model, keras.Sequential):
        return (model.layers[-1].name,)
    names = getattr(model, "output_names", None)
    return None if names is None else tuple(names)


def _input_names(model: keras.Model, structure: Any) -> list[str]:
    if isinstance(structure, Mapping) and not any(map(keras.tree.is_nested, structure.values())):
        # Flattening a dict goes by sorted keys.
        return [str(key) for key in sorted(structure)]
    flat = keras.tree.flatten(structure)
    layers = {
        id(layer.output): layer.name
        for layer in getattr(model, "layers", ())
        if isinstance(layer, keras.layers.InputLayer)
    }
    names = [layers.get(id(tensor)) or _own_name(tensor) for tensor in flat]
    return names if len(set(names)) == len(names) else [f"input_{i}" for i in range(len(flat))]


def _own_name(tensor: Any) -> str:
    """The name of a tensor whose Input layer isn't among the model's layers (Sequential)."""
    name: str = getattr(tensor, "name", "")
    # A name that Keras made up counts the tensors of this process.
    return "input_layer" if not name or name.startswith("keras_tensor") else name


def _steps_by_name(
    timesteps: int | Mapping[str, int] | None, names: Sequence[str], own: Sequence[str]
) -> Mapping[str, int | None]:
    """Timesteps by the file's names of inputs, which may be given by the model's own."""
    if not isinstance(timesteps, Mapping):
        return dict.fromkeys(names, timesteps)
    known = dict(zip(own, names, strict=True)) | {name: name for name in names}
    if unknown := sorted(set(timesteps) - set(known)):
        raise ConfigurationError(f"timesteps names {unknown}, but the inputs are {sorted(own)}")
    return {known[name]: steps for name, steps in timesteps.items()}


def _fixed(
    name: str,
    shape: tuple[int | None, ...],
    batch_size: int | None,
    steps: int | None,
    wanted: bool,
) -> tuple[int | None, ...]:
    """A shape with its free dimensions filled in; `wanted`: the steps are for this input alone."""
    batch = shape[0] if batch_size is None else batch_size
    filled = batch, *(steps if size is None else size for size in shape[1:])
    if wanted and steps is not None and steps not in filled[1:]:
        raise ConfigurationError(
            f"timesteps = {steps} for input {name!r}, which the model fixes at {shape}"
        )
    return filled
