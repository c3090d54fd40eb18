"""The recipes of CONTRIBUTING.md: their snippets work, and what they name is there."""

from __future__ import annotations

import re
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest

from rnn_apps.application.definition import load_object

ROOT = Path(__file__).parents[2]
RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Recipes\n")[1]


def snippet(language: str, section: str) -> str:
    recipe = RECIPES.split(f"\n### {section}\n")[1].split("\n### ")[0]
    [code] = re.findall(rf"^ *```{language}\n(.*?)^ *```", recipe, re.MULTILINE | re.DOTALL)
    return str(code)


def test_every_file_that_a_recipe_names_is_there() -> None:
    paths = [
        p for p in re.findall(r"`((?:rnn_apps|tests|docs)/[\w/.-]+)`", RECIPES) if "NAME" not in p
    ]
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_recipe_is_in_the_table_with_a_test_that_follows_it() -> None:
    sections = re.findall(r"^### (.*)$", RECIPES, re.MULTILINE)
    rows = [line for line in RECIPES.splitlines() if line.startswith("| [")]
    assert len(rows) == len(sections) == 4
    for section, row in zip(sections, rows, strict=True):
        assert f"[{section.lower()}](#{section.lower().replace(' ', '-')})" in row
        assert re.search(r"`tests/[\w/]+\.py` \|$", row)


def test_the_network_of_the_recipe_forecasts(monkeypatch: pytest.MonkeyPatch) -> None:
    from rnn_apps.forecasting import ForecastingConfig, build_model
    from rnn_apps.forecasting.features.description import DataDescription
    from rnn_apps.forecasting.network import registry

    # Other tests know a network of the same name.
    monkeypatch.setattr(registry, "_CLASSES", {})
    exec(compile(snippet("python", "A forecasting network"), "CONTRIBUTING.md", "exec"), {})
    assert registry.network_names()[-1] == "toy"
    config = ForecastingConfig(
        model="toy", output="quantiles", lookback=5, horizon=3, units=4, calendar=("none",)
    )
    description = DataDescription(
        series_names=("only",), location=(5.0,), scale=(2.0,), step_minutes=60.0, span_minutes=1e6
    )
    model = build_model(config, description)
    outputs = model({"past_target": np.arange(10, dtype=np.float32).reshape(2, 5)})
    assert outputs["parameters"].shape == (2, 3, 3)
    assert np.isfinite(outputs["parameters"]).all()


def test_the_entry_point_of_the_recipe_is_the_toy_application() -> None:
    declared = tomllib.loads(textwrap.dedent(snippet("toml", "An application")))
    [(name, address)] = declared["project"]["entry-points"]["rnn_apps.applications"].items()
    application = load_object(address)
    assert application.name == name == "toy"
    files = {f"`{file.name}`" for file in Path(application.module().__file__).parent.glob("*.py")}
    recipe = RECIPES.split("\n### An application\n")[1]
    assert [file for file in sorted(files - {"`__init__.py`"}) if file not in recipe] == []
