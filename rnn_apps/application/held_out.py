"""What a training held out to choose and to judge the model by, as sentences for the user."""

from __future__ import annotations

from collections.abc import Collection

from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.monitoring import keeps_last_epoch


def held_out_lines(held_out: Collection[str], config: TrainingConfig) -> list[str]:
    """Says which of validation and test part is missing, and what that means for the figures.

    Args:
        held_out: names of the parts that are not trained on: "validation", "test", both or none.
        config: settings of the training.
    """
    lines = []
    if not held_out:
        lines.append(
            "Nothing was held out: the model is trained on all of the data, and no figure says how "
            "good it is. evaluate --data SOURCE judges it on other data."
        )
    elif "test" not in held_out:
        lines.append(
            "There is no test part: the run is judged on the validation part, by which training "
            "decisions such as the best epoch are made, so its figures are too good."
        )
    if "validation" not in held_out:
        kept = (
            "the weights of the last epoch are kept, and training does not stop early"
            if keeps_last_epoch(config, has_validation=False)
            else f"the best epoch is the one with the best {config.monitor}"
        )
        lines.append(f"There is no validation part: {kept}.")
    return lines
