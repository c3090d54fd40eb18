"""Whatever a function of Python lets one choose, its verb on the command line lets one choose."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
from typing import Any

import pytest

from pipelines.base.errors import ConfigurationError
from rnn_apps import language_modelling, translation
from rnn_apps.application.command_line import applications, shared_verbs
from rnn_apps.application.flags import UNKNOWN_CHOICES
from rnn_apps.edge.sampling import SamplingConfig
from rnn_apps.edge.translation.options import SearchOptions
from rnn_apps.language_modelling.writing import WritingConfig
from rnn_apps.translation.reference_flags import reference_options

# Python's names whose flags are called otherwise.
RENAMED = {
    "prompts": "prompt",
    "sentences": "text",
    "texts": "text",
    "others": "runs",
    "folder": "run",
}
# What one can choose in Python alone, and why.
PYTHON_ONLY = {
    ("language generate", "config"): "its fields are flags",
    ("language generate", "sampling"): "its fields are flags",
    ("translate translate", "options"): "its fields are flags",
    ("translate score", "pairs"): "--source with --target, or --data",
}

LANGUAGE, TRANSLATION = language_modelling.Run, translation.Run


def parser_of(application: str, verb: str) -> argparse.ArgumentParser:
    [found] = [one for one in applications() if one.name == application]
    verbs = {one.name: one for one in (*shared_verbs(found), *found.verbs)}
    parser = argparse.ArgumentParser()
    verbs[verb].add_arguments(parser)
    return parser


def choices(*origins: Any) -> list[str]:
    """The names of the fields of dataclasses and of the parameters of functions."""
    names: list[str] = []
    for origin in origins:
        if dataclasses.is_dataclass(origin):
            names += [field.name for field in dataclasses.fields(origin)]
        else:
            names += [name for name in inspect.signature(origin).parameters if name != "self"]
    return list(dict.fromkeys(names))


@pytest.mark.parametrize(
    ("application", "verb", "origins"),
    [
        ("language", "evaluate", [LANGUAGE.evaluate]),
        ("language", "generate", [LANGUAGE.generate, LANGUAGE.stream, WritingConfig,
                                  SamplingConfig]),
        ("language", "score", [LANGUAGE.score, LANGUAGE.score_lines]),
        ("language", "export", [LANGUAGE.export]),
        ("language", "train", [language_modelling.LanguageModellingConfig]),
        ("translate", "evaluate", [TRANSLATION.evaluate]),
        ("translate", "compare", [TRANSLATION.compare]),
        ("translate", "translate", [TRANSLATION.translate, SearchOptions]),
        ("translate", "score", [TRANSLATION.score]),
        ("translate", "export", [TRANSLATION.export]),
        ("translate", "train", [translation.TranslationConfig]),
    ],
)  # fmt: skip
def test_every_choice_has_a_flag(application: str, verb: str, origins: list[Any]) -> None:
    flags = {action.dest for action in parser_of(application, verb)._actions}
    flags |= {flag.removeprefix("from_") for flag in flags}
    command = f"{application} {verb}"
    missing = [
        name
        for name in choices(*origins)
        if RENAMED.get(name, name) not in flags and (command, name) not in PYTHON_ONLY
    ]
    assert missing == []


def test_further_models_and_glossaries_have_flags() -> None:
    flags = {action.dest for action in parser_of("translate", "translate")._actions}
    parameters = inspect.signature(TRANSLATION.with_others).parameters
    assert set(parameters) == {"self", "others", "glossary"}
    assert {"ensemble", "glossary"} <= flags


def test_defaults_of_flags_are_those_of_python() -> None:
    generate = parser_of("language", "generate").parse_args(["--run", "a"])
    for origin in (WritingConfig, SamplingConfig):
        for field in dataclasses.fields(origin):
            # What one types at a terminal is shorter and less random than what a program asks for.
            if field.name in ("most_tokens", "temperature", "sampling"):
                continue
            assert getattr(generate, field.name) == field.default, field.name
    translate = parser_of("translate", "translate").parse_args(["--run", "a", "--text", "b"])
    for field in dataclasses.fields(SearchOptions):
        # None takes what the run was judged with.
        assert getattr(translate, field.name) in (field.default, None), field.name


def test_flags_for_unknown_text_are_those_of_the_tokenizers() -> None:
    from pipelines.tokenizers import unknown_text

    assert UNKNOWN_CHOICES == unknown_text.UNKNOWN_CHOICES


def test_columns_of_what_is_judged_are_named_by_role_as_in_training() -> None:
    arguments = ["--run", "a", "--column", "source=de", "--column", "target=en,en2"]
    options = parser_of("translate", "evaluate").parse_args(arguments)
    found = reference_options(options)
    assert (found["source_column"], found["target_column"]) == ("de", "en,en2")
    arguments += ["--target-column", "fr"]
    with pytest.raises(ConfigurationError, match="target"):
        reference_options(parser_of("translate", "evaluate").parse_args(arguments))
    wrong = ["--run", "a", "--column", "title=x"]
    for application in ("translate", "language"):
        [found_application] = [one for one in applications() if one.name == application]
        [verb] = [one for one in found_application.verbs if one.name == "evaluate"]
        with pytest.raises(ConfigurationError, match="The roles are"):
            verb.run(parser_of(application, "evaluate").parse_args(wrong))
