"""What a figure was measured on, which a result that is kept keeps with it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path


def processor_name() -> str:
    """What this computer's processor calls itself, and its widest vector instructions."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.machine()
    rows = dict(row.split(":", 1) for row in text.splitlines() if ":" in row)
    rows = {key.strip(): value.strip() for key, value in rows.items()}
    flags = rows.get("flags", "").split()
    known = [name for name in ("avx512_vnni", "avx512bw", "avx2") if name in flags]
    family = f"family {rows.get('cpu family', '?')} model {rows.get('model', '?')}"
    return f"{rows.get('model name', platform.machine())} ({family}, {', '.join(known[:1])})"


def cores_and_processor() -> str:
    """Number of cores that this process may use, and their name."""
    count = len(os.sched_getaffinity(0))
    return f"{count} core{'s' if count > 1 else ''} of {processor_name()}"


def each_once(conditions: Mapping[str, str]) -> list[str]:
    """What figures were measured on: each text once, behind the names of its figures.

    Results are kept and continued later, so that figures of one table may differ in this.

    Args:
        conditions: text by the name of a figure; empty where an older result does not say it.

    Returns:
        The texts; without names if all figures have the same one, and none if no figure has any.
    """
    if not any(conditions.values()):
        return []
    names: dict[str, list[str]] = {}
    for name, text in conditions.items():
        names.setdefault(text or "not recorded", []).append(name)
    if len(names) == 1:
        return list(names)
    return [f"{', '.join(figures)}: {text}" for text, figures in names.items()]
