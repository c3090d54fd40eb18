"""The documentation names what is there: modules, public names, pages, links, tasks, checks."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md",
    ROOT / "examples/README.md", *sorted((ROOT / "docs").glob("*.md")),
]  # fmt: skip
MODULE = re.compile(r"`((?:pipelines|rnn_apps|benchmarks)(?:\.\w+)+)`")
LINK = re.compile(r"\]\(([^()\s#]+)(?:#[^()\s]*)?\)")
# "ms a call" is "ms per call" in plain English.
RATE = re.compile(
    r"\b(?:ms|milliseconds|seconds|tokens|characters|nats|bits|rows|sentences|bytes|words) "
    r"an? (?:second|step|batch|call|token|character|epoch|sentence|frame|word|core|row|series)\b"
)
COMMAND = re.compile(r"python -m benchmarks\.(\w+)")


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/hooks/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def defines(file: Path, name: str) -> bool:
    """Whether a module defines, imports or offers a name, by its source alone."""
    source = file.read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.ImportFrom) and name in {a.asname or a.name for a in node.names}:
            return True
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return True
    return re.search(rf'^ +"{name}": "[\w.]+",$', source, re.MULTILINE) is not None


def exists(address: str) -> bool:
    """Whether a dotted name is a module of ours, or a name in one."""
    path = ROOT.joinpath(*address.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    parent, _, name = address.rpartition(".")
    folder = ROOT.joinpath(*parent.split("."))
    files = [folder.with_suffix(".py"), folder / "__init__.py"]
    return any(file.is_file() and defines(file, name) for file in files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_and_link_of_a_page_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [name for name in MODULE.findall(text) if not exists(name)] == []
    links = [link for link in LINK.findall(text) if ":" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_rates_are_written_with_per() -> None:
    pages = [*PAGES, *(ROOT / "benchmarks").glob("*.py"), *(ROOT / "benchmarks").rglob("*.md")]
    pages += [ROOT / "CHANGELOG.md", *(ROOT / "saved_models").rglob("README.md")]
    found = {page.name: RATE.findall(page.read_text(encoding="utf-8")) for page in pages}
    assert {name: rates for name, rates in found.items() if rates} == {}
    assert RATE.search("it takes 3 ms a step")


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert exists("pipelines.batches.Batches") and exists("rnn_apps.edge.EdgeForecaster")
    assert not exists("pipelines.batches.Nothing") and not exists("rnn_apps.nothing")


def test_the_map_names_every_wing() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    wings = [f.parent.name for f in (ROOT / "rnn_apps").glob("*/__init__.py")]
    assert [wing for wing in wings if f"`rnn_apps.{wing}`" not in page] == []


def test_the_reference_has_every_public_name_once() -> None:
    reference = hook("reference_pages")
    pages = dict(reference.reference_pages())
    assert {"pipelines.md", "rnn_apps.edge.md", "rnn_apps.forecasting.md"} <= set(pages)
    for package in reference.public_packages():
        names = importlib.import_module(package).__all__
        page = pages[f"{package}.md"]
        assert page.count("\n::: ") + page.count("\n## ") == len(names) + 1, package
    entries = [line for page in pages.values() for line in page.splitlines() if line[:4] == "::: "]
    assert len(entries) == len(set(entries))
    assert [entry for entry in entries if not exists(entry[4:])] == []


def test_the_command_page_has_every_verb() -> None:
    from rnn_apps.application.command_line import applications, build_parser

    page = hook("reference_pages").command_page(build_parser())
    for application in applications():
        for verb in ("train", "evaluate", "export", *(verb.name for verb in application.verbs)):
            assert f"## rnn-apps {application.name} {verb}\n" in page
    assert "## rnn-apps export\n" in page and "--learning-rate" in page


def test_links_of_the_site_stay_on_the_site() -> None:
    pages = hook("repository_pages")
    table = "[table](../benchmarks/results/layers.md#a) [`code`](../pyproject.toml) [x](gone.md)"
    assert pages.linked(table, "layers.md") == (
        "[table](benchmarks/results/layers.md#a) `code` [x](gone.md)"
    )
    assert pages.linked("[docs](../docs/edge.md)", "benchmarks/index.md") == "[docs](../edge.md)"
    assert pages.linked("[script](../examples/model_my_text.py)", "index.md") == (
        "[script](examples/model_my_text.py.md)"
    )
    fenced = "```python\nf[0](data.md)\n```\n"
    assert pages.linked(fenced, "layers.md") == fenced


def test_docstrings_are_read_as_we_write_them() -> None:
    pytest.importorskip("griffe")
    docstrings = hook("docstrings")
    shared = "Args:\n    first, second: a text\n        that goes on.\n    third: another.\n"
    assert docstrings.separate_arguments(shared) == (
        "Args:\n    first: a text\n        that goes on.\n    second: a text\n"
        "        that goes on.\n    third: another.\n"
    )
    assert docstrings.escape_shapes("float32 [batch, 3] `a[0]`") == "float32 \\[batch, 3\\] `a[0]`"
    assert docstrings.fence_code("About.\n\nimport x\nx.y()") == (
        "About.\n\n```python\nimport x\nx.y()\n```"
    )
    assert docstrings.fence_code("import duties are paid") == "import duties are paid"


def test_every_benchmark_is_in_the_list() -> None:
    listed = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    for file in (ROOT / "benchmarks").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        if 'if __name__ == "__main__"' in text and f"python -m benchmarks.{file.stem}" in text:
            asked = f"python -m benchmarks.{file.stem}" in listed
            assert asked or f"`{file.stem}`" in listed, file.stem
    assert [name for name in COMMAND.findall(listed) if not exists(f"benchmarks.{name}")] == []


def test_every_task_is_a_command_that_ci_or_the_readme_uses() -> None:
    tasks = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = re.search(r"^\.PHONY: help (.*)$", tasks, re.MULTILINE)
    assert names is not None
    used = (ROOT / ".ci/run").read_text(encoding="utf-8")
    used += "".join(
        (ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "CONTRIBUTING.md")
    )
    for name in names[1].split():
        recipe = re.search(rf"^{name}:.*\n\t(.*)\n", tasks, re.MULTILINE)
        assert recipe is not None, name
        programs = re.findall(r"\$\(BIN\)/(.*?)(?= &&|$)", recipe[1])
        if not programs:
            # What is no program of the environment is run as a task.
            assert f"make {name}" in used, name
            continue
        words = programs[0].replace(".venv/bin/", "").split()
        assert " ".join(words[:2]) in re.sub(r'"?\S*/bin/([\w-]+)"?', r"\1", used), name
    done = subprocess.run(
        ["make", "-n", *names[1].split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_pre_commit_runs_what_ci_runs() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    ci = (ROOT / ".ci/run").read_text(encoding="utf-8")
    for program in re.findall(r"entry: \.venv/bin/([\w-]+)", hooks):
        assert f"/bin/{program}" in ci
