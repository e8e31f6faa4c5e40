"""From an estimator and its data to the networks to train: all that precedes the first epoch."""

from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from skdense.compat import fit_context
from skdense.core.formulas.layers import from_attributes, hidden_and_output, initial_parameters
from skdense.core.formulas.losses import Loss
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.costs import SMALL_BATCH
from skdense.core.machine.threads import check_not_forked
from skdense.core.network import Data, Network
from skdense.core.numbers import Hyper, Parameters, Progress, Spec
from skdense.fit.callers import warn_at_caller
from skdense.fit.inputs import Estimator, FitInput, check_inputs, check_parameters, times_class_weights
from skdense.fit.targets import Encoder

_AUTO_BATCH = 200
"""What batch_size="auto" stands for, as in MLPClassifier, with as many samples or more."""

OptimizerSettings = dict[str, Any]
"""The settings of an optimizer by name: fields of `Hyper`, and the name of the schedule."""


@dataclass(eq=False)
class Job:
    """One fit of an estimator that has been prepared, with a network for each initial draw.

    `settings` are those of the optimizer. `earlier_curves` are those of the fit that training goes on
    from.
    """

    estimator: Estimator
    encoder: Encoder
    spec: Spec
    settings: OptimizerSettings
    networks: list[Network]
    earlier_curves: dict[str, list | None]
    incremental: bool


def prepare(estimator: Estimator, inputs: FitInput) -> Job:
    """Check what the user gave, learn what y is, draw what is random, and describe the networks."""
    check_not_forked()
    widths, rates = check_parameters(estimator, inputs)
    continues = hasattr(estimator, "coefs_") and (inputs.incremental or estimator.warm_start)
    samples, samples_val = check_inputs(estimator, inputs, continues)
    encoder = estimator._learn_encoder(samples.y, inputs, continues)
    if samples_val is not None:
        encoder.check(samples_val.y, "y_val")
    if getattr(estimator, "class_weight", None) is not None:
        samples, samples_val = times_class_weights(
            samples, samples_val, estimator.class_weight, encoder.classes
        )
    data = Data(samples.X, encoder.encode(samples.y), samples.weights, samples.rows)
    n_features, n_outputs = data.X.shape[1], data.targets.shape[1]
    layers = hidden_and_output(widths, estimator.activation, n_outputs, any(rates))
    draw = partial(
        initial_parameters, layers, n_features, estimator.init, estimator.activation, dtype=data.X.dtype
    )

    # The draws, in MLPClassifier's order: parameters, the split, and then a seed that it does not have.
    random_state = check_random_state(estimator.random_state)
    if continues:
        parameters = _earlier_parameters(estimator, (n_features, *widths, n_outputs))
    else:
        parameters = draw(random_state)
    validation = None
    if estimator.solver == "lbfgs":
        data = data.own_copy()  # the program of L-BFGS cannot select rows
    elif samples_val is not None:
        validation = Data(samples_val.X, encoder.encode(samples_val.y), samples_val.weights)
    elif inputs.validation_rows is not None:
        validation = replace(data, rows=inputs.validation_rows)
    elif estimator.early_stopping:
        data, validation = _split(estimator, encoder, data, random_state)
    dropout = (random_state.randint(2**31), *rates) if any(rates) else ()

    solver, settings, slots, progress = _optimizer_start(
        estimator, encoder.loss, continues, inputs.incremental
    )
    batch_size, batch_capacity = _batch_size(estimator, data.n_samples, inputs.incremental)
    hyper, spec = _hyper_and_spec(
        estimator, encoder, solver, settings, batch_size, data, validation, inputs.incremental
    )
    network = Network(
        layers=layers,
        parameters=parameters,
        hyper=hyper,
        progress=progress,
        data=data,
        random_state=random_state,
        validation=validation,
        owns_stream=isinstance(estimator.random_state, Integral),
        shuffle=estimator.shuffle,
        slots=slots,
        dropout=dropout,
        batch_capacity=batch_capacity,
    )
    networks = [network]
    if estimator.n_init > 1 and not continues:
        # All further draws come from one copy of the random state, so all networks shuffle alike.
        stream = deepcopy(random_state)
        for _ in range(estimator.n_init - 1):
            another = replace(
                network,
                parameters=draw(stream),
                dropout=(stream.randint(2**31), *rates) if any(rates) else (),
                random_state=deepcopy(random_state),
                owns_stream=True,
            )
            networks.append(another)
    earlier_curves = {name: getattr(estimator, name, None) for name in encoder.curves if continues}
    return Job(estimator, encoder, spec, settings, networks, earlier_curves, inputs.incremental)


check_and_prepare = fit_context(prefer_skip_nested_validation=True)(prepare)


def _earlier_parameters(estimator: Estimator, sizes: tuple[int, ...]) -> Parameters:
    """The parameters of the last fit, whose layers must have these sizes, from inputs to outputs."""
    _, parameters = from_attributes(estimator.coefs_, estimator.intercepts_, estimator.activation)
    earlier_sizes = len(estimator.coefs_[0]), *(arrays[0].shape[-1] for arrays in parameters)
    if earlier_sizes != sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {sizes}, but training continues from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    return parameters


