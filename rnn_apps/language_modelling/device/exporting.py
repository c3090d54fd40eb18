"""A run as files for servers and devices: text in and out, or one token and the state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_folder, atomic_path, write_json
from pipelines.base.errors import UserError
from rnn_apps.edge.language_model import CONTRACT, STEP_MODEL, TOKENIZER
from rnn_apps.edge.language_model import score_tokens as score_on_device
from rnn_apps.edge.runtime.model import EdgeModel
from rnn_apps.edge.runtime.streaming import StreamingSession
from rnn_apps.edge.sampling import SamplingConfig, generate
from rnn_apps.export.formats import assembled_folder, chosen_formats, write_formats
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.results import ExportError
from rnn_apps.language_modelling.judging.scoring import score_tokens
from rnn_apps.language_modelling.network.build import inference_model
from rnn_apps.language_modelling.network.carried_model import TOKENS

if TYPE_CHECKING:
    from rnn_apps.language_modelling.run import Run

EXAMPLES = "example_tokens.npy"
# Of the judged text: what exports are judged on, and calibrated with.
EXAMPLE_TOKENS = 8_192
SCORED_TOKENS = 4_096
CALIBRATION_TIMESTEPS = 64
COMPARED_TOKENS = 100
COMPARED_PROMPT = 16
SAVED_MODEL = "saved_model"
# A quantised state that is fed back drifts from Keras' without harm to what is predicted: such a
# file is held to its task, bits a token, beside a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.3
MOST_BITS_LOST = 0.05


@dataclass(frozen=True)
class StepFile:
    """A step model for a device."""

    file: str
    target: str = "litert"
    quantize: str | None = None


STEP_FILES = {
    "tflite": StepFile(STEP_MODEL),
    "tflite_dynamic": StepFile("model_dynamic.tflite", quantize="dynamic"),
    "tflite_int8": StepFile("model_int8.tflite", quantize="int8"),
    "tflm": StepFile("model_tflm.tflite", target="tflm"),
    "tflm_int8": StepFile("model_tflm_int8.tflite", target="tflm", quantize="int8"),
}
FORMATS = (SAVED_MODEL, *STEP_FILES)


def export(run: Run, to: str | Path, formats: Sequence[str] | None) -> dict[str, Any]:
    """See `Run.export`."""
    chosen = chosen_formats(formats, FORMATS)
    if any(name != SAVED_MODEL for name in chosen):
        conversion_process.prepare()
    examples = read_examples(run.folder.path / EXAMPLES)
    text = examples[:SCORED_TOKENS]
    nats = -float(score_tokens(run.carried, text).log_probabilities.mean(dtype=np.float64))
    bits = nats / math.log(2)
    folder = Path(to)
    with assembled_folder(folder, CONTRACT) as beside:
        run.tokenizer.save(beside / TOKENIZER)

        def write(name: str) -> list[Any]:
            if name == SAVED_MODEL:
                return _export_saved_model(run, beside / SAVED_MODEL, text)
            return _export_step(run, beside, STEP_FILES[name], examples, bits)

        written = write_formats(chosen, write)
        write_json(beside / CONTRACT, contract(run, list(written.rows)))
    title = f"Proven; bits per token on {len(text)} tokens, Keras {bits:.4f}"
    header = ["file", "KiB", "bits per token", "largest difference from Keras",
              "same greedy text", "ms per token"]  # fmt: skip
    return written.result(folder, CONTRACT, title, header)


def save_examples(path: Path, tokens: NDArray[Any]) -> None:
    """Keeps the beginning of the judged text, on which exports are proven later."""
    with atomic_path(path) as beside, open(beside, "wb") as file:
        np.save(file, np.asarray(tokens[:EXAMPLE_TOKENS]), allow_pickle=False)


def read_examples(path: Path) -> NDArray[np.int32]:
    """What `save_examples` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.int32)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path}: the run's example text cannot be read: {error}. Evaluate the run to write it "
            "anew"
        ) from None


