"""Listening tried on this computer: the labels that the compiled code writes for recordings."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnn_apps.edge.runtime.library import PLAINER_OPTIONS, SERVING_OPTIONS
from rnn_apps.export.c.proof.compiler import SANITIZERS, STRICT, Compiler
from rnn_apps.export.c.sound.listener import Listener, filled
from rnn_apps.export.results import ExportError

_TRIAL = """#include "$P.h"

#include <stdio.h>
#include <stdlib.h>

/* Reads the number of hops and their samples, recording by recording; writes labels in lines. */
int main(void)
{
    $P_memory *memory = ($P_memory *)malloc(sizeof *memory);
    int16_t samples[$UPPER_HOP];
    int32_t labels[$UPPER_MOST_LABELS], hops, count;
    $P_init(memory);
    while (fread(&hops, sizeof hops, 1, stdin) == 1) {
        for (; hops > 0; hops -= 1) {
            if (fread(samples, sizeof samples, 1, stdin) != 1)
                return 3;
            count = $P_hear(memory, samples, labels);
            for (int32_t k = 0; k < count; ++k)
                printf("%d ", (int)labels[k]);
        }
        count = $P_end(memory, labels);
        for (int32_t k = 0; k < count; ++k)
            printf("%d ", (int)labels[k]);
        printf("\\n");
    }
    free(memory);
    return 0;
}
"""


def heard_labels(
    code: Listener, folder: Path, recordings: Sequence[np.ndarray], compiler: Compiler
) -> list[list[int]]:
    """The labels that a listener writes for recordings, by the code as this computer serves it.

    The code runs under sanitizers first.

    Args:
        code: the listener; its files, the features' and the model's are in `folder`/src.
        folder: an exported folder; nothing in it is changed.
        recordings: samples int16 [samples] of each; what is no whole hop at the end is left out.
        compiler: compiler of this computer.

    Raises:
        ExportError: the compiler or a sanitizer complained, or it took too long.
    """
    sources = sorted(str(path.absolute()) for path in (folder / "src").glob("*.c"))
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        trial = filled(_TRIAL, {"P": code.prefix, "UPPER": code.prefix.upper(), "FRAMES": ""})
        (made / "trial.c").write_text(trial, encoding="ascii")
        include = f"-I{(folder / 'src').absolute()}"
        files = [include, "trial.c", *sources, "-o", "trial"]
        message = b"".join(_message(samples, code.hop) for samples in recordings)
        _compiled(compiler, [(*STRICT, "-O1", *watch) for watch in (SANITIZERS, ())], files, made)
        _printed(made / "trial", message, compiler.time_limit)
        _compiled(compiler, [SERVING_OPTIONS, *PLAINER_OPTIONS], files, made)
        printed = _printed(made / "trial", message, compiler.time_limit)
    return [[int(word) for word in line.split()] for line in printed.splitlines()]


def _compiled(
    compiler: Compiler, choices: Sequence[tuple[str, ...]], files: Sequence[str], folder: Path
) -> None:
    """Compiles with the first options that the compiler takes."""
    complaint: str | None = ""
    for options in choices:
        complaint = compiler.run([*options, *files], folder)
        if complaint is None:
            return
    raise ExportError(f"the C compiler refused the listener: {(complaint or '')[:2000]}")


def _printed(program: Path, message: bytes, time_limit: float) -> str:
    """What the listener writes for recordings."""
    try:
        done = subprocess.run(
            [str(program)], input=message, capture_output=True, check=False, timeout=time_limit
        )
    except subprocess.TimeoutExpired:
        raise ExportError(f"the compiled listener took more than {time_limit:g} s") from None
    if done.returncode:
        raise ExportError(f"the compiled listener failed: {done.stderr.decode()[:1500]}")
    return done.stdout.decode()


def _message(samples: np.ndarray, hop: int) -> bytes:
    hops = len(samples) // hop
    return np.int32(hops).tobytes() + np.asarray(samples[: hops * hop], "<i2").tobytes()
