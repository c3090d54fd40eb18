"""What all child processes of the toolkit share; each is run with `python -m`."""

from __future__ import annotations

import os
from pathlib import Path


def child_environment(**variables: str) -> dict[str, str]:
    """The environment for a child process that imports the same packages as this process.

    Args:
        variables: environment variables to set, or to replace, in the child process.
    """
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), **variables}
