"""Finds networks that give every sample the same output, and says what probably made a training fail.

A healthy training pays only for comparing its loss with that of the best constant output.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.initializers import INITIALIZERS
from skdense.core.formulas.layers import Layer, Parameter, hidden_values
from skdense.core.machine.blocks import BLOCK_ROWS
from skdense.core.network import Network
from skdense.core.numbers import Parameters
from skdense.exceptions import CollapseWarning
from skdense.fit.callers import warn_at_caller
from skdense.fit.inputs import Estimator
from skdense.fit.prepare import Job

_SAME, _NEARLY_SAME = 1e-6, 0.05
"""A unit is (nearly) constant if its outputs differ by no more, relative to the largest or to 1."""
_NO_BETTER = 0.99
"""A loss above this fraction of the best constant output's is no real improvement on it."""
_SMALL, _LARGE = 1e-3, 100
"""Features count as scaled if their largest absolute value lies between these."""
_HIGH_RATE = 0.01
"""From this learning rate on, the rate may be the cause; the default is a tenth of it."""


def warn_if_collapsed(job: Job, network: Network, loss: float, ended_by_itself: bool = False) -> bool:
    """Warn if a hidden layer of the trained network carries no information; return whether one does.

    In such a layer all units are constant, which means that they have the same output for every sample;
    or most are, and the loss is no better than that of the best constant output. If training
    ended_by_itself with such a loss, and not after `max_iter`, nearly constant units are enough.
    """
    data = network.data
    targets = data.of_rows(data.targets)
    weights = None if data.weights is None else data.of_rows(data.weights)
    with np.errstate(all="ignore"):
        minimized = job.encoder.loss
        parameter = [network.hyper.loss_parameter] if minimized.parameter else []
        constant_loss = minimized.constant_loss(targets, weights, *parameter)
    # Half: a bias that follows samples in class order beats the best constant, too, but by little.
    if loss < constant_loss / 2 or constant_loss <= 0 or (targets == targets[0]).all():
        return False
    with np.errstate(all="ignore"):
        spreads = _spreads(network.layers, network.final_parameters, data.X, data.own_rows)
    constant = [spread <= _SAME for spread in spreads]
    shares = [units.mean() for units in constant]
    largest = max(shares, default=0)
    if largest == 1:
        finding = "and so does the network"
    elif largest > 0.5 and loss >= constant_loss:
        finding = "and the loss is no better than that of the best constant output"
    elif ended_by_itself and loss > _NO_BETTER * constant_loss:
        return _warn_if_nearly_constant(job, data.X, spreads)
    else:
        return False
    if not _varies(data.X):
        return False
    layer = shares.index(largest)
    n_same, width = constant[layer].sum(), len(constant[layer])
    activation = ACTIVATIONS.get(job.estimator.activation)
    saturated = ", being saturated," if activation and abs(activation(np.array([1e4]))) <= 1 else ""
    warn_at_caller(
        f"The network has collapsed: {n_same} of the {width} units of hidden layer "
        f"{layer + 1}{saturated} give the same output for every sample, {finding}. "
        f"{likely_cause(job, network)}",
        CollapseWarning,
    )
    return True


def _warn_if_nearly_constant(job: Job, X: Any, spreads: list[NDArray]) -> bool:
    """Warn if all units of a hidden layer are nearly constant; return whether they are."""
    layers = [i for i, spread in enumerate(spreads, 1) if (spread <= _NEARLY_SAME).all()]
    if not (layers and _varies(X)):
        return False
    estimator = job.estimator
    cures = ["activation='relu'"] if estimator.activation == "logistic" else []
    if estimator.solver != "lbfgs":
        cures.append(f"a learning_rate_init above {estimator.learning_rate_init:g}")
    cures.append("scaling X, for instance with StandardScaler")
    warn_at_caller(
        f"The network is nearly constant: all units of hidden layer {layers[-1]} give nearly the same "
        "output for every sample, and the loss is hardly better than that of the best constant output. "
        f"If there is something to learn, training stopped too early. Try {', or '.join(cures)}, or a "
        f"tol below {estimator.tol:g}.",
        CollapseWarning,
    )
    return True


