"""Exported code on emulated microcontrollers gives what it gives on this computer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from rnn_apps.export.c import CodeResult, export_c
from rnn_apps.export.c.programs import precision
from rnn_apps.export.c.proof.boards import BOARDS, BoardRun, missing_tools, run_on_board
from rnn_apps.export.c.proof.compiler import c_compiler
from rnn_apps.export.c.proof.harness import compiled
from rnn_apps.export.c.writing.code import Code

pytestmark = pytest.mark.skipif(
    bool(missing_tools()), reason=f"not installed: {', '.join(missing_tools())}"
)


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, 12, 7)).astype(np.float32)


def exported(data: np.ndarray, folder: Path, quantize: str | None) -> CodeResult:
    keras.utils.set_random_seed(0)
    # Sizes that no block of a kernel divides.
    model = Sequential(
        [
            Input((None, 7)),
            layers.GRU(22, return_sequences=True),
            layers.LSTM(13, return_sequences=True),
            layers.Dense(5, activation="softmax", name="dense"),
        ],
        name="net",
    )
    return export_c(model, folder, mode="streaming", quantize=quantize, representative_data=data)


def installed(*names: str) -> list[str]:
    """Boards, all or those named, whose tools are installed."""
    return [name for name in names or BOARDS if not missing_tools(BOARDS[name])]


def host_outputs(
    result: CodeResult, data: np.ndarray, steps: int, folder: Path
) -> list[dict[str, np.ndarray]]:
    header, source = result.header.read_text(), result.source.read_text()
    for path in (result.header, result.source):
        (folder / path.name).write_text(path.read_text())
    code = Code(result.interface, header, source, 0, 0)
    program = compiled(code, folder, c_compiler(), 60.0)
    name = result.interface.inputs[0].name
    return program.stream("", [[{name: data[:1, i : i + 1]} for i in range(steps)]])[0]


def board_run(result: CodeResult, board: str, data: np.ndarray, folder: Path) -> BoardRun:
    name = result.interface.inputs[0].name
    calls = [{name: data[:1, step : step + 1]} for step in range(4)]
    return run_on_board(BOARDS[board], result.source, result.interface, calls, folder)


@pytest.mark.parametrize("quantize", ["int8", "int16x8"])
def test_integers_are_equal_to_the_bit_on_every_core(
    quantize: str, data: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Weights of 8 bits are too coarse for any product, so that all have 16 in int16x8.
    monkeypatch.setattr(precision, "COARSE", 0.0)
    monkeypatch.setattr(precision, "FINE", 0.0)
    result = exported(data, tmp_path / "code", quantize)
    assert ("_wide_short_product(" in result.source.read_text()) == (quantize == "int16x8")
    (tmp_path / "host").mkdir()
    host = host_outputs(result, data, 4, tmp_path / "host")
    instructions = {}
    for board in installed():
        folder = tmp_path / board
        folder.mkdir()

        run = board_run(result, board, data, folder)

        for here, there in zip(run.outputs, host, strict=True):
            for state in result.interface.states:
                assert state.fraction is not None
                kept = here[f"{state.name}_out"] * 2.0**-state.fraction
                np.testing.assert_array_equal(kept.astype(np.float32), there[f"{state.name}_out"])
            np.testing.assert_allclose(here["dense"], there["dense"], atol=1e-6)
        instructions[board] = run.instructions
    # The DSP instructions of Cortex-M4 and Helium of Cortex-M55 are used.
    assert instructions["m55"] < 0.9 * instructions["m4f"]
    assert instructions["m4f"] < 0.9 * instructions["m3"]


def test_floats_agree_on_a_core_with_and_one_without_them(data: np.ndarray, tmp_path: Path) -> None:
    result = exported(data, tmp_path / "code", None)
    (tmp_path / "host").mkdir()
    host = host_outputs(result, data, 4, tmp_path / "host")
    for board in installed("m3", "m4f", "rv32imc", "rv32imfc"):
        folder = tmp_path / board
        folder.mkdir()

        run = board_run(result, board, data, folder)

        for here, there in zip(run.outputs, host, strict=True):
            for name, value in there.items():
                np.testing.assert_allclose(here[name], value, atol=2e-6)


def test_the_card_has_the_figures_of_every_core(data: np.ndarray, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = Sequential([Input((None, 7)), layers.GRU(6, return_sequences=True)], name="net")

    result = export_c(
        model, tmp_path / "code", mode="streaming", representative_data=data, boards=True
    )

    figures = json.loads((tmp_path / "code" / "card.json").read_text())["boards"]
    assert set(figures) == {board.core for board in BOARDS.values()} == set(result.boards)
    for board in BOARDS.values():
        problem = figures[board.core]["problem"]
        assert problem.startswith("not measured: needs") if missing_tools(board) else not problem
    # Without a floating-point unit each product is a call.
    assert figures["Cortex-M3"]["instructions"] > 5 * figures["Cortex-M4F"]["instructions"] > 0
    assert "emulated Cortex-M4F" in (tmp_path / "code" / "README.md").read_text()


def test_a_core_whose_tools_are_missing_says_how_to_get_them(
    data: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    risc_v = dataclasses.replace(BOARDS["rv32imc"].architecture, compiler="no-such-compiler")
    monkeypatch.setitem(
        BOARDS, "rv32imc", dataclasses.replace(BOARDS["rv32imc"], architecture=risc_v)
    )
    model = Sequential([Input((None, 7)), layers.GRU(4, return_sequences=True)], name="net")

    result = export_c(
        model, tmp_path / "code", mode="streaming", representative_data=data, boards=True
    )

    assert result.boards["Cortex-M4F"].instructions
    assert result.boards["RV32IMC"].problem == (
        "not measured: needs no-such-compiler (Debian and Ubuntu: apt install "
        "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc)"
    )


# Instructions per multiply-accumulate of a GRU step, and bytes of machine code, at most.
LIMITS = {
    (None, "m4f"): (1.7, 2560),
    ("int8", "m3"): (2.8, 1536),
    ("int8", "m4f"): (1.65, 1536),
    ("int8", "m33"): (1.75, 1536),
    ("int8", "m55"): (0.7, 1536),
    (None, "rv32imfc"): (4.3, 2560),
    ("int8", "rv32imc"): (5.5, 2048),
}


@pytest.mark.slow
@pytest.mark.parametrize("quantize", [None, "int8"])
def test_a_step_takes_no_more_than_it_took(quantize: str | None, tmp_path: Path) -> None:
    """Instructions are counted: a slower kernel shows here, whatever the computer."""
    keras.utils.set_random_seed(0)
    data = np.random.default_rng(0).normal(size=(4, 12, 32)).astype(np.float32)
    model = Sequential([Input((None, 32)), layers.GRU(128, return_sequences=True)], name="net")
    result = export_c(
        model, tmp_path / "code", mode="streaming", quantize=quantize, representative_data=data
    )
    for (kind, board), (instructions, code_bytes) in LIMITS.items():
        if kind != quantize or not installed(board):
            continue
        folder = tmp_path / board
        folder.mkdir()

        run = board_run(result, board, data, folder)

        assert 0.2 < run.instructions / result.cost.products < instructions
        assert run.code_bytes < code_bytes
        assert 0 < run.stack_bytes < 512
    assert result.cost.state_bytes + result.cost.scratch_bytes < 4096
