"""What loggers report is shown once: on the terminal, or where the user's own logging takes it."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pipelines.base.terminal_log import TerminalHandler, duration, nothing_but_our_lines, show_log


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    show_log("a_package")
    yield logging.getLogger("a_package.a_module")
    package = logging.getLogger("a_package")
    package.handlers.clear()
    package.setLevel(logging.NOTSET)


def test_what_is_reported_is_shown_as_it_is(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a line that is longer than a terminal " * 5
    logger.info("50 %% of [bold]%s :smile:", long)
    logger.debug("not shown")
    assert capsys.readouterr() == ("", f"50 % of [bold]{long} :smile:\n")


def test_users_quieten_a_package(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger("a_package").setLevel(logging.WARNING)
    show_log("a_package")
    logger.info("not shown")
    logger.warning("shown once")
    assert capsys.readouterr().err == "shown once\n"
    assert sum(isinstance(h, TerminalHandler) for h in logging.getLogger("a_package").handlers) == 1


def test_logging_of_the_users_own_takes_the_place_of_ours() -> None:
    program = (
        "import logging, sys; logging.basicConfig(level='INFO', format='mine: %(message)s')\n"
        "import rnn_apps\n"
        "logging.getLogger('rnn_apps.some_module').info('once')\n"
        "logging.getLogger('pipelines.some_module').info('twice')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "mine: once\nmine: twice\n" and not done.stdout


def test_the_command_line_looks_the_same_whatever_a_library_sets_up(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with nothing_but_our_lines("a_package"):
            logger.info("ours")
        logger.info("the library's")
    finally:
        logging.getLogger().removeHandler(handler)
    assert capsys.readouterr().err == "ours\nthe library's\n"


def test_a_log_file_of_the_users_does_not_silence_the_terminal(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    file = io.StringIO()
    handler = logging.StreamHandler(file)
    logging.getLogger().addHandler(handler)
    try:
        logger.info("in both")
    finally:
        logging.getLogger().removeHandler(handler)
    assert file.getvalue() == capsys.readouterr().err == "in both\n"


def test_durations() -> None:
    assert [duration(s) for s in (0, 89.6, 3_600, 360_061)] == [
        "0:00:00", "0:01:30", "1:00:00", "100:01:01",
    ]  # fmt: skip
