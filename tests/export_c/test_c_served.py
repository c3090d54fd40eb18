"""What is served and flashed is what was proven: a compiler's mistakes are seen, not served."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import Input, Sequential, layers

from pipelines.base.errors import UserError
from rnn_apps.edge import load
from rnn_apps.edge.runtime.library import LIBRARY_OPTIONS, PLAINER_OPTIONS, SERVING_OPTIONS
from rnn_apps.edge.runtime.library_check import FILE, read_checks
from rnn_apps.export import ExportError
from rnn_apps.export.c import export_c

# Passes everything on to the real compiler, but adds 1 to the first constant of an array where the
# options contain one of the words that it was made for.
DAMAGING = """#!{python}
import pathlib, re, subprocess, sys, tempfile
arguments = sys.argv[1:]
if {words!r} & set(arguments):
    with tempfile.TemporaryDirectory() as folder:
        for place, name in enumerate(arguments):
            if name.endswith("net.c"):
                text = pathlib.Path(name).read_text()
                first = r"(static const \\w+ \\w+\\[[^=]*= *\\{{\\s*)"
                text, count = re.subn(first, r"\\g<1>1 + ", text)
                assert count
                pathlib.Path(folder, "net.c").write_text(text)
                arguments[place] = str(pathlib.Path(folder, "net.c"))
                arguments += ["-I", str(pathlib.Path(name).absolute().parent)]
        sys.exit(subprocess.call([{real!r}, *arguments]))
sys.exit(subprocess.call([{real!r}, *arguments]))
"""


def damaging_compiler(folder: Path, *words: str) -> str:
    """A compiler that damages constants under these options."""
    real = shutil.which("cc")
    assert real is not None
    path = folder / "damaging-cc"
    path.write_text(DAMAGING.format(python=sys.executable, words=set(words), real=real))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def network(units: int) -> keras.Model:
    keras.utils.set_random_seed(units)
    model = Sequential([Input((5, 3)), layers.GRU(units, name="gru")], name="net")
    for weight in model.weights:
        noise = np.random.default_rng(0).normal(size=weight.shape)
        weight.assign(weight.numpy() + 0.1 * noise.astype(np.float32))
    return model


@pytest.mark.parametrize("word", ["-march=native", "-O2"])
def test_a_mistake_of_the_compiler_is_seen_at_export(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", damaging_compiler(tmp_path, word))

    with pytest.raises(ExportError, match=rf"compiled with -O1, but not .*{word}.*CC=clang"):
        export_c(network(4), tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_a_mistake_of_the_compiler_is_seen_where_the_code_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(5)
    folder = export_c(model, tmp_path / "code").folder
    data = np.ones((1, 5, 3), np.float32)
    expected = model(data).numpy()

    monkeypatch.setenv("CC", damaging_compiler(tmp_path, "-O2", "-O3"))
    with pytest.raises(UserError, match=r"-O3 -march=native.*-O2, net gives other numbers"):
        load(folder, "c")

    # Plainer code is right: it is served, and the user hears why.
    monkeypatch.setenv("CC", damaging_compiler(tmp_path, "-O3"))
    with pytest.warns(UserWarning, match=r"damaging-cc -std=c99 -O3.*served as.*-std=c99 -O2"):
        served = load(folder, "c")
    np.testing.assert_allclose(served(data)["gru"], expected, atol=2e-6)


def test_a_compiler_that_does_not_know_the_processor_serves_plainer_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clang 14 on Arm, for one, refuses -march=native."""
    path = tmp_path / "refusing-cc"
    path.write_text('#!/bin/sh\ncase " $* " in *native*) exit 1;; esac\nexec cc "$@"\n')
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))
    model, data = network(10), np.ones((1, 5, 3), np.float32)

    folder = export_c(model, tmp_path / "code").folder

    np.testing.assert_allclose(load(folder, "c")(data)["gru"], model(data), atol=2e-6)


def test_a_library_beside_the_card_is_held_to_what_was_proven(tmp_path: Path) -> None:
    folders = [export_c(network(units), tmp_path / str(units)).folder for units in (6, 7)]
    options = [*SERVING_OPTIONS, *LIBRARY_OPTIONS]
    for place, folder in enumerate(folders):
        source = folders[1 - place] / "src" / "net.c" if place else folder / "src" / "net.c"
        subprocess.run(["cc", *options, str(source), "-o", str(folder / "net.so")], check=True)

    assert load(folders[0], "c")(np.zeros((1, 5, 3), np.float32))["gru"].shape == (1, 6)
    with pytest.raises(UserError, match=r"net\.so: net gives other numbers.*delete it"):
        load(folders[1], "c")


def test_every_option_that_serves_gives_what_the_folder_keeps(tmp_path: Path) -> None:
    """The calls in the folder are within the data's range, and none of its numbers are kept."""
    data = np.random.default_rng(1).uniform(2, 3, (4, 5, 3)).astype(np.float32)
    folder = export_c(network(8), tmp_path / "code", representative_data=data).folder
    check = read_checks(folder / FILE)["net"]

    (inputs,) = [given["input_layer"] for given in check.inputs]
    assert data.min() <= inputs.min() and inputs.max() <= data.max()
    assert not np.isin(inputs, data).any()
    assert 0 < check.tolerance < 1e-3
    for options in PLAINER_OPTIONS:
        command = ["cc", *options, *LIBRARY_OPTIONS, "src/net.c", "-o", "net.so"]
        subprocess.run(command, cwd=folder, check=True)
        load(folder, "c")


def test_a_damaged_check_is_refused_and_an_older_folder_has_none(tmp_path: Path) -> None:
    model = network(9)
    folder = export_c(model, tmp_path / "code").folder
    whole = (folder / FILE).read_bytes()
    for damage in (whole[:100], b"", b"not an archive"):
        (folder / FILE).write_bytes(damage)
        with pytest.raises(UserError, match=r"check\.npz: damaged.*[Ee]xport"):
            load(folder, "c")
    (folder / FILE).unlink()

    data = np.ones((1, 5, 3), np.float32)

    np.testing.assert_allclose(load(folder, "c")(data)["gru"], model(data), atol=2e-6)