def contract(run: Run, formats: Sequence[str]) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit.

    "inputs" and "outputs" are those of the step models.
    """
    states = run.carried.state_sizes.items()
    found: dict[str, Any] = {
        "vocabulary_sha256": run.tokenizer.fingerprint,
        "tokenizer": run.tokenizer.kind,
        "vocabulary_size": run.tokenizer.size,
        "unknown_id": run.tokenizer.unknown_id,
        "line_end_id": run.tokenizer.line_end_id,
    }
    files = [STEP_FILES[name].file for name in formats if name != SAVED_MODEL]
    if files:
        found |= {
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
        found["saved_model"] = _SERVED
    return found


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
            "unknown": "int32 [batch], tokens that stand for what is not in the vocabulary",
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


def _export_step(
    run: Run, folder: Path, wanted: StepFile, examples: NDArray[np.int32], keras_bits: float
) -> list[Any]:
    """Writes one step model, judged in its runtime before it is there; its row of the table."""
    from rnn_apps.export.task_metric import TaskMetric
    from rnn_apps.export.tflite import export_tflite

    text = examples[:SCORED_TOKENS]
    same = False

    def bits_a_token(model: EdgeModel) -> float:
        nonlocal same
        session = StreamingSession(model)
        bits = -float(score_on_device(session, text).mean()) / math.log(2)
        same = _same_greedy_text(run, session, text[:COMPARED_PROMPT])
        if wanted.quantize is None and not same:
            raise ExportError(
                f"{wanted.file}: greedy text from the device's runtime is not that of Keras"
            )
        return bits

    result = export_tflite(
        _step_model(run),
        folder / wanted.file,
        target=wanted.target,
        mode="streaming",
        quantize=wanted.quantize,
        representative_data={TOKENS: _sequences(examples)},
        tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
        metric=TaskMetric(
            "bits a token",
            bits_a_token,
            most_loss=MOST_BITS_LOST * keras_bits,
            measured_on=f"the first {len(text)} tokens of the judged text",
            keras=keras_bits,
        ),
    )
    assert result.metric is not None
    return [
        wanted.file, round(result.bytes / 1024, 1), result.metric.file, result.error, same,
        result.latency_ms,
    ]  # fmt: skip


def _step_model(run: Run) -> keras.Model:
    """One text, any number of timesteps, the states in and out, logits alone."""
    size = run.tokenizer.size
    return inference_model(run.model, run.config, size, batch_size=1, hidden=False)


def _sequences(tokens: NDArray[np.int32]) -> NDArray[np.int32]:
    """[sequences, timesteps], evenly spread over the text."""
    timesteps = min(CALIBRATION_TIMESTEPS, len(tokens))
    count = len(tokens) // timesteps
    return tokens[: count * timesteps].reshape(count, timesteps)


def _same_greedy_text(run: Run, session: StreamingSession, prompt: NDArray[np.int32]) -> bool:
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


def _export_saved_model(run: Run, path: Path, text: NDArray[np.int32]) -> list[Any]:
    """Writes the SavedModel, proves it after loading it again, and returns its row."""
    from rnn_apps.language_modelling.device.deployment import ServedModel

    served = ServedModel(run.carried, run.tokenizer)
    with atomic_folder(path) as beside:
        tf.saved_model.save(served, str(beside), signatures=served.signatures())
        loaded = tf.saved_model.load(str(beside))
        bits, difference = _proven_scores(run, loaded, text)
        same = _proven_text(run, loaded, text)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return [path.name, round(size / 1024, 1), bits, difference, same, None]


def _proven_scores(run: Run, loaded: Any, tokens: NDArray[np.int32]) -> tuple[float, float]:
    """Bits a token, and the largest difference from Keras, of a text that is known whole.

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


def _proven_text(run: Run, loaded: Any, tokens: NDArray[np.int32]) -> bool:
    """Whether the SavedModel writes, greedily, what Keras writes.

    Raises:
        ExportError: it does not.
    """
    from rnn_apps.language_modelling.writing import WritingConfig

    ids = [t for t in tokens[: 2 * COMPARED_PROMPT].tolist() if t != run.tokenizer.unknown_id]
    prompts = [run.tokenizer.decode(ids), run.tokenizer.decode(ids[: COMPARED_PROMPT // 2])]
    config = WritingConfig(COMPARED_TOKENS, SamplingConfig(temperature=0))
    expected = run.generate(prompts, config)
    outputs = loaded.signatures["generate"](
        prompt=tf.constant(prompts), most_tokens=tf.constant(COMPARED_TOKENS),
        temperature=tf.constant(0.0), top_k=tf.constant(0), top_p=tf.constant(1.0),
        repetition_penalty=tf.constant(1.0), seed=tf.constant(0),
    )  # fmt: skip
    found = [text.decode("utf-8", errors="replace") for text in outputs["text"].numpy()]
    if found != expected:
        raise ExportError("the SavedModel's greedy text is not that of Keras")
    return True
