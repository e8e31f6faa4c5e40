"""How the learning rate changes from epoch to epoch. No TensorFlow: the formulas take tensors too.

Every schedule is in every program, which picks by number, so that schedules compile nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

SMALLEST_RATE = 1e-6
"""A schedule that slows down at a plateau stops there once its rate is no larger."""
SLOWDOWN = 5
"""What it divides the rate by."""


class Schedule(NamedTuple):
    """A schedule.

    Attributes
    ----------
    number : int
        What stands for it in `Hyper.schedule`.
    after_epoch : callable
        `after_epoch(rate, samples_seen, hyper)` gives the rate of the next epoch, from that of the last
        one and the number of samples that were seen in all epochs.
    slows_down : bool
        Whether it goes on with a lower rate, at first, where others stop for want of improvement.
    """

    number: int
    after_epoch: Callable
    slows_down: bool = False


def _unchanged(rate, samples_seen, hyper):
    return rate


def _inverse_scaling(rate, samples_seen, hyper):
    return hyper.learning_rate_init / (samples_seen + 1) ** hyper.power_t


SCHEDULES = {
    "constant": Schedule(0, _unchanged),
    "invscaling": Schedule(1, _inverse_scaling),
    "adaptive": Schedule(2, _unchanged, slows_down=True),
}
