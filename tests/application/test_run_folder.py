"""A run's folder: what belongs to it, what a refusal or a kill leaves, who may write into it."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import UserError
from rnn_apps.application import run_parts
from rnn_apps.application.command_line import main
from rnn_apps.application.configuration import write_toml
from rnn_apps.application.run_folder import RunFolder, open_run
from rnn_apps.application.run_parts import RESULT, check_parts, read_mark, replaced_parts
from rnn_apps.application.run_training import TrainingFolder, claimed_run
from rnn_apps.language_modelling import LanguageModellingConfig, load
from rnn_apps.language_modelling.network.build import build_model
from rnn_apps.language_modelling.training_run import fit_run
from rnn_apps.training import checkpoints

TEXT = "the cat sat on the mat and the dog ran to the cat\n" * 40
APPLICATION = "language"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> LanguageModellingConfig:
    """The configuration of a run that was trained for an epoch."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(TEXT)
    config = LanguageModellingConfig(
        data=f"file:{folder / 'text.txt'}", run=str(folder / "run"), units=8, layers=1,
        batch_size=4, timesteps=20, epochs=1, gradient_flow=False,
    )  # fmt: skip
    fit_run(config)
    return config


@pytest.fixture
def config(trained: LanguageModellingConfig, tmp_path: Path) -> LanguageModellingConfig:
    """The same for a copy of the run."""
    shutil.copytree(trained.run, tmp_path / "run")
    shutil.copy(trained.data.removeprefix("file:"), tmp_path / "text.txt")
    return replace(trained, run=str(tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def damage_checkpoints(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:100])


def exchange_checkpoint(folder: Path) -> None:
    """Another model's weights under the run's own settings."""
    found = checkpoints.load_latest(folder / "checkpoints")
    assert found is not None
    arrays = {**found.arrays, "model/0": np.zeros((3, 3), np.float32)}
    checkpoints.save(folder / "checkpoints", 10**6, replace(found, arrays=arrays))


@pytest.mark.parametrize(
    ("settings", "prepare", "message"),
    [
        ({"units": 9}, None, "units (was 8, is 9)"),
        ({"tokenizer": "words", "epochs": 2}, None, "tokenizer (was 'characters', is 'words')"),
        ({"data": "file:absent.txt"}, None, "absent.txt"),
        ({"epochs": 2, "jit_compile": True, "strategy": "mirrored"}, None, "strategy = 'mirrored'"),
        ({"epochs": 2}, damage_checkpoints, "they are damaged"),
        ({"epochs": 2}, exchange_checkpoint, "the checkpoint belongs to another model"),
    ],
)
def test_a_refused_resume_changes_nothing(
    settings: dict[str, Any],
    prepare: Callable[[Path], None] | None,
    message: str,
    config: LanguageModellingConfig,
) -> None:
    folder = Path(config.run)
    if prepare is not None:
        prepare(folder)
    before = contents(folder)
    with pytest.raises(UserError) as refusal:
        fit_run(replace(config, **settings), resume=True)
    assert message in str(refusal.value)
    assert contents(folder) == before


def test_a_refused_resume_with_another_text_changes_nothing(
    config: LanguageModellingConfig,
) -> None:
    folder = Path(config.run)
    before = contents(folder)
    path = Path(config.data.removeprefix("file:"))
    own = path.read_text()
    try:
        path.write_text(own.replace("dog", "cow"))
        with pytest.raises(UserError, match="does not hold the data that the run"):
            fit_run(config, resume=True)
    finally:
        path.write_text(own)
    assert contents(folder) == before


def test_a_run_goes_on_with_data_that_has_moved(
    config: LanguageModellingConfig, tmp_path: Path
) -> None:
    """And with no other: neither what is trained on nor what the best epoch is chosen by."""
    files = {name: tmp_path / f"{name}.txt" for name in ("data", "validation", "moved", "other")}
    lines = TEXT.splitlines(keepends=True)
    for name, first in (("data", 0), ("validation", 2), ("moved", 0), ("other", 3)):
        files[name].write_text("".join(lines[first:]))
    places = {name: f"file:{path}" for name, path in files.items()}
    config = replace(config, run=str(tmp_path / "new"), data=places["data"], split="1,0,0")
    config = replace(config, validation=places["validation"])
    fit_run(config)
    before = contents(Path(config.run))
    for changes in ({"data": places["other"]}, {"validation": places["other"]}):
        with pytest.raises(UserError, match=f"the {next(iter(changes))} that the run"):
            fit_run(replace(config, epochs=2, **changes), resume=True)
        assert contents(Path(config.run)) == before
    files["validation"].rename(tmp_path / "moved validation.txt")
    files["data"].unlink()
    config = replace(config, epochs=2, data=places["moved"])
    config = replace(config, validation=f"file:{tmp_path / 'moved validation.txt'}")
    fit_run(config, resume=True)
    assert load(config.run).config == config
    assert load(config.run).evaluate()["tokens"]


def test_a_run_that_cannot_compare_its_data_goes_on_where_they_were(
    config: LanguageModellingConfig, tmp_path: Path
) -> None:
    folder = Path(config.run)
    without_checksums(folder)
    (folder / "text.json").unlink()
    moved = shutil.copy(config.data.removeprefix("file:"), tmp_path / "moved.txt")
    with pytest.raises(UserError, match="no fingerprint of it"):
        fit_run(replace(config, data=f"file:{moved}", epochs=2), resume=True)
    fit_run(replace(config, epochs=2), resume=True)


def test_a_refused_training_leaves_no_folder(
    config: LanguageModellingConfig, tmp_path: Path
) -> None:
    """Also where it is refused after the text has been encoded."""
    new = tmp_path / "new"
    with pytest.raises(UserError):
        fit_run(replace(config, run=str(new), batch_size=1500))
    assert not new.exists()


@pytest.mark.parametrize(
    "name", ["config.toml", "tokenizer/tokenizer.json", "text.json", "model.keras"]
)
@pytest.mark.parametrize("damage", ["cut", "emptied", "flipped", "removed", "exchanged"])
def test_a_damaged_part_is_refused_by_name(
    name: str, damage: str, config: LanguageModellingConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(config.run) / name
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "emptied":
        content.clear()
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
    elif damage == "exchanged":
        content[:] = (Path(config.run) / "history.csv").read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        load(config.run)
    assert str(path) in str(refusal.value)
    if name != "model.keras":
        before = contents(Path(config.run))
        assert main(["language", "train", "--run", config.run, "--resume", "--epochs", "2"]) == 2
        assert str(path) in capsys.readouterr().err
        assert contents(Path(config.run)) == before


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"{}", b'{"application": "language", "begun_with": {}}', b"\xff",
        b'{"application": "language", "begun_with": [], "result": {}}',
        b'{"application": "language", "rnn_apps": "0.1.0", "more": 1}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_mark_is_refused_by_name(content: bytes, config: LanguageModellingConfig) -> None:
    (Path(config.run) / "run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json"):
        load(config.run)
    with pytest.raises(UserError, match=r"run\.json"):
        fit_run(config, resume=True)


def without_checksums(folder: Path) -> None:
    """As versions wrote it that kept no checksums, and had no settings after this one."""
    (folder / "run.json").write_text('{"application": "language", "rnn_apps": "0.1.0"}\n')
    lines = (folder / "config.toml").read_text().splitlines(keepends=True)
    last = LanguageModellingConfig.LAST_OF_UNCHECKED_RUNS
    end = next(i for i, line in enumerate(lines, 1) if line.startswith(f"{last} = "))
    (folder / "config.toml").write_text("".join(lines[:end]))


def test_a_run_without_checksums_loads_and_gets_them(config: LanguageModellingConfig) -> None:
    folder = Path(config.run)
    without_checksums(folder)
    assert load(folder).config == config.__class__(
        **{**vars(config), "run": load(folder).config.run}
    )
    fit_run(replace(config, epochs=2), resume=True)
    assert check_parts(folder) == {
        "config.toml", "text.json", "tokenizer/tokenizer.json", "model.keras"
    }  # fmt: skip
    assert load(folder).config.epochs == 2


def test_a_run_without_checksums_has_every_setting(config: LanguageModellingConfig) -> None:
    folder = Path(config.run)
    without_checksums(folder)
    lines = (folder / "config.toml").read_text().splitlines(keepends=True)
    for kept in (0, 1, len(lines) // 2, len(lines) - 1):
        (folder / "config.toml").write_text("".join(lines[:kept]))
        with pytest.raises(UserError, match="cut short"):
            load(folder)
    (folder / "config.toml").write_text("".join(lines)[:-2])
    with pytest.raises(UserError, match="cut short"):
        load(folder)


LOAD = """
import sys
from rnn_apps.application.run_folder import open_run
for path in sys.argv[1:]:
    open_run(path, "language").load_model()
"""


def test_a_run_loads_in_a_process_that_has_trained_nothing(
    trained: LanguageModellingConfig, tmp_path: Path
) -> None:
    """Keras knows a class only where it has been imported, whatever the cell is."""
    paths = []
    for cell in ("gru", "lstm", "simple"):
        config = replace(trained, run=str(tmp_path / cell), cell=cell)
        with claimed_run(config.run, APPLICATION) as made:
            with made.begin(config):
                pass
            with made.finish() as beside:
                build_model(config, 9).save(beside / made.model.name)
        paths.append(config.run)
    subprocess.run([sys.executable, "-c", LOAD, *paths], check=True, cwd=Path(__file__).parents[2])


class Killed(BaseException):
    """Ends a block as a kill does: nobody handles it."""


def two_parts(folder: Path, content: str) -> None:
    with replaced_parts(folder, RESULT) as beside:
        (beside / "model.keras").write_text(content)
        (beside / content).write_text(content)
        (beside / "yardsticks").write_text(content)


def killed_after(moves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the process is killed when it has renamed so many files."""
    done = 0

    def move(source: Any, target: Any) -> None:
        nonlocal done
        if done == moves:
            raise Killed
        done += 1
        Path(source).rename(target)

    monkeypatch.setattr(run_parts.os, "replace", move)
    monkeypatch.setattr(run_parts.shutil, "rmtree", lambda *args, **kwargs: None)


@pytest.mark.parametrize("moves", range(6))
def test_a_run_killed_while_its_parts_are_replaced_is_never_mixed(
    moves: int, tmp_path: Path
) -> None:
    """Renames: run.json, three parts, run.json; then a part without successor goes."""
    folder = tmp_path / "run"
    with claimed_run(folder, APPLICATION) as made, made.begin(LanguageModellingConfig()):
        pass
    two_parts(folder, "old")
    with pytest.MonkeyPatch.context() as monkeypatch:
        killed_after(moves, monkeypatch)
        if moves < 5:
            with pytest.raises(Killed):
                two_parts(folder, "new")
        else:
            two_parts(folder, "new")
    try:
        parts = check_parts(folder, (RESULT,))
    except UserError as error:
        assert "--resume" in str(error)
        assert 1 < moves < 4, "all of the old or all of the new was there"
    else:
        assert parts is not None
        assert len({(folder / name).read_text() for name in parts}) == 1
        assert parts == {"model.keras", "yardsticks", "old" if moves < 2 else "new"}
    # And whatever was left, the next training replaces.
    two_parts(folder, "newer")
    assert check_parts(folder, (RESULT,)) == {"model.keras", "yardsticks", "newer"}
    assert not {"old", "new"} & {path.name for path in folder.iterdir()}
    mark = read_mark(folder)
    assert mark is not None and mark.replacing is None


def test_a_run_that_was_begun_and_not_finished_says_how_to_finish(
    tmp_path: Path, trained: LanguageModellingConfig
) -> None:
    folder = tmp_path / "run"
    config = replace(trained, run=str(folder))
    with claimed_run(folder, APPLICATION) as made, made.begin(config):
        pass
    with pytest.raises(UserError) as refusal:
        open_run(folder, APPLICATION)
    [command] = [part for part in str(refusal.value).split(": ") if part.startswith("rnn-apps")]
    assert main(command.split()[1:]) == 0
    assert load(folder).config == config


def test_a_trained_run_without_checkpoints_is_not_trained_from_the_beginning(
    config: LanguageModellingConfig,
) -> None:
    shutil.rmtree(Path(config.run) / "checkpoints")
    before = contents(Path(config.run))
    with pytest.raises(UserError, match="no checkpoint from which"):
        fit_run(replace(config, epochs=2), resume=True)
    assert contents(Path(config.run)) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metrics.json", b""), ("metrics.json", b'{"training": {'), ("metrics.json", b"[]"),
        ("metrics.json", b'{"training": 3}'), ("history.csv", b""), ("history.csv", b"epoch\n\xff"),
        ("gradient_flow.json", b'{"layers": ['),
    ],
)  # fmt: skip
def test_damaged_results_are_named_before_anything_is_computed(
    name: str, content: bytes, config: LanguageModellingConfig
) -> None:
    (Path(config.run) / name).write_bytes(content)
    before = contents(Path(config.run))
    run = load(config.run)
    with pytest.raises(UserError) as refusal:
        run.evaluate()
    assert str(Path(config.run) / name) in str(refusal.value)
    assert contents(Path(config.run)) == before


def test_data_that_has_changed_since_training_is_not_judged_on(
    config: LanguageModellingConfig,
) -> None:
    before = contents(Path(config.run))
    path = Path(config.data.removeprefix("file:"))
    own = path.read_text()
    try:
        path.write_text(own.replace("dog", "cow"))
        with pytest.raises(UserError, match="no longer what the run in"):
            load(config.run).evaluate()
    finally:
        path.write_text(own)
    # But for the encoded text, which is found again by its own fingerprint.
    assert before.items() <= contents(Path(config.run)).items()
    assert not (Path(config.run) / "report.html").exists()


def test_data_that_an_earlier_version_read_otherwise_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text('{"sha256": "a"}')
    otherwise = "may be of an earlier version that read it otherwise"
    with pytest.raises(UserError, match=f"{otherwise}: train again, or name data"):
        RunFolder(tmp_path, "language").check_own_data("text.json", "file:own.txt", sha256="b")
    begun = TrainingFolder(tmp_path, "language", contextlib.ExitStack(), resumed=True, chief=True)
    with pytest.raises(UserError, match=f"{otherwise}: start a new run"):
        begun.check_data("text.json", {"sha256": "b"}, source="file:own.txt")
    # What is mixed into the data is compared where it is known.
    begun.check_data("text.json", {"sha256": "a", "noise_sha256": "c"}, source="file:own.txt")
    (tmp_path / "text.json").write_text('{"sha256": "a", "noise_sha256": "b"}')
    begun._sources = {"noise": "file:noises"}
    with pytest.raises(UserError, match="file:noises: does not hold the noise that the run in"):
        begun.check_data("text.json", {"sha256": "a", "noise_sha256": "c"}, source="file:own.txt")


def test_a_run_below_a_file_is_refused_before_training(
    config: LanguageModellingConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("here")
    for run in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match="file"):
            fit_run(replace(config, run=str(run)))
    assert (tmp_path / "file").read_text() == "here"


HOLDER = """
import sys, time
from rnn_apps.application.run_training import claimed_run
with claimed_run(sys.argv[1], "language", resume=True):
    print("holds", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_trains_a_run(config: LanguageModellingConfig) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, config.run], stdout=subprocess.PIPE, env=environment
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"holds\n"
        before = contents(Path(config.run))
        with pytest.raises(UserError, match="another process is training this run"):
            fit_run(replace(config, epochs=2), resume=True)
        assert contents(Path(config.run)) == before
        load(config.run)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with claimed_run(config.run, APPLICATION, resume=True) as folder:
        assert folder.resumed


def test_nothing_that_evaluations_left_outlives_the_model(tmp_path: Path) -> None:
    stale = ("metrics.json", "report.html", "report-validation.html", "predictions.csv")
    with claimed_run(tmp_path / "run", APPLICATION) as made:
        with made.begin(LanguageModellingConfig()):
            pass
        for name in (*stale, "sales_by_series.csv"):
            (made.path / name).write_text("of the earlier model")
        with made.finish(("predictions.csv", "predictions-test.csv"), training={"epochs": 1}):
            pass
    assert not any((made.path / name).exists() for name in stale[1:])
    assert made.read_metrics() == {"training": {"epochs": 1}}
    assert (made.path / "sales_by_series.csv").exists()


def test_two_that_begin_in_the_same_new_folder_do_not_mix(tmp_path: Path) -> None:
    folder, settings = tmp_path / "run", LanguageModellingConfig()
    with claimed_run(folder, APPLICATION) as first, claimed_run(folder, APPLICATION) as second:
        with first.begin(settings):
            pass
        before = contents(folder)
        with pytest.raises(UserError, match="another process"), second.begin(settings):
            pass
        assert contents(folder) == before


def trained_in_a_process(
    config: LanguageModellingConfig, seconds: float = 0.0, most_bytes: int = 0, *flags: str
) -> subprocess.CompletedProcess[str]:
    """`rnn-apps language train`, killed after so long, or on a disk on which no file may grow."""

    def limited() -> None:
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    process = subprocess.Popen(
        [sys.executable, "-m", "rnn_apps", "language", "train", "--run", config.run, *flags],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=limited,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=seconds or 300)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        output, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def settings_of(config: LanguageModellingConfig, file: Path) -> tuple[str, str, str]:
    write_toml(config, file)
    return "--config", str(file), "--resume"


@pytest.mark.slow
def test_a_full_disk_leaves_a_run_that_goes_on(
    trained: LanguageModellingConfig, tmp_path: Path
) -> None:
    config = replace(trained, run=str(tmp_path / "run"), epochs=2, units=64)
    flags = settings_of(config, tmp_path / "settings.toml")
    for most_bytes in (1_000, 20_000, 200_000):
        done = trained_in_a_process(config, 0.0, most_bytes, *flags)
        assert done.returncode == 2, done.stderr[-3000:]
        assert "cannot be written: File too large" in done.stderr
        assert "Traceback" not in done.stderr
    done = trained_in_a_process(config, 0.0, 0, *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    assert load(config.run).metrics["test"]


@pytest.mark.slow
def test_a_run_killed_anywhere_is_absent_or_resumable_or_finished(
    trained: LanguageModellingConfig, tmp_path: Path
) -> None:
    config = replace(trained, run=str(tmp_path / "run"), epochs=4, checkpoint_minutes=1e-9)
    flags = settings_of(config, tmp_path / "settings.toml")
    generator = random.Random(int(os.environ.get("KILL_SEED", "16")))
    began = time.monotonic()
    expected = replace(config, run=str(tmp_path / "whole"))
    whole = trained_in_a_process(expected, 0.0, 0, *settings_of(expected, tmp_path / "whole.toml"))
    assert whole.returncode == 0, whole.stderr[-3000:]
    seconds = time.monotonic() - began
    for _ in range(12):
        # Most of it is importing TensorFlow.
        done = trained_in_a_process(config, seconds * generator.uniform(0.3, 1.0), 0, *flags)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr[-3000:]
        try:
            load(config.run)
        except UserError as error:
            assert "no run here" in str(error) or "--resume" in str(error)
    done = trained_in_a_process(config, 0.0, 0, *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    for mine, its in zip(
        load(config.run).model.get_weights(), load(expected.run).model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, its)


def mutated(content: bytes, generator: random.Random) -> bytes:
    """A content that was cut, emptied, overwritten, lengthened, doubled or exchanged in places."""
    kind = generator.choice(("cut", "emptied", "flipped", "zeros", "longer", "line", "digit"))
    changed = bytearray(content)
    place = generator.randrange(len(content)) if content else 0
    if kind == "cut":
        return bytes(changed[:place])
    if kind == "emptied" or not content:
        return b""
    if kind == "flipped":
        changed[place] ^= 1 << generator.randrange(8)
    elif kind == "zeros":
        changed[place : place + 64] = bytes(len(changed[place : place + 64]))
    elif kind == "longer":
        changed += content[:place]
    elif kind == "line":
        lines = content.splitlines(keepends=True)
        del lines[generator.randrange(len(lines))]
        changed[:] = b"".join(lines)
    else:
        digits = [i for i, byte in enumerate(content) if chr(byte).isdigit()] or [place]
        changed[generator.choice(digits)] = ord(str(generator.randrange(10)))
    return bytes(changed)


@pytest.mark.slow
def test_mutated_runs_are_refused_or_mean_what_they_meant(
    trained: LanguageModellingConfig, tmp_path: Path
) -> None:
    """Whatever file of a run is damaged: judging and resuming give the same figures or an error."""
    seed, count = (int(os.environ.get(f"FUZZ_{name}", 16)) for name in ("SEED", "COUNT"))
    generator = random.Random(seed)
    original, whole = tmp_path / "original", tmp_path / "whole"
    shutil.copytree(trained.run, original)
    load(original).evaluate()
    shutil.copytree(original, whole)
    settings = replace(load(original).config, run=str(whole), epochs=2)
    fit_run(settings, resume=True)
    expected = load(original).metrics["test"], load(whole).model.get_weights()
    files = sorted(path.relative_to(original) for path in original.rglob("*") if path.is_file())
    refused = 0
    for number in range(count):
        folder = tmp_path / str(number)
        shutil.copytree(original, folder)
        name = files[number % len(files)]
        content = (folder / name).read_bytes()
        changed = mutated(content, generator)
        (folder / name).write_bytes(changed)
        what = f"seed {seed}, number {number}: {name}, {len(content)} to {len(changed)} bytes"
        try:
            run = load(folder)
            run.evaluate()
            found = run.metrics["test"]
            assert {**found, "source": ""} == {**expected[0], "source": ""}, what
        except UserError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        try:
            before = contents(folder)
            fit_run(replace(settings, run=str(folder)), resume=True)
            for mine, its in zip(load(folder).model.get_weights(), expected[1], strict=True):
                np.testing.assert_array_equal(mine, its, err_msg=what)
        except UserError:
            refused += 1
            # But for what a text was encoded into again.
            after = contents(folder)
            assert {k: v for k, v in after.items() if not k.startswith(".tokens")} == {
                k: v for k, v in before.items() if not k.startswith(".tokens")
            }, what
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(f"{what}: {error!r}") from error
        shutil.rmtree(folder)
    assert refused
