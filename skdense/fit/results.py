"""After the training of a job: the best network is chosen, diagnosed, and becomes fitted attributes.

The diagnosis finds networks that give every sample the same output, and says what probably made a
training fail. A healthy training pays only for comparing its loss with that of the best constant.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches

from skdense import compat
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import INITIALIZERS, Layer, hidden_values
from skdense.core.machine.threads import BLOCK_ROWS
from skdense.core.network import LBFGS, Network, Parameters, are_finite
from skdense.exceptions import CollapseWarning
from skdense.fit.prepare import Job

Attributes = dict[str, Any]
"""Fitted attributes by name."""

_STOCHASTIC_ATTRIBUTES = (
    "best_loss_", "best_validation_score_", "_criterion", "_no_improvement_count", "_optimizer_state",
)  # fmt: skip


class NotFinite(ValueError):
    """No network of a job has finite parameters, or with early stopping a score."""


def best_network(job: Job) -> tuple[Network, Attributes]:
    """The best network of a job, after its training or so far, and the fitted attributes that it gives.

    Raises `NotFinite` if none is finite, or early stopping could compare none of its epochs.
    """
    ranks = losses = [network.last_loss for network in job.networks]
    if judged_by_score := job.estimator.early_stopping and job.spec.solver != LBFGS:
        ranks = [-network.progress.best_value for network in job.networks]
    finite = [are_finite(network.final_parameters) for network in job.networks]
    # The best has the lowest rank of the finite networks, or of all if none is finite.
    best = min(range(len(ranks)), key=lambda i: (not finite[i], np.isnan(ranks[i]), ranks[i]))
    network = job.networks[best]
    if not finite[best]:
        not_finite = np.flatnonzero(~np.isfinite(network.curves.loss)) + 1
        epoch = ""
        if len(not_finite) and job.spec.solver != LBFGS:
            epoch = f" The loss was not finite from epoch {not_finite[0]} on."
        raise NotFinite(
            "Solver produced non-finite parameter weights. The input data may contain large values and "
            f"need to be preprocessed.{epoch} {likely_cause(job, network)}"
        )
    if judged_by_score and len(network.curves.loss) and ranks[best] == np.inf:
        raise NotFinite(
            "The validation score was not a finite number in any epoch, so early stopping has no best "
            f"network. {_likely_cause_of_nan(job, network)}"
        )
    return network, fitted_attributes(job, network) | {"init_losses_": np.array(losses)}


def finish(job: Job, warn_max_iter: bool = True) -> Attributes:
    """Set the fitted attributes of the best network on the estimator; return them.

    Raises `NotFinite` if none is finite, and warns of other failures: that an optimizer has reached
    `max_iter` only with warn_max_iter.
    """
    network, attributes = best_network(job)
    estimator, progress, loss = job.estimator, network.progress, attributes["loss_"]
    if job.spec.solver == LBFGS:
        for name in (*job.encoder.curve_attributes, *_STOCHASTIC_ATTRIBUTES):
            vars(estimator).pop(name, None)
    finding = None if job.incremental else find_collapse(job, network, loss, bool(progress.converged))
    if finding is not None:
        compat.warn_at_caller(finding, CollapseWarning)
    elif network.failure:
        compat.warn_at_caller(
            f"lbfgs failed to converge after {progress.epochs} iteration(s): {network.failure}. "
            f"Increase max_iter={estimator.max_iter} or max_fun={estimator.max_fun}, or scale the "
            "data, for example with StandardScaler.",
            ConvergenceWarning,
        )
    elif estimator.early_stopping and (n_nan := np.isnan(network.curves.validation_score).sum()):
        compat.warn_at_caller(
            f"The validation score was NaN in {n_nan} of {progress.epochs:.0f} epochs, which early "
            f"stopping ignored. {_likely_cause_of_nan(job, network)}",
            ConvergenceWarning,
        )
    elif warn_max_iter and not job.incremental and not progress.active and not progress.converged:
        compat.warn_at_caller(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet. Increase max_iter or learning_rate_init, or scale X, "
            "for example with StandardScaler.",
            ConvergenceWarning,
        )
    vars(estimator).update(attributes)
    return attributes


def fitted_attributes(job: Job, network: Network) -> Attributes:
    """The fitted attributes from a network that is trained, or in training.

    lbfgs has no curves, no best loss and no optimizer to keep.
    """
    progress, early_stopping = network.progress, job.estimator.early_stopping
    attributes = job.encoder.fitted(network.final_parameters)
    attributes["n_iter_"] = int(progress.epochs)
    if job.spec.solver == LBFGS:
        t = getattr(job.estimator, "t_", 0) if job.continues else 0
        return attributes | {"loss_": network.last_loss, "t_": t}
    for name, field_name in job.encoder.curve_attributes.items():
        curve = getattr(job.estimator, name, None) if job.continues else None
        if network.validation is not None or not name.startswith("validation"):
            curve = (curve or []) + getattr(network.curves, field_name).tolist()
        attributes[name] = curve
    loss_curve = attributes["loss_curve_"]
    return attributes | {
        "loss_": loss_curve[-1] if loss_curve else np.nan,
        "best_loss_": None if early_stopping else progress.best_value,
        "best_validation_score_": progress.best_value if early_stopping else None,
        "t_": int(progress.samples_seen),
        "_criterion": job.criterion,
        "_no_improvement_count": int(progress.no_improvement),
        # Plain Python values and arrays: a saved model has no class of ours but the estimator's.
        "_optimizer_state": {
            "settings": network.settings,
            "slots": network.slots,
            "learning_rate": progress.learning_rate,
            "step": progress.step,
            "schedule_step": progress.step + network.hyper.schedule_shift,
            "steps_per_epoch": network.hyper.steps_per_epoch,
        },
    }


# --- the diagnosis -----------------------------------------------------------------------------------

_SAME, _NEARLY_SAME = 1e-6, 0.05
"""A unit is (nearly) constant if its outputs differ by no more, relative to the largest or to 1."""
_NO_BETTER = 0.99
"""A loss above this fraction of the best constant output's is no real improvement on it."""
_SMALL, _LARGE = 1e-3, 100
"""Features count as scaled if their largest absolute value lies between these."""
_HIGH_RATE = 0.01
"""From this learning rate on, the rate may be the cause; the default is a tenth of it."""


