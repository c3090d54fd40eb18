"""The child process: what runs, what crashes, what hangs, what is wrong."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from edge_files import FEATURES, LOOP_TIMESTEPS, UNITS, folder, step

from rnn_apps.export.processes.runtime_process import (
    Latency,
    ModelRunError,
    RuntimeCall,
    RuntimeProcess,
)
from rnn_apps.export.results import ExportError

TARGETS = ("litert", "tflm")


@pytest.fixture(scope="module")
def files():
    return folder()


def run_calls(path, calls, target="litert"):
    with RuntimeProcess(target) as runtime:
        return runtime.run(path, calls)


def one(seed=0):
    generator = np.random.default_rng(seed)
    return {
        "x": generator.normal(size=(1, FEATURES)).astype(np.float32),
        # A state that the recurrence could give, so that the int8 file is calibrated for it.
        "h": np.tanh(generator.normal(size=(1, UNITS))).astype(np.float32) * 0.5,
    }


@pytest.mark.parametrize("target", TARGETS)
def test_calls_run_in_order_by_name(files, target):
    calls = [RuntimeCall(one(seed)) for seed in range(3)]
    results = run_calls(files / "step.tflite", calls, target)
    for call, outputs in zip(calls, results, strict=True):
        np.testing.assert_allclose(outputs["y"], step(**call.inputs), atol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_a_state_that_leaks_shows_and_a_reset_stops_it(files, target):
    x = {"x": np.ones((1, 2, FEATURES), np.float32)}
    first, leaked, reset = run_calls(
        files / "variables.tflite",
        [RuntimeCall(x), RuntimeCall(x), RuntimeCall(x, reset=True)],
        target,
    )
    assert np.abs(first["y"] - leaked["y"]).max() > 1e-3
    np.testing.assert_array_equal(first["y"], reset["y"])


def test_integers_on_request(files):
    with RuntimeProcess("litert") as runtime:
        call = RuntimeCall(one())
        (raw,) = runtime.run(files / "step_int8.tflite", [call], raw=True)
        (real,) = runtime.run(files / "step_int8.tflite", [call])
    assert raw["y"].dtype == np.int8
    assert np.abs(real["y"] - step(**call.inputs)).max() < 0.1


def test_a_runtime_that_does_not_answer_is_stopped_and_the_next_one_runs(files):
    with RuntimeProcess("litert", time_limit=60.0) as runtime:
        assert runtime.run(files / "step.tflite", [RuntimeCall(one())])
        # A stopped process is to its parent what a graph that never ends is.
        os.kill(runtime._worker.process.pid, signal.SIGSTOP)
        runtime.time_limit = 1.0
        start = time.monotonic()
        with pytest.raises(ModelRunError, match="no answer within 1 s") as failure:
            runtime.run(files / "step.tflite", [RuntimeCall(one())])
        assert failure.value.reason == "hang"
        assert time.monotonic() - start < 20
        runtime.time_limit = 60.0
        assert runtime.run(files / "step.tflite", [RuntimeCall(one())])


@pytest.mark.slow
def test_keras_own_loop_never_returns_on_tflite_micro(files):
    """The wound that the exporter cures (tflite-micro issue 3674); if this fails, it has healed."""
    (name,) = _input_names(files / "loop.tflite")
    shape = (1, LOOP_TIMESTEPS, FEATURES)
    with (
        RuntimeProcess("tflm", time_limit=10.0) as runtime,
        pytest.raises(ModelRunError) as failure,
    ):
        runtime.run(files / "loop.tflite", [RuntimeCall({name: np.ones(shape, np.float32)})])
    assert failure.value.reason == "hang"


def test_a_crash_names_its_signal_and_the_next_one_runs(files):
    with RuntimeProcess("litert") as runtime:
        runtime.run(files / "step.tflite", [RuntimeCall(one())])
        worker = runtime._worker
        child = worker.process
        os.kill(child.pid, signal.SIGSEGV)
        # The signal may go to any of the child's threads: wait until it has ended, unnoticed by
        # `runtime`, which is still about to send its message.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(ModelRunError, match="SIGSEGV") as failure,
        ):
            patch.setattr(RuntimeProcess, "_running", lambda _: worker)
            runtime._exchange(b"\x00" * 8, "this model")
        assert failure.value.reason == "crash"
        assert runtime.run(files / "step.tflite", [RuntimeCall(one())])


@pytest.mark.parametrize("target", TARGETS)
def test_nan_is_a_failure_unless_allowed(files, target):
    call = RuntimeCall({"x": np.array([[-1.0, 1.0]], np.float32)})
    with RuntimeProcess(target) as runtime:
        with pytest.raises(ModelRunError, match="1 of 2 numbers of 'y'") as failure:
            runtime.run(files / "nan.tflite", [call])
        assert failure.value.reason == "nan"
        (outputs,) = runtime.run(files / "nan.tflite", [call], allow_nan=True)
    assert np.isnan(outputs["y"][0, 0])


@pytest.mark.parametrize(
    ("target", "operator"), [("litert", "FlexMatrixDeterminant"), ("tflm", "CUSTOM")]
)
def test_a_missing_operator_is_named(files, target, operator):
    call = RuntimeCall({"x": np.eye(2, dtype=np.float32)})
    with pytest.raises(ModelRunError, match=operator) as failure:
        run_calls(files / "flex.tflite", [call], target)
    assert failure.value.reason == "unsupported operator"


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_may_be_known_by_another_name(files, target):
    call = RuntimeCall({"x": np.eye(2, dtype=np.float32)})
    negative = RuntimeCall({"x": np.array([[-1.0, 1.0]], np.float32)})
    with RuntimeProcess(target, known_as="model.tflite") as runtime:
        for name, wrong in [("flex", call), ("nan", negative), ("absent", call)]:
            with pytest.raises(ModelRunError, match=r"^model\.tflite") as failure:
                runtime.run(files / f"{name}.tflite", [wrong])
            assert str(files) not in str(failure.value)


def test_measurements_of_one_file_are_joined():
    found = [Latency(3.0, 2.5, 10), Latency(9.0, 2.0, 4), Latency(4.0, 3.0, 10)]
    assert Latency.of_all(found) == Latency(4.0, 2.0, 24)


def test_what_is_no_model_is_refused(tmp_path):
    (tmp_path / "text.tflite").write_text("not a model")
    with pytest.raises(ExportError, match=r"not a \.tflite file"):
        run_calls(tmp_path / "text.tflite", [])
    with pytest.raises(ExportError, match="no such file"):
        run_calls(tmp_path / "absent.tflite", [])


def test_the_arena_is_the_least_that_runs(files):
    with RuntimeProcess("tflm") as runtime:
        least = runtime.arena(files / "step.tflite")
        assert least % 16 == 0
        assert runtime._fits(files / "step.tflite", least, runs=True)
        assert not runtime._fits(files / "step.tflite", least - 16, runs=True)


@pytest.mark.parametrize("target", TARGETS)
def test_latency_is_a_plausible_time(files, target):
    with RuntimeProcess(target) as runtime:
        found = runtime.latency(files / "step.tflite", RuntimeCall(one()), repeats=30)
    assert found.runs == 30
    assert 0 < found.fastest_ms <= found.median_ms < 50


def _input_names(path):
    from rnn_apps.edge import load

    return load(path).signature().inputs
