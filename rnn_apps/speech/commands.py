"""Speech recognition on the command line. Imports nothing heavy."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import UserError
from rnn_apps.application.definition import Application, PartialResultError, Result, Verb
from rnn_apps.application.flags import add_export, add_run

if TYPE_CHECKING:
    from rnn_apps.edge.speech.endpointing import EndpointConfig
    from rnn_apps.speech.decoding import DecodingConfig, Transcript
    from rnn_apps.speech.run import Run
    from rnn_apps.speech.transcript_files import Transcribed

_log = logging.getLogger(__name__)


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--column", dest="columns", action="append", default=[], metavar="ROLE=NAME",
        help="column of a list that --data names, and its role; once per role; in place of those "
        "of the training. Roles: audio, text, speaker, part, offset, duration, end",
    )  # fmt: skip


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    """Flags that are not given stay away, so that the defaults are `DecodingConfig`'s."""
    group = parser.add_argument_group("decoding")
    given: dict[str, Any] = {"default": argparse.SUPPRESS}
    group.add_argument(
        "--greedy", dest="method", action="store_const", const="greedy",
        help="the most probable label of each frame, in place of a beam search", **given,
    )  # fmt: skip
    group.add_argument(
        "--beam-width", type=int, metavar="N", help="number of prefixes that are kept (16)", **given
    )
    group.add_argument(
        "--word-model", metavar="FILE.arpa", help="an n-gram model of words to decode with", **given
    )
    group.add_argument(
        "--word-model-weight",
        type=float,
        metavar="W",
        help="weight of its log probability (0.5)",
        **given,
    )
    group.add_argument(
        "--word-bonus",
        type=float,
        metavar="B",
        help="nats added per word, with a word model (1)",
        **given,
    )
    group.add_argument(
        "--unknown-word-penalty", type=float, metavar="P", **given,
        help="nats subtracted per word that the word model does not know (5)",
    )  # fmt: skip
    group.add_argument(
        "--hot-word", dest="hot_words", action="append", metavar="TEXT",
        help="word or phrase to listen for; may be given several times", **given,
    )  # fmt: skip
    group.add_argument(
        "--hot-word-boost", type=float, metavar="B", help="nats added per hot word (6)", **given
    )
    group.add_argument(
        "--least-probability", type=float, metavar="P", **given,
        help="probability below which a label is not tried in a frame (0.0001)",
    )  # fmt: skip
    group.add_argument(
        "--most-labels", type=int, metavar="N", **given,
        help="largest number of labels that are tried in a frame (32)",
    )  # fmt: skip
    group.add_argument(
        "--beam-nats", type=float, metavar="D", **given,
        help="distance from the best prefix, in nats, beyond which prefixes are dropped (16)",
    )  # fmt: skip
    group.add_argument(
        "--word-times", metavar="SOURCE", **given,
        help="source of the words' times: sound|labels (sound, the loudness around their labels)",
    )  # fmt: skip


def _add_endpoints(parser: argparse.ArgumentParser) -> None:
    """Flags that are not given stay away, so that the defaults are `EndpointConfig`'s."""
    group = parser.add_argument_group("utterances of the microphone and of long recordings")
    given: dict[str, Any] = {"default": argparse.SUPPRESS}
    group.add_argument(
        "--endpoint", dest="judge", metavar="JUDGE", **given,
        help="measure of the silence that ends an utterance: labels|energy|either (labels)",
    )  # fmt: skip
    for flag, metavar, text in (
        ("--pause-seconds", "S", "length of the silence that ends an utterance (0.8)"),
        ("--longest-silence-seconds", "S",
         "length of the silence after which an empty utterance ends (5)"),
        ("--longest-seconds", "S", "largest length of an utterance; 0 for no limit (30)"),
        ("--speech-decibels", "D",
         "level above the background, in dB, from which sound is speech, for energy (9)"),
    ):  # fmt: skip
        group.add_argument(flag, type=float, metavar=metavar, help=text, **given)


def _decoding(options: argparse.Namespace) -> DecodingConfig:
    from rnn_apps.speech.decoding import DecodingConfig

    given = _fields(options, DecodingConfig)
    if "hot_words" in given:
        given["hot_words"] = tuple(given["hot_words"])
    decoding = DecodingConfig(**given)
    for unused in _without_effect(decoding, given):
        _log.warning(unused)
    return decoding


