"""Exported C code is compiled: where no compiler is installed, its tests say so and are skipped."""

from __future__ import annotations

import pytest

from rnn_apps.export.c.proof.compiler import c_compiler
from rnn_apps.export.results import ExportError


def _missing_compiler() -> str:
    try:
        c_compiler()
    except ExportError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True, scope="session")
def _with_a_c_compiler() -> None:
    missing = _missing_compiler()
    if missing:
        pytest.skip(missing)
