"""A network, the rows it trains on, and the numbers that control and describe its training.

Each number is a float for one network, and an array or tensor `(K,)` for a stack of K. No TensorFlow.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Spec(NamedTuple):
    """What the networks of a stack have in common besides their depth; with a shape, a program's key.

    `targets` is the type of the targets, and `loss` a loss for it. The flags say whether there is
    dropout, labels are smoothed, gradients are clipped, the learning rate changes within epochs, and
    the validation score is the negative loss.
    """

    activation: str
    targets: str
    loss: str
    optimizer: str
    dtype: str
    dropout: bool = False
    smooths: bool = False
    clips: bool = False
    paced: bool = False
    scores_loss: bool = False


class Hyper(NamedTuple):
    """The numbers that control a network's training. `schedule` is the number of a `Schedule`.

    `loss_parameter` is that of the loss, such as its quantile, if it has one. `warmup` and
    `schedule_epochs` count epochs.
    """

    alpha: Any
    learning_rate_init: Any
    schedule: Any
    power_t: Any
    momentum: Any
    nesterov: Any
    beta_1: Any
    beta_2: Any
    epsilon: Any
    tol: Any
    patience: Any
    max_epochs: Any
    early_stopping: Any
    n_samples: Any
    batch_size: Any
    n_validation: Any
    loss_parameter: Any = 0.0
    label_smoothing: Any = 0.0
    weight_decay: Any = 0.0
    max_grad_norm: Any = 0.0
    warmup: Any = 0.0
    schedule_epochs: Any = 1.0


class Progress(NamedTuple):
    """What changes as a network trains, besides its parameters and slots.

    `best` is the lowest loss, or with early stopping the highest validation score. `epochs` counts this
    training alone; `step`, the optimizer's steps, and `samples_seen` go on from an earlier one.
    """

    learning_rate: Any
    step: Any = 0.0
    best: Any = np.inf
    no_improvement: Any = 0.0
    samples_seen: Any = 0.0
    epochs: Any = 0.0
    active: Any = 1.0
    converged: Any = 0.0


class Curves(NamedTuple):
    """One value an epoch. The loss includes the penalty, the validation loss does not."""

    loss: Any
    accuracy: Any
    learning_rate: Any
    validation_loss: Any
    validation_score: Any


@dataclass(frozen=True, eq=False)
class Data:
    """Rows that networks train on or are validated on. It is equal to nothing but itself.

    X is `(n, n_features)`, an array or a CSR matrix; targets `(n, n_outputs)` of any numeric dtype;
    weights `(n,)`, or None for ones.
    """

    X: Any
    targets: np.ndarray
    weights: np.ndarray | None = None

    def part(self, rows):
        """A copy of these rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Data(self.X[rows], self.targets[rows], weights)


@dataclass(eq=False)
class Network:
    """All that the core knows of one network, before and after its training.

    It is equal to nothing but itself.

    Attributes
    ----------
    parameters : list of (kernel, bias)
        Kernels `(fan_in, fan_out)` and biases `(fan_out,)`.
    slots : list of lists of (kernel, bias)
        What the optimizer keeps from step to step, each as the parameters; empty for a new optimizer.
    hyper : Hyper of float
    progress : Progress of float
    data : Data
        The rows it trains on.
    validation : Data or None
        The rows it is validated on after each epoch; it may be `data` itself.
    random_state : numpy.random.RandomState
        Draws the order of the rows in each epoch. Whatever trains beside the network, it ends in the
        state in which training the network alone would leave it.
    owns_stream : bool
        Whether nobody else uses `random_state`, so that its last state does not matter.
    shuffle : bool
        Whether every epoch has an order of its own.
    rows, validation_rows : ndarray of int or None
        Which rows of `data` and `validation` are this network's; None for all.
    dropout : tuple of float
        The seed and the rate of each hidden layer, if the spec says that there is dropout.
    batch_capacity : int
        A batch size to make room for, if it is larger than `hyper.batch_size`, so that networks on a
        few more or fewer rows share a program.
    best_parameters : list of (kernel, bias) or None
        Those of the best validation score, after a training with early stopping.
    curves : Curves of ndarray or None
    """

    parameters: list
    hyper: Hyper
    progress: Progress
    data: Data
    random_state: np.random.RandomState
    validation: Data | None = None
    owns_stream: bool = False
    shuffle: bool = True
    slots: Any = ()
    rows: np.ndarray | None = None
    validation_rows: np.ndarray | None = None
    dropout: tuple = ()
    batch_capacity: int = 1
    best_parameters: list | None = None
    curves: Curves | None = None

    def result(self):
        """All that a training has changed, to be passed to `take` in another process."""
        stream = self.random_state.get_state(legacy=False)
        return stream, self.parameters, self.slots, self.progress, self.best_parameters, self.curves

    def take(self, result):
        """Take over the result of a copy of this network that was trained."""
        stream, self.parameters, self.slots, self.progress, self.best_parameters, self.curves = result
        if not self.owns_stream:
            self.random_state.set_state(stream)

    @property
    def layer_sizes(self):
        kernels = [kernel for kernel, _ in self.parameters]
        return (kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels))

    @property
    def last_loss(self):
        """The training loss of the last epoch, NaN before the first."""
        return self.curves.loss[-1] if self.progress.epochs else np.nan

    @property
    def padded_batch(self):
        return max(self.batch_capacity, int(self.hyper.batch_size))

    @property
    def steps_per_epoch(self):
        return math.ceil(self.hyper.n_samples / self.hyper.batch_size)

    @property
    def n_steps(self):
        """The most steps of its training."""
        return self.hyper.max_epochs * self.steps_per_epoch