def _without_effect(decoding: DecodingConfig, given: Collection[str]) -> list[str]:
    """Sentences about flags that change nothing, since others rule them out.

    Args:
        decoding: settings of the decoding.
        given: names of the settings that the command line has flags of.
    """
    greedy = decoding.method == "greedy"
    model, hot = not decoding.word_model, not decoding.hot_words
    rules = (
        (greedy, ("beam_width", "beam_nats", "least_probability", "most_labels"),
         "--greedy takes the best label of each frame"),
        (greedy and decoding.n_best > 1, ("n_best",), "--greedy has one transcript"),
        (model, ("word_model_weight", "word_bonus", "unknown_word_penalty"),
         "it belongs to a --word-model"),
        (hot, ("hot_word_boost",), "it belongs to a --hot-word"),
    )  # fmt: skip
    found = []
    for ruled_out, names, reason in rules:
        flags = [f"--{name.replace('_', '-')}" for name in names if name in given]
        if ruled_out and flags:
            found.append(f"{', '.join(flags)} without effect: {reason}")
    return found


def _endpoint(options: argparse.Namespace) -> EndpointConfig:
    from rnn_apps.edge.speech.endpointing import JUDGES, EndpointConfig

    judge = getattr(options, "judge", JUDGES[0])
    if judge not in JUDGES:
        raise UserError(f"--endpoint {judge}: choose from {', '.join(JUDGES)}")
    return EndpointConfig(**_fields(options, EndpointConfig))


def _fields(options: argparse.Namespace, config: type[Any]) -> dict[str, Any]:
    """The options that are fields of a configuration and were given."""
    names = {field.name for field in dataclasses.fields(config)}
    return {name: value for name, value in vars(options).items() if name in names}


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--data", default="", metavar="SOURCE", help="other recordings than the run's own test part"
    )
    parser.add_argument(
        "--part", default="", metavar="PART", help="which recordings: train|validation|test"
    )
    _add_columns(parser)
    _add_decoding(parser)


def _evaluate(options: argparse.Namespace) -> Result:
    decoding = _decoding(options)
    from rnn_apps.speech.run import load

    return load(options.run).evaluate(options.data or None, options.part, decoding, options.columns)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    add_export(parser)
    parser.add_argument(
        "--data",
        default="",
        metavar="SOURCE",
        help="recordings to prove the files on instead of the run's own; where the run's own are "
        "gone, synthetic speech",
    )
    _add_columns(parser)


def _export(options: argparse.Namespace) -> Result:
    from rnn_apps.speech.run import load

    return load(options.run).export(options.to, options.formats, options.data, options.columns)


def _transcribe_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "recordings",
        nargs="*",
        metavar="FILE",
        help="sound files of any length, folders of them, patterns such as 'calls/*.wav', or - for "
        "a list of files on standard input, one per line",
    )
    parser.add_argument(
        "--to",
        default="",
        metavar="FILE",
        help="file for the transcripts: .txt, .csv, .jsonl, .srt or .vtt; for the subtitles of "
        "several recordings, a folder",
    )
    parser.add_argument(
        "--format",
        default="",
        metavar="FORMAT",
        help="format of --to, if its ending does not say it: txt|csv|jsonl|srt|vtt",
    )
    parser.add_argument(
        "--microphone",
        action="store_true",
        help="listen, and write what is said after each pause (needs the package sounddevice)",
    )
    parser.add_argument(
        "--padding-seconds",
        type=float,
        metavar="S",
        help="length of quiet noise added on each side of a recording of up to a minute, for words "
        "that were cut out closely; default: the length that the run was trained with",
    )
    parser.add_argument(
        "--device",
        default="",
        metavar="NAME",
        help="microphone to listen to, by number or name as `python -m sounddevice` lists them; "
        "without it, the system's",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="number of processes that share the recordings; 0 for one per core (1)",
    )
    parser.add_argument(
        "--n-best", type=int, default=1, metavar="N", help="also the next best transcripts"
    )
    _add_decoding(parser)
    _add_endpoints(parser)


