"""The card that comes with an exported file: what it is, how it was proven, what it costs."""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.base.atomic_files import write_json, write_text
from rnn_apps.edge.runtime.flatbuffer import read_model_file
from rnn_apps.export.flatbuffers.inspection import inspect
from rnn_apps.export.micro.cmsis_nn_memory import cmsis_nn_bytes
from rnn_apps.export.results import ExportResult, LabelErrors, MetricResult

_PACKAGES = ("rnn-apps", "tensorflow", "keras", "ai-edge-litert", "tflite-micro", "numpy")


def write_card(result: ExportResult, *, model_name: str) -> Path:
    """Writes `FILE.tflite.json` and `FILE.tflite.md` next to an exported file, both atomically.

    Args:
        result: result of the export; the rest is read from the file at `result.path`.
        model_name: the Keras model's name.

    Returns:
        The path of the JSON card.
    """
    card = card_content(result, model_name=model_name)
    json_path = result.path.with_name(result.path.name + ".json")
    write_json(json_path, card)
    write_text(result.path.with_name(result.path.name + ".md"), card_markdown(card))
    return json_path


def add_task_metric(
    result: ExportResult, name: str, keras: float, file: float, measured_on: str
) -> None:
    """Adds the task's metric, before and after the export, to the card of `result`.

    Args:
        name: name of the metric, with its unit.
        keras, file: the Keras model's figure and the file's, in its target's runtime.
        measured_on: description of the data.
    """
    assert result.card is not None
    card = json.loads(result.card.read_text(encoding="utf-8"))
    card["task_metric"] = asdict(MetricResult(name, keras, file, measured_on))
    write_json(result.card, card)
    write_text(result.path.with_name(result.path.name + ".md"), card_markdown(card))


def card_content(result: ExportResult, *, model_name: str) -> dict[str, Any]:
    """The card as plain dictionaries and lists."""
    found = inspect(result.path)
    metric = {} if result.metric is None else {"task_metric": asdict(result.metric)}
    return {
        "model": model_name,
        "file": result.path.name,
        "sha256": found.sha256,
        "bytes": found.bytes,
        "target": result.target,
        "mode": result.mode,
        "quantization": result.quantize,
        "forms": [asdict(form) for form in result.forms],
        "candidates": result.candidates,
        "operators": found.operator_counts,
        "signatures": found.as_dict()["signatures"],
        "variables": found.as_dict()["variables"],
        "constant_bytes": found.constant_bytes,
        "computes_sizes": found.computes_sizes,
        "errors": [{**_finite(asdict(error)), "within": error.within} for error in result.errors],
        "checked_on": result.reference_data,
        "measured_on": {
            name: {**asdict(extent), "text": str(extent)}
            for name, extent in result.measured_on.items()
        },
        "latency_ms": result.latency_ms if len(result.latencies_ms) < 2 else result.latencies_ms,
        "latency_machine": f"processor time on {platform.machine()}, one thread, median",
        **_arena(result),
        **metric,
        "versions": _versions(),
    }


def _arena(result: ExportResult) -> dict[str, Any]:
    """The measured working memory, and how much more CMSIS-NN's kernels may take."""
    if result.arena_bytes is None:
        return {"arena_bytes": None}
    file, _ = read_model_file(result.path)
    return {
        "arena_bytes": result.arena_bytes,
        "arena_measured_with": f"the reference kernels on {platform.machine()}",
        "cmsis_nn_bytes": cmsis_nn_bytes(file),
    }


def card_markdown(card: dict[str, Any]) -> str:
    """A card as Markdown."""
    parts = [
        f"# {card['file']}",
        f"Exported from the Keras model `{card['model']}`. Every number here was measured on the "
        "file itself, in its target's own runtime, unless it says otherwise.",
        _table(("what", "value"), _facts(card)),
        "## Recurrent layers",
        _table(("layer", "kind", "form", "why"), [_form_row(form) for form in card["forms"]]),
        *_candidates(card["candidates"]),
        f"## Error against Keras\nChecked on {card['checked_on']} data{_extents(card)}.",
        _table(
            (
                "signature",
                "output",
                "largest error",
                "relative RMSE",
                "largest value",
                "RMSE in standard deviations, or labels",
                "within",
            ),
            [_error_row(error) for error in card["errors"]],
        ),
        "## Signatures",
        *[_signature(name, signature) for name, signature in card["signatures"].items()],
        "## Operators",
        _table(("operator", "count"), [(k, str(v)) for k, v in card["operators"].items()]),
        "## Made with",
        _table(("package", "version"), list(card["versions"].items())),
    ]
    return "\n\n".join(parts) + "\n"


