"""The optimizer of an estimator between calls: what is kept, and how training starts with it.

An estimator keeps a dict of plain Python values and arrays, by name. So a saved model contains no class
of ours but the estimator's, and a later version can add settings.
"""

from typing import Any, NamedTuple

import numpy as np

from skdense.core.formulas.losses import Loss
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.network import Parameters, Progress
from skdense.fit.validation import Estimator

OptimizerSettings = dict[str, Any]
"""The settings of an optimizer by name: numbers, and the name of the schedule."""


class Start(NamedTuple):
    """How training starts: the solver, its settings, its slots and the progress so far."""

    solver: str
    settings: OptimizerSettings
    slots: list[Parameters]
    progress: Progress


def optimizer_settings(estimator: Estimator) -> OptimizerSettings:
    """The settings with which an optimizer is made: fields of `Hyper`, and the schedule by name."""
    schedule = estimator.learning_rate
    if estimator.solver in SCHEDULES[schedule].ignored_by:
        schedule = "constant"
    settings = {
        "learning_rate_init": estimator.learning_rate_init,
        "power_t": estimator.power_t,
        "warmup": estimator.warmup,
        "momentum": estimator.momentum,
        "nesterov": estimator.nesterovs_momentum,
        "beta_1": estimator.beta_1,
        "beta_2": estimator.beta_2,
        "epsilon": estimator.epsilon,
        "weight_decay": estimator.weight_decay,
    }
    return {name: float(value) for name, value in settings.items()} | {"schedule": schedule}


def start_training(estimator: Estimator, loss: Loss, continues: bool, incremental: bool) -> Start:
    """The `Start` of a training by this `Loss`.

    As in MLPClassifier, `partial_fit` keeps the optimizer and its settings, even if the estimator's
    parameters have changed. A warm start makes a new optimizer, and counts epochs without improvement
    from 0 if they ended the last fit. Both start with a new best if the criterion is another one.
    """
    early_stopping = estimator.early_stopping
    settings = optimizer_settings(estimator)
    progress = Progress(settings["learning_rate_init"], best=-np.inf if early_stopping else np.inf)
    if not continues or not hasattr(estimator, "_optimizer_state"):
        return Start(estimator.solver, settings, [], progress)
    progress = progress._replace(samples_seen=estimator.t_)
    if getattr(estimator, "_criterion", None) == criterion(estimator, loss):
        best = estimator.best_validation_score_ if early_stopping else estimator.best_loss_
        no_improvement = estimator._no_improvement_count
        if not incremental and no_improvement > estimator.n_iter_no_change:
            no_improvement = 0
        progress = progress._replace(best=best, no_improvement=no_improvement)
    if not incremental:
        return Start(estimator.solver, settings, [], progress)
    state = estimator._optimizer_state
    settings |= state["settings"]
    progress = progress._replace(learning_rate=state["learning_rate"], step=state["step"])
    return Start(state["solver"], settings, state["slots"], progress)


def optimizer_state(
    solver: str, settings: OptimizerSettings, learning_rate: float, step: float, slots: list[Parameters]
) -> dict[str, Any]:
    """What an estimator keeps of its optimizer."""
    return {
        "solver": solver,
        "settings": settings,
        "learning_rate": learning_rate,
        "step": step,
        "slots": slots,
    }


def criterion(estimator: Estimator, loss: Loss) -> dict[str, Any]:
    """What epochs are judged by. Losses or scores are comparable only if it is the same."""
    judged_by = {"loss": estimator.loss}
    if loss.parameter is not None:
        judged_by[loss.parameter] = float(getattr(estimator, loss.parameter))
    if estimator.early_stopping:
        return judged_by | {"metric": estimator.validation_metric}
    if loss.smoothed is not None:
        judged_by["label_smoothing"] = float(estimator.label_smoothing)
    return judged_by | {"metric": "training loss"}
