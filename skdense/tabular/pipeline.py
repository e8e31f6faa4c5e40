"""The Pipeline of the default for tables, with short names for what its last step takes, and groups."""

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from inspect import signature
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar, column_or_1d
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.base import BaseLowLevelMLP
from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.crossfit import BaseCrossFit
from skdense.ensemble.outer import begin_fit, end_fit, part_of
from skdense.ensemble.sizes import FEW_ROWS, TREES
from skdense.final_step import beyond_steps, final_step
from skdense.fit.fitting import unchanged_on_error
from skdense.tabular.steps import Unclip

__all__ = ["TablePipeline", "time_blocks"]

_OWNERS = {
    "cv": BaseCrossFit,
    "random_state": BaseCrossFit,
    "class_weight": BaseBlend,
    "verbose": (BaseCrossFit, BaseBlend),
    "loss": (BaseLowLevelMLP, HistGradientBoostingRegressor, BaseBlend),
    "quantile": (BaseLowLevelMLP, HistGradientBoostingRegressor, BaseBlend),
    "delta": (BaseLowLevelMLP, BaseBlend),
}
"""What has the parameters with short names that are not those of networks only."""
_EXPLAINED, _MANY = 0.05, 10
"""To warn, the least share of the loss that trees explain, and the fewest columns of a suspect."""
_FIT_AGAIN = "its members are trained from the start, so fit it again to all rows, old and new"
_INSTEAD = {
    "n_jobs": "members are fitted in threads, one on each core; "
    "`with joblib.parallel_config(n_jobs=2):` around `fit` changes that",
    "n_estimators": "cv is the number of members of each kind",
    "warm_start": _FIT_AGAIN,
    "partial_fit": _FIT_AGAIN,
    "cat_features": 'columns of strings are categories; make others so: X.astype({"code": "category"})',
    "eval_set": "the folds stop members; score other rows after `fit`",
    "return_std": "`predict(X, quantiles=[0.05, 0.95])` of a regressor gives intervals",
    "to_sklearn": "skdense.tabular.to_onnx converts it, and predicting needs no TensorFlow",
    "quantiles": "`predict_proba` and `predict_set` of a classifier say how sure it is",
    "feature_importances_": "use permutation_importance or skdense.inspection.contributions",
}
_SAME = {
    "cat_features": ["categorical_features", "categorical_feature"],
    "eval_set": ["X_val"],
    "return_std": ["predict_interval", "predict_set"],
}
_INSTEAD |= {same: _INSTEAD[name] for name, others in _SAME.items() for same in others}
"""What to do in the place of parameters, methods and attributes that other models have."""


def check_short_names(given, known, what, error=TypeError):
    """Raise an error about a parameter that is not known, or has no effect, that says what does."""
    for name, value in given.items():
        if name in known and not (name == "warm_start" and value):
            continue
        instead = _INSTEAD.get(name)
        if instead is None:
            close = get_close_matches(name, known, n=1)
            instead = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}"
        shown = repr(value) if np.isscalar(value) else "..."
        raise error(f"{what} takes no {name}={shown}: {instead}")


def reusable(cv):
    """The folds for several models: an iterator of folds would be empty after the first."""
    return list(cv) if isinstance(cv, Iterator) else cv


def _if_last_step_has(name):
    """A decorator of a method that the Pipeline has if its last step has one of this name."""
    return available_if(lambda self: hasattr(self.steps[-1][1], name))


