"""From an estimator and its data to a network for the training core, and back to fitted attributes.

TensorFlow is imported by the first fit, with the modules of `skdense.core` that train.
"""

import warnings
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skdense.core.forks import check_not_forked
from skdense.core.initializers import initial_parameters
from skdense.core.network import Hyper, Network, Progress, Spec
from skdense.core.schedules import SCHEDULES
from skdense.observers import EpochPrinter, EpochTasks
from skdense.validation import check_data, check_parameters, hidden_sizes

_CURVES = {
    "loss_curve_": "loss",
    "accuracy_curve_": "accuracy",
    "validation_loss_curve_": "validation_loss",
    "validation_scores_": "validation_score",
}
_STOCHASTIC_ATTRIBUTES = (
    *_CURVES, "best_loss_", "best_validation_score_", "_no_improvement_count", "_optimizer_state",
)  # fmt: skip
_AUTO_BATCH = 200
INTERRUPTED = "Training interrupted by user."
"""The warning of a fit that Ctrl-C has ended."""


@dataclass
class Job:
    """The networks to train for an estimator, and the curves that its own go on from.

    There is one network for each initial draw; `finish` keeps the best as `network`.
    """

    spec: Spec
    networks: list
    out_activation: str
    earlier_curves: dict
    network: Network | None = None
    init_losses: np.ndarray | None = None


def fit_estimator(estimator, given):
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator."""
    lbfgs = estimator.solver == "lbfgs"
    if not given.incremental:
        # scipy reports an iteration when it is over, so that of lbfgs may begin one that never runs.
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter + lbfgs)
    with _unchanged_on_error(estimator):
        job = prepare(estimator, given)
        tasks = None
        if hasattr(estimator, "_skl_callbacks") and not given.incremental:
            tasks = EpochTasks(estimator, context, given, each_epoch=len(job.networks) == 1)
        fit = _fit_lbfgs if lbfgs else _fit_stochastic
        attributes = None
        try:
            attributes = fit(estimator, job, tasks, given.incremental)
        finally:
            if tasks:
                tasks.finish(attributes)
        vars(estimator).update(attributes)
    return estimator


@contextmanager
def _unchanged_on_error(estimator):
    """Leave the estimator as it was if the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        restore(estimator, before)
        raise


def restore(estimator, attributes):
    """Give the estimator these attributes and no others."""
    vars(estimator).clear()
    vars(estimator).update(attributes)


