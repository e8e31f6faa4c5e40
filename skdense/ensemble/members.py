"""The members of an ensemble: how they are fitted outside of their folds, at the same time.

Networks train on rows of one table, other members on copies of them.
"""

import sys
from contextlib import contextmanager, nullcontext
from inspect import signature
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs, parallel_config
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import has_fit_parameter

from skdense import compat
from skdense.base import is_network
from skdense.core.machine.threads import one_blas_thread, one_openmp_thread
from skdense.ensemble.calibration import regression_loss
from skdense.ensemble.predictors import (
    has_lightgbm_per_output,
    is_lightgbm,
    is_pipeline_of_lightgbm,
)
from skdense.ensemble.progress import fold_name
from skdense.final_step import fit_arguments, nested
from skdense.fit.fitting import fit_together, outcome
from skdense.fit.inputs import FitInput
from skdense.version import __version__


def joblib_jobs(n_jobs):
    """A context in which joblib is configured with a number of jobs; None leaves it as it is."""
    return nullcontext() if n_jobs is None else parallel_config(n_jobs=n_jobs)


def jobs_of_networks():
    """How many networks a model trains at the same time: all cores if joblib is not configured.

    This ignores the model's share of the workers, because models of a blend end at different times. A
    network needs no copy of the rows. None means as many as joblib says where the model is fitted.
    """
    return cpu_count() if compat.joblibs_n_jobs() == -1 else None


# --- members -----------------------------------------------------------------------------------------


_STOPPING = "early_stopping", "early_stopping_rounds", "early_stopping_round"
"""The parameters that switch early stopping on: scikit-learn's, XGBoost's, LightGBM's."""
_COPIED_ROWS = 2**15
"""How many rows are copied at a time to be predicted."""
_TIMED_ROWS = 1000
"""Number of rows with which predictions are timed. For few rows, the call itself takes most of it."""


class OutOfFold(NamedTuple):
    """Members, each fitted outside of its fold, and what they predict for their folds.

    Attributes
    ----------
    members : list of estimators
        The fitted members.
    labels : list of ndarray or None
        For each member the labels of the columns that it predicts, if they are classifiers.
    rows : ndarray of shape (n_predictions,)
        The numbers of the rows that are held out, fold by fold.
    outputs : ndarray of shape (n_predictions, ...)
        What is predicted for these rows: log-probabilities of a classifier's own columns in `labels`,
        spread over all classes, or the predictions of a regressor.
    fit_seconds : float
        The time from the begin to the end of the fits.
    predict_seconds : float
        The processor time per row that all members together need to predict many rows.
    """

    members: list
    labels: list
    rows: NDArray
    outputs: NDArray
    fit_seconds: float
    predict_seconds: float


def fit_out_of_fold(
    members, splits, samples, output_of, *, progress, stop, network_jobs=None, callback=None
):
    """Fit each member to the rows of its split, all at the same time, and predict its fold.

    Parameters
    ----------
    members : list of estimators
        They are fitted in place, or fitted copies of them are returned.
    splits : list of (ndarray, ndarray)
        For each member the rows to train on, and its fold: the rows held out, on which early stopping
        validates it.
    samples : Samples
        What they are fitted to.
    output_of : callable
        ``output_of(member, labels, X)`` is what a fitted member predicts.
    progress : Progress
        Prints the results of members.
    stop : Stop
        Ends the fits.
    network_jobs : int, default=None
        How many networks to train at the same time; None asks joblib.
    callback : callable, default=None
        ``callback()`` is a callback of LightGBM that stops a member.

    Returns
    -------
    out_of_fold : OutOfFold
        The fitted members and what they predict.
    """
    begin = perf_counter()
    if is_network(members[0], "fit"):
        _fit_networks(members, splits, samples, progress, stop, network_jobs)
        labels = [getattr(member, "classes_", None) for member in members]
    else:
        members, labels = _fit_others(members, splits, samples, progress, stop, callback)
    fit_seconds = perf_counter() - begin
    outputs, rows = [], np.concatenate([fold for _, fold in splits])
    with one_blas_thread():  # as in `_fit_others`
        for number, (member, (_, fold)) in enumerate(zip(members, splits, strict=True)):
            for start in range(0, len(fold), _COPIED_ROWS):  # `gen_batches` refuses an empty fold
                X = compat.safe_indexing(samples.X, fold[start : start + _COPIED_ROWS])
                with note_on_error(fold_name(number, len(splits))):
                    outputs.append(output_of(member, labels[number], X))
        X = compat.safe_indexing(samples.X, np.resize(rows, _TIMED_ROWS))
        with one_openmp_thread():  # `thread_time` counts only the work of this thread
            cpu_begin = thread_time()
            output_of(members[-1], labels[-1], X)
            predict_seconds = (thread_time() - cpu_begin) / _TIMED_ROWS * len(members)
    outputs = np.concatenate(outputs)
    return OutOfFold(members, labels, rows, outputs, fit_seconds, predict_seconds)


