"""How long another process could have worked: wall-clock time without its waits for a processor."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path


class WorkingTime:
    """Counts the seconds in which a process could run, from now on.

    On a loaded machine a process waits for a processor for most of the time, and a limit on
    wall-clock time would end it although nothing is wrong with it. Linux tells how long each thread
    waited in its run queue (`/proc/PID/task/TID/schedstat`, second number, nanoseconds; see the
    kernel's Documentation/scheduler/sched-stats.rst). Of threads that wait at the same time, the
    longest wait counts. A process that sleeps, is stopped or blocks itself does not wait for a
    processor: all its time counts, as it does on systems that do not tell.

    Args:
        process: the number of the process.
    """

    def __init__(self, process: int) -> None:
        self._tasks = Path(f"/proc/{process}/task")
        self._began = time.monotonic()
        self._waited = 0.0
        self._known = self._waits()

    def seconds(self) -> float:
        """The seconds counted so far. To be asked often, since threads come and go."""
        waits = self._waits()
        added = (waited - self._known.get(thread, 0.0) for thread, waited in waits.items())
        self._waited += max(0.0, max(added, default=0.0))
        self._known = waits
        return max(0.0, time.monotonic() - self._began - self._waited)

    def _waits(self) -> dict[str, float]:
        """The seconds that each thread of the process has waited for a processor in its life."""
        waits = {}
        # The process, or a thread of it, may end meanwhile.
        with contextlib.suppress(OSError):
            for thread in self._tasks.iterdir():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    numbers = (thread / "schedstat").read_text(encoding="ascii").split()
                    waits[thread.name] = int(numbers[1]) / 1e9
        return waits
