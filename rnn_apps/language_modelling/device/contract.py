"""The files of an exported language model, and what they take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnn_apps.edge.language_model import STEP_MODEL
from rnn_apps.export.delivery import SAVED_MODEL, DeviceFile
from rnn_apps.language_modelling.trained import TrainedLanguageModel

STEP_FILES = {
    "tflite": DeviceFile(STEP_MODEL),
    "tflite_dynamic": DeviceFile("model_dynamic.tflite", quantize="dynamic"),
    "tflite_int8": DeviceFile("model_int8.tflite", quantize="int8"),
    "tflm": DeviceFile("model_tflm.tflite", target="tflm"),
    "tflm_int8": DeviceFile("model_tflm_int8.tflite", target="tflm", quantize="int8"),
    "c": DeviceFile("c", target="c"),
    "c_int8": DeviceFile("c_int8", target="c", quantize="int8"),
}


def contract(run: TrainedLanguageModel, formats: Sequence[str]) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit.

    "inputs" and "outputs" are those of the step models.
    """
    states = run.carried.state_sizes.items()
    entries: dict[str, Any] = {
        "vocabulary_sha256": run.tokenizer.fingerprint,
        "tokenizer": run.tokenizer.kind,
        "vocabulary_size": run.tokenizer.size,
        "unknown_id": run.tokenizer.unknown_id,
        "line_end_id": run.tokenizer.line_end_id,
    }
    files = [STEP_FILES[name].file for name in formats if name != SAVED_MODEL]
    if files:
        entries |= {
            "files": files,
            "signature": "step",
            "inputs": {
                "tokens": _tensor([1, 1], "int32", "a token"),
                **{name: _tensor([1, size], "float32", "zeros before a text, then the output of "
                                 f"the step before, {name}_out") for name, size in states},
            },
            "outputs": {
                "logits": _tensor([1, 1, run.tokenizer.size], "float32",
                                  "of the token that follows"),
                **{f"{name}_out": _tensor([1, size], "float32", f"the next step's {name}")
                   for name, size in states},
            },
        }  # fmt: skip
    if SAVED_MODEL in formats:
        entries["saved_model"] = _SERVED
    return entries


def _tensor(shape: list[int], dtype: str, meaning: str) -> dict[str, Any]:
    return {"shape": shape, "dtype": dtype, "meaning": meaning}


_SERVED = {
    "score": {
        "inputs": {"text": "string [batch]"},
        "outputs": {
            "tokens": "string [batch, longest]",
            "log_probabilities": "float32 [batch, longest], nats; 0 for a text's first token",
            "lengths": "int32 [batch]",
            "nats": "float32 [batch]",
            "unknown": "int32 [batch], number of tokens whose text is not in the vocabulary",
        },
    },
    "generate": {
        "inputs": {
            "prompt": "string [batch]",
            "most_tokens": "int32 [], such as 200",
            "temperature": "float32 []; 0 is greedy",
            "top_k": "int32 []; 0 for all",
            "top_p": "float32 []; 1 for all",
            "repetition_penalty": "float32 []; 1 is off",
            "seed": "int32 []",
        },
        "outputs": {"text": "string [batch], to be written right after the prompt"},
    },
}
