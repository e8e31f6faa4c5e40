"""How the learning rate changes from epoch to epoch. No TensorFlow: the formulas take tensors too.

Every program contains all of them and chooses one by its number, so that schedules compile nothing.
How the rate changes from step to step is in `pace.py`, and only in the programs that need it.
"""

from collections.abc import Callable
from typing import NamedTuple

SMALLEST_RATE = 1e-6
"""A schedule that slows down at a plateau stops there once its rate is no larger."""
SLOWDOWN = 5
"""What a schedule divides the rate by when it slows down."""


class Schedule(NamedTuple):
    """A schedule.

    Attributes
    ----------
    number : int
        What stands for it in `Hyper.schedule`.
    after_epoch : callable or None
        `after_epoch(samples_seen, hyper)` gives the rate of the next epoch, from the number of samples
        that were seen in all epochs. None leaves the rate as it is.
    slows_down : bool
        Whether it lowers the rate and goes on where, with other schedules, training stops because it
        no longer improves.
    within_epochs : bool
        Whether it changes the rate from step to step instead, in `pace.py`.
    ignored_by : tuple of str
        The optimizers that keep a constant rate instead, as MLPClassifier's Adam does.
    """

    number: int
    after_epoch: Callable | None = None
    slows_down: bool = False
    within_epochs: bool = False
    ignored_by: tuple = ()


def _inverse_scaling(samples_seen, hyper):
    return hyper.learning_rate_init / (samples_seen + 1) ** hyper.power_t


SCHEDULES = {
    "constant": Schedule(0),
    "invscaling": Schedule(1, _inverse_scaling, ignored_by=("adam",)),
    "adaptive": Schedule(2, slows_down=True, ignored_by=("adam",)),
    "cosine": Schedule(3, within_epochs=True),
}