def _fit_others(members, splits, samples, progress, stop, callback):
    data = samples.X, samples.y, samples.sample_weight, stop, callback, progress.prints_members
    fits = [(member, split, *data) for member, split in zip(members, splits, strict=True)]
    folds = [fold_name(number, len(members)) for number in range(len(members))]
    fitted, labels = [], []
    # Each core has a member. And the last digits depend on the number of threads of BLAS, which members
    # that are fitted at the same time would change.
    with one_blas_thread():
        for member, labels_of_member, score in in_parallel(fit_member, fits, folds):
            progress.print_member(len(fitted), len(members), f"score {score:f}")
            fitted.append(member)
            labels.append(labels_of_member)
    return fitted, labels


def _fit_networks(networks, splits, samples, progress, stop, network_jobs):
    first = networks[0]
    data = samples.X, samples.y, samples.sample_weight
    inputs = [FitInput(*data, split=split) for split in splits]

    def after_fit(network, job):
        if job is None:  # it was trained alone
            words = [f"{network.n_iter_} iterations, loss = {network.loss_:.8f}"]
        else:
            words = [outcome(run, job) for run in job.networks]
        progress.print_member(networks.index(network), len(networks), "; ".join(words))

    # With early stopping the best epoch is kept, and a cosine schedule ends at max_iter.
    may_reach_max_iter = first.early_stopping or first.learning_rate == "cosine"
    stop.check()
    fit_together(networks, inputs, network_jobs, after_fit, not may_reach_max_iter, stop=stop)


def fit_member(
    member: Any, split, X, y, sample_weight, stop, callback=None, with_score=False
) -> tuple[Any, Any, float]:
    """Fit a member that is no network.

    Return it, the labels of its columns if it is a classifier, and its score on its fold if asked.
    `callback()` is a callback for a LightGBM, which is validated on the fold then.
    """
    if has_lightgbm_per_output(member) and y.ndim > 1:
        # The fold stops the trees of each output on their own.
        data = sample_weight, stop, callback
        member.estimators_ = [
            fit_member(clone(member.estimator), split, X, column, *data)[0] for column in y.T
        ]
        member.n_features_in_ = X.shape[1]
        return member, None, _score(member, split[1], X, y, sample_weight) if with_score else np.nan
    stop.check()
    rows, fold = split
    validation_rows, encoded_classes, labels = fold, None, None
    if is_classifier(member):
        labels = encoded_classes = np.unique(y[rows])
        # No classifier can be validated on classes that it does not know.
        is_known = np.isin(y, labels)
        validation_rows = fold[is_known[fold]]
        # XGBoost demands that labels are the numbers of the classes that it is fitted to.
        if not is_known.all() and has_xgboost(member):
            encoded_classes = np.arange(len(labels))
            y = np.where(is_known, np.searchsorted(labels, y), -1)
        # Many classifiers cannot be fitted to one class.
        if len(labels) == 1:
            member = DummyClassifier()
    elif (not y[rows].any() or not y[fold].any()) and regression_loss(member).is_positive:
        # Zeros do not validate a loss of positive predictions.
        validation_rows = fold[:0]
        # Such a loss has no minimum if y is 0 in all rows. The constant is not 0, which would have an
        # infinite loss where y is not 0: it is as if the rows had half a unit in sum.
        if not y[rows].any():
            constant = np.full(y.shape[1:], 0.5 / len(rows))
            member = DummyRegressor(strategy="constant", constant=constant)
    X_rows, X_fold = (compat.safe_indexing(X, part) for part in (rows, validation_rows))
    weight, fold_weight = (
        None if sample_weight is None else sample_weight[part] for part in (rows, validation_rows)
    )
    last = member
    if is_pipeline_of_lightgbm(member):
        # What stands before LightGBM learns from the rows of the member, and not from its fold.
        *before, (_, last) = member.steps
        for _, step in before:
            X_rows = step.fit_transform(X_rows, y[rows])
            X_fold = step.transform(X_fold) if len(X_fold) else X_fold
    arguments = fit_arguments(last, sample_weight=weight)
    y_fold, has_callback = y[validation_rows], callback is not None
    arguments |= _validation(last, X_fold, y_fold, fold_weight, encoded_classes, has_callback)
    if is_lightgbm(last):
        arguments["callbacks"] = [lambda _: stop.check()]
        if "eval_X" in arguments and callback is not None:
            arguments["callbacks"].append(callback())
    with one_openmp_thread():  # each core has a member
        last.fit(X_rows, y[rows], **arguments)
    classes_of_member = getattr(member, "classes_", None)
    if labels is not None and classes_of_member is not None:
        # In the order of the member's own columns, which may be those of more classes than its rows'.
        is_encoded = encoded_classes is not labels
        labels = labels[classes_of_member] if is_encoded else np.asarray(classes_of_member)
    return member, labels, _score(member, fold, X, y, sample_weight) if with_score else np.nan


def _score(member, fold, X, y, sample_weight):
    """The accuracy or R2 of a member on its fold, NaN if this is empty."""
    if not len(fold):
        return np.nan
    fold_weight = None if sample_weight is None else sample_weight[fold]
    score = accuracy_score if is_classifier(member) else r2_score
    predictions: Any = member.predict(compat.safe_indexing(X, fold))
    predictions = np.reshape(predictions, np.shape(y[fold]))  # CatBoost's may be a column
    return score(y[fold], predictions, sample_weight=fold_weight)