def _spreads(layers: Sequence[Layer], parameters: Parameters, X: Any, rows: NDArray) -> list[NDArray]:
    """By how much the outputs of the units of each hidden layer differ between samples.

    Once most units of every layer are known to vary, the other rows are not read. The spread of units
    that vary more in those is then too small.
    """
    blocks = [rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS)]
    if len(blocks) > 1:
        blocks.insert(0, rows[:: len(blocks)])  # a sample of all rows, mostly enough
    low = high = None
    for block in blocks:
        values = list(hidden_values(layers, parameters, X[block]))
        lows, highs = [v.min(axis=0) for v in values], [v.max(axis=0) for v in values]
        low = lows if low is None else list(map(np.minimum, low, lows))
        high = highs if high is None else list(map(np.maximum, high, highs))
        spreads = list(map(_spread, low, high))
        if not any((spread <= _NEARLY_SAME).mean() > 0.5 for spread in spreads):
            break
    return spreads


def are_dead(outputs: NDArray) -> NDArray:
    """Which units have the same output `(n_samples, width)` for every sample, up to rounding."""
    return _spread(outputs.min(axis=0), outputs.max(axis=0)) <= _SAME


def _spread(low: NDArray, high: NDArray) -> NDArray:
    """The differences between lowest and highest outputs, relative to the largest of them or to 1."""
    return (high - low) / np.maximum(np.maximum(np.abs(low), np.abs(high)), 1)


def likely_cause(job: Job, network: Network) -> str:
    """Sentences that say what probably made a training fail, and what to try."""
    estimator, causes, cures = job.estimator, [], []
    largest = _largest(network.data.X)
    if not _SMALL <= largest <= _LARGE:
        causes.append(f"the features are not scaled, with values up to {largest:.3g}")
        cures.append("scaling X, for instance with StandardScaler")
    largest = _largest(network.data.targets)
    if largest > _LARGE and job.encoder.loss.output == "identity":
        causes.append(f"y is not scaled, with values up to {largest:.3g}")
        cures.append("scaling y, for instance with TransformedTargetRegressor")
    starts_anew = not job.earlier_curves  # not from the parameters of an earlier fit
    if starts_anew and _draws_one_sign(estimator):
        causes.append(
            f"init={estimator.init!r} draws weights of one sign, so the changes of all units add up"
        )
        cures.append("init='glorot_uniform'")
    if estimator.solver != "lbfgs":
        cures.append(f"a learning_rate_init below {estimator.learning_rate_init:g}")
        if not causes and estimator.learning_rate_init >= _HIGH_RATE:
            causes.append(f"learning_rate_init={estimator.learning_rate_init:g} is too large")
    if starts_anew and estimator.n_init == 1 and not job.incremental:
        cures.append("several draws with n_init")
    cause = f"Likely cause: {'; '.join(causes)}. " if causes else ""
    cure = f"Try {', or '.join(cures)}." if cures else "Try another random_state."
    return cause + cure


def _largest(array: Any) -> float:
    return max(abs(float(array.min())), abs(float(array.max())))


def _draws_one_sign(estimator: Estimator) -> bool:
    """Whether all weights of an initial kernel have the same sign."""
    kernel = INITIALIZERS[estimator.init](
        Parameter((8, 8), penalized=True), 8, 8, 6, np.random.RandomState(0)
    )
    return bool((kernel >= 0).all() or (kernel <= 0).all())


def _varies(X: Any) -> bool:
    """Whether a feature differs between samples."""
    low, high = X.min(axis=0), X.max(axis=0)
    return bool((low.toarray() != high.toarray() if issparse(X) else low != high).any())
