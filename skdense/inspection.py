"""Looking into fitted networks: dead units, and how a setting fares under many seeds."""

from typing import NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.activations import ACTIVATIONS
from skdense.core.layers import dense
from skdense.many import check_estimators, fit_inputs
from skdense.validation import FitInput, hidden_sizes

__all__ = ["SeedStudy", "dead_units", "study_seeds"]


def dead_units(estimator, X):
    """Find the hidden units whose output is the same for every sample.

    Such a unit tells no sample from another. With ``activation="relu"`` it mostly gives 0, no gradient
    reaches it, and it stays so.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier
        A fitted estimator.
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
    check_is_fitted(estimator)
    values = validate_data(estimator, X, accept_sparse="csr", reset=False)
    activation = ACTIVATIONS[estimator.activation].array
    dead = []
    for kernel, bias in zip(estimator.coefs_[:-1], estimator.intercepts_[:-1], strict=True):
        values = dense(values, kernel, bias, activation)
        dead.append(np.ptp(values, axis=0) == 0)
    return dead


class SeedStudy(NamedTuple):
    """What one setting came to under each of N seeds.

    Attributes
    ----------
    estimators : list of LowLevelMLPClassifier
        The estimators, fitted but for those whose training diverged.
    accuracy : ndarray of shape (N,)
        The accuracy of each on the training samples, NaN where training diverged.
    dead : ndarray of shape (N, n_hidden_layers)
        The fraction of each hidden layer's units that are dead on the training samples, or NaN.
    """

    estimators: list
    accuracy: np.ndarray
    dead: np.ndarray


def study_seeds(estimator, X, y, seeds=40, *, n_jobs=None):
    """Train one setting under many seeds, all together.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier
        The setting; it is not fitted itself.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The labels.
    seeds : int or iterable of int, default=40
        The values of `random_state`; an int N stands for 0 to N - 1.
    n_jobs : int, default=None
        As in :func:`skdense.fit_many`.

    Returns
    -------
    study : SeedStudy
        The estimators with their accuracies and fractions of dead units.

    Raises
    ------
    ValueError
        If no seed's training ends without an error: that of the first.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import study_seeds
    >>> X, y = make_two_clouds(random_state=0)
    >>> study = study_seeds(LowLevelMLPClassifier((4,), max_iter=20, tol=0.1), X, y, seeds=3)
    >>> study.accuracy.shape, study.dead.shape
    ((3,), (3, 1))
    """
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    estimators = [clone(estimator).set_params(random_state=seed) for seed in seeds]
    check_estimators(estimators)
    outcomes = fit_inputs(estimators, [FitInput(X, y)] * len(estimators), n_jobs)
    if all(outcome.error is not None for outcome in outcomes):
        raise outcomes[0].error
    study = SeedStudy(
        estimators,
        accuracy=np.full(len(estimators), np.nan),
        dead=np.full((len(estimators), len(hidden_sizes(estimator))), np.nan),
    )
    for i, (network, outcome) in enumerate(zip(estimators, outcomes, strict=True)):
        if outcome.error is None:
            study.accuracy[i] = network.score(X, y)
            study.dead[i] = [layer.mean() for layer in dead_units(network, X)]
    return study
