"""make_tabular_classifier and make_tabular_regressor: Pipelines with a default for tables.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.random import RandomState
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdense.classifier import LowLevelMLPClassifier
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.pipeline import TablePipeline, check_short_names, reusable
from skdense.tabular.steps import Landmarks, LevelsEncoder, Ramps, Unclip

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
    "warmup_epochs": 0.1,
    "beta_2": 0.95,
    "max_iter": None,
    "early_stopping": None,
    "scoring": "loss",
    "n_iter_no_change": None,
    "tol": 0.0,
    "dtype": "float32",
}
"""The parameters of each network; `set_by_size` sets those that are None by the number of rows."""
_OF_CLASSIFIERS = {**_NETWORK, "label_smoothing": 0.05}
"""The same of networks for classes."""
_REGRESSION_TREES = {
    "learning_rate": 0.05,
    "max_iter": 2000,
    "n_iter_no_change": 25,
    "max_leaf_nodes": 16,
    "min_samples_leaf": 5,
    "max_features": 0.5,
    "l2_regularization": 1.0,
}
"""The parameters of trees for regression; the number of rows decides whether folds stop them."""
_ROWS_OF_TREES, _CLASSES_OF_TREES = 99_999, 10
"""The most rows and classes with trees, of which boosting grows one for each class and iteration."""
_LOSSES_OF_TREES = ["squared_error", "absolute_error", "poisson", "quantile"]
"""The losses that HistGradientBoostingRegressor has by the same names as networks."""
_ROWS_OF_LINEAR = 9_999
"""The most rows with linear and constant models, which networks of larger tables can be as well."""
_ROWS_OF_KERNEL = 2_999
"""The most rows with kernel ridge regressions, which were tried on smaller tables."""
_PRIOR_WEIGHT = 3
"""How many rows the prior on the weights of the models counts as."""
_RARE = 5
"""The fewest samples of a level or word that has a column of its own."""
_CLIP = 3
"""What SquashingScaler's soft clip keeps all absolute values below."""


_Maker = TypeVar("_Maker", bound=Callable)


def _with_parameters_of(cls: type, defaults: dict[str, Any]) -> Callable[[_Maker], _Maker]:
    """Name the parameters of a network in a function's signature, with these defaults: completion shows
    them, and `check_short_names` knows them.
    """

    def named(function: _Maker) -> _Maker:
        own = signature(function)
        *parameters, _ = own.parameters.values()  # the last one is **network
        for name, parameter in signature(cls).parameters.items():
            if name not in own.parameters:
                default = defaults.get(name, parameter.default)
                kind = Parameter.KEYWORD_ONLY
                parameters.append(parameter.replace(kind=kind, default=default))
        vars(function)["__signature__"] = own.replace(parameters=parameters)
        return function

    return named