class TablePipeline(Pipeline):
    """A Pipeline that takes `sample_weight` and `groups`, and has short names for parameters.

    :func:`skdense.make_tabular_classifier` and :func:`skdense.make_tabular_regressor` return it.

    Parameters
    ----------
    steps : list of (str, estimator)
        The names and the estimators, as in a :class:`~sklearn.pipeline.Pipeline`.

    transform_input : list of str, default=None
        As in a Pipeline.

    memory : str or joblib.Memory, default=None
        As in a Pipeline.

    verbose : bool, default=False
        As in a Pipeline: whether to print the time of each step. `set_params` sets it for the blend and
        its models instead.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import make_tabular_classifier
    >>> X = np.array([[20, "red"], [25, "blue"], [30, "red"], [60, "blue"]] * 10, dtype=object)
    >>> model = make_tabular_classifier(random_state=0, cv=2, max_iter=20)
    >>> customer = np.arange(40) // 4
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10, groups=customer)
    >>> model.predict([[30, "red"]]).shape
    (1,)
    """

    def fit(self, X: Any, y: ArrayLike | None = None, **params: Any) -> Self:
        """Fit all steps.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        **params : dict of str to object
            `sample_weight` and `groups`, for the last step, or parameters of any step as
            ``<step>__<parameter>``. If metadata routing is on, the steps have to request them. Rows of
            weight zero are absent: the fit is that of the others. An error leaves an earlier fit as it
            was.

        Returns
        -------
        self : object
            The fitted Pipeline.
        """
        name, last = self.steps[-1]
        if not get_config()["enable_metadata_routing"]:
            own = {key: value for key, value in params.items() if "__" not in key}
            if own:
                check_short_names(own, _parameters_of(last.fit), "fit")
            params = {key if "__" in key else f"{name}__{key}": value for key, value in params.items()}
            weight = params.get(f"{name}__sample_weight")
        else:
            weight = process_routing(self, "fit", **params)[name].fit.get("sample_weight")
        X, y, params, outer = begin_fit(X, y, weight, params)
        steps = [step for _, step in self.steps if hasattr(step, "fit")]
        with unchanged_on_error(self, *steps):
            with part_of(outer):  # the `begin_fit` of the last step gets it
                super().fit(X, y, **params)
            end_fit(self, outer)
            self._judge_networks(y)
        return self

    def _judge_networks(self, y):
        """Warn if networks are hardly better than constant models, and trees are much better."""
        ensembles = [*map(final_step, getattr(self[-1], "estimators_", ()))]
        ensembles = [each for each in ensembles if isinstance(each, BaseCrossFit)]

        def explained_by(types):
            its = (each._loss_explained for each in ensembles if isinstance(each.estimator, types))
            return max(its, default=np.nan)

        by_networks, by_trees = explained_by(BaseLowLevelMLP), explained_by(TREES)
        if not (by_trees >= _EXPLAINED and by_networks <= by_trees / 10) or len(y) < FEW_ROWS:
            return
        counts = Counter(each.source for each in getattr(self[0], "written_", ()))
        many = [name for name, count in counts.items() if count >= _MANY]
        compat.warn_at_caller(
            "networks are hardly better than a constant model, but trees are: out of fold they explain "
            f"{by_networks:.0%} and {by_trees:.0%} of the loss. "
            + (f"Columns of many values may hide the others: {many}; " if many else "")
            + "compare a fit without columns that cannot matter"
        )

    @_if_last_step_has("predict")
    def predict(self, X: Any, **params: Any) -> NDArray:
        """Predict labels or numbers.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        **params : dict of str to object
            What `predict` of the last step takes, such as `quantiles` of a regressor.

        Returns
        -------
        y : ndarray of shape (n_samples,), (n_samples, n_outputs) or with a last axis of quantiles
            The labels, numbers or quantiles.
        """
        if not get_config()["enable_metadata_routing"]:
            check_short_names(params, _parameters_of(self.steps[-1][1].predict), "predict")
        return super().predict(X, **params)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of any step, or of all networks at once.

        Parameters
        ----------
        **params : dict of str to object
            Values by the names that `get_params` has, or by those that
            :func:`skdense.make_tabular_classifier` or :func:`skdense.make_tabular_regressor` takes, and
            with the same meaning: `cv` and `random_state` are set for all cross-fit ensembles,
            `verbose` also for the blend, `class_weight` for the blend, `loss`, `quantile` and `delta`
            for what has them of networks, trees and the blend, other parameters of networks such as
            `dropout` for all networks.

        Returns
        -------
        self : object
            The Pipeline.

        Raises
        ------
        ValueError
            If no part of the Pipeline has a parameter with a short name, or it has no effect.
        """
        its = self.get_params()
        short = {n: v for n, v in params.items() if n in _OWNERS or n.partition("__")[0] not in its}
        explicit = {name: value for name, value in params.items() if name not in short}
        super().set_params(**explicit)
        paths = self._paths()
        check_short_names(short, paths, type(self).__name__, ValueError)
        if short.get("loss", "log_loss") != "log_loss" and "label_smoothing" in paths:
            short.setdefault("label_smoothing", 0)  # only the log-loss takes it
        for name, value in short.items():
            value = reusable(value) if name == "cv" else value
            super().set_params(**{path: value for path in paths[name] if path not in explicit})
        if {"scaled", "steps"} & {name.partition("__")[0] for name in explicit}:
            clip = getattr(self.named_steps.get("scaled"), "max_absolute_value", None)
            for part in self.get_params().values():
                if isinstance(part, Unclip):  # another scaler clips otherwise, or not at all
                    part.clip = clip
        return self

    def _paths(self):
        """The whole names of the parameters that each short name stands for."""
        paths = {}
        for owner, its in self.get_params().items():
            for name in its.get_params(deep=False) if isinstance(its, BaseEstimator) else ():
                if isinstance(its, _OWNERS.get(name, BaseLowLevelMLP)):
                    paths.setdefault(name, []).append(f"{owner}__{name}")
        return paths

    @_if_last_step_has("predict_set")
    def predict_set(self, X: Any, confidence: float = 0.9) -> NDArray:
        """Predict the set of classes that has the true one with this confidence.

        Only classifiers have this method.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        confidence : float, default=0.9
            The share of new rows whose set has the true class, as explained for
            :meth:`skdense.ensemble.BlendClassifier.predict_set`.

        Returns
        -------
        sets : ndarray of bool, of shape (n_samples, n_classes)
            Whether the set of a row has a class. Columns are ordered as `classes_`.
        """
        check_is_fitted(self)
        ensemble, X = beyond_steps(self, X)
        return ensemble.predict_set(X, confidence)

    def __getattr__(self, name: str) -> Any:
        """Say what there is in the place of an attribute that is not there."""
        instead = _INSTEAD.get(name)
        if name.endswith("_") and not name.startswith("_") and "steps" in vars(self):
            if hasattr(self.steps[-1][1], name):
                instead = f"that of the ensemble is model[-1].{name}"
        raise AttributeError(
            f"{type(self).__name__} has no {name}" + (f": {instead}" if instead else "")
        )


def time_blocks(dates: ArrayLike, n_blocks: int = 8) -> NDArray:
    """Divide rows into blocks of time, as `groups` for `fit`.

    Rows of one time resemble each other, and so do those of the days around it. If no block is in two
    folds, out-of-fold scores and intervals are those of other times, and yet most members are fitted to
    the newest rows.

    Parameters
    ----------
    dates : array-like of shape (n_samples,)
        The date or time of each row, as dates or numbers that can be sorted. Rows need no order.
    n_blocks : int, default=8
        How many blocks, of about equally many rows. There are fewer if so many rows share a time.

    Returns
    -------
    blocks : ndarray of int, of shape (n_samples,)
        The number of each row's block, from 0 for the earliest. Rows of the same time are in one block.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense.tabular import time_blocks
    >>> days = pd.to_datetime(["2025-03-01", "2025-01-01", "2025-01-01", "2025-02-01"])
    >>> time_blocks(days, n_blocks=2)
    array([1, 0, 0, 1])
    """
    check_scalar(n_blocks, "n_blocks", Integral, min_val=1)
    dates = column_or_1d(dates)
    if dates.dtype.kind in "US" or isinstance(next(iter(dates), None), str):
        raise ValueError("dates must be dates or numbers, got strings: use pandas.to_datetime")
    missing = np.array([date is None or date != date for date in dates.tolist()])
    if missing.any():
        raise ValueError(
            f"dates must have a value in each row, got {missing.sum()} missing values, the first in "
            f"row {missing.argmax()}"
        )
    middle = rankdata(dates) - 0.5  # equal times have the average of their ranks
    blocks = (middle * n_blocks / len(dates)).astype(int)
    return np.unique(blocks, return_inverse=True)[1]


def _parameters_of(method):
    """The names of the parameters of a method, without X and y."""
    return [name for name in signature(method).parameters if name not in ("X", "y")]
