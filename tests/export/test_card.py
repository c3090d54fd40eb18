"""The card beside an exported file."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from edge_files import folder

from rnn_apps.export.card import card_markdown, write_card
from rnn_apps.export.card_origin import add_origin
from rnn_apps.export.results import (
    ExportResult,
    LabelErrors,
    LayerForm,
    OutputError,
    Variation,
)


@pytest.fixture
def exported(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes((folder() / "step_int8.tflite").read_bytes())
    return ExportResult(
        path=path,
        target="tflm",
        mode="streaming",
        quantize="int8",
        forms=(LayerForm("decoder/gru", "GRU", "unrolled", "one timestep | no loop"),),
        signatures={},
        operators=("FULLY_CONNECTED",),
        errors=(OutputError("step", "y", 0.013, 0.004, 0.9, 0.1),),
        bytes=path.stat().st_size,
        latencies_ms={"step": 0.123},
        arena_bytes=2048,
        candidates={"unrolled": 0.123, "fused": "a GRU has none"},
        reference_data="representative",
    )


def test_the_card_says_what_the_file_is(exported):
    path = write_card(exported, model_name="my model")
    assert path.name == "model.tflite.json"
    card = json.loads(path.read_text())
    assert card["sha256"] == hashlib.sha256(exported.path.read_bytes()).hexdigest()
    assert card["bytes"] == exported.path.stat().st_size
    assert card["operators"]["FULLY_CONNECTED"] == 2
    assert card["signatures"]["step"]["states"] == {"h": "h_out"}
    given = card["signatures"]["step"]["inputs"]["h"]
    assert (given["dtype"], given["shape"]) == ("int8", [1, 6])
    assert given["scale"] > 0
    assert card["errors"][0]["within"] is True
    assert (card["latency_ms"], card["arena_bytes"]) == (0.123, 2048)
    assert card["arena_measured_with"].startswith("the reference kernels on ")
    # Two products of six rows each: their sums of weights, and records.
    assert card["cmsis_nn_bytes"] == 2 * (32 + 64)
    assert card["versions"]["numpy"] == np.__version__
    assert card["forms"][0]["reason"] == "one timestep | no loop"


def test_the_markdown_tells_the_same(exported):
    write_card(exported, model_name="my model")
    text = exported.path.with_name("model.tflite.md").read_text()
    for part in (
        "my model",
        "one timestep / no loop",
        "| arena | 2,048 bytes (the reference kernels on ",
        "| arena with CMSIS-NN's kernels, at most | 2,240 bytes |",
        "0.123 ms",
        "0.013",
        "FULLY_CONNECTED",
        "`h` → `h_out`",
        "representative data",
        "a GRU has none",
    ):
        assert part in text
    # Every row of a table has as many cells as its header.
    for block in text.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1


def test_code_names_the_run_that_training_went_on_from(tmp_path):
    code = tmp_path / "c"
    code.mkdir()
    (code / "card.json").write_text('{"model": "gru", "target": "c"}')
    (code / "README.md").write_text("# model\n")
    add_origin(tmp_path, {})
    assert (code / "README.md").read_text() == "# model\n"
    add_origin(tmp_path, {"from": "runs/first", "sha256": "abc", "understood": ["all"]})
    card = json.loads((code / "card.json").read_text())
    assert card["went_on_from"] == {"run": "runs/first", "sha256": "abc"}
    assert card["model"] == "gru"
    text = (code / "README.md").read_text()
    assert text.startswith("# model\n") and "run `runs/first`" in text and "`abc`" in text


def test_an_error_that_is_no_number_is_still_json(exported):
    wrong = OutputError("step", "y", float("nan"), float("nan"), 1.0, 0.1)
    exported = ExportResult(**{**vars(exported), "errors": (wrong,)})
    card = json.loads(write_card(exported, model_name="m").read_text())
    assert card["errors"][0]["maximum_absolute"] is None
    assert card["errors"][0]["within"] is False


def test_the_card_shows_how_many_labels_differ_and_what_is_left_of_what_varies(exported):
    errors = (
        OutputError("step", "class", 4.0, 0.1, 9.0, 0.1, labels=LabelErrors(1, 40)),
        OutputError("step", "y", 0.01, 0.01, 1.0, 0.1, variation=Variation(0.1, 1.0, 3)),
    )
    exported = ExportResult(**{**vars(exported), "errors": errors})
    card = json.loads(write_card(exported, model_name="m").read_text())
    assert card["errors"][0]["labels"] == {"differing": 1, "compared": 40}
    assert card["errors"][1]["variation"]["worst_channel"] == 3
    text = exported.path.with_name("model.tflite.md").read_text()
    assert "| 1 of 40 (2.5 %) differ |" in text
    assert "| 0.1; 1 of channel 3 |" in text


def test_each_latency_is_that_of_a_named_signature(exported):
    latencies = {"encode": 0.089, "decode_step": 0.022}
    exported = ExportResult(**{**vars(exported), "latencies_ms": latencies})
    card = json.loads(write_card(exported, model_name="m").read_text())
    assert card["latency_ms"] == latencies
    text = exported.path.with_name("model.tflite.md").read_text()
    assert "| latency of `encode` | 0.089 ms (" in text
    assert "| latency of `decode_step` | 0.022 ms (" in text
    # A card of an earlier version has one number, of the signature that was timed.
    assert "| latency | 0.089 ms (" in card_markdown({**card, "latency_ms": 0.089})


def test_nothing_is_left_when_the_file_cannot_be_read(exported):
    exported.path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="tflite"):
        write_card(exported, model_name="m")
    assert [item.name for item in exported.path.parent.iterdir()] == ["model.tflite"]
