"""make_tabular_classifier and make_tabular_regressor: Pipelines with a default for tables."""

from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

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
_RARE = 5
"""The fewest samples of a category that has a column of its own."""


def make_tabular_classifier(random_state=None, *, cv=8):
    """Make a classifier for tables of numbers and categories, with or without missing values.

    It takes a DataFrame of pandas or polars, or an array, as it is, without any settings. The result is
    a Pipeline with the steps

    - `columns`: every column as numbers, by a :class:`skrub.TableVectorizer` where it does not hold
      numbers or bools: the parts of dates, durations, numbers stored as strings, categories one-hot,
      strings of 40 and more different values by their n-grams; where values were missing has columns
      of its own; columns that are constant or empty are left out, with a warning that names them;
    - `scaled`: each is centred, scaled and softly clipped (:class:`skrub.SquashingScaler`);
    - `filled`: the median takes the place of missing numbers;
    - `ramps`: beside each column with more than two values, piecewise-linear functions between its
      quantiles [1]_;
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

    Raises
    ------
    ImportError
        Without skrub, which `python -m pip install skdense[tables]` installs.

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

    Raises
    ------
    ImportError
        Without skrub, which `python -m pip install skdense[tables]` installs.

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
    try:
        from skrub import DatetimeEncoder, SquashingScaler, StringEncoder, TableVectorizer
    except ImportError:
        raise ImportError(
            "the default for tables needs skrub: python -m pip install 'skdense[tables]'"
        ) from None
    from skdense.tabular.columns import TableEncoder
    from skdense.tabular.ramps import Ramps

    vectorizer = TableVectorizer(
        low_cardinality=OneHotEncoder(
            min_frequency=_RARE,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
            dtype="float32",
        ),
        high_cardinality=StringEncoder(random_state=0),
        datetime=DatetimeEncoder(add_weekday=True, periodic_encoding="circular"),
        n_jobs=1,
    )
    return Pipeline(
        [
            ("columns", TableEncoder(vectorizer)),
            ("scaled", SquashingScaler()),
            ("filled", SimpleImputer(strategy="constant", fill_value=0)),
            ("ramps", Ramps()),
            ("ensemble", ensemble),
        ]
    )
