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
    """What chooses a network's program besides its layers; with a shape, the program's key.

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
    """What a number that the user sets for an optimizer or a schedule may be.

    It lies between `low` and `high`, where None sets no bound, and `closed` says which of them it may
    reach, in the words of scikit-learn's `Interval`. With `is_flag` it is True or False. With `or_none`
    the user may also set None or infinity, and the number is infinite then.
    """

    low: float = 0
    high: float | None = None
    closed: str = "left"
    is_flag: bool = False
    or_none: bool = False


Settings = dict[str, Any]
"""What the user set when an optimizer was made, by name, with the names of "solver" and "schedule"."""


class Hyper(NamedTuple):
    """The numbers that control a network's training besides its `Settings`, and its sizes.

    `patience` is an estimator's `n_iter_no_change`, `max_epochs` its `max_iter`, or 1 for
    `partial_fit`. `loss_number` is the number that the loss takes, such as its quantile, if it takes
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
    loss_number: float = 0.0
    label_smoothing: float = 0.0
    schedule_epochs: float = 1.0

    @property
    def steps_per_epoch(self) -> Any:
        return -(-self.n_samples // self.batch_size)


class Progress(NamedTuple):
    """What changes as a network trains, besides its parameters and slots.

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

    def of_rows(self, array: Any) -> Any:
        """The network's rows of an array: a copy, or the array itself if they are all; None of None."""
        return array if array is None or self.rows is None else array[self.rows]

    def without_other_rows(self) -> "Data":
        """The same samples without the other rows of the arrays."""
        return Data(*map(self.of_rows, (self.X, self.targets, self.weights)))


_NO_CURVES = Curves(*np.empty((len(Curves._fields), 0)))


@dataclass(eq=False)
class Network:
    """All that the core knows of one network, before, between and after its training.

    It is equal to nothing but itself.

    Attributes
    ----------
    layers : tuple of Layer
    parameters : list of tuple of ndarray
    slots : list of lists as `parameters`
        What the optimizer keeps from step to step, each as the parameters; empty for a new optimizer.
    hyper : Hyper
    settings : dict
        The `Settings` of its optimizer. lbfgs takes none of them.
    progress : Progress
    data : Data
        The samples it trains on.
    validation : Data or None
        The samples it is validated on after each epoch; they may be other rows of the same arrays.
    scorer : callable or None
        Gives the validation score of parameters, in the place of the metric that a program computes.
    random_state : numpy.random.RandomState
        Draws the order of the rows in each epoch.
    owns_stream : bool
        Whether nobody else uses `random_state`, so that its last state does not matter.
    shuffle : bool
        Whether every epoch has an order of its own.
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
        What lbfgs says if it has failed to converge.
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
