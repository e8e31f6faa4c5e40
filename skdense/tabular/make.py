"""make_tabular_classifier and make_tabular_regressor: Pipelines with a default for tables."""

from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from skdense.classifier import LowLevelMLPClassifier
from skdense.ensemble import BlendClassifier, BlendRegressor
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.ramps import Ramps
from skdense.tabular.sizes import TableCrossFitClassifier, TableCrossFitRegressor

__all__ = ["make_tabular_classifier", "make_tabular_regressor"]

_NETWORK = {
    "hidden_layer_sizes": (128, 128),
    "activation": "silu",
    "init": "he_normal",
    "dropout": 0.1,
    "alpha": 0.0,
    "batch_size": None,
    "learning_rate": "cosine",
    "learning_rate_init": None,
    "warmup": 0.1,
    "beta_2": 0.95,
    "max_iter": None,
    "early_stopping": True,
    "validation_metric": "loss",
    "n_iter_no_change": None,
    "tol": 0.0,
    "dtype": "float32",
}
"""The parameters of each network; those that are None follow from the number of rows."""
_RARE = 5
"""The fewest samples of a category that has a column of its own."""


def make_tabular_classifier(random_state=None, *, cv=None, verbose=False, **network):
    """Make a classifier for tables with columns of any type, with or without missing values.

    It takes a DataFrame of pandas or polars, or an array, as it is, without any settings. The result is
    a Pipeline with the steps

    - `columns`: every column becomes numbers. A :class:`skrub.TableVectorizer` writes those that are
      not numbers or bools: the parts of dates, durations, numbers stored as strings, categories
      one-hot, and strings of 40 or more different values by their n-grams. Further columns tell where
      values are missing. Constant and empty columns are left out, with a warning that names them;
    - `scaled`: each is centred, scaled and softly clipped (:class:`skrub.SquashingScaler`);
    - `filled`: missing numbers become the median;
    - `ensemble`: a :class:`skdense.ensemble.BlendClassifier` of two kinds of networks. Those of `plain`
      see the columns, those of `ramps` also see piecewise-linear functions of them [1]_. Each has two
      hidden layers with dropout, and is stopped by the log-loss of its own fold.

    How long a network trains, in what minibatches, and the number of folds follow from the number of
    rows. All of it can be changed by `set_params`.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the networks.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds, for each of which a network of each kind is trained. None takes 8, or 4 from 10,000
        rows on.

    verbose : bool or int, default=False
        Whether to print a line for each network as it is trained, and one with the
        out-of-fold accuracy of each kind of networks and of all of them.

    **network : dict
        Parameters of :class:`skdense.LowLevelMLPClassifier` for all networks, instead of the defaults
        for tables.

    Returns
    -------
    model : Pipeline
        Not yet fitted.

    Raises
    ------
    ImportError
        Without skrub, which `python -m pip install "skdense[tables]"` installs.

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
    >>> model = make_tabular_classifier(random_state=0, cv=2, max_iter=20)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """
    member = LowLevelMLPClassifier(**{**_NETWORK, "label_smoothing": 0.05, **network})
    ensemble = TableCrossFitClassifier(member, cv, random_state=random_state, verbose=verbose)
    return _pipeline(BlendClassifier, ensemble)


def make_tabular_regressor(random_state=None, *, cv=None, verbose=False, **network):
    """Make a regressor for tables with columns of any type, with or without missing values.

    Its steps are those of :func:`make_tabular_classifier`, with networks for regression. They are
    trained on a target that is scaled as their loss allows.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the networks.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds, for each of which a network of each kind is trained. None takes 8, or 4 from 10,000
        rows on.

    verbose : bool or int, default=False
        Whether to print a line for each network as it is trained, and one with the
        out-of-fold R2 of each kind of networks and of all of them.

    **network : dict
        Parameters of :class:`skdense.LowLevelMLPRegressor` for all networks, instead of the defaults
        for tables, such as ``loss="poisson"`` for counts.

    Returns
    -------
    model : Pipeline
        Not yet fitted. Its `ensemble` is a :class:`skdense.ensemble.BlendRegressor`, and
        ``model.predict(X, quantiles=[0.05, 0.95])`` gives intervals.

    Raises
    ------
    ImportError
        Without skrub, which `python -m pip install "skdense[tables]"` installs.

    See Also
    --------
    make_tabular_classifier : The same for class labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import make_tabular_regressor
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = make_tabular_regressor(random_state=0, cv=2, max_iter=20).fit(X, range(40))
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """
    member = LowLevelMLPRegressor(**{**_NETWORK, **network})
    ensemble = TableCrossFitRegressor(
        member, cv, random_state=random_state, verbose=verbose, scale_y=True
    )
    return _pipeline(BlendRegressor, ensemble)


def _pipeline(blend, ensemble):
    try:
        from skrub import DatetimeEncoder, SquashingScaler, StringEncoder, TableVectorizer
    except ImportError:
        raise ImportError(
            "the default for tables needs skrub: python -m pip install 'skdense[tables]'"
        ) from None
    from skdense.tabular.columns import TableEncoder

    with_ramps = Pipeline([("ramps", Ramps()), ("ensemble", clone(ensemble))])
    views = [("plain", ensemble), ("ramps", with_ramps)]
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
            ("ensemble", blend(views, verbose=ensemble.verbose)),
        ]
    )
