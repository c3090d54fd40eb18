"""The configuration that every application's training shares. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pipelines.base.stated_columns import ColumnRole, fill_options
from rnn_apps.application.configuration import option, plain_values


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of a training in every application; an application's config extends them."""

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
            "checkpoint_steps",
            "gradient_flow",
            "tensorboard",
        }
    )

    # The last line of a config.toml that was written before runs had checksums: without it the file
    # was cut short.
    LAST_OF_UNCHECKED_RUNS: ClassVar[str] = ""

    # What belongs to the data or to its preparation: a run that goes on from another one does not
    # take it over, nor the settings of this class.
    OF_THE_DATA: ClassVar[frozenset[str]] = frozenset()

    # The roles that a column of the data can have, where the config has the field `columns`.
    COLUMN_ROLES: ClassVar[tuple[ColumnRole, ...]] = ()

    data: str = option("", "training data: file:PATH[,PATH], tfds:NAME[/CONFIG] or builtin:NAME")
    data_dir: str = option(
        "", "folder of prepared TensorFlow datasets, for tfds: sources (default: TFDS_DATA_DIR)"
    )
    run: str = option(
        "", "folder of the run, for its config, checkpoints, metrics, history and report"
    )
    seed: int = option(
        0, "seed of weights, shuffling, dropout and sampling", minimum=0, maximum=2**32 - 1
    )
    data_seed: int | None = option(
        None,
        "seed of what is drawn from the data: split, order of the examples, augmentation and "
        "vocabulary; the same as seed if it is not set, and seed then draws the weights alone",
        minimum=0,
        maximum=2**32 - 1,
    )
    epochs: int = option(10, "largest number of passes over the training data", minimum=1)
    max_minutes: float = option(
        0.0, "minutes of training time after which training stops; 0 for no limit", minimum=0.0
    )
    batch_size: int = option(64, "examples per step, over all replicas and workers", minimum=1)
    optimizer: str = option(
        "adam",
        "optimizer; sgd has momentum 0.9; asgd has none and averages the weights once it stalls",
        choices=("adam", "adamw", "sgd", "asgd", "rmsprop"),
    )
    learning_rate: float = option(1e-3, "peak learning rate", above=0.0)
    schedule: str = option(
        "constant",
        "course of the learning rate after warm-up",
        choices=("constant", "cosine", "linear", "exponential", "inverse_sqrt", "plateau"),
    )
    plateau_patience: int = option(
        2,
        "number of epochs (with validate_steps: of validations) without improvement of the "
        "monitored figure after which the learning rate of schedule = plateau falls",
        minimum=1,
    )
    plateau_factor: float = option(
        0.5,
        "factor by which schedule = plateau multiplies the learning rate when it falls",
        above=0.0,
        below=1.0,
    )
    warmup_steps: int = option(
        0, "number of steps over which the learning rate rises from 0", minimum=0
    )
    final_learning_rate: float = option(
        0.0, "learning rate at which a falling schedule ends", minimum=0.0
    )
    weight_decay: float = option(
        0.0,
        "decoupled weight decay; biases, and gains and offsets of normalisation, are exempt",
        minimum=0.0,
    )
    clip_norm: float = option(
        1.0,
        "largest global norm of the gradient, which is clipped to it; 0 for no clipping",
        minimum=0.0,
    )
    average_decay: float = option(
        0.0,
        "decay of a moving average of the weights, which is then evaluated and kept; 0 for none",
        minimum=0.0,
        below=1.0,
    )
    stall_epochs: int = option(
        5,
        "number of epochs, for asgd; averaging starts once an epoch is worse than the best one "
        "seen more than this many epochs earlier",
        minimum=0,
    )
    patience: int = option(
        0,
        "epochs (with validate_steps: validations) without improvement after which training stops; "
        "0 for never",
        minimum=0,
    )
    validate_steps: int = option(
        0,
        "steps after which the model is also validated inside an epoch; 0 for validation at the "
        "ends of epochs only",
        minimum=0,
    )
    monitor: str = option(
        "val_loss",
        "figure of the history that early stopping and the best weights follow; without a "
        "validation part val_loss keeps the last epoch, and loss follows the training's own",
    )
    monitor_mode: str = option("min", "better end of the monitored figure", choices=("min", "max"))
    precision: str = option(
        "float32",
        "precision of the layers' arithmetic",
        choices=("float32", "mixed_float16", "mixed_bfloat16"),
    )
    strategy: str = option(
        "none", "devices to train on", choices=("none", "mirrored", "multiworker")
    )
    jit_compile: bool = option(False, "whether the training step is compiled with XLA")
    checkpoint_minutes: float = option(
        1.0,
        "minutes between checkpoints inside an epoch; 0 for checkpoints at the ends of epochs only",
        minimum=0.0,
    )
    checkpoint_steps: int = option(
        0, "steps after which a checkpoint is written in any case; 0 to go by the clock", minimum=0
    )
    gradient_flow: bool = option(
        True,
        "whether the norm of dLoss/dh_t is recorded for the time steps of every recurrent layer",
    )
    tensorboard: bool = option(
        False, "whether TensorBoard event files are written into the run folder, too"
    )
    from_run: str = option(
        "",
        "run to go on from: folder of a trained run, or name of a saved model, whose weights, "
        "vocabulary, features and network settings are taken over",
        flag="from",
    )
    freeze: tuple[str, ...] = option(
        (),
        "parts of the network that are not trained, by name; encoder means encoder_1, encoder_2 "
        "and so on",
    )
    unfreeze: tuple[str, ...] = option(
        (),
        "parts that are trained only after a number of epochs, as PART=EPOCHS",
    )
    learning_rates: tuple[str, ...] = option(
        (),
        "factors of the learning rate for parts of the network, as PART=FACTOR",
    )

    def __post_init__(self) -> None:
        """Turns lists into tuples, NumPy's numbers into Python's, and fills in stated columns."""
        plain_values(self)
        if self.COLUMN_ROLES:
            fill_options(self, self.COLUMN_ROLES)
        # The other base class of a forecaster's config is not related to this one.
        following = getattr(super(), "__post_init__", None)
        if following is not None:
            following()

    @property
    def example_seed(self) -> int:
        """The seed of what is drawn from the data; see `data_seed`."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def ends_with_the_epochs(self) -> bool:
        """Whether steps depend on `epochs`, as by a learning rate that ends with the last one."""
        return self.schedule in ("cosine", "linear", "exponential")

    @property
    def accumulated_steps(self) -> int:
        """The number of steps whose gradients are averaged before the weights change."""
        return 1
