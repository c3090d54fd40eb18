"""English to German on Multi30k, compared with the published conditional GRU of the same size.

    python -m benchmarks.multi30k --data FOLDER [--minutes 140] [--runs runs/multi30k] [--judge]
        [--only student | whole | cells | attention | NAME ...] [--to benchmarks/results/multi30k]

Trains on train, chooses the epoch on val, and is judged on val in the same way as the published
figure: lowercased, tokenised like Moses, sacrebleu without its own tokeniser. BLEU on plain text in
mixed case is reported, too: the case of the tokens is restored from the training data, and they are
detokenised; and that of the files for devices on LiteRT. A run that was stopped continues; --judge
trains nothing.
"""

from __future__ import annotations

import argparse
import gzip
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.moses_style import Recaser, detokenised, tokenised
from benchmarks.multi30k_recipes import ATTENTION, CELLS, RECIPES, SHARED, WHOLE, Recipe
from benchmarks.processor import processor_name
from benchmarks.recipe_runs import Result, cores, differences, results, steps_taken, train_missing
from pipelines.base.atomic_files import write_json, write_text

PARTS = ("train", "val")
LANGUAGES = ("en", "de")
BEAM_WIDTHS = (1, 2, 3, 5, 8, 12)
DEVICE_WIDTHS = (1, 5)
DEVICE_FORMATS = ("tflite_dynamic", "tflite_int8")
GERMAN = {"direction": "German to English"}
PUBLISHED = {"val": 39.17, "test": 39.0}


def main(arguments: list[str] | None = None) -> None:
    """Trains and judges models without a result; writes TO.md and TO.json after each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", required=True, help="folder of train and val as .en.gz and .de.gz"
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=140.0,
        help="longest training time of student, teachers and the other whole models in minutes",
    )
    parser.add_argument(
        "--each", type=float, default=15.0, help="training time of every other model"
    )
    parser.add_argument("--runs", default="runs/multi30k", help="folder of the run folders")
    parser.add_argument("--only", nargs="*", default=["student"], help="names or groups of models")
    parser.add_argument("--judge", action="store_true", help="judge trained models only")
    parser.add_argument("--to", default="benchmarks/results/multi30k")
    given = parser.parse_args(arguments)
    prepare(Path(given.data), Path(given.runs) / "data")

    def result(recipe: Recipe, given: argparse.Namespace) -> Result:
        if not given.judge:
            train(recipe, given)
        return judged(recipe, given)

    train_missing(RECIPES, given, result, write_results)


def train(recipe: Recipe, given: argparse.Namespace) -> None:
    """Trains a model, or continues its training; its teachers before it."""
    from rnn_apps.translation.config import TranslationConfig
    from rnn_apps.translation.training_run import fit_run

    folder = Path(given.runs) / recipe.name
    settings = SHARED | recipe.settings
    part = "train"
    if recipe.teachers:
        part = with_written_pairs(recipe, given)
        settings |= {"from_run": str(Path(given.runs) / recipe.teachers[0])}
    config = TranslationConfig(
        data=source_of(recipe, given, part),
        validation=source_of(recipe, given, "val"),
        run=str(folder),
        seed=recipe.seed,
        max_minutes=given.each if recipe.group in (CELLS, ATTENTION) else given.minutes,
        **settings,
    )
    fit_run(config, resume=folder.exists())


def with_written_pairs(student: Recipe, given: argparse.Namespace) -> str:
    """Name of the part with the training pairs, and after them what a student's teachers write.

    Each teacher gives a pair per sentence: the sentence and its translation, in the places of
    their languages. Teachers that are not trained yet are trained first.
    """
    folder = Path(given.runs) / "data"
    part = "-".join(("train", *student.teachers, f"beam{student.teachers_beam}"))
    if not all(path.exists() for path in part_paths(folder, part)):
        genuine = dict(zip(LANGUAGES, map(lines_of, part_paths(folder, "train")), strict=True))
        pairs = {language: list(lines) for language, lines in genuine.items()}
        for teacher in RECIPES:
            if teacher.name in student.teachers:
                source, target = languages_of(teacher)
                pairs[source] += genuine[source]
                pairs[target] += written(teacher, genuine[source], student.teachers_beam, given)
        for language, path in zip(LANGUAGES, part_paths(folder, part), strict=True):
            write_text(path, "\n".join(pairs[language]) + "\n")
    return part


def written(
    teacher: Recipe, sentences: list[str], width: int, given: argparse.Namespace
) -> list[str]:
    """What a teacher writes for each sentence, kept in a file."""
    from rnn_apps.translation import load

    name = f"{teacher.name}-beam{width}.{languages_of(teacher)[1]}"
    path = Path(given.runs) / "data" / name
    if not path.exists():
        train(teacher, given)
        run = load(Path(given.runs) / teacher.name)
        search = replace(run.search_options, beam_width=width)
        texts = [best[0].text for best in run.translate(sentences, search)]
        write_text(path, "\n".join(texts) + "\n")
    return lines_of(path)


def lines_of(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def languages_of(recipe: Recipe) -> tuple[str, ...]:
    """The languages that a model translates from and into."""
    return LANGUAGES[::-1] if recipe.german_to_english else LANGUAGES


def source_of(recipe: Recipe, given: argparse.Namespace, part: str) -> str:
    """The files of a part in the order of the model's languages."""
    paths = dict(zip(LANGUAGES, part_paths(Path(given.runs) / "data", part), strict=True))
    return f"file:{','.join(str(paths[language]) for language in languages_of(recipe))}"


