"""From an estimator and its data to networks for the training core, and back to fitted attributes.

TensorFlow is imported by the first fit, with the modules of `skdense.core` that train.
"""

import threading
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from skdense.callers import warn_at_caller
from skdense.core.forks import check_not_forked
from skdense.core.initializers import initial_parameters
from skdense.core.stack import Hyper, Network, Progress, Schedule, Spec
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


class _Thread(threading.local):
    """What is particular about the fits of a thread.

    Attributes
    ----------
    train : callable or None
        Trains the networks of a `Job`, together with those of other threads.
    raises_interrupts : bool
        Whether Ctrl-C during the training raises, instead of keeping what was reached.
    """

    train = None
    raises_interrupts = False


this_thread = _Thread()


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


def fit_estimator(estimator, given):
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator."""
    lbfgs = estimator.solver == "lbfgs"
    if not given.incremental:
        # scipy reports an iteration when it is over, so that of lbfgs may begin one that never runs.
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter + lbfgs)
    with unchanged_on_error(estimator):
        job = prepare(estimator, given)
        tasks = attributes = None
        if hasattr(estimator, "_skl_callbacks") and not given.incremental:
            tasks = EpochTasks(estimator, context, given, each_epoch=len(job.networks) == 1)
        try:
            train = _train_lbfgs if lbfgs else _train_stochastic
            if train(job, tasks):
                _end_interrupted(job)
            attributes = finish(job)
        finally:
            if tasks:
                tasks.finish(attributes)
    return estimator


@contextmanager
def unchanged_on_error(estimator, before=None):
    """Leave the estimator as it was, or with the attributes `before`, if the block raises."""
    before = before or dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


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
    rows = validation_rows = None
    if estimator.early_stopping and estimator.solver != "lbfgs" and validation is None:
        rows, validation_rows = _validation_split(estimator, target_type, data, random_state)
        validation = data
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
        batch_capacity=_AUTO_BATCH if estimator.batch_size == "auto" else 1,
    )
    earlier_curves = {name: getattr(estimator, name, None) for name in _CURVES if goes_on}
    spec = Spec(estimator.activation, target_type.loss, optimizer, dtype.name)
    networks = [network, *_further_draws(estimator, network)] if not goes_on else [network]
    return Job(estimator, target_type, spec, networks, earlier_curves, given.incremental)


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
    was exhausted.
    """
    early_stopping = estimator.early_stopping
    best = -np.inf if early_stopping else np.inf
    settings = _optimizer_settings(estimator)
    progress = Progress(settings["learning_rate_init"], best=best)
    if not goes_on or not hasattr(estimator, "_optimizer_state"):
        return estimator.solver, settings, (), progress
    earlier_best = estimator.best_validation_score_ if early_stopping else estimator.best_loss_
    no_improvement = estimator._no_improvement_count
    if not incremental and no_improvement > estimator.n_iter_no_change:
        no_improvement = 0
    progress = progress._replace(
        best=best if earlier_best is None else earlier_best,
        no_improvement=no_improvement,
        samples_seen=estimator.t_,
    )
    if not incremental:
        return estimator.solver, settings, (), progress
    solver, values, learning_rate, step, slots = estimator._optimizer_state
    settings = dict(zip(settings, values, strict=True))
    return solver, settings, slots, progress._replace(learning_rate=learning_rate, step=step)


def _optimizer_settings(estimator):
    """The fields of `Hyper` that an optimizer keeps as long as it lives."""
    schedule = estimator.learning_rate if estimator.solver == "sgd" else "constant"
    settings = {
        "learning_rate_init": estimator.learning_rate_init,
        "schedule": getattr(Schedule, schedule.upper()),
        "power_t": estimator.power_t,
        "momentum": estimator.momentum,
        "nesterov": estimator.nesterovs_momentum,
        "beta_1": estimator.beta_1,
        "beta_2": estimator.beta_2,
        "epsilon": estimator.epsilon,
    }
    return {name: float(value) for name, value in settings.items()}


def _hyper(estimator, settings, dtype, max_epochs, n_samples, n_validation):
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
    )


def _train_stochastic(job, tasks):
    """Train with sgd or adam; True if Ctrl-C ended it."""
    estimator, alone = job.estimator, len(job.networks) == 1
    if this_thread.train is not None and not trains_alone(estimator) and not job.incremental:
        return this_thread.train(job)

    from skdense.core.runtime import n_threads
    from skdense.core.training import train

    printer = EpochPrinter(estimator, job.networks[0]) if estimator.verbose and alone else None

    def attributes_now(stack):
        stack.write_back()
        return _stochastic_attributes(job, job.networks[0])

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
    return interrupted


def trains_alone(estimator):
    """Whether an estimator trains outside of stacks: by lbfgs, or watched epoch by epoch."""
    return (
        estimator.solver == "lbfgs" or bool(estimator.verbose) or hasattr(estimator, "_skl_callbacks")
    )


