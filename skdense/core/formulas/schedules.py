"""How the learning rate changes, and when training stops.

In a hand-written loop these are the lines behind an epoch's minibatches, which adjust the rate or leave
the loop. Every program contains all schedules of epochs and chooses one by its position in the table,
so no schedule compiles a program of its own. Only the programs that need it contain `lr_factor`, how
the rate changes from step to step.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from skdense.core.machine.tensorflow import tf
from skdense.core.network import Allowed, Hyper, Progress, Settings, Tensor

SMALLEST_RATE = 1e-6
"""A schedule with `slows_down` stops at a plateau once its rate is no larger than this."""
SLOWDOWN = 5
"""A schedule with `slows_down` divides its rate by this at a plateau."""


class Schedule(NamedTuple):
    """A schedule.

    Attributes
    ----------
    after_epoch : callable or None
        `after_epoch(samples_seen, learning_rate_init, *numbers)` is the rate of the next epoch, from
        the number of samples seen in all epochs. None leaves the rate as it is.
    slows_down : bool
        Whether at a plateau, where other schedules stop, it lowers the rate and goes on.
    within_epochs : callable or None
        `within_epochs(done)` is the factor on the rate in each step, from the share of the epochs after
        the warm-up that is done. None is a factor of 1.
    ignored_by : tuple of str
        The optimizers that keep a constant rate instead, as MLPClassifier's Adam does.
    takes : dict of str to Allowed
        The settings that `after_epoch` takes besides, by the names of the estimators' parameters.
    """

    after_epoch: Callable | None = None
    slows_down: bool = False
    within_epochs: Callable | None = None
    ignored_by: tuple = ()
    takes: dict[str, Allowed] = {}


def _inverse_scaling(samples_seen: Tensor, learning_rate_init: Tensor, power_t: Tensor) -> Tensor:
    return learning_rate_init / (samples_seen + 1) ** power_t


def _half_a_cosine(done: Tensor) -> Tensor:
    """From 1 down to 0, as in SGDR (Loshchilov and Hutter, 2017)."""
    return (1 + tf.cos(np.pi * done)) / 2


SCHEDULES = {
    "constant": Schedule(),
    "invscaling": Schedule(_inverse_scaling, ignored_by=("adam",), takes={"power_t": Allowed()}),
    "adaptive": Schedule(slows_down=True, ignored_by=("adam",)),
    "cosine": Schedule(within_epochs=_half_a_cosine),
}
RATE = {"learning_rate_init": Allowed(closed="neither"), "warmup_epochs": Allowed()}
"""The settings of every schedule."""


def with_schedule_number(settings: Settings) -> Settings:
    """The settings and "schedule_number", which stands for the schedule's name in programs."""
    return settings | {"schedule_number": [*SCHEDULES].index(settings["schedule"])}


def lr_factor(step: Tensor, hyper: Hyper, settings: Settings) -> Tensor:
    """The factor on the epoch's learning rate, in the step that follows `step` others.

    It rises linearly over the warm-up, up to 1. Then the schedule may change it over the rest of
    `schedule_epochs` epochs, and if training goes on after them it starts again.
    """
    warmup = settings["warmup_epochs"] * hyper.steps_per_epoch
    step += hyper.schedule_shift
    rest = tf.maximum(hyper.schedule_epochs * hyper.steps_per_epoch - warmup, 1)
    done = tf.math.floormod((step - warmup) / rest, 1)
    after_warmup = tf.ones_like(done)
    for number, schedule in enumerate(SCHEDULES.values()):
        if schedule.within_epochs is not None:
            chosen = settings["schedule_number"] == number
            after_warmup = tf.where(chosen, schedule.within_epochs(done), after_warmup)
    return tf.where(step < warmup, tf.minimum((step + 1) / warmup, 1), after_warmup)


# --- the end of an epoch ------------------------------------------------------------------------------


def progress_after_epoch(
    now: Progress, hyper: Hyper, settings: Settings, loss: Tensor, score: Tensor | None
) -> tuple[Progress, Tensor]:
    """The progress after an epoch, and whether early stopping finds it the best so far.

    Progress, loss and score are float64 tensors, or floats of NumPy. The score is None where there is
    no validation. A loss or score that is NaN resets the count of epochs without improvement, as in
    MLPClassifier, because comparisons with it are false.
    """
    where: Any = np.where if isinstance(loss, np.float64) else tf.where
    value, no_gain, improved = loss, loss > now.best_value - hyper.tol, loss < now.best_value
    early = False
    if score is not None:
        early = hyper.early_stopping > 0
        value = where(early, score, value)
        no_gain = where(early, score < now.best_value + hyper.tol, no_gain)
        improved = where(early, score > now.best_value, improved)
    no_improvement = where(no_gain, now.no_improvement + 1, 0)
    samples_seen = now.samples_seen + hyper.n_samples
    learning_rate, slows_down = now.learning_rate, False
    for number, schedule in enumerate(SCHEDULES.values()):
        chosen = settings["schedule_number"] == number
        if schedule.after_epoch is not None:
            numbers = (settings[name] for name in ("learning_rate_init", *schedule.takes))
            rate = schedule.after_epoch(samples_seen, *numbers)
            learning_rate = where(chosen, rate, learning_rate)
        if schedule.slows_down:
            slows_down = chosen | slows_down
    exhausted = no_improvement > hyper.patience
    # A tensor on the left: with NumPy's promotion, TensorFlow has no `&` of a bool and a tensor.
    slower = exhausted & (learning_rate > SMALLEST_RATE) & slows_down
    converged = exhausted & ~slower
    epochs = now.epochs + 1
    after = Progress(
        learning_rate=where(slower, learning_rate / SLOWDOWN, learning_rate),
        step=now.step,
        best_value=where(improved, value, now.best_value),
        no_improvement=where(~slower, no_improvement, 0),
        samples_seen=samples_seen,
        epochs=epochs,
        active=~converged & (epochs < hyper.max_epochs),
        converged=converged,
    )
    return after, improved & early
