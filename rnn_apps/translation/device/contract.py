"""The files of an exported translation model, and what they take and give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.translator import MODEL
from rnn_apps.export.delivery import SAVED_MODEL, DeviceFile
from rnn_apps.translation.trained import TrainedTranslationModel

# Each has the signature `decode_step`, and `encode` unless it needs another file's.
DEVICE_FILES = {
    "tflite": DeviceFile(MODEL),
    "tflite_dynamic": DeviceFile("model_dynamic.tflite", quantize="dynamic"),
    # The converter quantises no loop to int8, and an encoder is one: it comes from the other file.
    "tflite_int8": DeviceFile("model_int8.tflite", quantize="int8", needs="model_dynamic.tflite"),
    "c": DeviceFile("c", target="c"),
    "c_int8": DeviceFile("c_int8", target="c", quantize="int8"),
}


def contract(
    run: TrainedTranslationModel,
    formats: Sequence[str],
    search: SearchOptions,
    longest_source: int,
) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit."""
    of_devices = [DEVICE_FILES[name] for name in formats if name != SAVED_MODEL]
    entries: dict[str, Any] = {
        "source_vocabulary_sha256": run.source_tokenizer.fingerprint,
        "target_vocabulary_sha256": run.target_tokenizer.fingerprint,
        "joint_vocabulary": run.target_tokenizer is run.source_tokenizer,
        "tokenizer": run.target_tokenizer.kind,
        "ids": "0 pads, 1 starts a target, 2 ends a sentence; a tokenizer's id is 3 more",
        "files": [SAVED_MODEL if n == SAVED_MODEL else DEVICE_FILES[n].file for n in formats],
        "encoders": {one.file: one.needs for one in of_devices if one.needs},
        "search": {
            name: getattr(search, name)
            for name in ("beam_width", "length_penalty", "longest", "longest_extra")
        },
    }
    if of_devices:
        entries["signatures"] = _DEVICE
    if code := [one.file for one in of_devices if one.target == "c"]:
        entries["c"] = {
            "files": code,
            "positions": longest_source + 1,
            "meaning": "source is padded with 0 to this many ids; present, of encode and for "
            "decode_step, is 1 for ids of the sentence and 0 behind its end; decode_step takes "
            "one hypothesis per call",
        }
    if SAVED_MODEL in formats:
        entries["saved_model"] = _SERVED
    return entries


_DEVICE = {
    "encode": "source int32 [1, positions], a sentence's ids with its end -> what decode_step "
    "takes by the same names",
    "decode_step": "token int32 [hypotheses], at first 1; the states, at first encode's, then "
    "those of the step before, NAME_out; what encode gave -> logits [hypotheses, ids], alignment "
    "[hypotheses, positions]",
}
_SERVED = {
    "translate": {
        "inputs": {"source": "string [batch]"},
        "outputs": {
            "text": "string [batch, n_best], best first",
            "score": "float32 [batch, n_best]",
            "log_probability": "float32 [batch, n_best], nats",
        },
    },
    "translate_greedily": "as translate, without a beam",
    "score": {
        "inputs": {"source": "string [batch]", "target": "string [batch]"},
        "outputs": {
            "log_probability": "float32 [batch], nats, the end included",
            "tokens": "int32 [batch]",
        },
    },
}
