"""TensorFlow's start-up notices stay off the terminal, and nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base import quiet_tensorflow
from pipelines.base.quiet_tensorflow import (
    SWITCH,
    litert_notices_held_back,
    notices_held_back,
    quieten_tensorflow,
    without_notices,
)

NOTICES = b"""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795883462.990519   17873 port.cc:153] oneDNN custom operations are on.
I0000 00:00:1795883462.990938   17873 cudart_stub.cc:31] Could not find cuda drivers.
"""
WARNING = b"W0000 00:00:1795883462.990938   17873 some_file.cc:3] this may be slow\n"
ERROR = b"E0000 00:00:1795883657.366020   19888 cuda_platform.cc:52] failed call to cuInit\n"
OTHERS = b"In summary 5 files were read\nI0000 is a name\nlast line without an end"


def test_the_switch_is_applied_line_by_line() -> None:
    text = NOTICES + WARNING + OTHERS.replace(b"\nlast", b"\n" + ERROR + b"last")
    assert without_notices(text, 3) == OTHERS
    assert ERROR in without_notices(text, 2) and WARNING not in without_notices(text, 2)
    assert without_notices(NOTICES + WARNING, 1) == WARNING


def test_what_else_is_written_meanwhile_arrives(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), notices_held_back(3):
        os.write(2, NOTICES + b"from C\n")
        print("from Python", file=sys.stderr)
        raise KeyError
    os.write(2, b"after it\n")
    lines = capfd.readouterr().err.splitlines()
    assert sorted(lines) == ["after it", "from C", "from Python"]


def test_the_first_graph_is_allocated_silently(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notice = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    monkeypatch.setattr(quiet_tensorflow, "_allocations", [])
    monkeypatch.setenv(SWITCH, "0")
    with litert_notices_held_back():
        os.write(2, notice)
    assert capfd.readouterr().err == notice.decode()
    monkeypatch.setenv(SWITCH, "2")
    with litert_notices_held_back():
        os.write(2, notice + b"ERROR: an operator is unknown\n")
    assert capfd.readouterr().err == "ERROR: an operator is unknown\n"
    with litert_notices_held_back():
        os.write(2, notice)
    assert capfd.readouterr().err == notice.decode()


@pytest.mark.parametrize(("device", "level"), [(True, "2"), (False, "3")])
def test_the_users_switch_wins(device: bool, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_tensorflow, "has_nvidia_device", lambda: device)
    environment: dict[str, str] = {}
    quieten_tensorflow(environment)
    assert environment == {SWITCH: level}
    chosen = {SWITCH: "0"}
    quieten_tensorflow(chosen)
    assert chosen == {SWITCH: "0"}


@pytest.mark.parametrize("switch", ["0", None])
def test_an_import_of_tensorflow_is_silent_unless_asked(switch: str | None, tmp_path: Path) -> None:
    package = tmp_path / "tensorflow"
    package.mkdir()
    lines = NOTICES + b"a deprecation\n"
    (package / "__init__.py").write_text(f"import os\nos.write(2, {lines!r})\n__version__ = '0'\n")
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    if switch is not None:
        environment[SWITCH] = switch
    path = os.pathsep.join([str(tmp_path), environment.get("PYTHONPATH", "")])
    program = (
        "import rnn_apps, sys, tensorflow\n"
        "assert tensorflow.__version__ == '0' and tensorflow.__spec__.name == 'tensorflow'\n"
        "assert not any(type(finder).__name__ == '_Quietly' for finder in sys.meta_path[:1])\n"
    )
    # The project is found by its own folder here, so that the stand-in comes before the package.
    done = subprocess.run(
        [sys.executable, "-c", program if switch is None else program.rsplit("assert", 1)[0]],
        env=environment | {"PYTHONPATH": path}, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stderr == (lines if switch == "0" else b"a deprecation\n")
