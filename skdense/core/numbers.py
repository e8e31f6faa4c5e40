"""The numbers that control and describe a training, and the types of what it computes with.

A number is a float here, and a scalar tensor in a program.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tensor = Any
"""A tensor of TensorFlow, or an array in functions that take both."""
Parameters = list[tuple[NDArray, ...]]
"""The arrays of each layer that has any; of a dense one `(kernel, bias)`, of shapes
`(fan_in, fan_out)` and `(fan_out,)`.
"""

LBFGS = "lbfgs"
"""The `solver` that is no optimizer of ours."""


def are_finite(parameters: Parameters) -> bool:
    """Whether none of the parameters is NaN or infinite."""
    return all(np.isfinite(array).all() for layer in parameters for array in layer)


class Spec(NamedTuple):
    """What chooses a network's program besides its layers; with a shape, the program's key.

    `target_type` is the type of the targets, and `loss` the name of a loss for it. `optimizer` is the
    estimator's `solver`, or in `partial_fit` the one that training began with. The flags say whether
    labels are smoothed, gradients are clipped, the learning rate changes within epochs, and the
    validation score is the negative loss.
    """

    target_type: str
    loss: str
    optimizer: str
    dtype: str
    smooths: bool = False
    clips: bool = False
    lr_by_step: bool = False
    scores_loss: bool = False


class Number(NamedTuple):
    """What a number of an optimizer or a schedule may be: a parameter of the estimators by its name.

    It lies between `low` and `high`, where None sets no bound, and `closed` says which of them it may
    reach, in the words of scikit-learn's `Interval`. With `is_flag` it is True or False. With `or_none`
    the parameter may also be None or infinite, and the number is infinite then.
    """

    low: float = 0
    high: float | None = None
    closed: str = "left"
    is_flag: bool = False
    or_none: bool = False


Settings = dict[str, Any]
"""The numbers with which an optimizer was made, by name, and the names of "solver" and "schedule"."""


class Hyper(NamedTuple):
    """The numbers that control a network's training besides its `Settings`: parameters, and sizes.

    `patience` is an estimator's `n_iter_no_change`, `max_epochs` its `max_iter`, or 1 for
    `partial_fit`. `loss_parameter` is the number that the loss takes, such as its quantile, if it takes
    one. `schedule_epochs` are those over which a schedule goes.
    """

    alpha: float
    tol: float
    patience: float
    max_epochs: float
    early_stopping: float
    n_samples: float
    batch_size: float
    n_validation: float
    loss_parameter: float = 0.0
    label_smoothing: float = 0.0
    schedule_epochs: float = 1.0

    @property
    def steps_per_epoch(self) -> Any:
        return -(-self.n_samples // self.batch_size)


class Progress(NamedTuple):
    """What changes as a network trains, besides its parameters and slots.

    `best` is the lowest loss, or with early stopping the highest validation score. `epochs` counts this
    training alone, or the iterations of lbfgs; `step`, the optimizer's steps, and `samples_seen` go on
    from an earlier one. `active` is 1 while there are epochs to train, and `converged` is 1 if the
    stopping rule ended them.
    """

    learning_rate: float
    step: float = 0.0
    best: float = np.inf
    no_improvement: float = 0.0
    samples_seen: float = 0.0
    epochs: float = 0.0
    active: float = 1.0
    converged: float = 0.0


class Curves(NamedTuple):
    """One value an epoch, as arrays; in a program, the values of the last epoch.

    The loss includes the penalty, the validation loss does not. The learning rate is the one with which
    the epoch leaves the network, the next epoch's.
    """

    loss: Any = 0.0
    accuracy: Any = 0.0
    learning_rate: Any = 0.0
    validation_loss: Any = 0.0
    validation_score: Any = 0.0
