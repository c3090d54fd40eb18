"""The processor that a figure was measured on."""

from __future__ import annotations

import platform
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