def _transcribe(options: argparse.Namespace) -> Result:
    decoding, endpoint = _decoding(options), _endpoint(options)
    if bool(options.recordings) == options.microphone:
        raise UserError("name sound files to transcribe, or --microphone")
    if options.format and not options.to:
        raise UserError("--format is the format of a file: name the file with --to")
    if options.microphone and options.to:
        raise UserError("--to takes the transcripts of sound files, not of the microphone")
    if options.microphone and options.processes != 1:
        raise UserError("--processes share sound files; the microphone needs one")
    if options.microphone and options.padding_seconds is not None:
        raise UserError("--padding-seconds is for sound files; a microphone hears the room")
    if options.device and not options.microphone:
        raise UserError("--device names a microphone: add --microphone")
    from pipelines.speech.recordings.named_files import named_recordings
    from rnn_apps.speech.transcript_files import Transcribed, TranscriptWriter

    names = named_recordings(options.recordings, sys.stdin) if options.recordings else []
    writer = TranscriptWriter(options.to, options.format, names) if options.to else None
    from rnn_apps.speech.run import load

    run = load(options.run)
    from rnn_apps.speech.judging.judgement import check_decoding

    for note in check_decoding(run, decoding):
        _log.info(f"{note[0].upper()}{note[1:]}.")
    if options.microphone:
        return _listen(run, decoding, endpoint, options.device)
    errors: dict[int, str] = {}
    transcripts = run.transcribe(
        names, decoding, endpoint=endpoint, padding_seconds=options.padding_seconds,
        processes=options.processes,
        unusable=lambda number, error: _note(errors, number, error),
    )  # fmt: skip
    results = [
        Transcribed(name, found, errors.get(number, ""))
        for number, (name, found) in enumerate(zip(names, transcripts, strict=True))
    ]
    result = _shown(results)
    if writer is not None:
        result["files"] = writer.write(results)
    if errors:
        reasons = "\n".join(f"  {error}" for error in errors.values())
        raise PartialResultError(
            f"{len(errors)} of {len(transcripts)} recordings cannot be used:\n{reasons}", result
        )
    return result


def _shown(results: Sequence[Transcribed]) -> Result:
    """The transcripts as a table, and as details for --json."""
    rows: list[list[Any]] = []
    details: list[dict[str, Any]] = []
    for one in results:
        if one.error:
            details.append({"recording": one.recording, "error": one.error})
            continue
        transcripts = [_as_json(transcript) for transcript in one.transcripts]
        details.append({"recording": one.recording, "transcripts": transcripts})
        rows += [[one.recording, found.text, found.confidence] for found in one.transcripts]
    header = ["recording", "transcript", "confidence"]
    return {"table": {"title": "", "header": header, "rows": rows}, "details": details}


def _note(errors: dict[int, str], number: int, error: UserError) -> None:
    errors[number] = str(error)


def _word_model_arguments(parser: argparse.ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument(
        "--to", required=True, metavar="FILE.arpa", help="the word model; --word-model takes it"
    )
    parser.add_argument(
        "--text", nargs="+", default=[], metavar="FILE",
        help="more text in UTF-8, one sentence per line: files, or folders of .txt files; where "
        "the run's recordings are gone, it replaces their transcripts",
    )  # fmt: skip
    parser.add_argument(
        "--order", type=int, default=3, metavar="N", help="words of the longest n-gram (3)"
    )


def _word_model(options: argparse.Namespace) -> Result:
    from rnn_apps.speech.run import load

    return load(options.run).write_word_model(options.to, options.text, options.order)


def _as_json(transcript: Transcript) -> dict[str, Any]:
    words = [vars(word) for word in transcript.words]
    return {**vars(transcript), "words": words}


def _listen(run: Run, decoding: DecodingConfig, endpoint: EndpointConfig, device: str) -> Result:
    from rnn_apps.edge.speech.microphone import open_microphone
    from rnn_apps.speech.streaming import recognition_stream

    stream = recognition_stream(run, decoding, endpoint)
    with open_microphone(stream.sample_rate, _microphone(device)) as chunks:
        _log.info("Listening; Ctrl+C ends it")
        for utterance in stream.recognise(chunks):
            if utterance.text:
                print(f"{utterance.start:8.2f} s  {utterance.text}", flush=True)
    return {}


def _microphone(name: str) -> int | str | None:
    """A microphone as sounddevice takes it: a number, a name, or None for the system's."""
    return int(name) if name.isdecimal() else name or None


APPLICATION = Application(
    name="speech",
    summary="recognise speech: from recordings to text, whole or as a stream",
    package="rnn_apps.speech",
    config="rnn_apps.speech.config:SpeechConfig",
    verbs=(
        Verb("evaluate", "measure word and character errors", _evaluate_arguments, _evaluate),
        Verb(
            "export",
            "write a SavedModel, TFLite files or C code, verified",
            _export_arguments,
            _export,
        ),
        Verb("transcribe", "write what is said", _transcribe_arguments, _transcribe),
        Verb(
            "word-model",
            "train an n-gram model of words to decode with",
            _word_model_arguments,
            _word_model,
        ),
    ),
)
