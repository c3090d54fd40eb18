"""Requests that several processes share: answers in order, errors as they were raised."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import pytest

from pipelines.base.errors import ConfigurationError, DataError, UserError
from pipelines.base.parallel_requests import Refused, answers_in_order, number_of_processes

MODULE = "multiplying_worker"


@pytest.fixture(autouse=True)
def found_by_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))


def test_answers_come_in_the_order_of_the_requests() -> None:
    requests = [0.0, 0.1, 2.0, -4.0, 3.0, 1.0, 0.3]
    answers = answers_in_order(MODULE, 0.1, requests, 3)
    refused = answers.pop(3)
    assert [product for product, _ in answers] == [0.1 * one for one in requests if one >= 0]
    processes = {process for _, process in answers}
    assert 2 <= len(processes) <= 3 and os.getpid() not in processes
    assert isinstance(refused, Refused) and isinstance(refused.error, DataError)
    assert (refused.error.file, refused.error.row) == ("numbers", 4)
    assert str(refused.error) == "numbers, row 4: is negative. Leave it out."


def test_what_the_processes_cannot_begin_with_is_raised() -> None:
    with pytest.raises(UserError, match="factor = 0: name another one"):
        answers_in_order(MODULE, 0.0, [1.0, 2.0], 2)


def test_a_process_that_ends_is_said() -> None:
    with pytest.raises(UserError, match=r"one of the processes ended \(exit code 3; .*\)"):
        answers_in_order(MODULE, 1.0, [99.0, 1.0, 99.0], 2)


def test_a_process_that_ends_ends_the_others() -> None:
    began = time.monotonic()
    with pytest.raises(UserError, match=r"exit code 3"):
        answers_in_order(MODULE, 1.0, [100.0, 99.0], 2)
    assert time.monotonic() - began < 60.0


def test_a_request_that_cannot_be_sent_is_raised() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        answers_in_order(MODULE, 1.0, [1.0, lambda: 0.0, 2.0], 2)


def test_an_interrupt_ends_the_processes_in_silence(
    capfd: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    # A shell begins what it runs in the background with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    threads = threading.active_count()
    here = threading.main_thread().ident
    assert here is not None
    interrupt = threading.Timer(1.0, signal.pthread_kill, (here, signal.SIGINT))
    interrupt.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        answers_in_order(MODULE, 1.0, [100.0, 100.0], 2)
    while threading.active_count() > threads and time.monotonic() - began < 60.0:
        time.sleep(0.05)
    assert threading.active_count() == threads
    assert time.monotonic() - began < 60.0
    assert "Traceback" not in capfd.readouterr().err


def test_the_number_of_processes() -> None:
    assert number_of_processes(0, 10_000) == os.cpu_count()
    assert [number_of_processes(4, requests) for requests in (0, 1, 3, 9)] == [1, 1, 3, 4]
    with pytest.raises(ConfigurationError, match="processes = -1: name at least 1"):
        number_of_processes(-1, 5)
