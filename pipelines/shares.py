"""Shares of training, validation and test, written as "0.9,0.05,0.05"."""

from __future__ import annotations

from pipelines.base.errors import ConfigurationError

DEFAULT_SHARES = "0.9,0.05,0.05"

_TOLERANCE = 1e-6
"""How far a sum of shares may be from 1, since decimal fractions are rounded."""


def parse_shares(text: str, *, complete: bool = False) -> tuple[float, float, float]:
    """The shares of training, validation and test.

    Args:
        text: three numbers with commas between them, such as "0.9,0.05,0.05".
        complete: True to require shares that are exactly 1 together; False to allow a rest that
            belongs to no part.

    Raises:
        ConfigurationError: the text is not three numbers from 0 to 1, the share of training is 0,
            or the shares are more than 1 together (with `complete`: more or less than 1).
    """
    try:
        train, validation, test = (float(share) for share in text.split(","))
    except ValueError:
        train = validation = test = -1.0
    # NaN compares as false, so it is refused here too.
    if not all(0 <= share <= 1 for share in (train, validation, test)):
        raise ConfigurationError(
            f"split = {text!r} cannot be read: write three shares from 0 to 1, for training, "
            f"validation and test, such as {DEFAULT_SHARES}"
        )
    total = train + validation + test
    if not train or total > 1 + _TOLERANCE or (complete and total < 1 - _TOLERANCE):
        raise ConfigurationError(
            f"split = {text!r}: the share of training must be above 0, and all three must be "
            f"{'exactly' if complete else 'at most'} 1 together"
        )
    return train, validation, test
