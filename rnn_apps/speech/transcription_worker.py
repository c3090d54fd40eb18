"""The process that transcribes recordings for `Run.transcribe` with several processes.

python -m rnn_apps.speech.transcription_worker
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.base.parallel_requests import serve
from rnn_apps.edge.speech.transcripts import Transcript
from rnn_apps.speech.trained import TrainedRecogniser
from rnn_apps.speech.transcription import Samples, Transcription, transcriber


def begin(
    setup: tuple[Path, Transcription],
) -> Callable[[str | Path | Samples], list[Transcript]]:
    """The function that transcribes a recording.

    Args:
        setup: folder of the run, and the settings.

    Raises:
        UserError: the run or the word model cannot be read.
    """
    folder, settings = setup
    return transcriber(TrainedRecogniser.open(folder), settings)


if __name__ == "__main__":
    serve(begin)
