"""Recognises a stream with the trained Keras model, as a device does with its file."""

from __future__ import annotations

import copy
import dataclasses

import keras
import numpy as np
import numpy.typing as npt

from pipelines.speech.feature_extraction.configuration import FeatureConfig
from rnn_apps.edge.speech.endpointing import EndpointConfig
from rnn_apps.edge.speech.recognition import RecognitionStream
from rnn_apps.edge.speech.transcripts import DecodingConfig, SpeechDecoder, SpeechLabels
from rnn_apps.edge.speech.word_model import WordModel
from rnn_apps.export.planning.stateful_step import StatefulStep
from rnn_apps.speech.config import SpeechConfig
from rnn_apps.speech.device.step_model import FEATURES, LOGITS, PRESENT, step_model
from rnn_apps.speech.trained import TrainedRecogniser

Array = npt.NDArray[np.float32]


class KerasStepModel:
    """The trained network as `rnn_apps.edge.speech.recognition.StepModel`.

    Args:
        model: a model of one direction, as `build_model` gives it.
        config: the configuration that it was built with.
        chunk_outputs: number of output frames per step.

    Raises:
        ConfigurationError: the network needs the whole utterance.
    """

    def __init__(self, model: keras.Model, config: SpeechConfig, chunk_outputs: int = 1) -> None:
        self.subsampling = config.subsampling
        self.chunk_frames = config.subsampling * chunk_outputs
        self.lookahead = config.lookahead
        self.labels = int(model.output[LOGITS].shape[-1])
        steps = step_model(model, config)
        timed = {FEATURES, PRESENT} & set(steps.input)
        self._step = StatefulStep(steps, timed, self.chunk_frames)
        self.reset()

    def reset(self) -> None:
        """See `StepModel`."""
        self._state = self._step.start()

    def step(self, features: Array, present: Array) -> Array:
        """See `StepModel`."""
        inputs = {FEATURES: features[None]}
        if PRESENT in self._step.inputs:
            inputs[PRESENT] = present[None, :, None]
        outputs, self._state = self._step(inputs, self._state)
        logits: Array = outputs[LOGITS][0].numpy()
        return logits


def raw_features(config: SpeechConfig) -> FeatureConfig:
    """The features as the model takes them: it normalises them itself."""
    return dataclasses.replace(config.feature_config(), normalisation="none")


def recognition_stream(
    run: TrainedRecogniser,
    decoding: DecodingConfig | None = None,
    endpoint: EndpointConfig | None = None,
    chunk_outputs: int = 1,
    word_model: WordModel | None = None,
    sample_rate: int | None = None,
) -> RecognitionStream:
    """Recognises a stream with a trained run.

    Args:
        run: trained recogniser of one direction.
        decoding: way in which outputs become text; None for a beam search.
        endpoint: rules for the end of an utterance; None if only `finish` ends one.
        chunk_outputs: number of output frames per step: more are faster and come later.
        word_model: word model that replaces the one that `decoding` names; None for that one.
        sample_rate: sample rate of the pushed samples in Hz; None for the run's.

    Raises:
        ConfigurationError: the network needs the whole utterance.
    """
    decoder = SpeechDecoder(
        SpeechLabels.of(run.labels.tokenizer, run.labels.spelling),
        decoding,
        run.config.seconds_per_output,
        word_model,
    )
    steps = _own_steps(run, chunk_outputs)
    return RecognitionStream(
        raw_features(run.config).of_streams, steps, decoder, endpoint, sample_rate
    )


def _own_steps(run: TrainedRecogniser, chunk_outputs: int) -> KerasStepModel:
    """The run's step model with a state of its own; tracing and judging it is done once per run."""
    if chunk_outputs not in run.step_models:
        run.step_models[chunk_outputs] = KerasStepModel(run.model, run.config, chunk_outputs)
    steps = copy.copy(run.step_models[chunk_outputs])
    steps.reset()
    return steps
