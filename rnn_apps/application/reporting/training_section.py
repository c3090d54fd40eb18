"""The training in a run's report: what was held out, what it began with, and how it went."""

from __future__ import annotations

from collections.abc import Collection

from rnn_apps.application.going_on import read_origin
from rnn_apps.application.reporting.report import Report
from rnn_apps.application.run_folder import RunFolder
from rnn_apps.training.config import TrainingConfig
from rnn_apps.training.history import read_history
from rnn_apps.training.learning_curves import plot_learning_curves
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


def add_training(
    report: Report, folder: RunFolder, config: TrainingConfig, label: str = "loss"
) -> dict[str, list[float]]:
    """Adds the section "Training" to a report.

    Args:
        report: report of the run.
        folder: folder of the run.
        config: configuration of the run.
        label: label of the loss with its unit, for the learning curves.

    Returns:
        The columns of the run's history, for further figures of the section.

    Raises:
        UserError: the history or the metrics are damaged.
    """
    report.section("Training")
    metrics = folder.read_metrics()
    # Runs of earlier versions do not say what was held out.
    if "held_out" in metrics:
        for line in held_out_lines(metrics["held_out"], config):
            report.text(line)
    origin = read_origin(folder)
    for line in origin.get("understood", ()):
        report.text(line)
    if origin:
        report.text(f"SHA-256 of the model that the training began with: {origin['sha256']}.")
    report.figures(metrics.get("training", {}))
    history = read_history(folder.history)
    if history:
        report.figure(plot_learning_curves(history, label), "Learning curves")
    return history


def write_training_report(folder: RunFolder, config: TrainingConfig) -> None:
    """Writes the report of a run that is not judged, since nothing was held out."""
    name = folder.path.name
    report = Report(
        f"Training of {name}",
        footer=f"To judge it: rnn-apps {folder.application} evaluate --run {folder.path} --data "
        "SOURCE",
    )
    add_training(report, folder, config)
    data = folder.read_metrics().get("data", {})
    for line in data.get("understood", ()) if isinstance(data, dict) else ():
        report.text(line)
    report.section("Configuration")
    report.settings(vars(config))
    report.write(folder.report)
