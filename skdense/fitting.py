"""From an estimator and its data to a network for the training core, and back to fitted attributes.

TensorFlow is imported by the first fit, with `skdense.core.training`.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import _check_sample_weight, validate_data

from skdense.core.initializers import initial_parameters
from skdense.core.stack import Data, Hyper, Network, Progress, Schedule, Spec


def fit_estimator(estimator, X, y, sample_weight=None, *, classes=None, incremental=False):
    """Fit an estimator, or with `incremental` train it for one more epoch; return it."""
    with _unchanged_on_error(estimator):
        job = _prepare(estimator, X, y, sample_weight, classes, incremental)
        from skdense.core.training import train

        printer = _EpochPrinter(estimator, job.network) if estimator.verbose else None
        interrupted = train(job.spec, [job.network], job.data, job.validation, printer)
        if printer:
            printer.finish(job.network.progress.converged)
        if interrupted:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        _check_finite(job.network)
        _adopt(estimator, job)
        if not (incremental or interrupted or job.network.progress.converged):
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
                "optimization hasn't converged yet.",
                ConvergenceWarning,
                stacklevel=4,
            )
    return estimator


@contextmanager
def _unchanged_on_error(estimator):
    """Leave the estimator as it was if the block raises."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@dataclass
class _Job:
    """A network to train for an estimator, its data, and the curves that its own go on from."""

    spec: Spec
    network: Network
    data: Data
    validation: Data | None
    out_activation: str
    earlier_curves: dict


def _prepare(estimator, X, y, sample_weight, classes, incremental):
    """Validate the parameters and the data, and make all draws that precede the first epoch."""
    _check_combination(estimator, incremental)
    hidden_sizes = _hidden_sizes(estimator.hidden_layer_sizes)
    goes_on = hasattr(estimator, "coefs_") and (incremental or estimator.warm_start)
    X, y = _validated(estimator, X, y, goes_on)
    targets = _targets(estimator, y, classes, goes_on, incremental)
    weights = _weights(estimator, X, y, sample_weight)
    random_state = check_random_state(estimator.random_state)
    layer_sizes = (X.shape[1], *hidden_sizes, targets.shape[1])
    if goes_on:
        parameters = _earlier_parameters(estimator, layer_sizes)
    else:
        parameters = initial_parameters(
            layer_sizes, estimator.init, estimator.activation, random_state, X.dtype
        )
    data = Data(X, targets, weights)
    rows = validation_rows = None
    if estimator.early_stopping:
        rows, validation_rows = _validation_split(estimator, targets, random_state)
    n_samples = len(X) if rows is None else len(rows)
    out_activation, loss = _output_and_loss(estimator)
    slots, progress = _optimizer_start(estimator, goes_on, incremental)
    network = Network(
        parameters=parameters,
        hyper=_hyper(
            estimator,
            max_epochs=1 if incremental else estimator.max_iter,
            n_samples=n_samples,
            n_validation=0 if rows is None else len(validation_rows),
        ),
        progress=progress,
        random_state=random_state,
        shuffle=estimator.shuffle,
        slots=slots,
        rows=rows,
        validation_rows=validation_rows,
    )
    return _Job(
        spec=Spec(estimator.activation, loss, estimator.solver, X.dtype.name),
        network=network,
        data=data,
        validation=data if estimator.early_stopping else None,
        out_activation=out_activation,
        earlier_curves={name: getattr(estimator, name) for name in _CURVES if goes_on},
    )


_CURVES = {
    "loss_curve_": "loss",
    "accuracy_curve_": "accuracy",
    "validation_loss_curve_": "validation_loss",
    "validation_scores_": "validation_score",
}


def _check_combination(estimator, incremental):
    if estimator.solver == "lbfgs":
        raise NotImplementedError("solver='lbfgs' is not implemented yet; use 'adam' or 'sgd'")
    if estimator.n_init > 1:
        raise NotImplementedError(f"n_init must be 1 for now, got {estimator.n_init}")
    if incremental and estimator.early_stopping:
        raise ValueError(
            "partial_fit does not support early_stopping=True; use early_stopping=False or fit"
        )
    if incremental and estimator.class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which does not see all labels; "
            "pass a dict, for instance from sklearn.utils.class_weight.compute_class_weight"
        )


def _hidden_sizes(hidden_layer_sizes):
    sizes = list(hidden_layer_sizes) if np.iterable(hidden_layer_sizes) else [hidden_layer_sizes]
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            f"hidden_layer_sizes must be > 0, got {sizes}: give each hidden layer a positive int, "
            "as in (100,) or (64, 64), or () for no hidden layer"
        )
    return [int(size) for size in sizes]


def _validated(estimator, X, y, goes_on):
    if estimator.dtype is not None:
        dtype = np.dtype(estimator.dtype)
    else:
        dtype = (np.float64, np.float32)
    X, y = validate_data(estimator, X, y, multi_output=True, dtype=dtype, order="C", reset=not goes_on)
    if goes_on and estimator.dtype is None:
        X = X.astype(np.result_type(X, *estimator.coefs_), copy=False)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    return X, y


def _targets(estimator, y, classes, goes_on, incremental):
    """The binarized labels `(n_samples, n_outputs)`; sets the estimator's classes or checks them."""
    if incremental and _check_partial_fit_first_call(estimator, classes):
        multilabel = type_of_target(y).startswith("multilabel")
        estimator._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
    elif not goes_on:
        estimator._label_binarizer = LabelBinarizer().fit(y)
        estimator.classes_ = estimator._label_binarizer.classes_
    labels = unique_labels(y)
    unseen = np.setdiff1d(labels, estimator.classes_)
    if len(unseen):
        raise ValueError(
            f"`y` has classes not in `self.classes_`. `self.classes_` has {estimator.classes_}. "
            f"'y' has {labels}."
        )
    if not incremental and goes_on and len(labels) < len(estimator.classes_):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to "
            f"fit. Previously got {estimator.classes_}, `y` has {labels}"
        )
    return estimator._label_binarizer.transform(y).astype(bool)


