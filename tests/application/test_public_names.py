"""The packages' public names: cheap to import, and each what its name says."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACKAGES = (
    "pipelines", "pipelines.pairs", "pipelines.series", "pipelines.speech", "pipelines.text",
    "pipelines.tokenizers", "rnn_apps.edge", "rnn_apps.export", "rnn_apps.forecasting",
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
        cwd=Path(__file__).parents[2],
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("old, new, name", [
    ("pipelines.text_corpus", "pipelines.text.corpus", "MemoryText"),
    ("pipelines.translation.sentence_pairs", "pipelines.pairs.sentence_pairs", "SentencePairs"),
    ("rnn_apps.command_line", "rnn_apps.application.command_line", "main"),
    ("rnn_apps.edge.features", "rnn_apps.edge.speech.features", "SpeechFeatures"),
    ("rnn_apps.forecasting.conformal", "rnn_apps.forecasting.judging.conformal", "Calibration"),
    ("rnn_apps.forecasting.metrics", "rnn_apps.forecasting.judging.metrics", "pinball"),
    ("rnn_apps.model_zoo", "rnn_apps.application.model_zoo", "saved_models"),
])  # fmt: skip
def test_documented_modules_are_importable_under_their_old_names(
    old: str, new: str, name: str
) -> None:
    sys.modules.pop(old, None)
    with pytest.warns(DeprecationWarning, match=f"is now {new.rpartition('.')[0]}"):
        module = importlib.import_module(old)
    assert module is importlib.import_module(new)
    assert module.__name__ == new and hasattr(module, name)


def test_every_part_is_there_after_importing_the_package() -> None:
    script = "import rnn_apps\nfor name in rnn_apps._LAZY: getattr(rnn_apps, name)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120,
                   cwd=Path(__file__).parents[2])  # fmt: skip


@pytest.mark.parametrize("package", [name for name in PACKAGES if name.startswith("pipelines.")])
def test_the_example_of_a_wing_imports_public_names_only(package: str) -> None:
    module = importlib.import_module(package)
    examples = re.findall(rf"^from {package} import (.+)$", module.__doc__ or "", re.MULTILINE)
    assert examples and set(", ".join(examples).split(", ")) <= set(module._HOMES)


def test_a_name_is_the_same_object_in_its_wing_and_in_pipelines() -> None:
    pipelines = importlib.import_module("pipelines")
    for wing in ("series", "text"):
        module = importlib.import_module(f"pipelines.{wing}")
        shared = set(module._HOMES) & set(pipelines._HOMES)
        assert shared
        for name in shared:
            assert getattr(module, name) is getattr(pipelines, name), name
