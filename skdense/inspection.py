"""Looking into fitted networks: dead units, and how a setting fares under many seeds."""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.activations import ACTIVATIONS
from skdense.many import check_estimators, fit_inputs
from skdense.units import hidden_values
from skdense.validation import FitInput, hidden_sizes

__all__ = ["SeedStudy", "dead_units", "study_seeds"]


def dead_units(estimator, X):
    """Find the hidden units whose output is the same for every sample.

    Such a unit carries no information about the sample. With ``activation="relu"`` its output is mostly
    0 for all of them; then no gradient reaches it, and it stays so.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        A fitted estimator, or a fitted Pipeline whose last step is one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    dead : list of ndarray of bool of shape (width,)
        One array for each hidden layer.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import dead_units
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((4,), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> [dead.shape for dead in dead_units(clf, X)]
    [(4,)]
    """
    if isinstance(estimator, Pipeline):
        check_is_fitted(estimator)
        *_, (_, last) = estimator.steps
        return dead_units(last, estimator[:-1].transform(X) if len(estimator) > 1 else X)
    check_estimators([estimator])
    check_is_fitted(estimator)
    X = validate_data(estimator, X, accept_sparse="csr", reset=False)
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    activation = ACTIVATIONS[estimator.activation].array
    return [np.ptp(values, axis=0) == 0 for values in hidden_values(layers, activation, X)]


class SeedStudy(NamedTuple):
    """What one setting came to under each of N seeds.

    Attributes
    ----------
    estimators : list of LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The estimators, fitted but for those whose training diverged.
    score : ndarray of shape (N,)
        What the `score` of each gives for the training samples, the accuracy of classifiers and R2 of
        regressors; NaN where training diverged.
    dead : ndarray of shape (N, n_hidden_layers)
        The fraction of each hidden layer's units that are dead on the training samples, or NaN.
    """

    estimators: list
    score: np.ndarray
    dead: np.ndarray


def study_seeds(estimator, X, y, seeds=40, *, n_jobs=None):
    """Train one setting under many seeds, all together.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The setting, or a Pipeline whose last step it is; it is not fitted itself.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What to predict.
    seeds : int or iterable of int, default=40
        The values of `random_state`; an int N stands for 0 to N - 1.
    n_jobs : int, default=None
        As in :func:`skdense.fit_many`.

    Returns
    -------
    study : SeedStudy
        The estimators with their scores and fractions of dead units.

    Raises
    ------
    TypeError
        If the estimator is of another kind.
    ValueError
        If there are no seeds, or if no seed's training ends without an error: that of the first.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import study_seeds
    >>> X, y = make_two_clouds(random_state=0)
    >>> study = study_seeds(LowLevelMLPClassifier((4,), max_iter=20, tol=0.1), X, y, seeds=3)
    >>> study.score.shape, study.dead.shape
    ((3,), (3, 1))
    """
    check_estimators([_network(estimator)])
    values = range(seeds) if isinstance(seeds, Integral) else seeds
    values = list(values) if np.iterable(values) else []
    if not values:
        raise ValueError(f"seeds must be a positive int or a list of ints, got {seeds!r}")
    estimators = [clone(estimator) for _ in values]
    networks = [_network(copy).set_params(random_state=seed) for copy, seed in zip(estimators, values)]
    inputs = [FitInput(_fit_earlier_steps(copy, X, y), y) for copy in estimators]
    errors = fit_inputs(networks, inputs, n_jobs)
    if all(errors):
        raise errors[0]
    study = SeedStudy(
        estimators,
        score=np.full(len(estimators), np.nan),
        dead=np.full((len(estimators), len(hidden_sizes(networks[0]))), np.nan),
    )
    for i, (fitted, error) in enumerate(zip(estimators, errors, strict=True)):
        if error is None:
            study.score[i] = fitted.score(X, y)
            study.dead[i] = [layer.mean() for layer in dead_units(fitted, X)]
    return study


def _network(estimator):
    """The last step of a Pipeline, or the estimator itself."""
    return _network(estimator.steps[-1][1]) if isinstance(estimator, Pipeline) else estimator


def _fit_earlier_steps(estimator, X, y):
    """X as it reaches the last step of a Pipeline, whose earlier steps are fitted."""
    if not isinstance(estimator, Pipeline):
        return X
    if len(estimator) > 1:
        earlier = estimator[:-1]
        X = earlier.fit_transform(X, y)
        estimator.steps[:-1] = earlier.steps
    return _fit_earlier_steps(estimator.steps[-1][1], X, y)
