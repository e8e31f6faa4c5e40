"""From an estimator and its data to a job for the training core: all that precedes the first epoch."""

from copy import deepcopy
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skdense.core.formulas.initializers import initial_parameters
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.forks import check_not_forked
from skdense.core.machine.shapes import SMALL_BATCH
from skdense.core.network import Hyper, Network, Progress, Spec
from skdense.fit.callers import warn_at_caller
from skdense.fit.validation import check_data, check_parameters, dropout_rates, hidden_sizes

_AUTO_BATCH = 200
_SCHEDULES_WITHIN_EPOCHS = {each.number for each in SCHEDULES.values() if each.within_epochs}


@dataclass(eq=False)
class Job:
    """One fit of an estimator: its networks, one for each initial draw, and what they go on from.

    `minima` are the results of lbfgs, one for each network that it was run on; None for sgd and adam.
    """

    estimator: Any
    target_type: Any
    spec: Spec
    networks: list
    earlier_curves: dict
    incremental: bool
    minima: list | None = field(default=None, init=False)


def prepare(estimator, given):
    """Check the parameters and the data, and make all draws that precede the first epoch."""
    check_not_forked()
    check_parameters(estimator, given)
    goes_on = hasattr(estimator, "coefs_") and (given.incremental or estimator.warm_start)
    target_type, data, validation = check_data(estimator, given, goes_on)
    random_state = check_random_state(estimator.random_state)
    layer_sizes = (data.X.shape[1], *hidden_sizes(estimator), data.targets.shape[1])
    dtype = data.X.dtype
    if goes_on:
        parameters = _earlier_parameters(estimator, layer_sizes)
    else:
        parameters = initial_parameters(
            layer_sizes, estimator.init, estimator.activation, random_state, dtype
        )
    rows, validation_rows = given.rows, given.validation_rows
    if estimator.solver == "lbfgs":
        if rows is not None:
            data, rows = data.part(rows), None
    elif validation_rows is not None:
        validation = data
    elif estimator.early_stopping and validation is None:
        rows, validation_rows = _validation_split(estimator, target_type, data, random_state)
        validation = data
    dropout = _dropout(estimator, random_state)
    n_samples = _n_rows(data, rows)
    if (
        estimator.solver != "lbfgs"
        and estimator.batch_size != "auto"
        and estimator.batch_size > n_samples
    ):
        warn_at_caller(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        )
    optimizer, settings, slots, progress = _optimizer_start(estimator, goes_on, given.incremental)
    network = Network(
        parameters=parameters,
        hyper=_hyper(
            estimator,
            target_type,
            settings,
            dtype,
            max_epochs=1 if given.incremental else estimator.max_iter,
            n_samples=n_samples,
            n_validation=_n_rows(validation, validation_rows),
        ),
        progress=progress,
        data=data,
        validation=validation,
        random_state=random_state,
        owns_stream=isinstance(estimator.random_state, Integral),
        shuffle=estimator.shuffle,
        slots=slots,
        rows=rows,
        validation_rows=validation_rows,
        dropout=dropout,
        batch_capacity=_batch_capacity(estimator, given, n_samples),
    )
    earlier_curves = {name: getattr(estimator, name, None) for name in target_type.curves if goes_on}
    smooths = target_type.hyper.get("label_smoothing", 0) > 0
    spec = Spec(estimator.activation, target_type.loss, optimizer, dtype.name, smooths=smooths)
    if optimizer != "lbfgs":
        spec = spec._replace(
            dropout=bool(dropout),
            clips=_clips(estimator, dtype),
            paced=settings["warmup"] > 0 or settings["schedule"] in _SCHEDULES_WITHIN_EPOCHS,
            scores_loss=validation is not None and estimator.validation_metric == "loss",
        )
    networks = [network]
    if estimator.n_init > 1 and not goes_on:
        networks += _further_draws(estimator, network)
    return Job(estimator, target_type, spec, networks, earlier_curves, given.incremental)


def _further_draws(estimator, network):
    """The network with other draws, from a copy of its stream, and the same orders."""
    stream = deepcopy(network.random_state)
    dtype = network.data.X.dtype
    for _ in range(estimator.n_init - 1):
        parameters = initial_parameters(
            network.layer_sizes, estimator.init, estimator.activation, stream, dtype
        )
        dropout = _dropout(estimator, stream)
        yield replace(
            network,
            parameters=parameters,
            dropout=dropout,
            random_state=deepcopy(network.random_state),
            owns_stream=True,
        )


def _dropout(estimator, random_state):
    """A new seed, and the rate of each hidden layer; nothing, and no draw, if all rates are 0."""
    rates = dropout_rates(estimator)
    return (random_state.randint(2**31), *rates) if any(rates) else ()


def _clips(estimator, dtype):
    """Whether gradients are clipped: no number of the dtype exceeds a limit beyond its range."""
    return estimator.max_grad_norm is not None and estimator.max_grad_norm <= float(np.finfo(dtype).max)