def part_paths(folder: Path, part: str) -> list[Path]:
    """The files of a part, one per language."""
    return [folder / f"{part}.{language}" for language in LANGUAGES]


def prepare(data: Path, to: Path) -> None:
    """Writes the tokenised, lowercased sentences."""
    for part in PARTS:
        for language, path in zip(LANGUAGES, part_paths(to, part), strict=True):
            if not path.exists():
                lines = [tokenised(line, language) for line in plain(data, part, language)]
                write_text(path, "\n".join(lines) + "\n")


def plain(data: Path, part: str, language: str) -> list[str]:
    """The sentences of a part as they are published."""
    with gzip.open(data / f"{part}.{language}.gz", "rt", encoding="utf-8") as file:
        return file.read().rstrip("\n").split("\n")


def judged(recipe: Recipe, given: argparse.Namespace) -> Result:
    """The figures of a trained model on val."""
    from rnn_apps.translation import load

    run = load(Path(given.runs) / recipe.name)
    whole = recipe.group == WHOLE
    widths = BEAM_WIDTHS if whole else (1, 5)
    training = run.metrics["training"]
    result: Result = {
        "name": recipe.name,
        "group": recipe.group,
        "settings": recipe.settings | (GERMAN if recipe.german_to_english else {}),
        "parameters": training["parameters"],
        "epochs": training["epochs"],
        "steps": steps_taken(Path(given.runs) / recipe.name),
        "minutes": training["minutes"],
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor_name(),
        "vocabulary": [run.source_tokenizer.size, run.target_tokenizer.size],
    }
    if recipe.teachers:
        result["teachers"] = {name: minutes(named(name), given) for name in recipe.teachers}
        result["teachers_beam"] = recipe.teachers_beam
        result["minutes_in_all"] = minutes_in_all(recipe, given)
    pairs = run.data.part("validation")
    result["beams"] = [beam(run, pairs, width) for width in widths]
    if whole:
        result["plain"] = on_plain_text(run, pairs, Path(given.data))
        result["device"] = on_the_device(run, pairs)
    return result


def named(name: str) -> Recipe:
    """The recipe of this name."""
    return next(recipe for recipe in RECIPES if recipe.name == name)


