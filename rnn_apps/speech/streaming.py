"""Recognising a stream with the trained Keras model, as a device does with its file."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pipelines.speech.feature_extraction.configuration import FeatureConfig
from rnn_apps.edge.speech.endpointing import EndpointConfig
from rnn_apps.edge.speech.recognition import RecognitionStream
from rnn_apps.edge.speech.transcripts import DecodingConfig, SpeechDecoder, SpeechLabels
from rnn_apps.edge.speech.word_model import WordModel
from rnn_apps.export.planning.streaming_plan import streaming_plan
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.device.step_model import FEATURES, LOGITS, PRESENT, step_model

if TYPE_CHECKING:
    from rnn_apps.speech.run import Run

Array = npt.NDArray[np.float32]


class KerasStepModel:
    """The trained network as `rnn_apps.edge.speech.recognition.StepModel`.

    Args:
        model: as `build_model` gives it; of one direction.
        config: that it was built with.
        chunk_outputs: output frames of a step.

    Raises:
        ConfigurationError: the network needs the whole utterance.
    """

    def __init__(self, model: keras.Model, config: SpeechConfig, chunk_outputs: int = 1) -> None:
        steps = step_model(model, config)
        self.subsampling = config.subsampling
        self.chunk_frames = config.subsampling * chunk_outputs
        self.lookahead = config.lookahead
        self.labels = int(model.output[LOGITS].shape[-1])
        examples = {
            name: np.zeros((1, self.chunk_frames, tensor.shape[-1]), np.float32)
            for name, tensor in steps.input.items()
            if name in (FEATURES, PRESENT)
        }
        plan = streaming_plan("step", steps, data=examples, chunk=self.chunk_frames)
        self._step = tf.function(plan.function({}), autograph=False)
        shapes = {input.name: input.shape for input in plan.inputs}
        self._given = [name for name in shapes if name in (FEATURES, PRESENT)]
        self._states = {
            name: np.zeros([size or 1 for size in shape], np.float32)
            for name, shape in shapes.items()
            if name not in self._given
        }
        self.reset()

    def reset(self) -> None:
        """See `StepModel`."""
        self._state: dict[str, tf.Tensor] = {
            name: tf.constant(zeros) for name, zeros in self._states.items()
        }

    def step(self, features: Array, present: Array) -> Array:
        """See `StepModel`."""
        inputs = {FEATURES: tf.constant(features[None])}
        if PRESENT in self._given:
            inputs[PRESENT] = tf.constant(present[None, :, None])
        outputs = self._step({**inputs, **self._state})
        self._state = {name: outputs[f"{name}_out"] for name in self._states}
        logits: Array = outputs[LOGITS][0].numpy()
        return logits


def raw_features(config: SpeechConfig) -> FeatureConfig:
    """The features as the model takes them: it normalises them itself."""
    return dataclasses.replace(config.feature_config(), normalisation="none")


def recognition_stream(
    run: Run,
    decoding: DecodingConfig | None = None,
    endpoint: EndpointConfig | None = None,
    chunk_outputs: int = 1,
    word_model: WordModel | None = None,
    sample_rate: int | None = None,
) -> RecognitionStream:
    """Recognises a stream with a trained run.

    Args:
        run: of one direction.
        decoding: how outputs become text.
        endpoint: when an utterance ends; None: when its `finish` is called.
        chunk_outputs: output frames of a step: more are quicker and come later.
        word_model: a model that was read, in place of the one that `decoding` names.
        sample_rate: sample rate of what is pushed in Hz, if it is not the run's.

    Raises:
        ConfigurationError: the network needs the whole utterance.
    """
    decoder = SpeechDecoder(
        SpeechLabels.of(run.labels.tokenizer), decoding, run.config.seconds_per_output, word_model
    )
    steps = _own_steps(run, chunk_outputs)
    return RecognitionStream(raw_features(run.config), steps, decoder, endpoint, sample_rate)


def _own_steps(run: Run, chunk_outputs: int) -> KerasStepModel:
    """The run's step model with a state of its own; tracing and judging it is done once per run."""
    if chunk_outputs not in run.step_models:
        run.step_models[chunk_outputs] = KerasStepModel(run.model, run.config, chunk_outputs)
    steps = copy.copy(run.step_models[chunk_outputs])
    steps.reset()
    return steps
