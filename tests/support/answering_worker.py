"""A child process for the tests of workers: does what each line of its input asks for."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

from pipelines.base.child_processes import reserve_standard_output


def work(seconds: float) -> None:
    """Keeps a processor busy until this process has had so many seconds of it."""
    while time.process_time() < seconds:
        pass


def main() -> None:
    answers = reserve_standard_output()
    print("started", file=sys.stderr)
    for line in sys.stdin:
        request = json.loads(line)
        match request["do"]:
            case "answer":
                print("printed by mistake", flush=True)
                answers.write(json.dumps(request["value"]).encode() + b"\n")
                answers.flush()
            case "say":
                print(request["text"], file=sys.stderr, flush=True)
            case "sleep":
                time.sleep(600)
            case "work":
                work(request["seconds"])
            case "exit":
                sys.exit(request["code"])
            case "crash":
                os.kill(os.getpid(), signal.SIGSEGV)
    answers.write(b"all is done")


if __name__ == "__main__":
    main()
