"""From an estimator and its data to the networks to train: all that precedes the first epoch."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from inspect import signature
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.random import RandomState
from scipy.sparse import issparse
from sklearn import config_context, get_config
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from skdense import compat
from skdense.core.formulas.layers import Layer, hidden_and_output, initial_parameters
from skdense.core.formulas.optimizers import allowed_settings
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.costs import SMALL_BATCH
from skdense.core.machine.threads import check_not_forked
from skdense.core.network import (
    LBFGS,
    Data,
    Hyper,
    Network,
    Parameters,
    Progress,
    Settings,
    Spec,
    are_finite,
)
from skdense.fit.inputs import (
    Estimator,
    FitInput,
    check_parameters,
    check_samples,
    check_weights,
    shallow_copy,
)
from skdense.fit.targets import Encoder, learn_encoder

_AUTO_BATCH = 200
"""What batch_size="auto" stands for, as in MLPClassifier, with as many samples or more."""
_FEATURE_ATTRIBUTES = "n_features_in_", "feature_names_in_"
"""What `validate_data` sets; names only if X is a data frame with strings as names."""


@dataclass(eq=False)
class Job:
    """One fit of an estimator that has been prepared, with a network for each initial draw.

    `continues` says that training goes on from an earlier fit, whose attributes the estimator has.
    `criterion` describes what epochs are judged by.
    """

    estimator: Estimator
    encoder: Encoder
    spec: Spec
    networks: list[Network]
    criterion: dict[str, Any]
    continues: bool
    incremental: bool


class CheckedInput(NamedTuple):
    """The user's input after all checks.

    Attributes
    ----------
    encoder : Encoder
        Encodes y.
    training : Data
        All samples, encoded, with their weights.
    y : ndarray
        The labels or numbers of these samples.
    validation : Data or None
        The validation samples that the user passed, and `y_val` their labels or numbers.
    validation_hash : str or None
        A hash of these samples, which shows whether a later fit is validated on the same.
    attributes : dict
        The number and the names of the features, which the estimator gets.
    """

    encoder: Encoder
    training: Data
    y: Any
    validation: Data | None
    y_val: Any
    validation_hash: str | None
    attributes: dict[str, Any]


class Draws(NamedTuple):
    """What is random before the first epoch, and what is set aside for validation."""

    parameters: Parameters
    training: Data
    validation: Data | None
    dropout_seed: int


def prepare(estimator: Estimator, inputs: FitInput, cache: dict | None = None) -> Job:
    """Check the user's input, draw what is random, and describe the networks to train.

    `cache` keeps checked inputs for further estimators that take the same arrays in the same way.
    """
    check_not_forked()
    widths, dropout = check_parameters(estimator, inputs)
    continues = hasattr(estimator, "coefs_") and (inputs.incremental or estimator.warm_start)
    checked = _check_input(estimator, inputs, continues, cache)
    for name in _FEATURE_ATTRIBUTES:  # those of an earlier fit, if X was checked for another estimator
        vars(estimator).pop(name, None)
    vars(estimator).update(checked.attributes)
    encoder = checked.encoder
    layers = hidden_and_output(widths, estimator.activation, checked.training.targets.shape[1])
    criterion = _criterion(estimator, checked)

    random_state = check_random_state(estimator.random_state)
    draws = _draw(estimator, inputs, checked, continues, layers, bool(dropout), random_state)
    settings, slots, progress = _optimizer_start(
        estimator, criterion, continues, inputs, draws.parameters
    )
    dtype = np.dtype(np.float64) if estimator.solver == LBFGS else draws.training.X.dtype
    _check_some_weight(draws.training, draws.validation, dtype)
    if estimator.early_stopping and draws.validation is not None:
        _check_r2_is_defined(estimator, encoder, draws.validation)

    batch_size, batch_capacity = _batch_size(estimator, draws.training.n_samples, inputs.incremental)
    hyper = _hyper(estimator, inputs, encoder, draws, batch_size)
    network = Network(
        layers=layers,
        parameters=draws.parameters,
        hyper=hyper,
        progress=progress,
        data=draws.training,
        random_state=random_state,
        validation=draws.validation,
        scorer=_scorer_of(estimator, checked, draws.validation),
        owns_stream=isinstance(estimator.random_state, Integral),
        shuffle=estimator.shuffle,
        settings=settings,
        slots=slots,
        dropout=dropout,
        dropout_seed=draws.dropout_seed,
        batch_capacity=batch_capacity,
    )
    networks = [network]
    if estimator.n_init > 1 and not continues:
        networks += _further_draws(estimator, network)
    spec = _spec(estimator, encoder, network)
    return Job(estimator, encoder, spec, networks, criterion, continues, inputs.incremental)


check_and_prepare = compat.fit_context(prefer_skip_nested_validation=True)(prepare)
"""For estimators whose `fit`, which checks their parameters, is not called."""


# --- the input ---------------------------------------------------------------------------------------


def _check_input(
    estimator: Estimator, inputs: FitInput, continues: bool, cache: dict | None
) -> CheckedInput:
    """The checked input, of which only the rows of the split are for training."""
    if cache is None or continues:
        checked = _checked(estimator, inputs, continues)
    else:
        key = _key_of_data(estimator, inputs)
        if key not in cache:
            # With the inputs, so that no other array gets the id of one of them.
            cache[key] = _checked(estimator, inputs, continues), inputs
        checked, _ = cache[key]
    if inputs.split is None:
        return checked
    return checked._replace(training=replace(checked.training, rows=inputs.split[0]))


def _checked(estimator: Estimator, inputs: FitInput, continues: bool) -> CheckedInput:
    X, y, X_val, y_val = check_samples(estimator, inputs, continues)
    encoder = learn_encoder(estimator, y, inputs, continues)
    if y_val is not None:
        encoder.check(y_val, "y_val")
    weights, weights_val = check_weights(estimator, inputs, encoder.classes, y, y_val)
    validation = validation_hash = None
    if X_val is not None:
        validation = Data(X_val, encoder.encode(y_val), weights_val)
        validation_hash = _hash(validation)
    fitted = vars(estimator)
    attributes = {name: fitted[name] for name in _FEATURE_ATTRIBUTES if name in fitted}
    training = Data(X, encoder.encode(y), weights)
    return CheckedInput(encoder, training, y, validation, y_val, validation_hash, attributes)


def _hash(data: Data) -> str | None:
    """A hash of the values of samples, whatever their order in memory."""
    X = data.X
    arrays = [X.data, X.indices, X.indptr] if issparse(X) else [X]
    arrays += [data.targets] if data.weights is None else [data.targets, data.weights]
    return joblib.hash([*map(np.ascontiguousarray, arrays)])


def _key_of_data(estimator: Estimator, inputs: FitInput) -> tuple:
    """A key that is equal for estimators that check and encode the same arrays in the same way."""
    class_weight = getattr(estimator, "class_weight", None)
    # Balanced weights are those of the rows to train on.
    split = None if class_weight is None else id(inputs.split)
    settings = type(estimator), estimator.loss, str(estimator.dtype), repr(class_weight), split
    return *settings, *map(id, inputs[: FitInput._fields.index("classes")])


# --- the draws ---------------------------------------------------------------------------------------


def _draw(
    estimator: Estimator,
    inputs: FitInput,
    checked: CheckedInput,
    continues: bool,
    layers: tuple[Layer, ...],
    has_dropout: bool,
    random_state: RandomState,
) -> Draws:
    """Draw parameters, validation rows and a seed for dropout.

    MLPClassifier makes the first two draws in this order.
    """
    training, validation = checked.training, checked.validation
    if continues:
        parameters = _earlier_parameters(estimator, training.X.shape[1], layers)
    else:
        parameters = _initial_parameters(estimator, layers, training, random_state)
    if estimator.solver == LBFGS:  # it never validates, and its program cannot select rows
        training = training.without_other_rows()
    elif estimator.early_stopping and validation is None:
        training, validation = _set_aside(estimator, inputs, checked, random_state)
    seed = random_state.randint(2**31) if has_dropout else 0
    return Draws(parameters, training, validation, seed)


def _initial_parameters(
    estimator: Estimator, layers: tuple[Layer, ...], data: Data, random_state: RandomState
) -> Parameters:
    n_features, dtype = data.X.shape[1], data.X.dtype
    init, activation = estimator.init, estimator.activation
    return initial_parameters(layers, n_features, init, activation, random_state, dtype)


def _further_draws(estimator: Estimator, network: Network) -> list[Network]:
    """The networks of the further initial draws, which differ in parameters and seeds.

    These come from one copy of the random state, or, if others draw from the state too, from a new
    state with a seed drawn from the copy. Each network shuffles with its own copy of the first
    network's state, so all have the same orders.
    """
    copied = deepcopy(network.random_state)
    if not network.owns_stream:
        copied = RandomState(copied.randint(2**31))
    networks = []
    for _ in range(estimator.n_init - 1):
        parameters = _initial_parameters(estimator, network.layers, network.data, copied)
        seed = copied.randint(2**31) if network.dropout else 0
        shuffling = {"random_state": deepcopy(network.random_state), "owns_stream": True}
        networks.append(replace(network, parameters=parameters, dropout_seed=seed, **shuffling))
    return networks


def _earlier_parameters(estimator: Estimator, n_features: int, layers: tuple[Layer, ...]) -> Parameters:
    """The parameters of the last fit, whose layers must have the same sizes."""
    sizes = n_features, *(layer.width for layer in layers)
    earlier_sizes = len(estimator.coefs_[0]), *map(len, estimator.intercepts_)
    if earlier_sizes != sizes:
        raise ValueError(
            f"hidden_layer_sizes gives layers of sizes {sizes}, but training continues from a "
            f"network of sizes {earlier_sizes}: set warm_start=False and call fit, or keep the sizes"
        )
    shapes = [kernel.shape for kernel in estimator.coefs_]
    if shapes != [*pairwise(sizes)]:
        raise ValueError(
            f"coefs_ must have the shapes {[*pairwise(sizes)]} between layers of sizes {sizes}, got "
            f"{shapes}"
        )
    return [*zip(estimator.coefs_, estimator.intercepts_, strict=True)]


def _set_aside(
    estimator: Estimator, inputs: FitInput, checked: CheckedInput, random_state: RandomState
) -> tuple[Data, Data]:
    """The samples to train on, and the validation samples of early stopping.

    The latter are the fold of an ensemble, if it has a weight, or are drawn.
    """
    data, encoder = checked.training, checked.encoder
    fold = () if inputs.split is None else inputs.split[1]
    if len(fold) and (data.weights is None or data.weights[fold].any()):
        return data, replace(data, rows=fold)
    from sklearn.model_selection import train_test_split  # it imports much that no other fit needs

    try:
        rows, validation_rows = train_test_split(
            data.row_numbers,
            test_size=estimator.validation_fraction,
            random_state=random_state,
            stratify=data.select(data.targets) if encoder.is_stratified else None,
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping cannot hold out validation_fraction={estimator.validation_fraction} of "
            f"{data.n_samples} samples: {error}"
        ) from error
    if len(validation_rows) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    return replace(data, rows=rows), replace(data, rows=validation_rows)


def _check_some_weight(training: Data, validation: Data | None, dtype: np.dtype) -> None:
    """Raise if all samples to train on, or to validate on, have the weight zero in this dtype."""
    smallest = np.finfo(dtype).tiny  # compiled code takes smaller numbers for zero
    for name, data in {"train on": training, "validate on": validation}.items():
        if data is None or data.weights is None:
            continue
        weights = data.select(data.weights)
        if (weights >= smallest).any():
            continue
        tiny = f"below {smallest:.2g}, the smallest normal number of {dtype}"
        raise ValueError(
            f"the samples to {name} have no weight: all sample weights, multiplied by class "
            f"weights, are {tiny if weights.any() else 'zero'}; change the weights or the split, for "
            "example with validation_fraction"
        )


def _check_r2_is_defined(estimator: Estimator, encoder: Encoder, validation: Data) -> None:
    """Raise if early stopping compares epochs by R2, but only one validation sample has a weight."""
    if "r2" not in encoder.scores or estimator.scoring not in (None, "r2"):
        return
    weights = validation.select(validation.weights)
    if (validation.n_samples if weights is None else np.count_nonzero(weights)) < 2:
        raise ValueError(
            f"early stopping with scoring={estimator.scoring!r} uses R2, which needs at least two "
            "validation samples with a weight above 0, got 1; use more validation samples, for example "
            "with validation_fraction, or scoring='loss'"
        )


# --- the network -------------------------------------------------------------------------------------


def _hyper(
    estimator: Estimator, inputs: FitInput, encoder: Encoder, draws: Draws, batch_size: int
) -> Hyper:
    """The hyper-parameters that a program takes as numbers."""
    loss = encoder.loss
    hyper = Hyper(
        alpha=estimator.alpha,
        tol=estimator.tol,
        patience=estimator.n_iter_no_change,
        max_epochs=1 if inputs.incremental else estimator.max_iter,
        early_stopping=estimator.early_stopping,
        n_samples=draws.training.n_samples,
        batch_size=batch_size,
        n_validation=draws.validation.n_samples if draws.validation else 0,
        loss_number=getattr(estimator, loss.number_name) if loss.number_name else 0.0,
        label_smoothing=estimator.label_smoothing if loss.smooths else 0.0,
        schedule_epochs=estimator.max_iter,
    )
    if not inputs.incremental:
        return hyper
    # The schedule counts epochs, which have more steps in calls with more samples. Models saved before
    # 0.7 do not have the size of their last call.
    state = getattr(estimator, "_optimizer_state", {})
    if "schedule_step" not in state:
        return hyper
    schedule_step = state["schedule_step"] * (hyper.steps_per_epoch / state["steps_per_epoch"])
    return hyper._replace(schedule_shift=schedule_step - state["step"])


def _spec(estimator: Estimator, encoder: Encoder, network: Network) -> Spec:
    """What chooses the program besides sizes."""
    settings, dtype = network.settings, network.data.X.dtype
    within_epochs = SCHEDULES[settings["schedule"]].within_epochs
    return Spec(
        encoder.target_type,
        encoder.loss_name,
        settings["solver"],
        "float64" if settings["solver"] == LBFGS else dtype.name,
        smooths=network.hyper.label_smoothing > 0,
        # A larger norm is no limit.
        clips=settings["max_grad_norm"] <= float(np.finfo(dtype).max),
        lr_by_step=settings["warmup_epochs"] > 0 or within_epochs is not None,
        scores_loss=network.validation is not None and estimator.scoring == "loss",
        drops=bool(network.dropout),
    )


def _scorer_of(
    estimator: Estimator, checked: CheckedInput, validation: Data | None
) -> Callable[[Parameters], float] | None:
    """A function that scores parameters on the validation samples, if `scoring` is a scorer."""
    scoring, encoder = estimator.scoring, checked.encoder
    if scoring in encoder.scores:
        return None
    from sklearn.metrics import get_scorer  # it imports much that no other fit needs

    try:
        scorer = get_scorer(scoring)
    except ValueError as error:
        raise ValueError(f"scoring must be None, 'loss' or a scorer: {error}") from None
    if validation is None:
        return None
    all_y = checked.y if checked.y_val is None else checked.y_val
    y, weights, validation = validation.select(all_y), {}, validation.without_other_rows()
    takes = signature(compat.metric_of(scorer)).parameters.values()
    takes_weights = any(p.name == "sample_weight" or p.kind is p.VAR_KEYWORD for p in takes)
    if takes_weights and validation.weights is not None:
        weights = {"sample_weight": validation.weights}

    config = get_config()  # of the caller's thread

    def score(parameters: Parameters) -> float:
        if not are_finite(parameters):
            return np.nan  # many scorers would raise; `fit` does at its end, and says why
        model = shallow_copy(estimator)
        vars(model).update(encoder.fitted(parameters))
        vars(model).pop("feature_names_in_", None)  # X is an array
        with config_context(**config):
            try:
                result = scorer(model, validation.X, y, **weights)
            except Exception as error:
                if is_classifier(estimator):
                    remedy = (
                        "If these lack a class, use scoring='loss', or pass samples of all classes as "
                        "X_val and y_val."
                    )
                else:
                    remedy = (
                        "If the scorer does not accept the predictions of the first epochs, scale y or "
                        "use scoring='loss'."
                    )
                error.add_note(
                    f"It was raised by scoring={scoring!r} for the validation samples. {remedy}"
                )
                raise
        try:
            return float(result)
        except (TypeError, ValueError):
            raise ValueError(f"scoring must give a number, got {result!r}") from None

    return score


def _batch_size(estimator: Estimator, n_samples: int, incremental: bool) -> tuple[int, int]:
    """The batch size, and a capacity, with which fits to a few more rows share a program."""
    if estimator.batch_size == "auto":
        capacity = SMALL_BATCH if incremental and n_samples <= SMALL_BATCH else _AUTO_BATCH
        return min(_AUTO_BATCH, n_samples), capacity
    if estimator.batch_size > n_samples and estimator.solver != LBFGS:
        compat.warn_at_caller(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        )
    return min(estimator.batch_size, n_samples), 1


# --- the optimizer between calls ---------------------------------------------------------------------


def _optimizer_start(
    estimator: Estimator,
    criterion: dict[str, Any],
    continues: bool,
    inputs: FitInput,
    parameters: Parameters,
) -> tuple[Settings, list[Parameters], Progress]:
    """The settings of the optimizer, its slots and the progress with which training starts.

    As in MLPClassifier, `partial_fit` keeps the optimizer and its settings, even if the estimator's
    parameters have changed. A warm start makes a new optimizer, and counts epochs without improvement
    from 0 if they ended the last fit. If the criterion has changed, old and new losses or scores are
    not comparable, so both start with a new best.

    Raises if `partial_fit` would keep the slots of an optimizer of other shapes, because the user has
    removed or added units.
    """
    solver, schedule = estimator.solver, estimator.learning_rate
    if solver in SCHEDULES[schedule].ignored_by:
        schedule = "constant"
    settings: Settings = {"solver": solver, "schedule": schedule}
    for name in allowed_settings(solver):
        number = getattr(estimator, name)
        settings[name] = np.inf if number is None else float(number)
    worst = -np.inf if estimator.early_stopping else np.inf
    progress = Progress(settings["learning_rate_init"], best_value=worst)
    if continues:  # also from parameters that were set by hand
        progress = progress._replace(samples_seen=getattr(estimator, "t_", 0))
    if not continues or not hasattr(estimator, "_criterion"):  # lbfgs has none
        return settings, [], progress
    if estimator._criterion == criterion:
        best = estimator.best_validation_score_ if estimator.early_stopping else estimator.best_loss_
        no_improvement = estimator._no_improvement_count
        if not inputs.incremental and no_improvement > estimator.n_iter_no_change:
            no_improvement = 0
        progress = progress._replace(best_value=best, no_improvement=no_improvement)
    if not inputs.incremental or not hasattr(estimator, "_optimizer_state"):
        return settings, [], progress  # models converted from 0.5 have no optimizer state
    state = estimator._optimizer_state
    if any(_shapes(slot) != _shapes(parameters) for slot in state["slots"]):
        raise ValueError(
            "partial_fit continues with the optimizer of the last call, but since then coefs_ and "
            "intercepts_ were set to arrays of other shapes: set warm_start=True and call fit, which "
            "starts a new optimizer"
        )
    progress = progress._replace(learning_rate=state["learning_rate"], step=state["step"])
    return settings | state["settings"], state["slots"], progress


def _shapes(parameters: Parameters) -> list[list[tuple[int, ...]]]:
    return [[array.shape for array in layer] for layer in parameters]


def _criterion(estimator: Estimator, checked: CheckedInput) -> dict[str, Any]:
    """What epochs are judged by. Losses or scores are comparable only if it is the same."""
    loss = checked.encoder.loss
    judged_by = {"loss": estimator.loss}
    if loss.number_name is not None:
        judged_by[loss.number_name] = float(getattr(estimator, loss.number_name))
    if estimator.early_stopping:
        judged_by["metric"] = estimator.scoring
        if checked.validation_hash is not None:
            judged_by["validation_hash"] = checked.validation_hash
        return judged_by
    if loss.smooths:
        judged_by["label_smoothing"] = float(estimator.label_smoothing)
    return judged_by | {"metric": "training loss"}
