"""A run as files for servers and devices: sentences in, translations out."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.base.atomic_files import atomic_folder, write_json
from pipelines.tokenizers.sentence_ids import END, START, comparable_text, padded, sentence_ids
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.edge.translation.sentences import one_line
from rnn_apps.edge.translation.translator import CONTRACT, MODEL, SOURCE_TOKENIZER, TARGET_TOKENIZER
from rnn_apps.export.formats import assembled_folder, chosen_formats, write_formats
from rnn_apps.export.processes import conversion_process
from rnn_apps.export.results import ExportError, ExportResult
from rnn_apps.translation.device.device_models import TOKENS, decoding_examples, device_models
from rnn_apps.translation.device.trial import Found, try_translator
from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics
from rnn_apps.translation.judging.example_pairs import Pairs, examples_of
from rnn_apps.translation.judging.scoring import score_pairs
from rnn_apps.translation.translating import Translator

if TYPE_CHECKING:
    from rnn_apps.translation.run import Run

SAVED_MODEL = "saved_model"
DECODING_STEPS = 100
GREEDY, BEAM = "greedy", "beam"
# A quantised state that is fed back drifts from Keras' without harm to the translation: such a
# file is held to its task, BLEU, beside a coarse bound on every number.
QUANTIZED_TOLERANCE = 0.3
MOST_BLEU_LOST = 3.0
# Two tokens may be as probable as each other to within a rounding error.
TIE = 1e-3


@dataclass(frozen=True)
class DeviceFile:
    """A .tflite file: `decode_step`, and `encode` unless another file's is used."""

    file: str
    quantize: str | None = None
    encoder: str | None = None


DEVICE_FILES = {
    "tflite": DeviceFile(MODEL),
    "tflite_dynamic": DeviceFile("model_dynamic.tflite", "dynamic"),
    # The converter quantises no loop to int8, and an encoder is one: it comes from the other file.
    "tflite_int8": DeviceFile("model_int8.tflite", "int8", encoder="model_dynamic.tflite"),
}
FORMATS = (SAVED_MODEL, *DEVICE_FILES)


def export(run: Run, to: str | Path, formats: Sequence[str] | None = None) -> dict[str, Any]:
    """Writes files that translate, each proven beside the Keras model before it is there.

    Args:
        run: trained.
        to: the folder for them.
        formats: of saved_model, tflite, tflite_dynamic and tflite_int8; None for all.

    Returns:
        "table": for every file its size, its BLEU beside Keras', and how fast it is.

    Raises:
        ExportError: no file computes what Keras computes; none is left behind.
        ConfigurationError: no such format.
    """
    chosen = _chosen(formats)
    if any(name != SAVED_MODEL for name in chosen):
        conversion_process.prepare()
    pairs = examples_of(run)
    folder = Path(to)
    with assembled_folder(folder, CONTRACT) as beside:
        export = _Export(run, beside, pairs)
        written = write_formats(chosen, export.write)
    title = (
        f"Proven on {len(pairs)} sentences; BLEU by greedy search, Keras {export.keras_bleu:.2f}"
    )
    header = ["file", "KiB", "BLEU", f"BLEU, beam {export.beam.beam_width}",
              "largest difference from Keras", "same greedy translations",
              "sentences per second, greedy", "with the beam"]  # fmt: skip
    return written.result(folder, CONTRACT, title, header)


def _chosen(formats: Sequence[str] | None) -> tuple[str, ...]:
    if formats is not None and "tflm" in formats:
        raise ExportError(
            "formats = tflm: TFLite Micro runs one graph of a file, with fixed shapes, and a "
            "translation model is two, over sentences of any length. Choose tflite_int8"
        )
    chosen = chosen_formats(formats, FORMATS)
    if "tflite_int8" in chosen:
        # Its encoder is in the other file, which is written first.
        return tuple(name for name in FORMATS if name in (*chosen, "tflite_dynamic"))
    return chosen