def _train_lbfgs(job, tasks):
    """Train with lbfgs; True if Ctrl-C ended it."""
    from skdense.core.lbfgs import minimize_loss

    estimator, job.minima = job.estimator, []

    def minimize(network):
        def advance(minimum):
            return tasks.advance(True, lambda: _lbfgs_attributes(job, network, minimum))

        observe = advance if tasks and len(job.networks) == 1 else None
        return minimize_loss(
            job.spec, network, estimator.max_iter, estimator.max_fun, estimator.tol, observe
        )

    for network in job.networks:
        job.minima.append(minimize(network))
        if job.minima[-1].interrupted:
            return True
    return False


def _end_interrupted(job):
    """After Ctrl-C warn, and keep what was reached, if anything was."""
    if job.minima is None:
        n_iters = [network.progress.epochs for network in job.networks]
    else:
        n_iters = [minimum.n_iter for minimum in job.minima]
    if this_thread.raises_interrupts or not any(n_iters):
        raise KeyboardInterrupt
    warn_at_caller("Training interrupted by user.")


def finish(job):
    """Set the fitted attributes of the best draw on the estimator, once it is checked; return them."""
    if job.minima is None:
        losses = [
            network.curves.loss[-1] if network.curves and len(network.curves.loss) else np.nan
            for network in job.networks
        ]
        ranks = losses
        if job.estimator.early_stopping:
            ranks = [-network.progress.best for network in job.networks]
    else:
        ranks = losses = [minimum.loss for minimum in job.minima]
    init_losses = np.full(len(job.networks), np.nan)
    init_losses[: len(losses)] = losses
    best = _best_draw(job.networks, ranks)
    network = job.networks[best]
    _check_finite(network)
    if job.minima is None:
        attributes = _stochastic_attributes(job, network)
        if not job.incremental:
            _warn_if_unfinished(job.estimator, network.progress)
    else:
        attributes = _lbfgs_attributes(job, network, job.minima[best])
        _warn_if_failed(job.estimator, job.minima[best])
        for name in _STOCHASTIC_ATTRIBUTES:
            vars(job.estimator).pop(name, None)
    attributes["init_losses_"] = init_losses
    vars(job.estimator).update(attributes)
    return attributes


def _best_draw(networks, ranks):
    """The index of the lowest rank, among finite networks if there is one."""

    def key(i):
        return not _is_finite(networks[i]), np.isnan(ranks[i]), ranks[i]

    return min(range(len(ranks)), key=key)


def _stochastic_attributes(job, network):
    """What a network that is trained, or in training, sets on its estimator."""
    progress = network.progress
    early_stopping = job.estimator.early_stopping
    attributes = _parameter_attributes(job, network.best_parameters or network.parameters)
    for name, field_name in _CURVES.items():
        curve = job.earlier_curves.get(name)
        if network.validation is not None or not name.startswith("validation"):
            curve = (curve or []) + getattr(network.curves, field_name).tolist()
        attributes[name] = curve
    settings = tuple(getattr(network.hyper, name) for name in _optimizer_settings(job.estimator))
    loss_curve = attributes["loss_curve_"]
    return attributes | {
        "loss_": loss_curve[-1] if loss_curve else np.nan,
        "best_loss_": None if early_stopping else progress.best,
        "best_validation_score_": progress.best if early_stopping else None,
        "n_iter_": int(progress.epochs),
        "t_": int(progress.samples_seen),
        "_no_improvement_count": int(progress.no_improvement),
        # Plain tuples of arrays, so that a saved model holds no class of ours but the estimator's.
        "_optimizer_state": (
            job.spec.optimizer, settings, progress.learning_rate, progress.step, network.slots,
        ),
    }  # fmt: skip


def _lbfgs_attributes(job, network, minimum):
    """What lbfgs sets on an estimator, which is less than sgd and adam do."""
    return _parameter_attributes(job, network.parameters) | {
        "loss_": minimum.loss,
        "n_iter_": minimum.n_iter,
        "t_": job.estimator.t_ if job.earlier_curves else 0,
    }


def _parameter_attributes(job, parameters):
    return {
        "coefs_": [kernel for kernel, _ in parameters],
        "intercepts_": [bias for _, bias in parameters],
        "n_layers_": len(parameters) + 1,
        "n_outputs_": len(parameters[-1][1]),
        "out_activation_": job.target_type.out_activation,
    }


def _warn_if_unfinished(estimator, progress):
    if progress.epochs == estimator.max_iter and not progress.converged:
        warn_at_caller(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet.",
            ConvergenceWarning,
        )


def _warn_if_failed(estimator, minimum):
    if not (minimum.success or minimum.interrupted):
        warn_at_caller(
            f"lbfgs failed to converge after {minimum.n_iter} iteration(s): {minimum.message}. "
            f"Increase max_iter={estimator.max_iter} or max_fun={estimator.max_fun}, or scale the "
            "data, for instance with StandardScaler.",
            ConvergenceWarning,
        )


def _is_finite(network):
    parameters = network.best_parameters or network.parameters
    return all(np.isfinite(array).all() for layer in parameters for array in layer)


def _check_finite(network):
    if _is_finite(network):
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