def _validation(member, X, y, weight, encoded_classes, has_callback):
    """The arguments by which a member that stops early is validated on its fold: X, y and weights.

    If the fold is empty, it does not stop early: without validation samples, some raise an error.
    """
    own, takes = member.get_params(deep=False), signature(member.fit).parameters
    stopping = [name for name in _STOPPING if own.get(name)]
    if not (stopping or has_callback) or not {"X_val", "eval_X", "eval_set"} & takes.keys():
        return {}
    if not len(y):
        member.set_params(**{name: False if name == "early_stopping" else None for name in stopping})
        return {}
    if "X_val" in takes:
        arguments = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    elif "eval_X" in takes:
        if encoded_classes is not None:
            # LightGBM encodes the labels of y and `eval_set` only.
            y = np.searchsorted(encoded_classes, y)
        arguments = {"eval_X": X, "eval_y": y, "eval_sample_weight": [weight]}
    elif is_catboost(member):
        features = "cat_features", "text_features", "embedding_features"
        data = {name: own[name] for name in features if own.get(name) is not None}
        pool = sys.modules["catboost"].Pool(X, y, weight=weight, **data)
        arguments = {"eval_set": pool}
    else:
        arguments = {"eval_set": [(X, y)], "sample_weight_eval_set": [weight]}
        if "sample_weight_eval_set" in takes:
            arguments["verbose"] = False  # XGBoost would print each round
    return {name: values for name, values in arguments.items() if name in takes}


def class_weights_of(model):
    """The weights of classes that a model and its parts have, those by labels in dicts."""
    names = "class_weight", "class_weights"  # the latter is CatBoost's
    params = model.get_params().items()
    return [value for name, value in params if name.split("__")[-1] in names and value is not None]


def names_labels(model):
    """Whether a model has parameters with the labels of classes: weights, or CatBoost's names."""
    names = [value for name, value in model.get_params().items() if name.endswith("class_names")]
    return any(isinstance(value, dict) for value in class_weights_of(model)) or any(
        value is not None for value in names
    )


def takes_weights(model):
    """Whether `fit` of a model takes `sample_weight`, by name or among any other arguments."""
    parameters = signature(model.fit).parameters.values()
    return has_fit_parameter(model, "sample_weight") or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters
    )


def names_of_seeds(model):
    """The parameters of a model and its parts that are seeds.

    CatBoost's `get_params` has only parameters that are set, and two names for the seed.
    """
    params = model.get_params()
    names = [name for name in params if name.split("__")[-1] in ("random_state", "random_seed")]
    for prefix, part in {"": model, **{f"{name}__": part for name, part in params.items()}}.items():
        if is_catboost(part) and not {f"{prefix}random_state", f"{prefix}random_seed"} & {*names}:
            names.append(f"{prefix}random_seed")
    return sorted(names)


def is_catboost(model):
    """Whether a model is CatBoost's own, which is imported then."""
    catboost = sys.modules.get("catboost")
    return catboost is not None and isinstance(
        model, catboost.CatBoostClassifier | catboost.CatBoostRegressor
    )


def has_xgboost(model):
    """Whether a model or a part of it is XGBoost's classifier, which is imported then."""
    xgboost = sys.modules.get("xgboost")
    parts = [model, *model.get_params().values()]
    return xgboost is not None and any(isinstance(part, xgboost.XGBClassifier) for part in parts)


def leaves_X_unchanged(model):
    """Whether it is known that a model leaves X as it is: all of its steps are of this package."""
    parts = [step for _, part in nested(model) for _, step in getattr(part, "steps", [("", part)])]
    return all(type(part).__module__.startswith("skdense.") for part in parts)


def in_parallel(function, arguments, names) -> Any:
    """The results of a function for each tuple of arguments, in order, as joblib is configured.

    An error has a note with the name of the call that raised it. Without a configuration there is a
    thread for each core, but only one thread within a task of joblib. What the function itself runs
    through joblib gets an equal share of the workers.
    """
    n_jobs: Any = compat.joblibs_n_jobs()
    config = get_config()  # each thread has its own configuration
    share = max(1, effective_n_jobs(n_jobs) // len(arguments))
    return Parallel(n_jobs, prefer="threads", return_as=compat.return_as())(
        delayed(_call)(function, values, name, config, share, __version__)
        for values, name in zip(arguments, names, strict=True)
    )


def _call(function, values, name, config, share, version):
    if version != __version__:  # a cluster does not tell of the warning when a model is unpickled
        raise RuntimeError(
            f"this worker has skdense {__version__}, but the process that calls it has {version}: "
            "workers need the same version"
        )
    with note_on_error(name), config_context(**config), parallel_config(n_jobs=share):
        return function(*values)


@contextmanager
def note_on_error(name):
    """Errors in the block have a note that names it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"It was raised in {name}.")
        raise
