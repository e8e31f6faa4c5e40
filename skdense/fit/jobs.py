"""From an estimator and its data to the networks to train: all that precedes the first epoch."""

from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from skdense.core.formulas.losses import Loss
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.costs import SMALL_BATCH
from skdense.core.machine.threads import check_not_forked
from skdense.core.network import Hyper, Minimum, Network, Spec
from skdense.fit.callers import warn_at_caller
from skdense.fit.class_weight import times_class_weights
from skdense.fit.draws import Drawn, draw, further_draws
from skdense.fit.encoder import Encoder
from skdense.fit.optimizer_state import OptimizerSettings, Start, start_training
from skdense.fit.validation import Estimator, FitInput, check_inputs, check_parameters

_AUTO_BATCH = 200
"""What batch_size="auto" stands for, as in MLPClassifier, with as many samples or more."""


@dataclass(eq=False)
class Job:
    """One fit of an estimator that has been prepared, with a network for each initial draw.

    `settings` are those of the optimizer, by name. `earlier_curves` are those of the fit that training
    goes on from. `minima` are the results of lbfgs, one for each network that it was run on, and None
    for other solvers.
    """

    estimator: Estimator
    encoder: Encoder
    spec: Spec
    settings: OptimizerSettings
    networks: list[Network]
    earlier_curves: dict[str, list | None]
    incremental: bool
    minima: list[Minimum] | None = field(default=None, init=False)


def prepare(estimator: Estimator, inputs: FitInput) -> Job:
    """Check what the user gave, learn what y is, draw what is random, and describe the networks."""
    check_not_forked()
    check_parameters(estimator, inputs)
    continues = hasattr(estimator, "coefs_") and (inputs.incremental or estimator.warm_start)
    inputs = check_inputs(estimator, inputs, continues)
    encoder = estimator._learn_encoder(inputs, continues)
    if inputs.y_val is not None:
        encoder.check(inputs.y_val, "y_val")
    if getattr(estimator, "class_weight", None) is not None:
        inputs = times_class_weights(inputs, estimator.class_weight, encoder.classes)
    random_state = check_random_state(estimator.random_state)
    drawn = draw(estimator, inputs, continues, encoder, random_state)
    start = start_training(estimator, encoder.loss, continues, inputs.incremental)
    network = _network(estimator, inputs.incremental, encoder.loss, start, drawn, random_state)
    spec = _spec(estimator, encoder, start, network)
    networks = [network]
    if estimator.n_init > 1 and not continues:
        networks += further_draws(estimator, network)
    earlier_curves = {name: getattr(estimator, name, None) for name in encoder.curves if continues}
    return Job(estimator, encoder, spec, start.settings, networks, earlier_curves, inputs.incremental)


def _network(
    estimator: Estimator,
    incremental: bool,
    loss: Loss,
    start: Start,
    drawn: Drawn,
    random_state: RandomState,
) -> Network:
    return Network(
        **drawn._asdict(),
        hyper=_hyper(estimator, incremental, loss, start.settings, drawn),
        progress=start.progress,
        slots=start.slots,
        random_state=random_state,
        owns_stream=isinstance(estimator.random_state, Integral),
        shuffle=estimator.shuffle,
        batch_capacity=_batch_capacity(estimator, incremental, drawn.data.n_samples),
    )


def _hyper(
    estimator: Estimator, incremental: bool, loss: Loss, settings: OptimizerSettings, drawn: Drawn
) -> Hyper:
    n_samples, dtype = drawn.data.n_samples, drawn.data.X.dtype
    # XLA rounds subnormal numbers to 0. With such an epsilon a unit without gradient divides 0 by 0.
    epsilon = max(settings["epsilon"], float(np.finfo(dtype).tiny))
    schedule = SCHEDULES[settings["schedule"]].number
    return Hyper(
        alpha=estimator.alpha,
        **settings | {"epsilon": epsilon, "schedule": schedule},
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_epochs=1 if incremental else estimator.max_iter,
        early_stopping=estimator.early_stopping,
        n_samples=n_samples,
        batch_size=_batch_size(estimator, n_samples),
        n_validation=drawn.validation.n_samples if drawn.validation else 0,
        max_grad_norm=estimator.max_grad_norm if _clips(estimator, dtype) else 0.0,
        schedule_epochs=estimator.max_iter,
        loss_parameter=getattr(estimator, loss.parameter) if loss.parameter else 0.0,
        label_smoothing=estimator.label_smoothing if loss.smoothed else 0.0,
    )


def _spec(estimator: Estimator, encoder: Encoder, start: Start, network: Network) -> Spec:
    settings, dtype = start.settings, network.data.X.dtype
    spec = Spec(
        target_type=encoder.target_type,
        loss=encoder.loss_name,
        optimizer=start.solver,
        dtype=dtype.name,
        smooths=network.hyper.label_smoothing > 0,
    )
    if start.solver == "lbfgs":
        return spec
    return spec._replace(
        clips=_clips(estimator, dtype),
        paced=settings["warmup"] > 0 or SCHEDULES[settings["schedule"]].within_epochs,
        scores_loss=network.validation is not None and estimator.validation_metric == "loss",
    )


def _clips(estimator: Estimator, dtype: np.dtype) -> bool:
    """Whether gradients are clipped. A limit that the dtype cannot represent is no limit."""
    return estimator.max_grad_norm is not None and estimator.max_grad_norm <= float(np.finfo(dtype).max)


def _batch_size(estimator: Estimator, n_samples: int) -> int:
    if estimator.batch_size == "auto":
        return min(_AUTO_BATCH, n_samples)
    if estimator.batch_size > n_samples and estimator.solver != "lbfgs":
        warn_at_caller(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        )
    return min(estimator.batch_size, n_samples)


def _batch_capacity(estimator: Estimator, incremental: bool, n_samples: int) -> int:
    """The batch size to make room for, so that fits to a few more or fewer samples share a program."""
    if estimator.batch_size != "auto":
        return 1
    return SMALL_BATCH if incremental and n_samples <= SMALL_BATCH else _AUTO_BATCH
