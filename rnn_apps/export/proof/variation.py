"""Whether a quantised output still follows the model's, or only its offset is left of it.

A file may be near to Keras everywhere and say nothing: temperatures in kelvin that are all 293.2
differ from the right ones by less than a thousandth. So the difference is also set against what
varies in the output over the compared data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rnn_apps.export.results import MOST_OF_VARIATION, TOLERANCES, Variation

# Fewer values of a channel do not show how it varies.
FEWEST_VALUES = 16
# Below this part of its largest value, or this size, what varies in a channel is rounding.
ROUNDING = 1e-5
NOTHING = 1e-6
# Numbers from 0 to 1 are kept in steps of 1/256, whatever their range: what varies by a few of them
# may vanish, such as a label that is hardly ever on.
SHARES_NOTHING = 1 / 64
# Half a step of integers of eight bits beside the largest value.
HALF_STEP = 1 / 510
# Outputs of more channels are features, of which some are nearly dead in many good models.
MOST_QUANTITIES = 32


def variation_of(
    differences: Sequence[np.ndarray], wanted: Sequence[np.ndarray], tolerance: float
) -> Variation | None:
    """How much of the variation of Keras' values is left, in a file with quantised numbers.

    Args:
        differences: the file's values of one output minus Keras', call by call.
        wanted: Keras' values.
        tolerance: largest relative error; that of a float32 file leaves no room for such a loss.

    Returns:
        None where nothing can be said: in float32, for few values, constant ones or what is not
        finite. Probabilities over classes are numbers between 0 and 1 however little they vary.
    """
    if tolerance < TOLERANCES["float16"]:
        return None
    difference, values = _by_channel(differences), _by_channel(wanted)
    if len(values) < FEWEST_VALUES or not np.isfinite(difference).all() or _are_shares(values):
        return None
    scale, deviation = np.abs(values).max(axis=0), values.std(axis=0)
    within_one = bool((values >= 0.0).all() and (values <= 1.0).all())
    least = SHARES_NOTHING if within_one else NOTHING
    (varying,) = np.nonzero(deviation > np.maximum(least, ROUNDING * scale))
    if not len(varying):
        return None
    squares = np.mean(difference[:, varying] ** 2, axis=0)
    ratios = np.sqrt(squares) / deviation[varying]
    small = (scale[varying] < HALF_STEP * scale.max()) & (len(scale) <= MOST_QUANTITIES)
    return Variation(
        differs=float(np.sqrt(squares.sum() / np.sum(deviation[varying] ** 2))),
        worst=float(ratios.max()),
        worst_channel=int(varying[ratios.argmax()]),
        lost=tuple(varying[small & (ratios > max(MOST_OF_VARIATION, tolerance))].tolist()),
    )


def _by_channel(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """All values as rows of channels; as one channel where the last dimension is none."""
    sizes = {array.shape[-1] if array.ndim > 1 else 1 for array in arrays}
    channels = sizes.pop() if len(sizes) == 1 else 1
    return np.concatenate([array.reshape(-1, channels) for array in arrays])


def _are_shares(values: np.ndarray) -> bool:
    """Whether each row adds up to 1, as after a softmax."""
    whole = np.abs(values.sum(axis=1) - 1.0) < 1e-3
    return values.shape[1] > 1 and bool((values >= 0.0).all() and whole.all())
