"""Shares of training, validation and test: read in one place, refused with one set of errors."""

from __future__ import annotations

import pytest

from pipelines import ConfigurationError
from pipelines.shares import DEFAULT_SHARES, parse_shares


def test_three_shares_are_read() -> None:
    assert parse_shares(DEFAULT_SHARES) == (0.9, 0.05, 0.05)
    assert parse_shares(" 0.7, 0.1 ,0") == (0.7, 0.1, 0.0)
    assert parse_shares("1,0,0", complete=True) == (1.0, 0.0, 0.0)
    # Decimal fractions that are 1 only on paper.
    assert sum(parse_shares("0.7,0.2,0.1", complete=True)) != 1.0


@pytest.mark.parametrize("text", ["", "0.9", "0.9,0.1", "a,b,c", "-1,1,1", "nan,0.5,0.5", "2,0,0"])
def test_what_is_not_three_shares_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write three shares .* such as 0\.9,0\.05,0\.05"):
        parse_shares(text)


@pytest.mark.parametrize("text", ["0,0.5,0.5", "0.9,0.1,0.1"])
def test_shares_that_leave_no_training_or_are_too_many_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"above 0, .* at most 1 together"):
        parse_shares(text)


def test_a_rest_is_refused_where_the_shares_must_be_complete() -> None:
    assert parse_shares("0.5,0.1,0.1") == (0.5, 0.1, 0.1)
    with pytest.raises(ConfigurationError, match="exactly 1 together"):
        parse_shares("0.5,0.1,0.1", complete=True)
