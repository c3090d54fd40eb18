"""A run as files for servers and devices: text in and out, or one token and the state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from rnn_apps.application.going_on import read_origin
from rnn_apps.edge.language_model import TOKENIZER
from rnn_apps.edge.language_model import score_tokens as score_on_device
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.edge.runtime.streaming import StreamingSession
from rnn_apps.edge.sampling import SamplingConfig, generate
from rnn_apps.export.delivery import (
    Delivery,
    DeviceFile,
    deliver,
    kibibytes,
    saved_and_loaded,
)
from rnn_apps.export.results import ExportError
from rnn_apps.language_modelling.device.contract import STEP_FILES, contract
from rnn_apps.language_modelling.judging.example_text import EXAMPLES, read_examples
from rnn_apps.language_modelling.judging.scoring import score_tokens
from rnn_apps.language_modelling.network.build import inference_model
from rnn_apps.language_modelling.network.carried_model import TOKENS
from rnn_apps.language_modelling.trained import TrainedLanguageModel

# Tokens of the example text that files are judged on.
SCORED_TOKENS = 4_096
CALIBRATION_TIMESTEPS = 64
COMPARED_TOKENS = 100
COMPARED_PROMPT = 16
# A quantised state that is fed back drifts from Keras' without harm to what is predicted: such a
# file is held to its task, bits per token, and only to a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.3
MOST_BITS_LOST = 0.05


def export(
    run: TrainedLanguageModel, to: str | Path, formats: Sequence[str] | None
) -> dict[str, Any]:
    """See `Run.export`."""
    return deliver(
        LanguageDelivery(run), to, formats, origin=read_origin(run.folder), model=run.folder.model
    )


class LanguageDelivery(Delivery):
    """The files of a language model, judged by bits per token and by greedy text.

    Args:
        run: trained language model.
    """

    files = STEP_FILES
    header = ("file", "KiB", "bits per token", "largest difference from Keras",
              "same greedy text", "ms per token")  # fmt: skip

    def __init__(self, run: TrainedLanguageModel) -> None:
        self._run = run

    def prepare(self, formats: Sequence[str]) -> None:
        """See `Delivery`."""
        self._examples = read_examples(self._run.folder.path / EXAMPLES)
        self._text = self._examples[:SCORED_TOKENS]
        scores = score_tokens(self._run.carried, self._text)
        self._bits = -float(scores.log_probabilities.mean(dtype=np.float64)) / math.log(2)
        self.title = f"Proven; bits per token on {len(self._text)} tokens, Keras {self._bits:.4f}"

    def contract(self, formats: Sequence[str]) -> dict[str, Any]:
        """See `Delivery`."""
        return contract(self._run, formats)

    def save_companions(self, folder: Path) -> None:
        """Writes the vocabulary."""
        self._run.tokenizer.save(folder / TOKENIZER)

    def saved_model(self, path: Path) -> list[Any]:
        """See `Delivery`."""
        from rnn_apps.language_modelling.device.deployment import ServedModel

        with saved_and_loaded(ServedModel(self._run.carried, self._run.tokenizer), path) as loaded:
            bits, difference = _proven_scores(self._run, loaded, self._text)
            same = _proven_text(self._run, loaded, self._text)
        return [path.name, kibibytes(path), bits, difference, same, None]

    def device_file(self, wanted: DeviceFile, folder: Path) -> list[Any]:
        """Writes one step model, judged in its runtime before it is there."""
        from rnn_apps.export.device_files import write_model
        from rnn_apps.export.task_metric import TaskMetric

        text = self._text
        same = False

        def bits_per_token(model: EdgeModel) -> float:
            nonlocal same
            session = StreamingSession(model)
            bits = -float(score_on_device(session, text).mean()) / math.log(2)
            same = _same_greedy_text(self._run, session, text[:COMPARED_PROMPT])
            if wanted.quantize is None and not same:
                raise ExportError(
                    f"{wanted.file}: greedy text from the device's runtime is not that of Keras"
                )
            return bits

        written = write_model(
            _step_model(self._run),
            folder / wanted.file,
            wanted,
            name="language_model",
            mode="streaming",
            data={TOKENS: _sequences(self._examples)},
            tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
            metric=TaskMetric(
                "bits per token",
                bits_per_token,
                most_loss=MOST_BITS_LOST * self._bits,
                measured_on=f"the first {len(text)} tokens of the judged text",
                keras=self._bits,
            ),
        )
        assert written.metric is not None
        return [
            wanted.file, written.kibibytes, written.metric.file, written.error, same,
            written.latency_ms,
        ]  # fmt: skip


FORMATS = LanguageDelivery.formats()


def _step_model(run: TrainedLanguageModel) -> keras.Model:
    """The model for one text: any number of timesteps, states in and out, logits alone."""
    size = run.tokenizer.size
    return inference_model(run.model, run.config, size, batch_size=1, hidden=False)


def _sequences(tokens: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sequences of the text, evenly spread over it, int32 [sequences, timesteps]."""
    timesteps = min(CALIBRATION_TIMESTEPS, len(tokens))
    count = len(tokens) // timesteps
    return tokens[: count * timesteps].reshape(count, timesteps)


