"""The files of an exported recogniser, and what they take and give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rnn_apps.edge.speech.recogniser import STREAMING_MODEL
from rnn_apps.export.delivery import SAVED_MODEL, DeviceFile
from rnn_apps.speech.device.step_model import FEATURES, LOGITS, PRESENT
from rnn_apps.speech.streaming import raw_features
from rnn_apps.speech.trained import TrainedRecogniser

FILES = {
    "tflite": DeviceFile("whole.tflite"),
    "tflite_dynamic": DeviceFile("whole_dynamic.tflite", quantize="dynamic"),
    "tflite_int8": DeviceFile("whole_int8.tflite", quantize="int8"),
    "streaming": DeviceFile(STREAMING_MODEL, streaming=True),
    "streaming_dynamic": DeviceFile("streaming_dynamic.tflite", streaming=True, quantize="dynamic"),
    "streaming_int8": DeviceFile("streaming_int8.tflite", streaming=True, quantize="int8"),
    "tflm": DeviceFile("streaming_tflm.tflite", "tflm", streaming=True),
    "tflm_int8": DeviceFile("streaming_tflm_int8.tflite", "tflm", "int8", streaming=True),
    "c": DeviceFile("c", "c", streaming=True),
    "c_int8": DeviceFile("c_int8", "c", "int8", streaming=True),
}


def contract(run: TrainedRecogniser, formats: Sequence[str]) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit."""
    config, tokenizer = run.config, run.labels.tokenizer
    features = raw_features(config)
    entries: dict[str, Any] = {
        "vocabulary_sha256": tokenizer.fingerprint,
        "tokenizer": tokenizer.kind,
        "spelling": asdict(run.labels.spelling),
        "labels": run.labels.size,
        "blank": run.labels.blank,
        "features": asdict(features),
        "channel": config.channel,
        "feature_size": features.size,
        "subsampling": config.subsampling,
        "lookahead": config.lookahead,
        "seconds_per_output": config.seconds_per_output,
        "files": {
            FILES[name].file: {
                "takes": "a stream" if FILES[name].streaming else "a whole utterance",
                "target": FILES[name].target,
                "quantized": FILES[name].quantize,
            }
            for name in formats
            if name in FILES
        },
        "meaning": {
            "channel": "number of the channel of a recording that is heard, counted from 1; 0 for "
            "the mean of all",
            FEATURES: "float32 [1, frames, feature_size], before normalisation; where `features` "
            "has padding_seconds, of a whole utterance with so much quiet noise on each side, and "
            "of a stream without",
            PRESENT: "float32 [1, frames, 1], 1 for a frame of the utterance, 0 behind its end; "
            "where the model looks ahead",
            LOGITS: "float32 [1, output frames, labels], the last label is the blank; of a stream "
            "the first `lookahead` output frames are to be dropped, and behind the end of an "
            "utterance frames that are not present follow until as many have come",
            "NAME and NAME_out": "a state: zeros before an utterance, then the output of the "
            "step before",
        },
    }
    if SAVED_MODEL in formats:
        entries["saved_model"] = _SERVED
    return entries


_SERVED_INPUTS = {
    "samples": "float32 [batch, samples], -1 to 1 at the features' sample rate",
    "sample_lengths": "int32 [batch], the true number of samples of each row",
}
_SERVED = {
    "recognise": {
        "inputs": _SERVED_INPUTS,
        "outputs": {"text": "string [batch]", "confidence": "float32 [batch], 0 to 1"},
    },
    "log_probabilities": {
        "inputs": _SERVED_INPUTS,
        "outputs": {
            "log_probabilities": "float32 [batch, output frames, labels], nats; the first frame is "
            "earlier than the recording by the padding_seconds of `features`",
            "lengths": "int32 [batch], the true number of output frames",
        },
    },
}
