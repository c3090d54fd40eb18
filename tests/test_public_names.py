"""The packages' public names: cheap to import, and each what its name says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = (
    "pipelines", "pipelines.tokenizers", "rnn_apps.edge", "rnn_apps.export", "rnn_apps.forecasting",
    "rnn_apps.language_modelling", "rnn_apps.training", "rnn_apps.translation",
)  # fmt: skip


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    names = sorted(module._HOMES)
    assert names and set(names) <= set(dir(module))
    # In this order and in the other one: a module of the same name must not hide an object.
    for name in [*names, *reversed(names)]:
        assert not isinstance(getattr(module, name), ModuleType), name
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


def test_importing_the_packages_imports_nothing_heavy() -> None:
    script = (
        f"import sys, {', '.join(PACKAGES)}\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'pyarrow', 'matplotlib'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
