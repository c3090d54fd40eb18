from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from training_process import CONFIG, STEERED, train
from training_setup import build_lstm, make_batches, squared_error

from pipelines.base.errors import UserError
from rnn_apps.training import TrainedModel, TrainingConfig, checkpoints, fit
from rnn_apps.training.history import Row, read_history, write_history

SUPPORT = Path(__file__).parents[1] / "support"


def start_training(folder: Path, resume: bool, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(SUPPORT / "training_process.py"), str(folder), *flags]
    environment = {**os.environ, "PYTHONPATH": f"{SUPPORT.parents[1]}{os.pathsep}{SUPPORT}"}
    return subprocess.Popen(
        command + ["--resume"] * resume,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def checkpoint_names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoints").glob("*.npz")}


def run_and_kill(folder: Path, resume: bool, delay: float, *flags: str) -> str:
    """Kills the process `delay` seconds after its first checkpoint; the last checkpoint's name."""
    before = checkpoint_names(folder)
    process = start_training(folder, resume, *flags)
    limit = time.monotonic() + 240
    while not checkpoint_names(folder) - before:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()[-3000:]
        assert time.monotonic() < limit, "no checkpoint within 4 minutes"
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the training was over before the kill"
    return max(checkpoint_names(folder))


def without_times(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    times = ("seconds", "examples_per_second")
    return [{k: v for k, v in row.items() if k not in times} for row in rows]


@pytest.mark.parametrize(
    ("kills", "flags"),
    [
        (1, ()),
        pytest.param(3, (), marks=pytest.mark.slow),
        pytest.param(2, ("--steered",), marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_ends_with_the_weights_of_one_never_killed(
    kills: int, flags: tuple[str, ...], tmp_path: Path
) -> None:
    whole = train(tmp_path / "whole", resume=False, config=STEERED if flags else CONFIG)
    delays = [random.uniform(0.0, 0.4) for _ in range(kills)]
    print("killed after", delays)  # shown if the test fails
    folder = tmp_path / "killed"
    stops = [run_and_kill(folder, i > 0, delay, *flags) for i, delay in enumerate(delays)]
    assert stops == sorted(set(stops)), "every session must go on where the last one was killed"
    last = start_training(folder, True, *flags)
    _, errors = last.communicate(timeout=300)
    assert last.returncode == 0, errors.decode()[-3000:]

    expected = checkpoints.load_latest(tmp_path / "whole" / "checkpoints")
    found = checkpoints.load_latest(folder / "checkpoints")
    assert expected is not None
    assert found is not None
    assert found.arrays.keys() == expected.arrays.keys()
    for name, array in expected.arrays.items():
        assert array.tobytes() == found.arrays[name].tobytes(), name
    for weight, other in zip(
        whole.model.get_weights(),
        keras.models.load_model(folder / "model.keras").get_weights(),
        strict=True,
    ):
        assert weight.tobytes() == other.tobytes()
    state, other_state = expected.content["state"], found.content["state"]
    assert without_times(state["rows"]) == without_times(other_state["rows"])
    for name in ("best", "best_epoch", "best_step"):
        assert state[name] == other_state[name], name


def small_training(
    folder: Path, config: TrainingConfig, resume: bool = False, examples: int = 24
) -> list[dict[str, float]]:
    batches = make_batches(examples, timesteps=4)
    return fit(
        build_lstm,
        batches,
        squared_error,
        config,
        folder=folder,
        resume=resume,
        validation=make_batches(10, timesteps=4, seed=1),
    ).history


CONFIGURATION = TrainingConfig(epochs=2, batch_size=8, learning_rate=0.01)


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    small_training(folder, CONFIGURATION)
    return folder


def copy_of(run: Path, folder: Path) -> Path:
    import shutil

    shutil.copytree(run, folder)
    return folder


def test_a_folder_that_holds_a_run_is_not_overwritten(finished_run: Path) -> None:
    with pytest.raises(UserError, match="already holds a run"):
        small_training(finished_run, CONFIGURATION)


def test_resuming_with_other_settings_names_them(finished_run: Path) -> None:
    changed = replace(CONFIGURATION, learning_rate=0.5, batch_size=4, patience=3)
    with pytest.raises(UserError) as refusal:
        small_training(finished_run, changed, resume=True)
    assert "learning_rate (was 0.01, is 0.5)" in str(refusal.value)
    assert "batch_size (was 8, is 4)" in str(refusal.value)
    assert "patience" not in str(refusal.value)


def test_more_epochs_go_on_unless_the_schedule_ends_with_the_last(
    finished_run: Path, tmp_path: Path
) -> None:
    whole = small_training(tmp_path / "whole", replace(CONFIGURATION, epochs=3))
    resumed = small_training(
        copy_of(finished_run, tmp_path / "run"), replace(CONFIGURATION, epochs=3), resume=True
    )
    assert without_times(resumed) == without_times(whole)
    cosine = replace(CONFIGURATION, schedule="cosine")
    small_training(tmp_path / "cosine", replace(cosine, epochs=1))
    with pytest.raises(UserError, match="epochs \\(was 1, is 2\\)"):
        small_training(tmp_path / "cosine", replace(cosine, epochs=2), resume=True)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    finished_run: Path, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = copy_of(finished_run, tmp_path / "run")
    older, newest = sorted((folder / "checkpoints").glob("*.npz"))
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        # A block, since single bits of the zip format mean nothing; those are tested below.
        for place in range(len(content) // 2, len(content) // 2 + 400):
            content[place] ^= 1
    else:
        del content[len(content) // 3 if damage == "truncated" else 0 :]
    newest.write_bytes(content)
    found = checkpoints.load_latest(folder / "checkpoints")
    assert found is not None
    assert older.name == f"step-{found.content['state']['step']:012d}.npz"
    assert f"{newest} is damaged" in capsys.readouterr().err
    resumed = small_training(folder, CONFIGURATION, resume=True)
    assert [row["epoch"] for row in resumed] == [1, 2]
    assert (folder / "history.csv").read_text().count("\n") == 3


def test_a_flipped_bit_is_found_wherever_it_is(finished_run: Path, tmp_path: Path) -> None:
    """Also outside what the zip format itself checks."""
    whole = max((finished_run / "checkpoints").glob("*.npz")).read_bytes()
    reference = checkpoints.load_latest(finished_run / "checkpoints")
    assert reference is not None
    for place in np.linspace(0, len(whole) - 1, 60).astype(int):
        content = bytearray(whole)
        content[place] ^= 0x40
        (tmp_path / "step-000000000001.npz").write_bytes(content)
        try:
            found = checkpoints.load_latest(tmp_path)
        except UserError:
            continue
        # What the reader accepts is what was written: the flip hit bytes that mean nothing.
        assert found is not None
        assert found.content == reference.content
        assert all(np.array_equal(found.arrays[k], v) for k, v in reference.arrays.items())


def test_nothing_but_damaged_checkpoints_is_the_users_to_know(tmp_path: Path) -> None:
    (tmp_path / "step-000000000001.npz").write_bytes(b"not a checkpoint")
    with pytest.raises(UserError, match="damaged"):
        checkpoints.load_latest(tmp_path)


def test_time_is_counted_over_sessions(tmp_path: Path) -> None:
    """A run out of time stops inside an epoch, and a longer limit continues right there."""
    out_of_time = replace(CONFIGURATION, max_minutes=1e-6)
    first = small_training(tmp_path / "run", out_of_time)
    assert [row["step"] for row in first] == []
    again = small_training(tmp_path / "run", replace(CONFIGURATION, max_minutes=5.0), resume=True)
    assert [row["step"] for row in again] == [3, 6]


def test_a_checkpoint_of_another_model_is_refused(finished_run: Path) -> None:
    with pytest.raises(UserError, match="another model"):
        fit(
            lambda: build_lstm(units=5),
            make_batches(24, timesteps=4),
            squared_error,
            CONFIGURATION,
            folder=finished_run,
            resume=True,
        )


def test_what_a_killed_session_had_half_written_is_swept_up(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / ".step-000000000007.npz.abc.partial").write_bytes(b"half")
    for step in (1, 2, 3):
        checkpoints.save(folder, step, checkpoints.Checkpoint({"a": np.ones(2)}, {"step": step}))
    assert sorted(p.name for p in folder.iterdir()) == [
        "step-000000000002.npz",
        "step-000000000003.npz",
    ]


def test_a_figure_that_no_epoch_has_is_refused_before_training(tmp_path: Path) -> None:
    for monitor in ("val_wer", "seconds", ""):
        with pytest.raises(UserError, match="not among the figures of this training: loss, val"):
            small_training(tmp_path / "run", replace(CONFIGURATION, monitor=monitor))
    assert not (tmp_path / "run").exists()


class BreakAt(keras.callbacks.Callback):
    """Makes the weights NaN before a step of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch == self.epoch:
            weights = self.model.get_weights()
            self.model.set_weights([np.full_like(weight, np.nan) for weight in weights])


@pytest.mark.parametrize(("epoch", "left"), [(0, "there is nothing to keep"), (2, "epoch 2, ")])
def test_a_training_that_diverges_says_what_is_left(epoch: int, left: str, tmp_path: Path) -> None:
    config = replace(CONFIGURATION, epochs=3, gradient_flow=False)

    def training(config: TrainingConfig, resume: bool, *callbacks: BreakAt) -> TrainedModel:
        return fit(
            build_lstm, make_batches(24, timesteps=4), squared_error, config,
            folder=tmp_path / "run", resume=resume, callbacks=callbacks,
        )  # fmt: skip

    with pytest.raises(UserError, match="is not a finite number") as refusal:
        training(config, False, BreakAt(epoch))
    assert left in str(refusal.value)
    assert not (tmp_path / "run" / "model.keras").exists()
    if epoch:
        advice = str(refusal.value).split("resume with epochs = ")[1].split()[0]
        kept = training(replace(config, epochs=int(advice)), True)
        assert kept.best_epoch == epoch
        assert all(np.isfinite(weight).all() for weight in kept.model.get_weights())


def test_a_validation_loss_that_is_no_number_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    validation = make_batches(10, timesteps=4, seed=1)
    validation.targets = validation.targets * np.nan
    trained = fit(
        build_lstm, make_batches(24, timesteps=4), squared_error, CONFIGURATION,
        folder=tmp_path / "run", validation=validation,
    )  # fmt: skip
    assert trained.best_epoch == 0
    assert "val_loss was a finite number in no epoch" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"layers": 3}', b"\xff"])
def test_a_damaged_record_of_the_gradient_flow_is_refused_first(
    content: bytes, finished_run: Path, tmp_path: Path
) -> None:
    folder = copy_of(finished_run, tmp_path / "run")
    (folder / "gradient_flow.json").write_bytes(content)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"gradient_flow\.json is damaged"):
        small_training(folder, replace(CONFIGURATION, epochs=3), resume=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "content", [b"", b"epoch,loss\n1", b"epoch,loss\n1,x\n", b"\xff\n", b'epoch\n"1']
)
def test_a_damaged_history_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"history\.csv is damaged"):
        read_history(tmp_path / "history.csv")


def test_a_history_reads_what_was_written(tmp_path: Path) -> None:
    rows: list[Row] = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan"), "bleu": 3.0}]
    write_history(tmp_path / "history.csv", rows)
    columns = read_history(tmp_path / "history.csv")
    np.testing.assert_equal(
        columns, {"epoch": [1.0, 2.0], "loss": [0.5, np.nan], "bleu": [np.nan, 3.0]}
    )
