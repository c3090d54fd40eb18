"""Training, shared by every application: see `fit`.

Nothing is imported until it is used, so that a configuration can be read without TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.base.lazy_names import lazy_names

if TYPE_CHECKING:
    from rnn_apps.training.config import TrainingConfig as TrainingConfig
    from rnn_apps.training.gradients.charts import plot_gradient_flow as plot_gradient_flow
    from rnn_apps.training.gradients.hidden_gradients import GradientFlow as GradientFlow
    from rnn_apps.training.gradients.hidden_gradients import gradient_flow as gradient_flow
    from rnn_apps.training.optimisation.optimizers import make_optimizer as make_optimizer
    from rnn_apps.training.optimisation.schedules import WarmupSchedule as WarmupSchedule
    from rnn_apps.training.optimisation.strategies import make_strategy as make_strategy
    from rnn_apps.training.trained_model import TrainedModel as TrainedModel
    from rnn_apps.training.trainer import fit as fit

_HOMES = {
    "TrainingConfig": "config",
    "plot_gradient_flow": "gradients.charts",
    "GradientFlow": "gradients.hidden_gradients",
    "gradient_flow": "gradients.hidden_gradients",
    "make_optimizer": "optimisation.optimizers",
    "WarmupSchedule": "optimisation.schedules",
    "make_strategy": "optimisation.strategies",
    "TrainedModel": "trained_model",
    "fit": "trainer",
}

__all__ = sorted(_HOMES)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
