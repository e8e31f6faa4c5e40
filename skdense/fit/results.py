"""After the training of a job: the best network is chosen, checked, and becomes fitted attributes."""

from typing import Any, NoReturn

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skdense.core.formulas.layers import to_attributes
from skdense.core.network import Network
from skdense.core.numbers import Minimum, Parameters, Progress
from skdense.fit.callers import warn_at_caller
from skdense.fit.collapse import likely_cause, warn_if_collapsed
from skdense.fit.inputs import Estimator
from skdense.fit.prepare import Job, criterion, optimizer_state

Attributes = dict[str, Any]
"""Fitted attributes by name."""

_STOCHASTIC_ATTRIBUTES = (
    "best_loss_", "best_validation_score_", "_criterion", "_no_improvement_count", "_optimizer_state",
)  # fmt: skip


class NotFinite(ValueError):
    """No network of a job has finite weights."""


def reached(job: Job) -> tuple[Network, Attributes]:
    """The best network of a job, after its training or so far, and the fitted attributes that it gives.

    Raises `NotFinite` if none is finite.
    """
    if job.minima is None:
        ranks = losses = [network.last_loss for network in job.networks]
        if job.estimator.early_stopping:
            ranks = [-network.progress.best for network in job.networks]
    else:
        ranks = losses = [minimum.loss for minimum in job.minima]
    init_losses = np.full(len(job.networks), np.nan)
    init_losses[: len(losses)] = losses  # Ctrl-C may have ended lbfgs before the last network
    finite = [*map(_is_finite, job.networks)]
    # The best has the lowest rank of the finite networks, or of all if none is finite.
    best = min(range(len(ranks)), key=lambda i: (not finite[i], np.isnan(ranks[i]), ranks[i]))
    network = job.networks[best]
    if not finite[best]:
        _raise_not_finite(job, network)
    if job.minima is None:
        attributes = stochastic_attributes(job, network)
    else:
        attributes = lbfgs_attributes(job, network, job.minima[best])
    return network, attributes | {"init_losses_": init_losses}


def finish(job: Job, warn_max_iter: bool = True) -> Attributes:
    """Set the fitted attributes of the best network on the estimator; return them.

    Raises `NotFinite` if none is finite, and warns of other failures: of `max_iter` reached only with
    warn_max_iter.
    """
    network, attributes = reached(job)
    minimum = None
    ended_by_itself = bool(network.progress.converged)
    if job.minima is not None:
        minimum = job.minima[job.networks.index(network)]
        ended_by_itself = minimum.success
        for name in (*job.encoder.curves, *_STOCHASTIC_ATTRIBUTES):
            vars(job.estimator).pop(name, None)
    loss = attributes["loss_"]
    if not (job.incremental or warn_if_collapsed(job, network, loss, ended_by_itself)):
        if minimum is not None:
            _warn_if_failed(job.estimator, minimum)
        elif warn_max_iter:
            _warn_if_unfinished(job.estimator, network.progress)
    vars(job.estimator).update(attributes)
    return attributes


def stochastic_attributes(job: Job, network: Network) -> Attributes:
    """The fitted attributes from a network that sgd, adam or adamw has trained, or is training."""
    progress = network.progress
    early_stopping = job.estimator.early_stopping
    attributes = _parameter_attributes(job, network.final_parameters)
    for name, field_name in job.encoder.curves.items():
        curve = job.earlier_curves.get(name)
        if network.validation is not None or not name.startswith("validation"):
            values = getattr(network.curves, field_name, None)  # none before the first epoch
            curve = (curve or []) + ([] if values is None else values.tolist())
        attributes[name] = curve
    loss_curve = attributes["loss_curve_"]
    return attributes | {
        "loss_": loss_curve[-1] if loss_curve else np.nan,
        "best_loss_": None if early_stopping else progress.best,
        "best_validation_score_": progress.best if early_stopping else None,
        "n_iter_": int(progress.epochs),
        "t_": int(progress.samples_seen),
        "_criterion": criterion(job.estimator, job.encoder.loss),
        "_no_improvement_count": int(progress.no_improvement),
        "_optimizer_state": optimizer_state(
            job.spec.optimizer, job.settings, progress.learning_rate, progress.step, network.slots
        ),
    }


def lbfgs_attributes(job: Job, network: Network, minimum: Minimum) -> Attributes:
    """The fitted attributes from a network that lbfgs has trained: without curves and best loss."""
    return _parameter_attributes(job, network.parameters) | {
        "loss_": minimum.loss,
        "n_iter_": minimum.n_iter,
        "t_": job.estimator.t_ if job.earlier_curves else 0,
    }


def _parameter_attributes(job: Job, parameters: Parameters) -> Attributes:
    coefs, intercepts = to_attributes(job.networks[0].layers, parameters)
    return {
        "coefs_": coefs,
        "intercepts_": intercepts,
        "n_layers_": len(parameters) + 1,
        "n_outputs_": len(intercepts[-1]),
        "out_activation_": job.encoder.loss.output,
    } | job.encoder.attributes


def _warn_if_unfinished(estimator: Estimator, progress: Progress) -> None:
    if progress.epochs == estimator.max_iter and not progress.converged:
        warn_at_caller(
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet. Increase max_iter or learning_rate_init, or scale X, "
            "for instance with StandardScaler.",
            ConvergenceWarning,
        )


def _warn_if_failed(estimator: Estimator, minimum: Minimum) -> None:
    if not (minimum.success or minimum.interrupted):
        warn_at_caller(
            f"lbfgs failed to converge after {minimum.n_iter} iteration(s): {minimum.message}. "
            f"Increase max_iter={estimator.max_iter} or max_fun={estimator.max_fun}, or scale the "
            "data, for instance with StandardScaler.",
            ConvergenceWarning,
        )


def _is_finite(network: Network) -> bool:
    parameters = network.final_parameters
    return all(np.isfinite(array).all() for layer in parameters for array in layer)


def _raise_not_finite(job: Job, network: Network) -> NoReturn:
    epoch = ""
    if network.curves is not None and not np.isfinite(network.curves.loss).all():
        first = np.flatnonzero(~np.isfinite(network.curves.loss))[0] + 1
        epoch = f" The loss was not finite from epoch {first} on."
    raise NotFinite(
        "Solver produced non-finite parameter weights. The input data may contain large values and "
        f"need to be preprocessed.{epoch} {likely_cause(job, network)}"
    )
