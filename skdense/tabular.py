"""A strong default for tables: Pipelines of scikit-learn's parts with an out-of-fold ensemble at the end."""

from numbers import Real

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler

from skdense.ensemble import CrossFitClassifier, CrossFitRegressor

__all__ = ["make_tabular_classifier", "make_tabular_regressor"]

_N_KNOTS = 8
_RARE = 5
"""The fewest samples of a category that has a column of its own."""


def make_tabular_classifier(random_state=None, *, cv=8):
    return make_pipeline(_columns(), CrossFitClassifier(cv=cv, random_state=random_state))


def make_tabular_regressor(random_state=None, *, cv=8):
    ensemble = CrossFitRegressor(cv=cv, random_state=random_state)
    return make_pipeline(_columns(), TransformedTargetRegressor(ensemble, transformer=StandardScaler()))


def _columns():
    """Numbers, scaled and as piecewise-linear functions; which are missing; categories as columns."""
    scaled = make_pipeline(StandardScaler(), FunctionTransformer(soft_clip))
    ramps = SplineTransformer(_N_KNOTS, degree=1, knots="quantile", extrapolation="constant")
    numbers = make_pipeline(SimpleImputer(strategy="median"), make_union(scaled, ramps))
    categories = OneHotEncoder(
        min_frequency=_RARE, handle_unknown="infrequent_if_exist", drop="if_binary", sparse_output=False
    )
    columns = ColumnTransformer(
        [
            ("numbers", numbers, numeric_columns),
            ("missing", MissingIndicator(error_on_new=False), numeric_columns),
            ("categories", categories, other_columns),
        ]
    )
    return make_pipeline(columns, VarianceThreshold())


def soft_clip(z):
    """About z near 0, and never beyond 3."""
    return z / np.sqrt(1 + (z / 3) ** 2)


def numeric_columns(X):
    """Which columns have numbers only, or nothing where values are missing."""
    if hasattr(X, "select_dtypes"):
        return X.columns.isin(X.select_dtypes("number").columns)
    if X.dtype.kind != "O":
        return np.full(X.shape[1], X.dtype.kind in "biuf")
    return np.array([all(v is None or isinstance(v, Real) for v in column) for column in X.T])


def other_columns(X):
    """Which columns are categories."""
    return ~numeric_columns(X)
