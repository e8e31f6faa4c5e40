"""How the learning rate changes from epoch to epoch. No TensorFlow: the formulas take tensors, too.

Every program contains all of them and chooses by number, so no schedule compiles a program of its own.
How the rate changes from step to step is in `pace.py`, and only in the programs that need it.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.network import Hyper, Tensor

SMALLEST_RATE = 1e-6
"""A schedule with `slows_down` stops at a plateau once its rate is no larger than this."""
SLOWDOWN = 5
"""A schedule with `slows_down` divides its rate by this at a plateau."""


class Schedule(NamedTuple):
    """A schedule.

    Attributes
    ----------
    number : int
        What stands for it in `Hyper.schedule`.
    after_epoch : callable or None
        `after_epoch(samples_seen, hyper)` is the rate of the next epoch, from the number of samples
        seen in all epochs. None leaves the rate as it is.
    slows_down : bool
        Whether at a plateau, where other schedules stop, it lowers the rate and goes on.
    within_epochs : bool
        Whether it changes the rate from step to step, in `pace.py`.
    ignored_by : tuple of str
        The optimizers that keep a constant rate instead, as MLPClassifier's Adam does.
    """

    number: int
    after_epoch: Callable | None = None
    slows_down: bool = False
    within_epochs: bool = False
    ignored_by: tuple = ()


def _inverse_scaling(samples_seen: Tensor, hyper: Hyper) -> Tensor:
    return hyper.learning_rate_init / (samples_seen + 1) ** hyper.power_t


SCHEDULES = {
    "constant": Schedule(0),
    "invscaling": Schedule(1, _inverse_scaling, ignored_by=("adam",)),
    "adaptive": Schedule(2, slows_down=True, ignored_by=("adam",)),
    "cosine": Schedule(3, within_epochs=True),
}