def _split(
    estimator: Estimator, encoder: Encoder, data: Data, random_state: RandomState
) -> tuple[Data, Data]:
    """The samples to train on, and those that early stopping sets aside."""
    from sklearn.model_selection import train_test_split  # it imports much that no other fit needs

    n_samples = data.n_samples
    try:
        rows, validation_rows = train_test_split(
            data.own_rows,
            test_size=estimator.validation_fraction,
            random_state=random_state,
            stratify=data.of_rows(data.targets) if encoder.is_stratified else None,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot set aside validation_fraction={estimator.validation_fraction} of "
            f"{n_samples} samples: {error}"
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
    return replace(data, rows=rows), replace(data, rows=validation_rows)


def _hyper_and_spec(
    estimator: Estimator,
    encoder: Encoder,
    solver: str,
    settings: OptimizerSettings,
    batch_size: int,
    data: Data,
    validation: Data | None,
    incremental: bool,
) -> tuple[Hyper, Spec]:
    """The numbers that control the training, and what chooses its program."""
    dtype, loss, schedule = data.X.dtype, encoder.loss, SCHEDULES[settings["schedule"]]
    # XLA rounds subnormal numbers to 0. With such an epsilon a unit without gradient divides 0 by 0.
    epsilon = max(settings["epsilon"], float(np.finfo(dtype).tiny))
    # A limit that the dtype cannot represent is no limit.
    max_grad_norm = np.inf if estimator.max_grad_norm is None else float(estimator.max_grad_norm)
    hyper = Hyper(
        alpha=estimator.alpha,
        **settings | {"epsilon": epsilon, "schedule": schedule.number},
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_epochs=1 if incremental else estimator.max_iter,
        early_stopping=estimator.early_stopping,
        n_samples=data.n_samples,
        batch_size=batch_size,
        n_validation=validation.n_samples if validation else 0,
        max_grad_norm=max_grad_norm,
        schedule_epochs=estimator.max_iter,
        loss_parameter=getattr(estimator, loss.parameter) if loss.parameter else 0.0,
        label_smoothing=estimator.label_smoothing if loss.smooths else 0.0,
    )
    spec = Spec(
        encoder.target_type,
        encoder.loss_name,
        solver,
        dtype.name,
        smooths=hyper.label_smoothing > 0,
        clips=max_grad_norm <= float(np.finfo(dtype).max),
        lr_by_step=hyper.warmup > 0 or schedule.within_epochs is not None,
        scores_loss=validation is not None and estimator.validation_metric == "loss",
    )
    return hyper, spec


def _batch_size(estimator: Estimator, n_samples: int, incremental: bool) -> tuple[int, int]:
    """The batch size, and one to make room for, so that fits to a few more rows share a program."""
    if estimator.batch_size == "auto":
        room = SMALL_BATCH if incremental and n_samples <= SMALL_BATCH else _AUTO_BATCH
        return min(_AUTO_BATCH, n_samples), room
    if estimator.batch_size > n_samples and estimator.solver != "lbfgs":
        warn_at_caller(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        )
    return min(estimator.batch_size, n_samples), 1


# --- the optimizer between calls ---------------------------------------------------------------------


def optimizer_settings(estimator: Estimator) -> OptimizerSettings:
    """The settings with which an optimizer is made."""
    schedule = estimator.learning_rate
    if estimator.solver in SCHEDULES[schedule].ignored_by:
        schedule = "constant"
    names = (
        "learning_rate_init", "power_t", "warmup", "momentum", "beta_1", "beta_2", "epsilon",
        "weight_decay",
    )  # fmt: skip
    settings = {name: float(getattr(estimator, name)) for name in names}
    return settings | {"nesterov": float(estimator.nesterovs_momentum), "schedule": schedule}


def _optimizer_start(
    estimator: Estimator, loss: Loss, continues: bool, incremental: bool
) -> tuple[str, OptimizerSettings, list[Parameters], Progress]:
    """The solver, its settings, its slots and the progress with which training starts.

    As in MLPClassifier, `partial_fit` keeps the optimizer and its settings, even if the estimator's
    parameters have changed. A warm start makes a new optimizer, and counts epochs without improvement
    from 0 if they ended the last fit. If loss, metric or smoothing have changed, old and new losses are
    not comparable, so both start with a new best.
    """
    early_stopping = estimator.early_stopping
    settings = optimizer_settings(estimator)
    progress = Progress(settings["learning_rate_init"], best=-np.inf if early_stopping else np.inf)
    if not continues or not hasattr(estimator, "_optimizer_state"):
        return estimator.solver, settings, [], progress
    progress = progress._replace(samples_seen=estimator.t_)
    if getattr(estimator, "_criterion", None) == criterion(estimator, loss):
        best = estimator.best_validation_score_ if early_stopping else estimator.best_loss_
        no_improvement = estimator._no_improvement_count
        if not incremental and no_improvement > estimator.n_iter_no_change:
            no_improvement = 0
        progress = progress._replace(best=best, no_improvement=no_improvement)
    if not incremental:
        return estimator.solver, settings, [], progress
    state = estimator._optimizer_state
    progress = progress._replace(learning_rate=state["learning_rate"], step=state["step"])
    return state["solver"], settings | state["settings"], state["slots"], progress


def optimizer_state(
    solver: str, settings: OptimizerSettings, learning_rate: float, step: float, slots: list[Parameters]
) -> dict[str, Any]:
    """What an estimator keeps of its optimizer: plain Python values and arrays, by name.

    So a saved model contains no class of ours but the estimator's, and later versions can add settings.
    """
    state = {"solver": solver, "settings": settings, "learning_rate": learning_rate}
    return state | {"step": step, "slots": slots}


def criterion(estimator: Estimator, loss: Loss) -> dict[str, Any]:
    """What epochs are judged by. Losses or scores are comparable only if it is the same."""
    judged_by = {"loss": estimator.loss}
    if loss.parameter is not None:
        judged_by[loss.parameter] = float(getattr(estimator, loss.parameter))
    if estimator.early_stopping:
        return judged_by | {"metric": estimator.validation_metric}
    if loss.smooths:
        judged_by["label_smoothing"] = float(estimator.label_smoothing)
    return judged_by | {"metric": "training loss"}