def minutes(recipe: Recipe, given: argparse.Namespace) -> float:
    """How long a trained model was trained."""
    from rnn_apps.translation import load

    found: float = load(Path(given.runs) / recipe.name).metrics["training"]["minutes"]
    return found


def minutes_in_all(recipe: Recipe, given: argparse.Namespace) -> float:
    """How long a model takes with all before it, where two train at a time, each on a core."""
    before = (minutes_in_all(named(name), given) for name in recipe.teachers)
    return minutes(recipe, given) + max(before, default=0.0)


def beam(run: Any, pairs: Any, width: int) -> Result:
    """BLEU on tokens and the time of a search of this width."""
    from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics

    options = replace(run.search_options, beam_width=width)
    # What compiles is not counted.
    run.translate(pairs.source[:4], options)
    began = time.monotonic()
    texts = [best[0].text for best in run.translate(pairs.source, options)]
    seconds = time.monotonic() - began
    metrics = CorpusMetrics("none")
    figures = metrics.figures(texts, pairs.target)
    return {
        "width": width,
        "seconds": seconds,
        "sentences": len(texts),
        **figures.as_json(),
        "signature": metrics.signatures()["BLEU"],
    }


def on_plain_text(run: Any, pairs: Any, data: Path) -> Result:
    """BLEU of detokenised translations against the plain references, in mixed case and without."""
    from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics

    recaser = Recaser(tokenised(line, "de", lowercase=False) for line in plain(data, "train", "de"))
    texts = [detokenised(recaser.restored(best[0].text)) for best in run.translate(pairs.source)]
    references = plain(data, "val", "de")
    metrics = CorpusMetrics("13a")
    mixed = metrics.figures(texts, references)
    small = metrics.figures([t.lower() for t in texts], [r.lower() for r in references])
    return {
        "mixed case": mixed.as_json(),
        "lowercased": small.as_json(),
        "signatures": metrics.signatures(),
    }


def on_the_device(run: Any, pairs: Any) -> Result:
    """BLEU of each file on LiteRT, and its size, with the widths 1 and 5."""
    from rnn_apps.translation.device.trial import try_translator
    from rnn_apps.translation.judging.corpus_metrics import CorpusMetrics

    searches = {
        str(width): replace(run.search_options, beam_width=width) for width in DEVICE_WIDTHS
    }
    metrics = CorpusMetrics("none")
    files: Result = {}
    with tempfile.TemporaryDirectory() as folder:
        run.export(folder, DEVICE_FORMATS)
        for file in sorted(Path(folder).glob("*.tflite")):
            found = try_translator(Path(folder), file.name, pairs.source, searches)
            files[file.name] = {
                "kilobytes": file.stat().st_size / 1000,
                "bleu": {
                    width: metrics.figures(list(one.texts), pairs.target).as_json()["bleu"]
                    for width, one in found.items()
                },
                "sentences_a_second": {
                    width: one.sentences_a_second for width, one in found.items()
                },
            }
    return files


def write_results(given: argparse.Namespace) -> None:
    """Writes what has been measured so far."""
    found = results(RECIPES, given)
    if not found:
        return
    write_json(Path(given.to + ".json"), found)
    lines = ["# English to German on Multi30k", ""]
    for result in found:
        if "plain" in result:
            lines += whole_lines(result)
    others = [result for result in found if "plain" not in result]
    if others:
        lines += comparison_lines(others)
    write_text(Path(given.to + ".md"), "\n".join(lines) + "\n")