def _batch_capacity(estimator, given, n_samples):
    if estimator.batch_size != "auto":
        return 1
    return SMALL_BATCH if given.incremental and n_samples <= SMALL_BATCH else _AUTO_BATCH


def _n_rows(data, rows):
    if data is None:
        return 0
    return data.X.shape[0] if rows is None else len(rows)


def _earlier_parameters(estimator, layer_sizes):
    earlier_sizes = (len(estimator.coefs_[0]), *(coef.shape[1] for coef in estimator.coefs_))
    if earlier_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {layer_sizes}, but training goes on from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))


def _validation_split(estimator, target_type, data, random_state):
    from sklearn.model_selection import train_test_split  # it imports much that no other fit needs

    targets = data.targets
    try:
        rows, validation_rows = train_test_split(
            np.arange(len(targets)),
            test_size=estimator.validation_fraction,
            random_state=random_state,
            stratify=targets if target_type.is_stratified else None,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot set validation_fraction={estimator.validation_fraction} of "
            f"{len(targets)} samples aside: {error}"
        ) from error
    if len(validation_rows) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    for name, part in (("validation", validation_rows), ("training", rows)):
        if data.weights is not None and not data.weights[part].any():
            raise ValueError(
                f"The {name} set of early_stopping's split has no weight: all its sample weights are "
                "zero. Change validation_fraction, or pass X_val, y_val and sample_weight_val."
            )
    return rows, validation_rows


def _optimizer_start(estimator, goes_on, incremental):
    """The optimizer's name, its settings, its slots and the progress to start from.

    partial_fit keeps the optimizer with the settings it was made with, whatever the parameters are by
    now, as MLPClassifier does; a warm start makes a new one, and takes new patience if the last fit's
    was exhausted. Both start with a new best where an epoch is judged by another criterion than before.
    """
    early_stopping = estimator.early_stopping
    settings = optimizer_settings(estimator)
    progress = Progress(settings["learning_rate_init"], best=-np.inf if early_stopping else np.inf)
    if not goes_on or not hasattr(estimator, "_optimizer_state"):
        return estimator.solver, settings, (), progress
    progress = progress._replace(samples_seen=estimator.t_)
    if getattr(estimator, "_criterion", None) == criterion(estimator):
        best = estimator.best_validation_score_ if early_stopping else estimator.best_loss_
        no_improvement = estimator._no_improvement_count
        if not incremental and no_improvement > estimator.n_iter_no_change:
            no_improvement = 0
        progress = progress._replace(best=best, no_improvement=no_improvement)
    if not incremental:
        return estimator.solver, settings, (), progress
    solver, values, learning_rate, step, slots = estimator._optimizer_state
    settings = dict(zip(settings, values, strict=True))
    return solver, settings, slots, progress._replace(learning_rate=learning_rate, step=step)


def criterion(estimator):
    """What an epoch is judged by, as text: a best by another criterion is nothing to compare with."""
    metric = estimator.validation_metric if estimator.early_stopping else "training loss"
    quantile = estimator.quantile if estimator.loss == "quantile" else ""
    smoothing = "" if estimator.early_stopping else getattr(estimator, "label_smoothing", "")
    return f"{metric} {estimator.loss} {quantile} {smoothing}"


def optimizer_settings(estimator):
    """The fields of `Hyper` that an optimizer keeps as long as it lives."""
    schedule = SCHEDULES[estimator.learning_rate]
    if estimator.solver in schedule.ignored_by:
        schedule = SCHEDULES["constant"]
    settings = {
        "learning_rate_init": estimator.learning_rate_init,
        "schedule": schedule.number,
        "power_t": estimator.power_t,
        "warmup": estimator.warmup,
        "momentum": estimator.momentum,
        "nesterov": estimator.nesterovs_momentum,
        "beta_1": estimator.beta_1,
        "beta_2": estimator.beta_2,
        "epsilon": estimator.epsilon,
        "weight_decay": estimator.weight_decay,
    }
    return {name: float(value) for name, value in settings.items()}


def _hyper(estimator, target_type, settings, dtype, max_epochs, n_samples, n_validation):
    batch_size = _AUTO_BATCH if estimator.batch_size == "auto" else estimator.batch_size
    # XLA takes subnormal numbers for 0, and a unit without gradient would divide 0 by 0.
    epsilon = max(settings["epsilon"], float(np.finfo(dtype).tiny))
    return Hyper(
        alpha=estimator.alpha,
        **settings | {"epsilon": epsilon},
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_epochs=max_epochs,
        early_stopping=estimator.early_stopping,
        n_samples=n_samples,
        batch_size=min(batch_size, n_samples),
        n_validation=n_validation,
        max_grad_norm=estimator.max_grad_norm if _clips(estimator, dtype) else 0.0,
        schedule_epochs=estimator.max_iter,
        **target_type.hyper,
    )