@_with_parameters_of(LowLevelMLPClassifier, _OF_CLASSIFIERS)
def make_tabular_classifier(
    random_state: int | RandomState | None = None,
    *,
    cv: Any = None,
    class_weight: dict | Literal["balanced"] | None = None,
    verbose: bool | int = False,
    **network: Any,
) -> TablePipeline:
    """Make a classifier for tables with columns of any type, with or without missing values.

    It takes a DataFrame of pandas or polars, or an array, as it is, without any settings. The result is
    a Pipeline with the steps

    - `columns`: numbers, bools, durations and numbers stored as strings stay one column each. A
      :class:`skrub.TableVectorizer` writes the others: the parts of dates, and strings and categories
      one-hot, those of 40 or more also by their words, their order and their frequency. Extra columns
      mark missing numbers, durations and dates. Constant and empty columns, and those of 40 or more
      strings that explain no more of y than chance, such as IDs, are left out, with a warning that
      names them;
    - `scaled`: each is centred, scaled and softly clipped, by a subclass of
      :class:`skrub.SquashingScaler` that makes columns of rare levels smaller, which `ramps` undoes;
    - `filled`: missing numbers become the median;
    - `ensemble`: a :class:`skdense.ensemble.BlendClassifier` of two kinds of networks, of boosted
      trees, and of linear and constant models. The networks of `plain` see the columns, those of
      `ramps` also see piecewise-linear functions of them [1]_; each has two hidden layers with
      dropout. `trees` are a :class:`~sklearn.ensemble.HistGradientBoostingClassifier`, `linear` is
      a :class:`~sklearn.linear_model.LogisticRegression` on columns that are not clipped.
      `constant` has no weight where the others are clearly better. Networks and trees are stopped
      by the log-loss of their own folds.

    How long a network trains, in what minibatches, and the number of folds follow from the number
    of rows. With fewer than 400 rows to train on, folds stop nothing, since they are too small to
    choose by. A prior, which counts as three rows, draws the weights of the models towards equal
    ones. Trees are left out with more than 10 classes or at least 100,000 rows, linear and constant
    models with at least 10,000 rows. All of it can be changed by `set_params`.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the members.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: one member of each model is fitted without each fold. None means 8 folds, or 4 for
        tables of at least 10,000 rows.

    class_weight : dict, "balanced" or None, default=None
        Factor on the weight of each class's samples, for the members, their temperatures and the
        weights of the models. "balanced" gives all classes the same sum of weights.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and one with the out-of-fold accuracy
        of each model and of the blend.

    **network : dict
        Parameters of :class:`skdense.LowLevelMLPClassifier` for all networks, instead of the defaults
        for tables.

    Returns
    -------
    model : TablePipeline
        Not yet fitted. It is a Pipeline whose `fit` also takes `sample_weight` and `groups`.

    Raises
    ------
    ImportError
        Without pandas and skrub, which `python -m pip install skrub` installs.

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
    check_short_names(network, signature(make_tabular_classifier).parameters, "make_tabular_classifier")
    given = {"cv": reusable(cv), "random_state": random_state, "verbose": verbose, "by_size": True}
    cross_fit = partial(CrossFitClassifier, **given)
    defaults = _OF_CLASSIFIERS if network.get("loss", "log_loss") == "log_loss" else _NETWORK
    estimator = LowLevelMLPClassifier(**{**defaults, **network})
    trees = HistGradientBoostingClassifier()
    linear = LogisticRegression(C=0.3, tol=0.001, max_iter=1000)
    models = [
        ("plain", cross_fit(estimator)),
        ("ramps", _behind(cross_fit(clone(estimator)), ramps=Ramps())),
        ("trees", cross_fit(trees, max_rows=_ROWS_OF_TREES, max_outputs=_CLASSES_OF_TREES)),
        ("linear", _unclipped(cross_fit(linear, max_rows=_ROWS_OF_LINEAR))),
        ("constant", cross_fit(DummyClassifier(), max_rows=_ROWS_OF_LINEAR)),
    ]
    of_blend = {"class_weight": class_weight, "verbose": verbose, "prior_weight": _PRIOR_WEIGHT}
    return _pipeline(BlendClassifier(models, **of_blend))


@_with_parameters_of(LowLevelMLPRegressor, _NETWORK)
def make_tabular_regressor(
    random_state: int | RandomState | None = None,
    *,
    cv: Any = None,
    verbose: bool | int = False,
    **network: Any,
) -> TablePipeline:
    """Make a regressor for tables with columns of any type, with or without missing values.

    Its steps are those of :func:`make_tabular_classifier`, with the same models for regression
    and one more: `kernel` are kernel ridge regressions, by Nyström's method. Networks and trees are
    trained on a target that is scaled as the loss allows, so that its unit does not matter. Trees are
    left out with ``loss="huber"``, with several columns of y, and with at least 100,000 rows; linear,
    constant and kernel models with any loss but the squared error, linear and constant ones with at
    least 10,000 rows and kernel ones with at least 3,000 rows.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the members.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: one member of each model is fitted without each fold. None means 8 folds, or 4 for
        tables of at least 10,000 rows.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and one with the out-of-fold R2 of
        each model and of the blend.

    **network : dict
        Parameters of :class:`skdense.LowLevelMLPRegressor` for all networks, instead of the defaults
        for tables. A loss, such as ``loss="poisson"`` for counts, is that of the trees as well.

    Returns
    -------
    model : TablePipeline
        Not yet fitted. It is a Pipeline whose `fit` also takes `sample_weight` and `groups`. Its
        `ensemble` is a :class:`skdense.ensemble.BlendRegressor`, and
        ``model.predict(X, quantiles=[0.05, 0.95])`` gives intervals.

    Raises
    ------
    ImportError
        Without pandas and skrub, which `python -m pip install skrub` installs.

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
    check_short_names(network, signature(make_tabular_regressor).parameters, "make_tabular_regressor")
    given = {"cv": reusable(cv), "random_state": random_state, "verbose": verbose, "by_size": True}
    cross_fit = partial(CrossFitRegressor, **given)
    estimator = LowLevelMLPRegressor(**{**_NETWORK, **network})
    of_blend = {name: getattr(estimator, name) for name in ("loss", "quantile", "delta")}
    trees = HistGradientBoostingRegressor(
        estimator.loss, quantile=estimator.quantile, **_REGRESSION_TREES
    )
    of_trees = {"max_rows": _ROWS_OF_TREES, "max_outputs": 1, "losses": _LOSSES_OF_TREES}
    of_linear = {"max_rows": _ROWS_OF_LINEAR, "losses": ["squared_error"]}
    of_kernel = {"max_rows": _ROWS_OF_KERNEL, "losses": ["squared_error"]}
    kernel = cross_fit(RidgeCV(np.geomspace(0.01, 10, 7)), **of_kernel)
    models = [
        ("plain", cross_fit(estimator, scale_y=True)),
        ("ramps", _behind(cross_fit(clone(estimator), scale_y=True), ramps=Ramps())),
        ("trees", cross_fit(trees, scale_y=True, **of_trees)),
        ("linear", _unclipped(cross_fit(RidgeCV(np.geomspace(0.1, 1000, 13)), **of_linear))),
        ("constant", cross_fit(DummyRegressor(), **of_linear)),
        ("kernel", _behind(kernel, landmarks=Landmarks())),
    ]
    return _pipeline(BlendRegressor(models, verbose=verbose, prior_weight=_PRIOR_WEIGHT, **of_blend))


def _behind(crossfit, **steps):
    """A Pipeline of these steps and a cross-fit ensemble."""
    return Pipeline([*steps.items(), ("crossfit", crossfit)])


def _unclipped(crossfit):
    return _behind(crossfit, unclipped=Unclip(_CLIP), standardized=StandardScaler())


def _pipeline(blend):
    # First, as its error says what is missing.
    from skdense.tabular.columns import SquashingScaler, TableEncoder

    from skrub import DatetimeEncoder, TableVectorizer  # isort: skip

    vectorizer = TableVectorizer(
        low_cardinality=OneHotEncoder(
            min_frequency=_RARE,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
            dtype="float32",
        ),
        high_cardinality=LevelsEncoder(_RARE),
        datetime=DatetimeEncoder(add_weekday=True, periodic_encoding="circular"),
        n_jobs=1,
    )
    return TablePipeline(
        [
            ("columns", TableEncoder(vectorizer)),
            ("scaled", SquashingScaler(max_absolute_value=_CLIP)),
            # Of scaled columns the median is 0.
            ("filled", SimpleImputer(strategy="constant", fill_value=0)),
            ("ensemble", blend),
        ]
    )