def prepare(estimator, given):
    """Check the parameters and the data, and make all draws that precede the first epoch."""
    check_not_forked()
    check_parameters(estimator, given)
    goes_on = hasattr(estimator, "coefs_") and (given.incremental or estimator.warm_start)
    data, validation = check_data(estimator, given, goes_on)
    random_state = check_random_state(estimator.random_state)
    layer_sizes = (data.X.shape[1], *hidden_sizes(estimator), data.targets.shape[1])
    dtype = data.X.dtype
    if goes_on:
        parameters = _earlier_parameters(estimator, layer_sizes)
    else:
        parameters = initial_parameters(
            layer_sizes, estimator.init, estimator.activation, random_state, dtype
        )
    rows = validation_rows = None
    if estimator.early_stopping and estimator.solver != "lbfgs" and validation is None:
        rows, validation_rows = _validation_split(estimator, data, random_state)
        validation = data
    n_samples = _n_rows(data, rows)
    if (
        estimator.solver != "lbfgs"
        and estimator.batch_size != "auto"
        and estimator.batch_size > n_samples
    ):
        _warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    slots, progress = _optimizer_start(estimator, goes_on, given.incremental)
    out_activation, loss = _output_and_loss(estimator)
    network = Network(
        parameters=parameters,
        hyper=_hyper(
            estimator,
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
        batch_capacity=_AUTO_BATCH if estimator.batch_size == "auto" else 1,
    )
    earlier_curves = {name: getattr(estimator, name, None) for name in _CURVES if goes_on}
    spec = Spec(estimator.activation, loss, estimator.solver, dtype.name)
    networks = [network, *_further_draws(estimator, network)] if not goes_on else [network]
    return Job(spec, networks, out_activation, earlier_curves)


def _further_draws(estimator, network):
    """The network with other initial parameters, from a copy of its stream, and the same orders."""
    stream = deepcopy(network.random_state)
    dtype = network.data.X.dtype
    for _ in range(estimator.n_init - 1):
        parameters = initial_parameters(
            network.layer_sizes, estimator.init, estimator.activation, stream, dtype
        )
        yield replace(network, parameters=parameters, owns_stream=True)


def _n_rows(data, rows):
    if data is None:
        return 0
    return data.X.shape[0] if rows is None else len(rows)


def _output_and_loss(estimator):
    multiclass = estimator._label_binarizer.y_type_ == "multiclass"
    if estimator.loss == "squared_error":
        return "identity", "multiclass_squared_error" if multiclass else "squared_error"
    if multiclass:
        return "softmax", "softmax_log_loss"
    return "logistic", "logistic_log_loss"


def _earlier_parameters(estimator, layer_sizes):
    earlier_sizes = (len(estimator.coefs_[0]), *(coef.shape[1] for coef in estimator.coefs_))
    if earlier_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {layer_sizes}, but training goes on from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    return list(zip(estimator.coefs_, estimator.intercepts_, strict=True))


def _validation_split(estimator, data, random_state):
    from sklearn.model_selection import train_test_split  # it imports much that no other fit needs

    targets = data.targets
    try:
        rows, validation_rows = train_test_split(
            np.arange(len(targets)),
            test_size=estimator.validation_fraction,
            random_state=random_state,
            stratify=targets if targets.shape[1] == 1 else None,
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
    """The slots and the progress to start from.

    partial_fit keeps the optimizer; a warm start takes a new one, and new patience if the last fit's
    was exhausted.
    """
    early_stopping = estimator.early_stopping
    best = -np.inf if early_stopping else np.inf
    progress = Progress(estimator.learning_rate_init, best=best)
    if not goes_on or not hasattr(estimator, "_optimizer_state"):
        return (), progress
    earlier_best = estimator.best_validation_score_ if early_stopping else estimator.best_loss_
    no_improvement = estimator._no_improvement_count
    if not incremental and no_improvement > estimator.n_iter_no_change:
        no_improvement = 0
    progress = progress._replace(
        best=best if earlier_best is None else earlier_best,
        no_improvement=no_improvement,
        samples_seen=estimator.t_,
    )
    solver, learning_rate, step, slots = estimator._optimizer_state
    if not incremental or solver != estimator.solver:
        return (), progress
    return slots, progress._replace(learning_rate=learning_rate, step=step)


def _hyper(estimator, max_epochs, n_samples, n_validation):
    batch_size = _AUTO_BATCH if estimator.batch_size == "auto" else estimator.batch_size
    schedule = estimator.learning_rate if estimator.solver == "sgd" else "constant"
    return Hyper(
        alpha=estimator.alpha,
        learning_rate_init=estimator.learning_rate_init,
        schedule=SCHEDULES[schedule].number,
        power_t=estimator.power_t,
        momentum=estimator.momentum,
        nesterov=estimator.nesterovs_momentum,
        beta_1=estimator.beta_1,
        beta_2=estimator.beta_2,
        epsilon=estimator.epsilon,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_epochs=max_epochs,
        early_stopping=estimator.early_stopping,
        n_samples=n_samples,
        batch_size=min(batch_size, n_samples),
        n_validation=n_validation,
    )


def _fit_stochastic(estimator, job, tasks, incremental):
    """Train with sgd or adam; return the fitted attributes."""
    from skdense.core.runtime import n_threads
    from skdense.core.training import train

    alone = len(job.networks) == 1
    printer = EpochPrinter(estimator, job.networks[0]) if estimator.verbose and alone else None

    def attributes_now(stack):
        stack.write_back()
        return fitted_attributes(estimator, job, job.networks[0])

    def observe(news, stack):
        if printer:
            printer.print_epochs(*news)
        if tasks and alone and len(news[0].loss):
            return tasks.advance(stack.active.any(), lambda: attributes_now(stack))
        return False

    n_stacks = min(len(job.networks), n_threads())
    interrupted = train(job.spec, job.networks, observe, tasks is not None, n_stacks)
    if printer and job.networks[0].progress.converged:
        printer.print_end()
    if interrupted:
        _warn(INTERRUPTED)
    attributes = finish(estimator, job)
    if not incremental:
        warn_if_unfinished(estimator, job)
    return attributes


def finish(estimator, job):
    """The fitted attributes of the best trained network, once it is checked."""
    job.network = _best(estimator, job)
    _check_finite(job.network)
    return fitted_attributes(estimator, job, job.network)


def warn_if_unfinished(estimator, job):
    """Warn, at the line that calls fit, if the last epoch came before convergence."""
    progress = job.network.progress
    if progress.epochs == estimator.max_iter and not progress.converged:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )


def _best(estimator, job):
    """The network of the lowest final loss, or with early stopping of the best validation score."""
    losses = [network.curves.loss[-1:] if network.curves else () for network in job.networks]
    job.init_losses = np.array([loss[0] if len(loss) else np.nan for loss in losses])
    ranks = job.init_losses
    if estimator.early_stopping:
        ranks = -np.array([network.progress.best for network in job.networks])
    return job.networks[0 if np.isnan(ranks).all() else np.nanargmin(ranks)]


def fitted_attributes(estimator, job, network):
    """What a network that is trained, or in training, sets on its estimator."""
    progress = network.progress
    early_stopping = estimator.early_stopping
    attributes = _parameter_attributes(network.best_parameters or network.parameters, job)
    for name, field in _CURVES.items():
        curve = job.earlier_curves.get(name)
        if network.validation is not None or not name.startswith("validation"):
            curve = (curve or []) + getattr(network.curves, field).tolist()
        attributes[name] = curve
    loss_curve = attributes["loss_curve_"]
    return attributes | {
        "loss_": loss_curve[-1] if loss_curve else np.nan,
        "best_loss_": None if early_stopping else progress.best,
        "best_validation_score_": progress.best if early_stopping else None,
        "n_iter_": int(progress.epochs),
        "t_": int(progress.samples_seen),
        "init_losses_": job.init_losses,
        "_no_improvement_count": int(progress.no_improvement),
        # Plain tuples of arrays, so that a saved model holds no class of ours but the estimator's.
        "_optimizer_state": (
            estimator.solver, progress.learning_rate, progress.step, network.slots,
        ),
    }  # fmt: skip


def _parameter_attributes(parameters, job):
    return {
        "coefs_": [kernel for kernel, _ in parameters],
        "intercepts_": [bias for _, bias in parameters],
        "n_layers_": len(parameters) + 1,
        "n_outputs_": len(parameters[-1][1]),
        "out_activation_": job.out_activation,
    }


def _fit_lbfgs(estimator, job, tasks, incremental):
    """Train with lbfgs; return the fitted attributes, which are fewer than those of sgd and adam."""
    from skdense.core.lbfgs import minimize_loss

    def attributes(network, minimum):
        return _parameter_attributes(network.parameters, job) | {
            "loss_": minimum.loss,
            "n_iter_": minimum.n_iter,
            "t_": estimator.t_ if job.earlier_curves else 0,
            "init_losses_": job.init_losses,
        }

    def minimize(network):
        def advance(minimum):
            return tasks.advance(True, lambda: attributes(network, minimum))

        observe = advance if tasks and len(job.networks) == 1 else None
        return minimize_loss(
            job.spec, network, estimator.max_iter, estimator.max_fun, estimator.tol, observe
        )

    minima = [minimize(network) for network in job.networks]
    job.init_losses = np.array([minimum.loss for minimum in minima])
    best = 0 if np.isnan(job.init_losses).all() else int(np.nanargmin(job.init_losses))
    network, minimum = job.networks[best], minima[best]
    if minimum.interrupted:
        _warn(INTERRUPTED)
    elif not minimum.success:
        _warn(
            f"lbfgs failed to converge after {minimum.n_iter} iteration(s): {minimum.message}. "
            f"Increase max_iter={estimator.max_iter} or max_fun={estimator.max_fun}, or scale the "
            "data, for instance with StandardScaler.",
            ConvergenceWarning,
        )
    _check_finite(network)
    for name in _STOCHASTIC_ATTRIBUTES:
        vars(estimator).pop(name, None)
    return attributes(network, minimum)


def _check_finite(network):
    parameters = network.best_parameters or network.parameters
    if all(np.isfinite(array).all() for layer in parameters for array in layer):
        return
    epoch = ""
    if network.curves is not None and not np.isfinite(network.curves.loss).all():
        first = np.flatnonzero(~np.isfinite(network.curves.loss))[0] + 1
        epoch = f" The loss was not finite from epoch {first} on."
    raise ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and "
        f"need to be preprocessed.{epoch} Scaling X, for instance with StandardScaler, or a smaller "
        "learning_rate_init usually helps."
    )


def _warn(message, category=UserWarning):
    """Warn at the line that calls fit: this is called by functions that `fit_estimator` calls."""
    warnings.warn(message, category, stacklevel=6)
