"""Looking into networks: dead units."""

from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.formulas.layers import hidden_values
from skdense.final_step import beyond_steps
from skdense.fit.inputs import MatrixLike
from skdense.fit.results import are_dead
from skdense.many import check_estimators


def dead_unit_masks(estimator: BaseEstimator, X: MatrixLike) -> list[NDArray]:
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
    >>> from skdense.inspection import dead_unit_masks
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((50, 20), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> [f"{dead.sum()} of {len(dead)}" for dead in dead_unit_masks(clf, X)]
    ['0 of 50', '3 of 20']
    """
    check_is_fitted(estimator)
    network, X = beyond_steps(estimator, X)
    check_estimators([network], "fit", "predict")
    X = validate_data(network, X, accept_sparse="csr", reset=False)
    return [*map(are_dead, hidden_values(*network._layers_and_parameters(), X))]
