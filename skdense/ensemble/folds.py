"""Fitting models outside of folds: networks train on rows of one table, other models on copies."""

from itertools import repeat

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend
from sklearn import config_context, get_config
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils import _safe_indexing, check_array, check_consistent_length
from sklearn.utils.validation import has_fit_parameter, validate_data
from threadpoolctl import threadpool_limits

from skdense.base import BaseLowLevelMLP
from skdense.ensemble.ends import fit_parameters
from skdense.fit.inputs import FitInput, one_column
from skdense.fit.observers import announce_first_fit, outcome
from skdense.many import fit_inputs


def fit_folds(models, X, y, sample_weight, folds, names, report):
    """Fit each model to the training rows of its fold, all at the same time; return them.

    Early stopping validates a model on the rows that its fold holds out. `folds` has pairs of arrays of
    ints: the rows to train on and those held out. With names, one for each model, a line is printed
    as it is fitted, and `report`, if it is not None, is called with the model's number.
    """
    if not isinstance(models[0], BaseLowLevelMLP):
        return at_once(
            _fit_fold,
            (
                (model, X, y, sample_weight, *fold, name)
                for model, fold, name in zip(models, folds, names or repeat(None))
            ),
            report,
        )
    if names:
        announce_first_fit()
    numbers = {id(model): number for number, model in enumerate(models)}

    def note(model, job):
        number = numbers[id(model)]
        if names:
            _print_outcome(names[number], model, job)
        if report is not None:
            report(number)

    inputs = [
        FitInput(X, y, sample_weight, rows=rows, validation_rows=held_out if stops_early else None)
        for stops_early in [models[0].early_stopping]
        for rows, held_out in folds
    ]
    # With early stopping the best epoch is kept, and a cosine schedule ends at max_iter.
    may_reach_max_iter = models[0].early_stopping or models[0].learning_rate == "cosine"
    trained = note if names or report is not None else None
    errors = fit_inputs(models, inputs, trained=trained, warn_max_iter=not may_reach_max_iter)
    for error in filter(None, errors):
        raise error
    return models


def at_once(function, arguments, report=None):
    """The results of a function for each tuple of arguments, as the caller has configured joblib.

    Without a configuration there is a thread for each core, but only one thread within a task of
    joblib. What the function itself runs through joblib gets an equal share of the workers. `report`,
    if it is not None, is called with the number of each result, in order, as soon as it is there.
    """
    arguments = list(arguments)
    backend, n_jobs = get_active_backend()
    if n_jobs is None and backend.nesting_level == 0:
        n_jobs = -1
    config = get_config()  # each thread has its own
    share = max(1, effective_n_jobs(n_jobs) // len(arguments))
    # Not every backend, such as those of Ray and Spark, hands results over one by one.
    return_as = "generator" if backend.supports_return_generator else "list"
    results = []
    for result in Parallel(n_jobs, prefer="threads", return_as=return_as)(
        delayed(_called)(function, values, config, share) for values in arguments
    ):
        if report is not None:
            report(len(results))
        results.append(result)
    return results


def _called(function, values, config, share):
    with config_context(**config), parallel_config(n_jobs=share):
        return function(*values)


def _print_outcome(name, model, job):
    if job is None:
        print(f"{name}: {model.n_iter_} iterations, loss = {model.loss_:.8f}")
    else:
        for network in job.networks:  # several draws of one model
            print(f"{name}: {outcome(network, model.validation_metric)}")


def _fit_fold(model, X, y, sample_weight, rows, held_out, name):
    if is_classifier(model) and (y[rows] == y[rows[0]]).all():
        model = DummyClassifier()  # many classifiers cannot be fitted to one class
    weights = {} if sample_weight is None else {"sample_weight": sample_weight[rows]}
    validation, known = {}, held_out
    if getattr(model, "early_stopping", False) and has_fit_parameter(model, "X_val"):
        if is_classifier(model):
            known = held_out[np.isin(y[held_out], y[rows])]  # the model knows no other classes
        if len(known):
            validation = {"X_val": _safe_indexing(X, known), "y_val": y[known]}
            if sample_weight is not None:
                validation["sample_weight_val"] = sample_weight[known]
    parameters = fit_parameters(model, **weights)
    with threadpool_limits(1, user_api="openmp"):  # of this thread only: each core has a fold
        model.fit(_safe_indexing(X, rows), y[rows], **parameters, **validation)
    if name is not None:
        score = model.score(_safe_indexing(X, held_out), y[held_out])
        print(f"{name}: {score_name(model)} {score:f}")
    return model


def score_name(model):
    """What the score of a classifier or regressor is."""
    return "accuracy" if is_classifier(model) else "R2"


def check_table(estimator, X, y=None, *, reset):
    """X as models take it: a DataFrame as it is, anything else as an array or a CSR matrix.

    The models check the values. With reset also y, of one dimension if it has one column.
    """
    checks = {"accept_sparse": "csr", "dtype": None, "ensure_all_finite": False}
    if hasattr(X, "columns"):
        checks = {"skip_check_array": True}
    if not reset:
        return validate_data(estimator, X, **checks, reset=False)
    validate_data(estimator, X, y, skip_check_array=True)
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
    X = validate_data(estimator, X, **checks)
    check_consistent_length(X, y)
    return X, one_column(y)


def n_counted(weights):
    """The number of samples that the weights stand for.

    Weights are counts of samples, unless the positive ones have a mean below 1. Then they are shares,
    and each sample of positive weight counts once.
    """
    return max(weights.sum(), np.count_nonzero(weights))


def mean_by_row(rows, outputs, n_rows):
    """The mean of the outputs of each row, of which it may have several, and whether it has any.

    The mean of none is NaN.
    """
    counts = np.bincount(rows, minlength=n_rows).astype(float)
    seen = counts > 0
    sums = np.zeros((n_rows, *outputs.shape[1:]))
    np.add.at(sums, rows, outputs)
    counts[~seen] = np.nan
    return np.divide(sums.T, counts, out=sums.T).T, seen