def _same_greedy_text(
    run: TrainedLanguageModel, session: StreamingSession, prompt: NDArray[np.int32]
) -> bool:
    """Whether the device writes what Keras writes, up to a tie that rounding may decide.

    The device's text is read by Keras: each of its tokens must be the most probable there too, or
    as probable to within a rounding error.
    """
    greedy = SamplingConfig(temperature=0)
    written = list(generate(session, prompt.tolist(), COMPARED_TOKENS, greedy))
    text = np.concatenate([prompt, np.array(written, np.int32)])
    scores = score_tokens(run.carried, text)
    best = np.log(scores.confidences)
    behind = (best - scores.log_probabilities)[-len(written) :]
    return bool(np.all((scores.ranks[-len(written) :] == 0) | (behind < 1e-4)))


def _proven_scores(
    run: TrainedLanguageModel, loaded: Any, tokens: NDArray[np.int32]
) -> tuple[float, float]:
    """Bits per token, and the largest difference from Keras, of a text that is known whole.

    Raises:
        ExportError: the scores are not those of Keras.
    """
    text = run.tokenizer.decode(tokens)
    expected = run.tokenizer.encode(text)
    scores = score_tokens(run.carried, expected).log_probabilities
    outputs = loaded.signatures["score"](text=tf.constant([text, text[:7], ""]))
    found = outputs["log_probabilities"][0].numpy()[1:]
    if len(found) != len(scores):
        raise ExportError(
            f"the SavedModel reads a text of {len(scores) + 1} tokens as {len(found) + 1}"
        )
    difference = float(np.max(np.abs(found - scores)))
    if not difference <= 1e-3:
        raise ExportError(f"the SavedModel's scores are up to {difference:g} nats from Keras'")
    return -float(found.mean(dtype=np.float64)) / math.log(2), difference


def _proven_text(run: TrainedLanguageModel, loaded: Any, tokens: NDArray[np.int32]) -> bool:
    """Whether the SavedModel writes, greedily, what Keras writes.

    Raises:
        ExportError: it does not.
    """
    from rnn_apps.language_modelling.writing import WritingConfig

    ids = [t for t in tokens[: 2 * COMPARED_PROMPT].tolist() if t != run.tokenizer.unknown_id]
    prompts = [run.tokenizer.decode(ids), run.tokenizer.decode(ids[: COMPARED_PROMPT // 2])]
    config = WritingConfig(COMPARED_TOKENS, SamplingConfig(temperature=0))
    expected = run.writer.write(prompts, config)
    outputs = loaded.signatures["generate"](
        prompt=tf.constant(prompts), most_tokens=tf.constant(COMPARED_TOKENS),
        temperature=tf.constant(0.0), top_k=tf.constant(0), top_p=tf.constant(1.0),
        repetition_penalty=tf.constant(1.0), seed=tf.constant(0),
    )  # fmt: skip
    found = [text.decode("utf-8", errors="replace") for text in outputs["text"].numpy()]
    if found != expected:
        raise ExportError("the SavedModel's greedy text is not that of Keras")
    return True
