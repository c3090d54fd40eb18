"""Workers: answers of any size, crashes and hangs told apart, limits on loaded machines."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.base.child_processes import Worker, WorkerError, run_worker
from pipelines.base.working_time import WorkingTime

ROOT = Path(__file__).parents[2]
FOUND_BY = {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))}
LONG = 120.0


def started() -> Worker:
    return Worker("answering_worker", variables=FOUND_BY)


@pytest.fixture
def worker() -> Iterator[Worker]:
    with started() as worker:
        yield worker


def request(do: str, **details: object) -> bytes:
    return json.dumps({"do": do, **details}).encode() + b"\n"


def test_requests_are_answered_in_turn_whatever_else_is_printed(worker: Worker) -> None:
    for value in ("one", ["two", 2], None):
        assert worker.ask_json({"do": "answer", "value": value}, LONG) == value
    assert worker.said() == ["printed by mistake"]


def test_a_message_larger_than_any_pipe_comes_back_whole(worker: Worker) -> None:
    value = "x" * 3_000_000
    sent = request("answer", value=value)
    assert worker.ask(sent, Worker.line, LONG) == json.dumps(value).encode() + b"\n"
    answer = worker.ask(sent, lambda w: (w.exactly(3), w.line()), LONG)
    assert answer[0] == b'"xx'
    assert len(answer[1]) == 3_000_000


def test_a_crash_names_the_signal_and_what_was_said(worker: Worker) -> None:
    with pytest.raises(WorkerError) as failure:
        worker.ask(request("say", text="about to fall") + request("crash"), Worker.line, LONG)
    assert not failure.value.hung
    assert failure.value.ending == "signal SIGSEGV"
    assert failure.value.last_words == "about to fall"
    assert not worker.is_running


def test_an_end_by_itself_has_a_code(worker: Worker) -> None:
    with pytest.raises(WorkerError) as failure:
        worker.ask(request("exit", code=3), Worker.line, LONG)
    assert (failure.value.exit_code, failure.value.ending) == (3, "exit code 3")


def test_what_was_said_at_another_request_is_not_repeated(worker: Worker) -> None:
    worker.ask(request("say", text="earlier") + request("answer", value=1), Worker.line, LONG)
    with pytest.raises(WorkerError) as failure:
        worker.ask(request("exit", code=1), Worker.line, LONG)
    assert failure.value.said == ()
    assert failure.value.last_words == "exit code 1"


@pytest.mark.parametrize("hang", [request("sleep"), request("work", seconds=600)])
def test_a_process_that_does_not_answer_is_ended(worker: Worker, hang: bytes) -> None:
    worker.ask_json({"do": "answer", "value": 1}, LONG)
    with pytest.raises(WorkerError) as failure:
        worker.ask(hang, Worker.line, 0.5)
    assert failure.value.hung
    assert failure.value.exit_code is None
    assert worker.process.returncode is not None


def test_a_process_that_reads_nothing_does_not_hold_its_parent(worker: Worker) -> None:
    with pytest.raises(WorkerError) as failure:
        worker.ask(request("sleep") + b"x" * 10_000_000, Worker.line, 0.5)
    assert failure.value.hung


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="only Linux tells how long a process waits"
)
def test_waiting_for_a_processor_does_not_count(worker: Worker) -> None:
    """The process needs less time than the limit, and much longer beside others on one core."""
    core = min(os.sched_getaffinity(0))
    worker.ask_json({"do": "answer", "value": 1}, LONG)
    os.sched_setaffinity(worker.process.pid, {core})
    rivals = [started() for _ in range(4)]
    try:
        for rival in rivals:
            rival.ask_json({"do": "answer", "value": 1}, LONG)
            os.sched_setaffinity(rival.process.pid, {core})
            rival._outgoing.put(request("work", seconds=600))
        began = time.monotonic()
        sent = request("work", seconds=0.7) + request("answer", value="done")
        assert worker.ask(sent, Worker.line, 1.5) == b'"done"\n'
        assert time.monotonic() - began > 1.5
    finally:
        for rival in rivals:
            rival.close()


def test_the_time_of_a_process_that_is_gone_goes_on() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    working = WorkingTime(process.pid)
    time.sleep(0.05)
    assert working.seconds() >= 0.05


def test_the_last_request_returns_what_is_left(worker: Worker) -> None:
    assert worker.finish(request("say", text="enough"), LONG) == b"all is done"
    assert not worker.is_running


def test_one_request_runs_a_module_once() -> None:
    done = run_worker("answering_worker", request=request("answer", value=5), variables=FOUND_BY)
    assert done == b"5\nall is done"
    with pytest.raises(WorkerError, match="exit code 2"):
        run_worker("answering_worker", request=request("exit", code=2), variables=FOUND_BY)


def test_a_module_that_is_missing_is_named() -> None:
    with pytest.raises(WorkerError) as failure:
        run_worker("no_such_module_anywhere")
    assert "no_such_module_anywhere" in failure.value.last_words


def test_a_forgotten_worker_is_ended() -> None:
    worker = started()
    process = worker.process
    assert worker.ask_json({"do": "answer", "value": 1}, LONG) == 1
    del worker
    gc.collect()
    assert process.returncode is not None


def test_a_patient_close_lets_the_process_finish(worker: Worker) -> None:
    worker.close(patience=60.0)
    assert worker.process.returncode == 0