@np.errstate(all="ignore")
def find_collapse(job: Job, network: Network, loss: float, ended_by_itself: bool) -> str | None:
    """Say which hidden layer of the trained network carries no information, and why; None if all do.

    In such a layer all units are constant, which means that they have the same output for every sample;
    or most are, and the loss is no better than that of the best constant output. If training
    ended_by_itself with such a loss, and not after `max_iter`, nearly constant units are enough.
    """
    data, loss_record = network.data, job.encoder.loss
    targets = data.select(data.targets)
    numbers = [network.hyper.loss_number] if loss_record.number_name else []
    if job.spec.smooths:
        numbers = [network.hyper.label_smoothing]
    baseline = loss_record.baseline_loss(targets, data.select(data.weights), *numbers)
    if job.spec.solver == LBFGS:
        baseline *= loss_record.times(targets.shape[1])
    # Half the baseline: on samples sorted by class, the bias alone can follow the class and beat the
    # constant slightly.
    if loss < baseline / 2 or baseline <= 0 or (targets == targets[0]).all():
        return None
    spreads = _spreads(network.layers, network.final_parameters, data.X, data.row_numbers)
    constant = [spread <= _SAME for spread in spreads]
    largest = max((units.mean() for units in constant), default=0)
    nearly_constant = [i for i, spread in enumerate(spreads, 1) if (spread <= _NEARLY_SAME).all()]
    if largest == 1 or (largest > 0.5 and loss >= baseline):
        message = _collapsed(job, network, constant)
    elif ended_by_itself and loss > _NO_BETTER * baseline and nearly_constant:
        message = _nearly_constant(job, nearly_constant[-1])
    else:
        return None
    X = data.select(data.X)
    low, high = X.min(axis=0), X.max(axis=0)
    samples_differ = (low.toarray() != high.toarray() if issparse(X) else low != high).any()
    return message if samples_differ else None