def whole_lines(result: Result) -> list[str]:
    """Lines of the page about a model that was trained to its end."""
    best = next(one for one in result["beams"] if one["width"] == 5)
    mixed, small = (result["plain"][name]["bleu"] for name in ("mixed case", "lowercased"))
    source, target = result["vocabulary"]
    return [
        f"## {result['name'].capitalize()}",
        "",
        f"Trained on train for {result['minutes']:.0f} minutes ({result['epochs']} epochs) on "
        f"{cores([result])}{_processor_shown(result)}{_teachers_shown(result)}; the best epoch "
        "is chosen on val, and val is judged. The published conditional GRU of this size (LIUM, "
        f"wmt17-mmt) has {PUBLISHED['val']} on val and {PUBLISHED['test']} on test; the test part "
        "was not available.",
        "",
        f"Settings: {differences(result['settings'])}.",
        "",
        f"{result['parameters']:,} parameters; BPE of {source} English and {target} German "
        "subwords; text lowercased and tokenised as Moses does (benchmarks/moses_style.py), "
        f"sacrebleu `{best['signature']}`.",
        "",
        "| beam width | BLEU, lowercased tokens | chrF | length ratio | sentences per second |",
        "|---|---|---|---|---|",
        *(
            f"| {one['width']} | {one['bleu']:.2f} | {one['chrf']:.2f} | "
            f"{one['length_ratio']:.3f} | {one['sentences'] / one['seconds']:.1f} |"
            for one in result["beams"]
        ),
        "",
        "On plain text with a beam of 5 (detokenised, case restored by the most frequent case of "
        "each word in the training data, because the model writes lower case): BLEU "
        f"{mixed:.2f} in mixed case, {small:.2f} lowercased, sacrebleu "
        f"`{result['plain']['signatures']['BLEU']}`.",
        "",
        *device_lines(result),
        f"`python -m benchmarks.multi30k --data FOLDER --only {result['name']}`",
        "",
    ]


def _processor_shown(result: Result) -> str:
    """Name of the processor, which older results do not have."""
    return f" ({result['processor']})" if "processor" in result else ""


def _teachers_shown(result: Result) -> str:
    """Text about the teachers of a model and the time of training; empty if it has none."""
    shown = " and ".join(
        f"{name} ({minutes:.0f} minutes)" for name, minutes in result.get("teachers", {}).items()
    )
    if not shown:
        return ""
    whole = result.get("minutes_in_all")
    in_all = "" if whole is None else f"; two at a time, all take {whole:.0f} minutes of training"
    beam = result.get("teachers_beam")
    width = "" if beam is None else f", which write with a beam of {beam}"
    return f", after its teachers {shown}{width}{in_all}"


def device_lines(result: Result) -> list[str]:
    """Lines about the files for devices, which older results do not have."""
    whole = {str(one["width"]): one["bleu"] for one in result["beams"]}
    lines = []
    for name, file in result.get("device", {}).items():
        shown = " and ".join(
            f"{bleu:.2f} with a beam of {width} ({bleu - whole[width]:+.2f}, "
            f"{file['sentences_a_second'][width]:.0f} sentences per second)"
            for width, bleu in file["bleu"].items()
        )
        lines += [f"{name} on LiteRT, {file['kilobytes']:,.0f} kB: BLEU {shown}.", ""]
    return lines


def comparison_lines(results: list[Result]) -> list[str]:
    """Lines of the page about models that differ in one setting."""
    lines = []
    for group in dict.fromkeys(result["group"] for result in results):
        rows = [result for result in results if result["group"] == group]
        lines += [
            f"## {group[0].upper()}{group[1:]}",
            "",
            "| model | differs by | parameters | steps | minutes | greedy | beam 5 |",
            "|---|---|---|---|---|---|---|",
            *(
                f"| {r['name']} | {differences(r['settings'])} | {r['parameters']:,} | "
                f"{r['steps']:,} | {r['minutes']:.1f} | "
                f"{r['beams'][0]['bleu']:.2f} | {r['beams'][-1]['bleu']:.2f} |"
                for r in rows
            ),
            "",
            f"BLEU on val, lowercased tokens. On {cores(rows)} each; other work on "
            "the machine costs steps, which is why the numbers of steps are listed.",
            "",
        ]
    return lines


if __name__ == "__main__":
    main()
