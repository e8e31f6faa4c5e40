"""Looking into networks: dead units, and one setting under many seeds."""

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.formulas.layers import hidden_values
from skdense.final_step import final_step, fit_all_but_last, nested
from skdense.fit.fitting import fit_together
from skdense.fit.inputs import MatrixLike, hidden_sizes
from skdense.fit.results import are_dead
from skdense.many import check_estimators


def dead_units(estimator: BaseEstimator, X: MatrixLike) -> list[NDArray]:
    """Find the hidden units whose output is the same for every sample, up to rounding.

    Such a unit carries no information about the sample. With ``activation="relu"`` its output is
    usually 0 for all samples; then no gradient reaches the unit, so it stays dead.

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
    >>> clf = LowLevelMLPClassifier((50, 20), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> [f"{dead.sum()} of {len(dead)}" for dead in dead_units(clf, X)]
    ['0 of 50', '3 of 20']
    """
    check_is_fitted(estimator)
    for _, part in nested(estimator):
        if isinstance(part, Pipeline) and len(part) > 1:
            X = part[:-1].transform(X)
    network = final_step(estimator)
    check_estimators([network], "fit", "predict")
    X = validate_data(network, X, accept_sparse="csr", reset=False)
    return [*map(are_dead, hidden_values(*network._layers_and_parameters(), X))]


class SeedStudy(NamedTuple):
    """The results of one setting under each of N seeds.

    Attributes
    ----------
    estimators : list of LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The estimators, fitted except where training diverged.
    score : ndarray of shape (N,)
        The `score` of each on the training samples, accuracy for classifiers and R2 for regressors; NaN
        where training diverged.
    dead : ndarray of shape (N, n_hidden_layers)
        The fraction of each hidden layer's units that are dead on the training samples, or NaN.
    """

    estimators: list
    score: np.ndarray
    dead: np.ndarray

    def __repr__(self):
        low, median, high = np.nanquantile(self.score, (0, 0.5, 1))
        return (
            f"<SeedStudy of {len(self.score)} {type(final_step(self.estimators[0])).__name__}s: scores "
            f"from {low:.4g} to {high:.4g}, median {median:.4g}, {np.isnan(self.score).sum()} diverged>"
        )


def study_seeds(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    seeds: int | Sequence[int] = 40,
    *,
    n_jobs: int | None = None,
) -> SeedStudy:
    """Train one setting under many seeds, all at the same time.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The estimator with the setting, or a Pipeline that ends with it. Clones of it are fitted.
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
        If the estimator is of another kind, or overrides `fit` or `predict`.
    ValueError
        If there are no seeds. If training fails under every seed, the first error is raised.

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
    check_estimators([final_step(estimator)], "fit", "predict")
    values = range(seeds) if isinstance(seeds, Integral) else seeds
    values = list(values) if np.iterable(values) else []
    if not values:
        raise ValueError(f"seeds must be a positive int or a list of ints, got {seeds!r}")
    estimators, inputs = [], []
    for seed in values:
        model = clone(estimator)
        final_step(model).set_params(random_state=seed)
        fitted, one_input = fit_all_but_last(model, X, y, {})
        estimators.append(fitted)
        inputs.append(one_input)
    networks = list(map(final_step, estimators))
    errors = fit_together(networks, inputs, n_jobs)
    if all(errors):
        raise errors[0]
    score = np.full(len(estimators), np.nan)
    dead = np.full((len(estimators), len(hidden_sizes(networks[0]))), np.nan)
    for i, (fitted, error) in enumerate(zip(estimators, errors, strict=True)):
        if error is None:
            score[i] = fitted.score(X, y)
            dead[i] = [layer.mean() for layer in dead_units(fitted, X)]
    return SeedStudy(estimators, score, dead)
