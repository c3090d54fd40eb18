"""A child process for the tests of requests that several processes share: multiplies numbers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from pipelines.base.errors import DataError, UserError
from pipelines.base.parallel_requests import serve


def begin(factor: float) -> Callable[[float], tuple[float, int]]:
    if factor == 0.0:
        raise UserError("factor = 0: name another one")

    def multiplied(number: float) -> tuple[float, int]:
        print("printed by mistake", flush=True)
        if number < 0.0:
            raise DataError("is negative", file="numbers", row=int(-number), advice="Leave it out.")
        if number == 99.0:
            os._exit(3)
        if number == 100.0:
            time.sleep(number)
        # Small numbers take longer, so that later requests are answered first.
        time.sleep(0.2 / (1.0 + number))
        return factor * number, os.getpid()

    return multiplied


if __name__ == "__main__":
    serve(begin)