class _Export:
    """One export under way: what all files are judged by."""

    def __init__(self, run: Run, folder: Path, pairs: Pairs) -> None:
        self.run = run
        self.folder = folder
        self.pairs = pairs
        self.beam = dataclasses.replace(run.search_options, n_best=1)
        self.greedy = dataclasses.replace(self.beam, beam_width=1)
        self._metrics = CorpusMetrics(run.config.bleu_tokenizer)
        self._sources = [source for source, _ in pairs]
        self._translator = Translator([run.model], run.source_tokenizer, run.target_tokenizer)
        self.keras_bleu = self.bleu(self._keras_texts(self.greedy))
        self._files: list[str] = []
        self._device: tuple[keras.Model, keras.Model, list[Any]] | None = None

    def bleu(self, texts: Sequence[str]) -> float:
        target = self.run.target_tokenizer
        references = [comparable_text(target, reference) for _, reference in self.pairs]
        return self._metrics.figures(texts, references).bleu

    def _keras_texts(self, options: SearchOptions) -> list[str]:
        return [best.text for [best, *_] in self._translator.translate(self._sources, options)]

    def write(self, name: str) -> list[Any]:
        """Writes one format and returns its row of the table."""
        if name == SAVED_MODEL:
            self._save_vocabularies(self.folder)
            row = self._saved_model(self.folder / SAVED_MODEL)
            self._files.append(SAVED_MODEL)
        else:
            row = self._device_file(DEVICE_FILES[name])
            self._files.append(DEVICE_FILES[name].file)
        write_json(self.folder / CONTRACT, contract(self.run, self._files, self.beam))
        return row

    def _device_file(self, wanted: DeviceFile) -> list[Any]:
        from rnn_apps.export.card import add_task_metric

        with self._beside(wanted) as beside:
            result = self._converted(wanted, beside / wanted.file)
            searches = {GREEDY: self.greedy, BEAM: self.beam}
            found = try_translator(beside, wanted.file, self._sources, searches)
            bleu, beam_bleu = (self.bleu(found[name].texts) for name in (GREEDY, BEAM))
            add_task_metric(
                result, "BLEU", self.keras_bleu, bleu,
                f"{len(self.pairs)} of the judged sentences, greedy search",
            )  # fmt: skip
            same = self._as_keras(found[GREEDY])
            self._judge(wanted, bleu, same)
            _publish(result, self.folder)
        return [
            wanted.file, round(result.bytes / 1024, 1), bleu, beam_bleu, result.error, same,
            found[GREEDY].sentences_a_second, found[BEAM].sentences_a_second,
        ]  # fmt: skip

    def _judge(self, wanted: DeviceFile, bleu: float, same: bool) -> None:
        if wanted.quantize is None and not same:
            raise ExportError(
                f"{wanted.file}: greedy translations from the device's runtime are not Keras'"
            )
        if not bleu >= self.keras_bleu - MOST_BLEU_LOST:
            raise ExportError(
                f"{wanted.file}: quantised, the model has {bleu:.2f} BLEU instead of "
                f"{self.keras_bleu:.2f}. Choose another format"
            )

    @contextmanager
    def _beside(self, wanted: DeviceFile) -> Iterator[Path]:
        """A folder that is as the export will be, where a file is tried before it is published."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._save_vocabularies(self.folder)
        with tempfile.TemporaryDirectory(prefix=".trial.", dir=self.folder) as name:
            beside = Path(name)
            self._save_vocabularies(beside)
            write_json(beside / CONTRACT, contract(self.run, [wanted.file], self.beam))
            if wanted.encoder is not None:
                if wanted.encoder not in self._files:
                    raise ExportError(
                        f"{wanted.file} runs with the encoder in {wanted.encoder}, which could not "
                        "be written"
                    )
                os.link(self.folder / wanted.encoder, beside / wanted.encoder)
            yield beside

    def _converted(self, wanted: DeviceFile, path: Path) -> ExportResult:
        from rnn_apps.export.tflite import SignatureRequest, export_signatures

        encoder, decoder, steps = self._models()
        sources: list[Any] = [{TOKENS: ids[None]} for ids in self._source_ids()]
        requests = {"decode_step": SignatureRequest(decoder, representative_data=steps)}
        if wanted.encoder is None:
            requests = {
                "encode": SignatureRequest(encoder, batch_size=1, representative_data=sources),
                **requests,
            }
        return export_signatures(
            requests,
            path,
            quantize=wanted.quantize,
            form="rule",
            tolerance=None if wanted.quantize is None else QUANTIZED_TOLERANCE,
        )

    def _models(self) -> tuple[keras.Model, keras.Model, list[Any]]:
        if self._device is None:
            encoder, decoder = device_models(self.run.model)
            steps = decoding_examples(encoder, decoder, self._source_ids(), DECODING_STEPS)
            self._device = encoder, decoder, steps
        return self._device

    def _source_ids(self) -> list[NDArray[np.int32]]:
        tokenizer = self.run.source_tokenizer
        return [sentence_ids(tokenizer, one_line(source)) for source in self._sources]

    def _as_keras(self, found: Found) -> bool:
        """Whether a device wrote greedily what Keras writes, up to ties that rounding decides.

        Keras reads what the device wrote: each token must be the most probable there too.
        """
        targets = [
            np.array([*ids, END] if complete else ids, np.int32)
            for ids, complete in zip(found.ids, found.complete, strict=True)
        ]
        sources = self._source_ids()
        for start in range(0, len(sources), 8):
            part = slice(start, start + 8)
            source, target = padded(sources[part]), padded(targets[part])
            before = np.concatenate([np.full((len(target), 1), START), target[:, :-1]], axis=1)
            inputs = {"source": tf.constant(source), "target": tf.constant(before, tf.int32)}
            logits = np.array(self.run.model(inputs))
            # Padding and start are never written.
            logits[..., :END] = -np.inf
            taken = np.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
            behind = logits.max(axis=-1) - taken
            if np.any(behind[target != 0] > TIE):
                return False
        return True

    def _save_vocabularies(self, folder: Path) -> None:
        self.run.source_tokenizer.save(folder / SOURCE_TOKENIZER)
        if self.run.target_tokenizer is not self.run.source_tokenizer:
            self.run.target_tokenizer.save(folder / TARGET_TOKENIZER)

    def _saved_model(self, path: Path) -> list[Any]:
        """Writes the SavedModel, proves it after loading it again, and returns its row."""
        from rnn_apps.translation.device.serving import ServedTranslator

        run = self.run
        served = ServedTranslator(run.model, run.source_tokenizer, run.target_tokenizer, self.beam)
        with atomic_folder(path) as beside:
            tf.saved_model.save(served, str(beside), signatures=served.signatures())
            loaded = tf.saved_model.load(str(beside))
            difference = self._proven_scores(loaded)
            texts = {
                name: _served_texts(loaded, name, self._sources)
                for name in ("translate_greedily", "translate")
            }
        # A served model leaves the token for unknown words as it is.
        plain = dataclasses.replace(self.greedy, replace_unknown=False)
        same = texts["translate_greedily"] == self._keras_texts(plain)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        bleu, beam_bleu = (self.bleu(found) for found in texts.values())
        if not same and bleu < self.keras_bleu - 0.5:
            raise ExportError(
                f"the SavedModel has {bleu:.2f} BLEU instead of {self.keras_bleu:.2f}"
            )
        return [
            path.name, round(size / 1024, 1), bleu, beam_bleu, difference, same, None, None
        ]  # fmt: skip

    def _proven_scores(self, loaded: Any) -> float:
        """The largest difference from Keras of a pair's log probability.

        Raises:
            ExportError: the scores are not those of Keras.
        """
        run, pairs = self.run, self.pairs[:20]
        expected = score_pairs(run.model, run.source_tokenizer, run.target_tokenizer, pairs)
        found = loaded.signatures["score"](
            source=tf.constant([one[0] for one in pairs]),
            target=tf.constant([one[1] for one in pairs]),
        )["log_probability"].numpy()
        wanted = np.array([one.log_probability for one in expected])
        difference = float(np.max(np.abs(found - wanted)))
        if not difference <= 1e-4 * max(10.0, float(np.abs(wanted).max())):
            raise ExportError(f"the SavedModel's scores are up to {difference:g} nats from Keras'")
        return difference


def contract(run: Run, files: Sequence[str], search: SearchOptions) -> dict[str, Any]:
    """What the exported files take and give, for whoever calls them without this toolkit."""
    of_devices = [one for one in DEVICE_FILES.values() if one.file in files]
    found: dict[str, Any] = {
        "source_vocabulary_sha256": run.source_tokenizer.fingerprint,
        "target_vocabulary_sha256": run.target_tokenizer.fingerprint,
        "joint_vocabulary": run.target_tokenizer is run.source_tokenizer,
        "tokenizer": run.target_tokenizer.kind,
        "ids": "0 pads, 1 starts a target, 2 ends a sentence; a tokenizer's id is 3 more",
        "files": list(files),
        "encoders": {one.file: one.encoder for one in of_devices if one.encoder is not None},
        "search": {
            name: getattr(search, name)
            for name in ("beam_width", "length_penalty", "longest", "longest_extra")
        },
    }
    if of_devices:
        found["signatures"] = _DEVICE
    if SAVED_MODEL in files:
        found["saved_model"] = _SERVED
    return found


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


def _served_texts(loaded: Any, signature: str, sentences: Sequence[str]) -> list[str]:
    found: list[str] = []
    for start in range(0, len(sentences), 32):
        given = tf.constant(list(sentences[start : start + 32]))
        texts = loaded.signatures[signature](source=given)["text"].numpy()
        found += [row[0].decode("utf-8", errors="replace") for row in texts]
    return found


def _publish(result: ExportResult, folder: Path) -> None:
    """Moves a file and its cards to where they belong; the cards first, the file last."""
    for suffix in (".md", ".json", ""):
        made = result.path.with_name(result.path.name + suffix)
        if made.exists():
            os.replace(made, folder / made.name)
