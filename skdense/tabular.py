"""A strong default for tables: a Pipeline of scikit-learn's parts before an ensemble of networks."""

from numbers import Real

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, StandardScaler

from skdense.classifier import LowLevelMLPClassifier
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.regressor import LowLevelMLPRegressor

__all__ = ["make_tabular_classifier", "make_tabular_regressor"]

_NETWORK = {
    "hidden_layer_sizes": (128, 128),
    "init": "he_normal",
    "dropout": 0.1,
    "alpha": 0.0,
    "batch_size": 128,
    "learning_rate_init": 0.003,
    "beta_2": 0.95,
    "max_iter": 150,
    "early_stopping": True,
    "validation_metric": "loss",
    "n_iter_no_change": 20,
    "tol": 0.0,
    "dtype": "float32",
}
_N_KNOTS = 8
_RARE = 5
"""The fewest samples of a category that has a column of its own."""


def make_tabular_classifier(random_state=None, *, cv=8):
    """Make a classifier for tables of numbers and categories, with or without missing values.

    It takes a DataFrame or an array as it is, without any settings. The result is a Pipeline with the
    steps

    - `columns`: numbers are imputed by their median, scaled and softly clipped, and beside this
      written as piecewise-linear functions between their quantiles [1]_; where values were missing has
      columns of its own; categories, which are all columns that are not numbers, are one-hot, where
      those of fewer than 5 samples share a column, which new ones get as well;
    - `variable`: columns that are constant are dropped;
    - `ensemble`: a :class:`skdense.ensemble.CrossFitClassifier` of networks of two hidden layers, each
      with dropout, stopped by the log-loss of its own fold.

    All of it can be changed by `set_params`.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the networks.

    cv : int, cross-validation generator or iterable, default=8
        The folds, which is the number of networks.

    Returns
    -------
    model : Pipeline
        Not yet fitted; its last step, `ensemble`, is a :class:`skdense.ensemble.CrossFitClassifier`.

    See Also
    --------
    make_tabular_regressor : The same for numbers to predict.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import make_tabular_classifier
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = make_tabular_classifier(random_state=0, cv=2)
    >>> model = model.set_params(ensemble__estimator__max_iter=20).fit(X, ["a", "a", "b", "b"] * 10)
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """
    network = LowLevelMLPClassifier(**_NETWORK, label_smoothing=0.05)
    return _pipeline(CrossFitClassifier(network, cv, random_state=random_state))


def make_tabular_regressor(random_state=None, *, cv=8):
    """Make a regressor for tables of numbers and categories, with or without missing values.

    It is that of :func:`make_tabular_classifier`, which says what its steps are, with networks for
    regression, trained on a target scaled to unit variance.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the networks.

    cv : int, cross-validation generator or iterable, default=8
        The folds, which is the number of networks.

    Returns
    -------
    model : Pipeline
        Not yet fitted; its last step, `ensemble`, is a
        :class:`sklearn.compose.TransformedTargetRegressor` around a
        :class:`skdense.ensemble.CrossFitRegressor`.

    See Also
    --------
    make_tabular_classifier : The same for class labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import make_tabular_regressor
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = make_tabular_regressor(random_state=0, cv=2)
    >>> model = model.set_params(ensemble__regressor__estimator__max_iter=20).fit(X, range(40))
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """
    network = LowLevelMLPRegressor(**_NETWORK)
    ensemble = CrossFitRegressor(network, cv, random_state=random_state)
    return _pipeline(TransformedTargetRegressor(ensemble, transformer=StandardScaler()))


def _pipeline(ensemble):
    scaled = make_pipeline(StandardScaler(), _function(soft_clip))
    piecewise = SplineTransformer(_N_KNOTS, degree=1, knots="quantile", extrapolation="constant")
    numbers = make_pipeline(SimpleImputer(strategy="median"), make_union(scaled, piecewise))
    one_hot = OneHotEncoder(
        min_frequency=_RARE, handle_unknown="infrequent_if_exist", drop="if_binary", sparse_output=False
    )
    categories = make_pipeline(_function(missing_as_none), one_hot)
    columns = ColumnTransformer(
        [
            ("numbers", numbers, numbers_of),
            ("missing", MissingIndicator(error_on_new=False), numbers_of),
            ("categories", categories, categories_of),
        ]
    )
    # Between two equal quantiles, a piecewise-linear function is 0 everywhere.
    return Pipeline([("columns", columns), ("variable", VarianceThreshold()), ("ensemble", ensemble)])


def _function(function):
    return FunctionTransformer(function, feature_names_out="one-to-one")


def soft_clip(z):
    """About z near 0, and never beyond 3."""
    return z / np.sqrt(1 + (z / 3) ** 2)


def missing_as_none(X):
    """The columns of a DataFrame with None, which OneHotEncoder knows, in place of pandas.NA."""
    return X.astype(object).where(X.notna(), None) if hasattr(X, "notna") else X


def numbers_of(X):
    """Which columns of a DataFrame or an array have numbers only, apart from missing values."""
    if hasattr(X, "select_dtypes"):
        return X.columns.isin(X.select_dtypes("number").columns)
    if X.dtype.kind != "O":
        return np.full(X.shape[1], X.dtype.kind in "biuf")
    return np.array([all(v is None or isinstance(v, Real) for v in column) for column in X.T])


def categories_of(X):
    """Which columns have anything else."""
    return ~numbers_of(X)
