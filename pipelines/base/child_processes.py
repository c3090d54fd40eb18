"""What the toolkit's child processes, run with `python -m`, have in common."""

from __future__ import annotations

import os
from pathlib import Path


def child_environment(**variables: str) -> dict[str, str]:
    """This process' environment for a child that finds our packages where this process found them.

    Args:
        variables: set or replaced besides.
    """
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), **variables}
