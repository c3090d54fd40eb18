"""One process at a time trains into a run's folder."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.base.errors import UserError

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder for this process, which the system gives up when the process ends, killed too.

    The folder itself is locked, so that nothing is written into it.

    Raises:
        UserError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        # Windows has no such locks.
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{folder}: another process is training this run. Wait until it has ended, or name "
                "another folder"
            ) from None
        except OSError as error:
            # Some network file systems cannot lock a folder.
            _log.warning("%s cannot be locked (%s): start one training only", folder, error)
        yield
    finally:
        os.close(handle)