def _weights(estimator, X, y, sample_weight):
    """The samples' weights times their classes', or None if all are one."""
    if sample_weight is None and estimator.class_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
    if estimator.class_weight is not None:
        weights = weights * compute_sample_weight(estimator.class_weight, y)
    if not weights.any():
        raise ValueError("sample_weight must have a positive entry: all weights are zero")
    return weights


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


def _validation_split(estimator, targets, random_state):
    rows, validation_rows = train_test_split(
        np.arange(len(targets)),
        test_size=estimator.validation_fraction,
        random_state=random_state,
        stratify=targets if targets.shape[1] == 1 else None,
    )
    if len(validation_rows) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your "
            "dataset."
        )
    return rows, validation_rows


def _optimizer_start(estimator, goes_on, incremental):
    """The slots and the progress to start from.

    partial_fit keeps the optimizer; a warm start takes a new one, and new patience if the last fit's
    was exhausted.
    """
    best = -np.inf if estimator.early_stopping else np.inf
    progress = Progress(estimator.learning_rate_init, best=best)
    if not goes_on:
        return (), progress
    earlier = estimator.best_validation_score_ if estimator.early_stopping else estimator.best_loss_
    no_improvement = estimator._no_improvement_count
    if not incremental and no_improvement > estimator.n_iter_no_change:
        no_improvement = 0
    progress = progress._replace(
        best=best if earlier is None else earlier,
        no_improvement=no_improvement,
        samples_seen=estimator.t_,
    )
    solver, learning_rate, step, slots = estimator._optimizer_state
    if not incremental or solver != estimator.solver:
        return (), progress
    return slots, progress._replace(learning_rate=learning_rate, step=step)


def _hyper(estimator, max_epochs, n_samples, n_validation):
    if estimator.batch_size == "auto":
        batch_size = min(200, n_samples)
    else:
        if estimator.batch_size > n_samples:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                stacklevel=6,
            )
        batch_size = min(estimator.batch_size, n_samples)
    schedule = getattr(Schedule, estimator.learning_rate.upper())
    return Hyper(
        alpha=estimator.alpha,
        learning_rate_init=estimator.learning_rate_init,
        schedule=schedule if estimator.solver == "sgd" else Schedule.CONSTANT,
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
        batch_size=batch_size,
        n_validation=n_validation,
    )


def _check_finite(network):
    parameters = network.best_parameters or network.parameters
    if all(np.isfinite(array).all() for layer in parameters for array in layer):
        return
    bad = np.flatnonzero(~np.isfinite(network.curves.loss))
    epoch = f" The loss was not finite from epoch {bad[0] + 1} on." if len(bad) else ""
    raise ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and "
        f"need to be preprocessed.{epoch} Scaling X, for instance with StandardScaler, or a smaller "
        "learning_rate_init usually helps."
    )


def _adopt(estimator, job):
    """Set the fitted attributes."""
    network, progress = job.network, job.network.progress
    parameters = network.best_parameters or network.parameters
    early_stopping = estimator.early_stopping
    estimator.coefs_ = [kernel for kernel, _ in parameters]
    estimator.intercepts_ = [bias for _, bias in parameters]
    estimator.n_layers_ = len(parameters) + 1
    estimator.n_outputs_ = len(estimator.intercepts_[-1])
    estimator.out_activation_ = job.out_activation
    estimator.n_iter_ = int(progress.epochs)
    estimator.t_ = int(progress.samples_seen)
    for name, field in _CURVES.items():
        earlier = job.earlier_curves.get(name)
        if name.startswith("validation") and not early_stopping:
            curve = earlier
        else:
            curve = (earlier or []) + getattr(network.curves, field).tolist()
        setattr(estimator, name, curve)
    estimator.loss_ = estimator.loss_curve_[-1] if estimator.loss_curve_ else np.nan
    estimator.best_loss_ = None if early_stopping else progress.best
    estimator.best_validation_score_ = progress.best if early_stopping else None
    estimator._no_improvement_count = int(progress.no_improvement)
    # Plain tuples of arrays, so that a saved model needs no class of ours but the estimator's.
    estimator._optimizer_state = (
        estimator.solver, progress.learning_rate, progress.step, network.slots,
    )  # fmt: skip


class _EpochPrinter:
    """Prints the lines that MLPClassifier prints with verbose."""

    def __init__(self, estimator, network):
        self.early_stopping = estimator.early_stopping
        self.adaptive = network.hyper.schedule == Schedule.ADAPTIVE
        self.learning_rate = network.progress.learning_rate
        self.epoch = 0
        what = "Validation score" if estimator.early_stopping else "Training loss"
        self.reason = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )

    def __call__(self, news):
        (curves,) = news
        for loss, score, rate in zip(curves.loss, curves.validation_score, curves.learning_rate):
            self.epoch += 1
            print(f"Iteration {self.epoch}, loss = {loss:.8f}")
            if self.early_stopping:
                print(f"Validation score: {score:f}")
            if self.adaptive and rate < self.learning_rate:
                print(f"{self.reason} Setting learning rate to {rate:f}")
            self.learning_rate = rate

    def finish(self, converged):
        """Say why the training stopped, if a rule stopped it."""
        if converged:
            too_small = " Learning rate too small." if self.adaptive else ""
            print(f"{self.reason}{too_small} Stopping.")
