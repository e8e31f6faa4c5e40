"""A network as `skdense.fit` hands it over and gets it back trained: its numbers and its samples.

A number is a float here, and a scalar tensor in a program.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Tensor = Any
"""A tensor of TensorFlow, or an array in functions that take both."""
Parameters = list[tuple[NDArray, ...]]
"""The arrays of each layer: of a dense one `(kernel, bias)`, `(fan_in, fan_out)` and `(fan_out,)`."""

LBFGS = "lbfgs"
"""The `solver` of SciPy; all others are optimizers."""


def are_finite(parameters: Parameters) -> bool:
    """Whether none of the parameters is NaN or infinite."""
    return all(np.isfinite(array).all() for layer in parameters for array in layer)


class Spec(NamedTuple):
    """The choices that a program is compiled for; together with a shape, the key of the program.

    `target_type` is the type of the targets, and `loss` the name of a loss for it. `solver` is that of
    the estimator, or in `partial_fit` the one that training began with. The flags say whether labels
    are smoothed, gradients are clipped, the learning rate changes within epochs, the validation score
    is the negative loss, and there is dropout.
    """

    target_type: str
    loss: str
    solver: str
    dtype: str
    smooths: bool = False
    clips: bool = False
    lr_by_step: bool = False
    scores_loss: bool = False
    drops: bool = False


class Allowed(NamedTuple):
    """The values that a setting of an optimizer or a schedule may have.

    They lie between `low` and `high`, where None is no bound; `closed` says which bounds are included,
    as for scikit-learn's `Interval`. With `is_flag` the values are True and False. With `or_none` the
    user may also set None or infinity, which both mean infinity.
    """

    low: float = 0
    high: float | None = None
    closed: str = "left"
    is_flag: bool = False
    or_none: bool = False


Settings = dict[str, Any]
"""The settings of an optimizer when it was made, by name, with the names of "solver" and "schedule"."""


class Hyper(NamedTuple):
    """The numbers of a network's training besides the `Settings` of the optimizer.

    `patience` is the estimator's `n_iter_no_change`; `max_epochs` is its `max_iter`, or 1 for
    `partial_fit`. `loss_number` is the number that the loss takes, such as the quantile, if it takes
    one. `schedule_epochs` is the number of epochs of the schedule, and `schedule_shift` the difference
    between the step in the schedule and `Progress.step`: 0 unless `partial_fit` continues from calls
    with another number of steps.
    """

    alpha: float
    tol: float
    patience: float
    max_epochs: float
    early_stopping: float
    n_samples: float
    batch_size: float
    n_validation: float
    loss_number: float = 0.0
    label_smoothing: float = 0.0
    schedule_epochs: float = 1.0
    schedule_shift: float = 0.0

    @property
    def steps_per_epoch(self) -> Any:
        return -(-self.n_samples // self.batch_size)


class Progress(NamedTuple):
    """The numbers that change during training, besides parameters and slots.

    `best_value` is the lowest loss, or with early stopping the highest validation score. `epochs`
    counts this training alone, or the iterations of lbfgs; `step`, the optimizer's steps, goes on in
    `partial_fit`, and `samples_seen` in a warm start, too. `active` is 1 while there are epochs to
    train, and `converged` is 1 if the stopping rule ended them.
    """

    learning_rate: float
    step: float = 0.0
    best_value: float = np.inf
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


@dataclass(frozen=True, eq=False)
class Data:
    """The samples that a network trains on or is validated on: some rows of arrays that many may share.

    X is `(n, n_features)`, an array or a CSR matrix; targets `(n, n_outputs)` of any numeric type;
    weights `(n,)`, or None for ones; rows, ints, say which samples are the network's, None for all.
    """

    X: Any
    targets: NDArray
    weights: NDArray | None = None
    rows: NDArray | None = None

    @property
    def n_samples(self) -> int:
        return len(self.targets) if self.rows is None else len(self.rows)

    @property
    def row_numbers(self) -> NDArray:
        """The numbers of the network's rows, also if they are all."""
        return np.arange(len(self.targets)) if self.rows is None else self.rows

    def select(self, array: Any) -> Any:
        """The network's rows of an array: a copy, or the array itself if all; None for None."""
        return array if array is None or self.rows is None else array[self.rows]

    def without_other_rows(self) -> "Data":
        """The same samples without the other rows of the arrays."""
        return Data(*map(self.select, (self.X, self.targets, self.weights)))


_NO_CURVES = Curves(*np.empty((len(Curves._fields), 0)))


@dataclass(eq=False)
class Network:
    """One network, before, during and after training. Networks are compared by identity.

    Attributes
    ----------
    layers : tuple of Layer
    parameters : list of tuple of ndarray
    slots : list of lists as `parameters`
        The arrays that the optimizer keeps from step to step; empty for a new optimizer.
    hyper : Hyper
    settings : dict
        The `Settings` of its optimizer. lbfgs takes none of them.
    progress : Progress
    data : Data
        The samples it trains on.
    validation : Data or None
        The samples it is validated on after each epoch; they may be other rows of the same arrays.
    scorer : callable or None
        Computes the validation score of parameters, in place of the metric of the program.
    random_state : numpy.random.RandomState
        Draws the order of the rows in each epoch.
    owns_stream : bool
        Whether no other code uses `random_state`, so that its last state does not matter.
    shuffle : bool
        Whether each epoch has a new order.
    permutation : ndarray of int or None
        The order of the samples in the last epoch, which the next one shuffles; None before the first.
    dropout : tuple of float
        A rate for each hidden layer, or () without dropout.
    dropout_seed : int
    batch_capacity : int
        A batch size to make room for, if it is larger than `hyper.batch_size`, so that networks on a
        few more or fewer rows share a program.
    best_parameters : list of tuple of ndarray, or None
        Those of the best validation score, once it has trained with early stopping and had a score.
    curves : Curves
        Of the epochs so far; after lbfgs the last loss alone.
    failure : str
        The message of lbfgs if it has failed to converge.
    """

    layers: tuple
    parameters: Parameters
    hyper: Hyper
    progress: Progress
    data: Data
    random_state: RandomState
    validation: Data | None = None
    scorer: Callable[[Parameters], float] | None = None
    owns_stream: bool = False
    shuffle: bool = True
    permutation: NDArray | None = None
    settings: Settings = field(default_factory=dict)
    slots: list[Parameters] = field(default_factory=list)
    dropout: tuple[float, ...] = ()
    dropout_seed: int = 0
    batch_capacity: int = 1
    best_parameters: Parameters | None = None
    curves: Curves = _NO_CURVES
    failure: str = ""

    @property
    def n_features(self) -> int:
        return self.data.X.shape[1]

    @property
    def final_parameters(self) -> Parameters:
        """Those that a fit returns: the best by early stopping, or the last."""
        return self.best_parameters or self.parameters

    @property
    def last_loss(self) -> float:
        """The training loss of the last epoch, NaN before the first."""
        return float(self.curves.loss[-1]) if len(self.curves.loss) else np.nan