def _facts(card: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("target", {"litert": "LiteRT", "tflm": "TensorFlow Lite Micro"}[card["target"]]),
        ("mode", card["mode"]),
        ("quantisation", card["quantization"] or "none (float32)"),
        ("size", f"{card['bytes']:,} bytes"),
    ]
    facts += _latencies(card)
    if "task_metric" in card:
        metric = card["task_metric"]
        compared = f"{metric['file']:.5g}; Keras {metric['keras']:.5g}"
        facts.append((metric["name"], f"{compared} ({metric['measured_on']})"))
    if card["arena_bytes"] is not None:
        facts.append(("arena", f"{card['arena_bytes']:,} bytes ({card['arena_measured_with']})"))
        cmsis_nn = card["arena_bytes"] + card["cmsis_nn_bytes"]
        facts.append(("arena with CMSIS-NN's kernels, at most", f"{cmsis_nn:,} bytes"))
    if card["variables"]:
        facts.append(("variables", ", ".join(card["variables"])))
    # Older cards do not say it.
    if card["target"] == "litert" and card.get("computes_sizes"):
        facts.append(("sizes", "computed while it runs: run it without XNNPACK (docs/edge.md)"))
    if "went_on_from" in card:
        origin = card["went_on_from"]
        found = f"`{origin['run']}`, whose model.keras has the SHA-256 `{origin['sha256']}`"
        facts.append(("training went on from", found))
    facts.append(("sha256", f"`{card['sha256']}`"))
    return facts


def _latencies(card: dict[str, Any]) -> list[tuple[str, str]]:
    """The latency; where there are several signatures, one row for each."""
    found = card["latency_ms"]
    if found is None:
        return []
    # Older cards of several signatures have a number too, that of an unnamed one.
    by_name = found if isinstance(found, dict) else {"": found}
    return [
        (f"latency of `{name}`" if name else "latency", f"{ms:.3g} ms ({card['latency_machine']})")
        for name, ms in by_name.items()
    ]


def _form_row(form: dict[str, Any]) -> tuple[str, ...]:
    return form["layer"], form["kind"], form["form"], form["reason"]


def _candidates(candidates: dict[str, float | str]) -> list[str]:
    if len(candidates) < 2:
        return []
    rows = [
        (form, value if isinstance(value, str) else f"{value:.3g} ms")
        for form, value in candidates.items()
    ]
    return ["### Forms that were tried", _table(("form", "fastest run, or why it failed"), rows)]


def _extents(card: dict[str, Any]) -> str:
    """The number of sequences on which each signature's error was measured, as text."""
    listed = [f"`{name}` on {extent['text']}" for name, extent in card["measured_on"].items()]
    return f": {'; '.join(listed)}" if listed else ""


def _error_row(error: dict[str, Any]) -> tuple[str, ...]:
    numbers = (error["maximum_absolute"], error["relative_rmse"], error["scale"])
    texts = ["not finite" if number is None else f"{number:.3g}" for number in numbers]
    verdict = f"{'yes' if error['within'] else 'no'} (tolerance {error['tolerance']:g})"
    return error["signature"], error["output"], *texts, _of_what_varies(error), verdict


def _of_what_varies(error: dict[str, Any]) -> str:
    """How many labels differ, or how much of an output's variation the difference is."""
    # Older cards do not say it.
    if labels := error.get("labels"):
        return f"{LabelErrors(**labels)} differ"
    variation = error.get("variation")
    if variation is None:
        return ""
    text = f"{variation['differs']:.2g}"
    if variation["worst"] > 2 * variation["differs"]:
        text += f"; {variation['worst']:.2g} of channel {variation['worst_channel']}"
    return text


def _signature(name: str, signature: dict[str, Any]) -> str:
    rows = []
    for kind in ("inputs", "outputs"):
        for tensor, item in signature[kind].items():
            scale = item["scale"]
            note = "" if scale is None else f"(q - ({item['zero_point']})) * {scale:.9g}"
            shape = ["any" if size == -1 else str(size) for size in item["shape"]]
            rows.append((kind[:-1], tensor, f"[{', '.join(shape)}]", item["dtype"], note))
    text = f"### `{name}`\n\n"
    text += _table(("", "name", "shape", "type", "real value of an integer q"), rows)
    if signature["states"]:
        pairs = ", ".join(f"`{given}` → `{kept}`" for given, kept in signature["states"].items())
        text += f"\n\nStates, zero at the start of a sequence: {pairs}"
    return text


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return "none"
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """Replaces NaN and infinity by None, since JSON has neither."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in numbers.items()
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
