"""What cannot be C is refused here, before anything is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError
from rnn_apps.export import refusals
from rnn_apps.export.c.options import CodeOptions
from rnn_apps.export.c.proof.board_figures import refuse_without_boards
from rnn_apps.export.options import SignatureRequest
from rnn_apps.export.planning.plans import SignaturePlan
from rnn_apps.export.results import MODES, ExportError

CARD = "card.json"
QUANTIZATIONS = (None, "int8", "int16x8")


def refuse_request(request: SignatureRequest, quantize: str | None) -> None:
    """Refuses arguments that are invalid.

    Raises:
        ConfigurationError: an argument's value is unknown or out of range.
        ExportError: the model is not built, or integers were asked for without real data.
    """
    refusals.refuse_model(request.model)
    if request.mode not in MODES:
        raise ConfigurationError(f"mode = {request.mode!r}: choose from {', '.join(MODES)}")
    steps = request.timesteps
    given = list(steps.values()) if isinstance(steps, Mapping) else [steps]
    for name, number in [("timesteps", n) for n in given] + [
        ("batch_size", request.batch_size),
        ("chunk", request.chunk),
    ]:
        if number is not None and not (isinstance(number, Integral) and int(number) >= 1):
            raise ConfigurationError(f"{name} = {number!r} must be a whole number from 1 on")
    if request.mode == "streaming" and steps is not None:
        raise ConfigurationError("a streaming step takes chunk= timesteps; leave out timesteps")
    if request.mode == "sequence" and request.chunk != 1:
        raise ConfigurationError('chunk= is for mode="streaming"; a sequence is taken whole')
    _refuse_quantisation(quantize, request.representative_data)


def refuse_options(options: CodeOptions) -> None:
    """Refuses options that hold for a whole folder.

    Raises:
        ConfigurationError: the tolerance is negative or not a number, or integers are asked for at
            the border of code that has none inside.
        ExportError: emulated boards are asked for and not installed.
    """
    if options.integer_io and options.quantize is None:
        raise ConfigurationError('integer_io needs quantize="int8"')
    if options.tolerance is not None and not options.tolerance >= 0:
        raise ConfigurationError(f"tolerance = {options.tolerance} must be at least 0")
    if options.boards:
        refuse_without_boards()


def _refuse_quantisation(quantize: str | None, data: Any) -> None:
    if quantize not in QUANTIZATIONS:
        known = ", ".join(map(repr, QUANTIZATIONS))
        raise ConfigurationError(f"quantize = {quantize!r}: for C choose from {known}")
    if quantize is not None and data is None:
        raise ExportError(
            f'quantize="{quantize}" needs representative_data: real sequences of full length, from '
            "which the ranges of all activations are measured"
        )


def refuse_free_shapes(plan: SignaturePlan) -> None:
    """Refuses inputs whose size is not known.

    Raises:
        ExportError: an input has a free dimension.
    """
    for given in plan.inputs:
        if None in given.shape:
            raise ExportError(
                f"C code has fixed sizes, and input {given.name!r} is {given.shape}: give "
                'timesteps=, or choose mode="streaming", which takes sequences of any length'
            )


def refuse_place(path: Path) -> None:
    """Refuses to put a folder of code over anything but another one.

    Raises:
        ConfigurationError: something stands at `path` that would be lost.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise ConfigurationError(f"{path} is a file. Name a folder for the C code")
    if any(path.iterdir()) and not _is_code(path / CARD):
        raise ConfigurationError(
            f"{path} holds other files, which C code there would replace. Name a new folder"
        )


def _is_code(card: Path) -> bool:
    try:
        return bool(json.loads(card.read_text(encoding="utf-8"))["target"] == "c")
    except (OSError, ValueError, KeyError, TypeError):
        return False
