"""The trained models as C on an emulated Cortex-M4F: instructions, and the task itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_apps.export.c.proof.boards import BOARDS, BoardRun, missing_tools, run_on_board
from rnn_apps.export.c.proof.compiler import c_compiler
from rnn_apps.export.c.sound.front_end import in_sixteen_bits
from rnn_apps.export.c.sound.listener import Listener
from rnn_apps.export.c.sound.listening_trial import heard_labels
from rnn_apps.export.c.writing.interface import Argument, Interface

BOARD = BOARDS["m4f"]
NOT_MEASURED = "not measured: no compiler for boards, or no QEMU"
# Windows and recordings that the board works on.
BOARD_WINDOWS, BOARD_RECORDINGS, BOARD_SECONDS = 8, 6, 2.0
_MOST_LABELS = 64


def interface_of(card: Mapping[str, Any]) -> Interface:
    """The interface of a function that a card describes."""
    parts = {kind: _arguments(card[kind]) for kind in ("inputs", "outputs", "states")}
    call = "step" if card["mode"] == "streaming" else "run"
    return Interface(card["prefix"], call, **parts, scratch=card["scratch"])


def _arguments(described: Sequence[Mapping[str, Any]]) -> tuple[Argument, ...]:
    return tuple(
        Argument(d["name"], d["identifier"], tuple(d["shape"]), d["dtype"], d.get("fraction"))
        for d in described
    )


def instructions(code: Path, card: Mapping[str, Any]) -> str:
    """Instructions of a call of each function."""
    if missing_tools():
        return NOT_MEASURED
    counts = []
    for one in card.get("functions", {"": card}).values():
        interface = interface_of(one)
        zeros = {given.name: np.zeros(given.shape, given.dtype) for given in interface.inputs}
        source = code / "src" / f"{one['prefix']}.c"
        with tempfile.TemporaryDirectory() as made:
            run = run_on_board(BOARD, source, interface, [zeros, zeros], Path(made))
        counts.append(f"{run.instructions:,}")
    return " + ".join(counts)


def forecasts(
    code: Path, card: Mapping[str, Any], inputs: Mapping[str, np.ndarray]
) -> np.ndarray | None:
    """What the board forecasts for windows, [windows, horizon]; None where it is not installed."""
    if missing_tools():
        return None
    interface = interface_of(card)
    count = len(next(iter(inputs.values())))
    calls = [
        {one.name: inputs[one.name][row : row + 1] for one in interface.inputs}
        for row in range(count)
    ]
    source = code / "src" / f"{card['prefix']}.c"
    with tempfile.TemporaryDirectory() as made:
        run = run_on_board(BOARD, source, interface, calls, Path(made))
    return np.concatenate([outputs["forecast"] for outputs in run.outputs])


def listening(code: Path, prefix: str, recordings: Sequence[np.ndarray], rate: int) -> str:
    """Whether the board hears in recordings what this computer hears, and what a second costs.

    Args:
        code: folder of an exported recogniser.
        prefix: beginning of the model's names.
        recordings: samples float32 of each.
        rate: samples per second.
    """
    if missing_tools():
        return NOT_MEASURED
    hop = next(one for one in _defined(code / "src" / f"{prefix}_listener.h", "HOP"))
    length = round(BOARD_SECONDS * rate) // hop * hop
    half = length // 2 // hop * hop
    heard = [
        in_sixteen_bits(np.pad(one[:length], (0, max(0, length - len(one)))))
        for one in recordings[:BOARD_RECORDINGS]
    ]
    listener = Listener(f"{prefix}_listener", "", "", hop)
    here = heard_labels(listener, code, heard, c_compiler())
    run = _board_hears(code / "src", prefix, heard, hop)
    # An utterance costs its end as well, however long it is: the difference does not count it.
    shorter = _board_hears(code / "src", prefix, [samples[:half] for samples in heard[-1:]], hop)
    there = [[n for n in call["labels"].tolist() if n >= 0] for call in run.outputs]
    same = sum(one == other for one, other in zip(here, there, strict=True))
    words = sum(map(len, here))
    whole = run.instructions / (length / rate) / 1e6
    stream = (run.instructions - shorter.instructions) / ((length - half) / rate) / 1e6
    return (
        f"{same} of {len(here)} recordings with {words} labels heard as here; {stream:.1f} million "
        f"instructions per second of a stream, {whole:.1f} per second of an utterance of "
        f"{length / rate:g} s, its end included"
    )


def _board_hears(source: Path, prefix: str, recordings: Sequence[np.ndarray], hop: int) -> BoardRun:
    """The labels of recordings of one length, on the board."""
    length = len(recordings[0])
    interface = Interface(
        "trial",
        "run",
        (Argument("samples", "input_samples", (length,), "int16"),),
        (Argument("labels", "output_labels", (_MOST_LABELS,), "int32"),),
        (),
        {},
    )
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        _write_trial(made, source, prefix, length, hop)
        calls = [{"samples": samples} for samples in recordings]
        return run_on_board(BOARD, made / "trial.c", interface, calls, made)


def _defined(header: Path, name: str) -> list[int]:
    lines = header.read_text(encoding="ascii").splitlines()
    return [int(line.split()[2]) for line in lines if line.startswith("#define") and
            line.split()[1].endswith(f"_{name}")]  # fmt: skip


def _write_trial(folder: Path, source: Path, prefix: str, length: int, hop: int) -> None:
    """One source with everything in it, as `run_on_board` takes it."""
    parts = [f"{prefix}_features", prefix, f"{prefix}_listener"]
    included = "\n".join(f'#include "{(source / part).absolute()}.c"' for part in parts)
    (folder / "trial.h").write_text(
        f'#include "{(source / prefix).absolute()}_listener.h"\n'
        f"typedef struct {{ {prefix}_listener_memory listener; }} trial_memory;\n"
        "void trial_init(trial_memory *memory);\n"
        "void trial_run(trial_memory *memory, const int16_t *samples, int32_t *labels);\n",
        encoding="ascii",
    )
    (folder / "trial.c").write_text(
        f"""#include "trial.h"
{included}
void trial_init(trial_memory *memory)
{{
    {prefix}_listener_init(&memory->listener);
}}
void trial_run(trial_memory *memory, const int16_t *samples, int32_t *labels)
{{
    int32_t count = 0;
    for (int32_t at = 0; at < {length}; at += {hop})
        count += {prefix}_listener_hear(&memory->listener, samples + at, labels + count);
    count += {prefix}_listener_end(&memory->listener, labels + count);
    for (; count < {_MOST_LABELS}; ++count)
        labels[count] = -1;
}}
""",
        encoding="ascii",
    )