def _collapsed(job: Job, network: Network, constant: list[NDArray]) -> str:
    """The warning about a network with a layer whose units are constant, all or most of them."""
    layer = int(np.argmax([units.mean() for units in constant]))
    units = constant[layer]
    saturated = ", being saturated," if ACTIVATIONS[job.estimator.activation].saturates else ""
    and_so = "the loss is no better than that of the best constant output"
    return (
        f"The network has collapsed: {units.sum()} of the {len(units)} units of hidden layer "
        f"{layer + 1}{saturated} have the same output for every sample, and "
        f"{'so does the network' if units.all() else and_so}. {likely_cause(job, network)}"
    )


def _nearly_constant(job: Job, layer: int) -> str:
    """The warning about a network whose training ended with nearly constant units in this layer."""
    estimator = job.estimator
    cures = ["activation='relu'"] if estimator.activation == "logistic" else []
    if job.spec.solver != LBFGS:
        cures.append(f"a learning_rate_init above {estimator.learning_rate_init:g}")
    cures.append("scaling X, for example with StandardScaler")
    return (
        f"The network is nearly constant: all units of hidden layer {layer} have nearly the same "
        "output for every sample, and the loss is hardly better than that of the best constant "
        "output. If the data contain a signal, training stopped too early. Try "
        f"{', or '.join(cures)}, or a tol below {estimator.tol:g}."
    )


def _spreads(layers: Sequence[Layer], parameters: Parameters, X: Any, rows: NDArray) -> list[NDArray]:
    """By how much the outputs of the units of each hidden layer differ between samples.

    Once most units of every layer are known to vary, the other rows are not read. The spread of units
    that vary more in those is then too small.
    """
    low, high = [np.inf] * (len(layers) - 1), [-np.inf] * (len(layers) - 1)
    for rows_of_block in gen_batches(len(rows), BLOCK_ROWS):
        values = [*hidden_values(layers, parameters, X[rows[rows_of_block]])]
        low = [np.minimum(lowest, v.min(axis=0)) for lowest, v in zip(low, values, strict=True)]
        high = [np.maximum(highest, v.max(axis=0)) for highest, v in zip(high, values, strict=True)]
        spreads = [*map(_spread, low, high)]
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
    data = network.data.without_other_rows()
    largest = _largest(data.X)
    if not _SMALL <= largest <= _LARGE:
        causes.append(f"the features are not scaled, with values up to {largest:.3g}")
        cures.append("scaling X, for example with StandardScaler")
    largest = _largest(data.targets)
    if largest > _LARGE and job.encoder.loss.output == "identity":
        causes.append(f"y is not scaled, with values up to {largest:.3g}")
        cures.append("scaling y, for instance with TransformedTargetRegressor")
    if not job.continues and INITIALIZERS[estimator.init].one_sign:
        causes.append(
            f"init={estimator.init!r} draws weights of one sign, so the changes of all units add up"
        )
        cures.append("init='glorot_uniform'")
    if job.spec.solver != LBFGS:
        cures.append(f"a learning_rate_init below {estimator.learning_rate_init:g}")
        if not causes and estimator.learning_rate_init >= _HIGH_RATE:
            causes.append(f"learning_rate_init={estimator.learning_rate_init:g} is too large")
    if not job.continues and estimator.n_init == 1 and not job.incremental:
        cures.append("several initializations with n_init")
    cause = f"Likely cause: {'; '.join(causes)}. " if causes else ""
    cure = f"Try {', or '.join(cures)}." if cures else "Try another random_state."
    return cause + cure


def _likely_cause_of_nan(job: Job, network: Network) -> str:
    """The likely cause of a NaN validation score, and what to try."""
    if network.scorer is None or not are_finite(network.parameters):
        return likely_cause(job, network)
    return "Give the scorer samples that it can judge as X_val, for instance of all classes."


def _largest(array: Any) -> float:
    return max(abs(float(array.min())), abs(float(array.max())))
