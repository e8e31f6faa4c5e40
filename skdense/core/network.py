"""A network and the rows it trains on: what `skdense.fit` hands over, and gets back trained."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from skdense.core.formulas.layers import Layer
from skdense.core.numbers import Curves, Hyper, Parameters, Progress, Settings


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
    def own_rows(self) -> NDArray:
        """The rows of the network, also if they are all."""
        return np.arange(len(self.targets)) if self.rows is None else self.rows

    def of_rows(self, array: Any) -> Any:
        """The network's rows of an array: a copy, or the array itself if they are all; None of None."""
        return array if array is None or self.rows is None else array[self.rows]

    def own_copy(self) -> "Data":
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
        The `Settings` of its optimizer, unless it trains by lbfgs.
    progress : Progress
    data : Data
        The samples it trains on.
    validation : Data or None
        The samples it is validated on after each epoch; they may be other rows of the same arrays.
    score : callable or None
        Gives the validation score of parameters, in the place of the score that a program computes.
    random_state : numpy.random.RandomState
        Draws the order of the rows in each epoch.
    owns_stream : bool
        Whether nobody else uses `random_state`, so that its last state does not matter.
    shuffle : bool
        Whether every epoch has an order of its own.
    permutation : ndarray of int or None
        The order of the samples in the last epoch, which the next one shuffles; None before the first.
    dropout : tuple of float
        A seed and the rate of each `Dropout` among the layers; empty if there is none.
    batch_capacity : int
        A batch size to make room for, if it is larger than `hyper.batch_size`, so that networks on a
        few more or fewer rows share a program.
    best_parameters : list of tuple of ndarray, or None
        Those of the best validation score, once it has trained with early stopping.
    curves : Curves
        Of the epochs so far; after lbfgs the last loss alone.
    failure : str
        What lbfgs says if it has failed to converge.
    """

    layers: tuple[Layer, ...]
    parameters: Parameters
    hyper: Hyper
    progress: Progress
    data: Data
    random_state: RandomState
    validation: Data | None = None
    score: Callable[[Parameters], float] | None = None
    owns_stream: bool = False
    shuffle: bool = True
    permutation: NDArray | None = None
    settings: Settings = field(default_factory=dict)
    slots: list[Parameters] = field(default_factory=list)
    dropout: tuple[float, ...] = ()
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
