"""How near rows are to some rows of the training set, from which a linear model makes kernel ridge."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.fit.inputs import MatrixLike

__all__ = ["Landmarks"]

_BLOCK = 4096
"""Rows at a time, so that kernels of large tables take no further copy."""


class Landmarks(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Columns whose scalar products are the Laplacian kernel, by Nyström's method.

    The kernel of two rows is ``exp(-d)``, where d is the mean absolute difference of their columns. It
    is exact where one of them is a landmark [1]_. A ridge regression on these columns is a kernel ridge
    regression, exactly so if all rows of the training set are landmarks.

    It is scikit-learn's Nystroem, but takes tables of any number of rows: without a warning if there
    are fewer than landmarks, and in blocks.

    Parameters
    ----------
    n_landmarks : int, default=200
        How many rows of the training set, drawn at random, are landmarks; all if there are fewer.

    Attributes
    ----------
    nystroem_ : sklearn.kernel_approximation.Nystroem
        What makes the columns; its `components_` are the landmarks.

    n_features_in_ : int
        Number of columns seen during fit.

    References
    ----------
    .. [1] Williams and Seeger (2001), "Using the Nyström Method to Speed Up Kernel Machines", NeurIPS.

    Examples
    --------
    >>> from skdense.tabular.landmarks import Landmarks
    >>> columns = Landmarks().fit_transform([[0], [1], [3]])
    >>> (columns @ columns.T).round(3)
    array([[1.   , 0.368, 0.05 ],
           [0.368, 1.   , 0.135],
           [0.05 , 0.135, 1.   ]])
    """

    def __init__(self, n_landmarks: int = 200):
        self.n_landmarks = n_landmarks

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Draw the landmarks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.
        y : object
            Not used.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = validate_data(self, X, dtype=np.float64)
        n_landmarks = min(self.n_landmarks, len(X))
        self.nystroem_ = Nystroem(kernel="laplacian", n_components=n_landmarks, random_state=0).fit(X)
        return self

    def transform(self, X: MatrixLike) -> NDArray:
        """Write rows by their kernels with the landmarks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.

        Returns
        -------
        columns : ndarray of shape (n_samples, n_components), of float64
            As many columns as landmarks.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        columns = np.empty((len(X), self._n_features_out))
        for rows in gen_batches(len(X), _BLOCK):
            columns[rows] = self.nystroem_.transform(X[rows])
        return columns

    @property
    def _n_features_out(self):
        """How many columns there are, which `get_feature_names_out` asks for."""
        return len(self.nystroem_.components_)
