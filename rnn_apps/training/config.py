"""The configuration that every application's training shares. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rnn_apps.application.configuration import option, plain_values


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, whatever the application; an application's config extends it."""

    # What a resumed run may change: it moves no weight of the steps already taken. Data may have
    # moved to another place; an application compares what is there with what the run began with.
    MAY_CHANGE_ON_RESUME: ClassVar[frozenset[str]] = frozenset(
        {
            "run",
            "data",
            "validation",
            "test",
            "data_dir",
            "epochs",
            "max_minutes",
            "patience",
            "strategy",
            "jit_compile",
            "checkpoint_minutes",
            "gradient_flow",
            "tensorboard",
        }
    )

    # The last line of a config.toml that was written before runs had checksums: without it the file
    # was cut short.
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = ""

    data: str = option("", "training data: file:PATH[,PATH], tfds:NAME[/CONFIG] or builtin:NAME")
    data_dir: str = option(
        "", "folder of prepared TensorFlow datasets, for tfds: sources (default: TFDS_DATA_DIR)"
    )
    run: str = option("", "folder of the run: config, checkpoints, metrics, history, report")
    seed: int = option(
        0, "seed of weights, shuffling, dropout and sampling", minimum=0, maximum=2**32 - 1
    )
    epochs: int = option(10, "most passes over the training data", minimum=1)
    max_minutes: float = option(0.0, "stop after this much training time; 0: no limit", minimum=0.0)
    batch_size: int = option(64, "examples a step, over all replicas and workers", minimum=1)
    optimizer: str = option(
        "adam",
        "optimizer; sgd has momentum 0.9, asgd none, and averages the weights once it stalls",
        choices=("adam", "adamw", "sgd", "asgd", "rmsprop"),
    )
    learning_rate: float = option(1e-3, "peak learning rate", above=0.0)
    schedule: str = option(
        "constant",
        "how the learning rate moves after warm-up",
        choices=("constant", "cosine", "linear", "exponential", "inverse_sqrt"),
    )
    warmup_steps: int = option(0, "steps over which the learning rate rises from 0", minimum=0)
    final_learning_rate: float = option(0.0, "where a decaying schedule ends", minimum=0.0)
    weight_decay: float = option(
        0.0, "decoupled weight decay, of weights but not of biases", minimum=0.0
    )
    clip_norm: float = option(1.0, "largest global gradient norm; 0: no clipping", minimum=0.0)
    average_decay: float = option(
        0.0,
        "decay of the moving average of weights that is evaluated and kept; 0: off",
        minimum=0.0,
        below=1.0,
    )
    stall_epochs: int = option(
        5,
        "asgd averages from the epoch on that is worse than the best more than so many before it",
        minimum=0,
    )
    patience: int = option(0, "epochs without improvement before stopping; 0: never", minimum=0)
    monitor: str = option(
        "val_loss", "the figure of the history that early stopping and the best weights follow"
    )
    monitor_mode: str = option(
        "min", "which end of the monitored figure is better", choices=("min", "max")
    )
    precision: str = option(
        "float32",
        "arithmetic of the layers",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    strategy: str = option(
        "none", "devices to train on", choices=("none", "mirrored", "multiworker")
    )
    jit_compile: bool = option(False, "compile the training step with XLA")
    checkpoint_minutes: float = option(
        1.0, "time between checkpoints inside an epoch; 0: at each epoch's end only", minimum=0.0
    )
    gradient_flow: bool = option(
        True, "record the norm of dLoss/dh_t over the time steps of every recurrent layer"
    )
    tensorboard: bool = option(False, "also write TensorBoard event files into the run")

    def __post_init__(self) -> None:
        """Lists are as welcome as tuples, and NumPy's numbers as Python's."""
        plain_values(self)
        # The other base class of a forecaster's config is no relative of this one.
        following = getattr(super(), "__post_init__", None)
        if following is not None:
            following()

    @property
    def accumulated_steps(self) -> int:
        """Steps whose gradients are averaged before the weights change."""
        return 1
