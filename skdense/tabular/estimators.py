"""TabularClassifier and TabularRegressor: a strong default for tables with columns of any type.

`fit` of both is `BaseTabular.fit`. `columns.py` reads the table, `models.py` has the models and all
that the size of the table decides, `views.py` what each of them sees. A blend of `skdense.ensemble`
fits them.
"""

from collections import Counter
from copy import copy
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from scipy.special import xlogy
from sklearn import config_context
from sklearn.base import BaseEstimator
from sklearn.model_selection import PredefinedSplit, check_cv
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdense import compat
from skdense.base import BaseLowLevelMLP, Saved
from skdense.ensemble.blend import BlendClassifier, BlendRegressor
from skdense.ensemble.context import Context
from skdense.ensemble.folds import draw_splits
from skdense.ensemble.uncertainty import LabelsMixin, NumbersMixin
from skdense.final_step import final_step
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import MatrixLike, hinted, one_column, times_class_weight
from skdense.tabular.models import (
    FEW_ROWS,
    PRIOR_WEIGHT,
    Task,
    models_of,
    number_of_folds,
    trees_of_spreads,
)

__all__ = ["TabularClassifier", "TabularRegressor"]

_EXPLAINED = 0.05
"""To warn of networks, the least share of the loss that trees explain."""
_MANY = 10
"""To warn of columns of many values, the fewest columns that are written for one."""
_MOST_OUTPUTS = 10
"""The most columns of y for which trees learn how large errors are."""


class BaseTabular(Saved, BaseEstimator):
    """What both estimators share: how they are fitted.

    A subclass has the methods `_encoded(y)`, which returns classes as numbers, `_blend(models)`, the
    blend of these models, not yet fitted, and `_learn(samples)`, which learns from the fitted blend.
    """

    _parameter_constraints = {
        "models": [list, tuple, None],
        "network_params": [dict, None],
        "cv": ["cv_object", None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    @compat.fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Read the columns of the table, and fit all models at the same time.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table. Its columns may have any type, and missing values.
        y : array-like of shape (n_samples,)
            What to predict: labels of any type, or numbers; for the regressor also of shape
            (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. Rows of weight zero are absent: the fit is that of the others, and
            their out-of-fold predictions are NaN.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample. No group is in two folds, so that out-of-fold scores, intervals
            and sets are those of new groups.

        Returns
        -------
        self : object
            The fitted estimator. An error leaves an earlier fit as it was.

        Raises
        ------
        ImportError
            Without pandas, skrub and LightGBM, which the extra `tables` installs.
        TypeError
            If X is no table.
        ValueError
            If the data or parameters are invalid.
        """
        from skdense.tabular.columns import TableEncoder  # which needs the extra `tables`

        lightgbm = compat.import_lightgbm()
        fitted, context = copy(self), Context(self.verbose)
        with context.outermost(), config_context(transform_output="default"):
            X = _checked(fitted, X, y)
            check_consistent_length(X, y, sample_weight, groups)

            # Rows of weight zero go. The folds of the user number them, those from here on do not.
            cv, rows, n_given = self.cv, np.arange(X.shape[0]), X.shape[0]
            if sample_weight is not None:
                sample_weight = compat.check_sample_weight(sample_weight, X, ensure_non_negative=True)
                rows = np.flatnonzero(sample_weight)
                cv = renumbered(cv, sample_weight)
            if len(rows) < n_given:
                X, y, sample_weight, groups = (
                    None if each is None else compat.safe_indexing(each, rows)
                    for each in (X, y, sample_weight, groups)
                )

            # y is checked, and folds are drawn for all models.
            with hinted():
                y = check_array(y, input_name="y", ensure_2d=False, dtype=None)
            y = fitted._learn_y(one_column(y))
            random_state = check_random_state(self.random_state)
            if cv is None:
                cv = number_of_folds(y, groups, fitted._of_classes, context.add_warning)
            row_weights = fitted._row_weights(y, sample_weight)
            context.splits = draw_splits(
                cv, X, y, row_weights, groups, random_state, fitted._of_classes, context.add_warning
            )

            # The table and y become numbers, and models are chosen.
            y = fitted._encoded(y)
            fitted.columns_ = TableEncoder()
            matrix = fitted.columns_.fit_transform(X, y, splits=context.splits)
            task = Task(
                n_rows=len(y),
                n_trained_on=min(len(train) for train, _ in context.splits),
                n_classes=len(fitted.classes_) if fitted._of_classes else 0,
                n_outputs=y[:1].size,
                loss_params=fitted._loss_params(),
            )
            seed = random_state.randint(2**31)
            models, context.callbacks = models_of(
                self.models, task, self.network_params or {}, len(context.splits), seed, self.verbose
            )

            # Members are fitted out of fold, the blend is learned, and then how sure it is.
            fitted.ensemble_ = fitted._blend(models)
            samples = fitted.ensemble_._fit_within(
                matrix, y, sample_weight, groups, Context(self.verbose, context)
            )
            fitted._learn(samples, rows, n_given)
            fitted._judge_networks(samples, lightgbm.LGBMModel, context)
        set_attributes(self, vars(fitted))
        return self

    def summary(self) -> Any:
        """Summarize the models and their blend.

        Returns
        -------
        summary : pandas.DataFrame
            A row for each model, by its name, and the last one for the blend, "all", with weights,
            out-of-fold losses and scores, numbers of members, and times, as
            :meth:`skdense.ensemble.BlendClassifier.summary` explains.
        """
        check_is_fitted(self)
        return self.ensemble_.summary()

    def _check_X(self, X):
        """The encoded table to predict."""
        check_is_fitted(self)
        with config_context(transform_output="default"):
            return self.columns_.transform(X)

    def _judge_networks(self, samples, trees, context):
        """Warn if networks are hardly better than constant models, and trees are much better."""
        ensembles = [final_step(model) for model in self.ensemble_.estimators_]

        def explained_by(types):
            its = (self._explained(e, samples) for e in ensembles if isinstance(e.estimator, types))
            return max(its, default=np.nan)

        by_networks, by_trees = explained_by(BaseLowLevelMLP), explained_by(trees)
        if not (by_trees >= _EXPLAINED and by_networks <= by_trees / 10) or len(samples.y) < FEW_ROWS:
            return
        many = [name for name, n in Counter(self.columns_.sources_).items() if n >= _MANY]
        context.add_warning(
            "networks are hardly better than a constant model, but trees are: out of fold they explain "
            f"{by_networks:.0%} and {by_trees:.0%} of the loss. "
            + (f"Columns of many values may hide the others: {many}; " if many else "")
            + "compare a fit without columns that cannot matter"
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _checked(estimator, X, y):
    """X as an array or a DataFrame."""
    if not hasattr(X, "columns"):
        X = X if hasattr(X, "shape") else np.array(X, dtype=object)
        X = check_array(X, dtype=None, ensure_all_finite=False, estimator=estimator)
    validate_data(estimator, X, y, skip_check_array=True)
    return X


def renumbered(cv, sample_weight):
    """Folds that number all rows, as folds of the rows that have a weight; others as they are."""
    if not (np.iterable(cv) or isinstance(cv, PredefinedSplit)):
        return cv
    number = np.cumsum(sample_weight > 0) - 1
    return [
        tuple(number[part][sample_weight[part] > 0] for part in map(np.asarray, split))
        for split in check_cv(cv).split(sample_weight)
    ]


class TabularClassifier(LabelsMixin, BaseTabular):
    """A classifier for tables with columns of any type, with or without missing values.

    It takes a DataFrame of pandas or polars, or an array, as it is, and needs no settings.

    A :class:`skdense.tabular.TableEncoder` reads the columns: numbers, dates and durations, also if
    they are strings, categories and texts. Columns that are constant, or codes that say no more about
    the classes than chance, are left out, with a warning that says why.

    The models are a :class:`skdense.ensemble.BlendClassifier` of

    - `plain`: networks on scaled columns, unless there are two classes;
    - `ramps`: networks that also see piecewise-linear functions of them [1]_;
    - `trees`: LightGBM's boosted trees, on columns as they are;
    - `linear`: a :class:`~sklearn.linear_model.LogisticRegression`;
    - `constant`: the shares of the classes, without weight where the others are clearly better.

    Members are fitted outside of each fold, and networks and trees are stopped by the log-loss of it.
    Networks have two hidden layers of 128 units, or 64 for two classes. How long they train, in what
    minibatches, and the number of folds follow from the number of rows. With fewer than 400 rows to
    train on, folds stop nothing, since they are too small to choose by. Trees are left out with more
    than 10 classes or at least 100,000 rows, linear and constant models with at least 10,000 rows.

    Parameters
    ----------
    models : list of str or (str, estimator), default=None
        The models: names of the above, or pairs of a name and any classifier that has `predict_proba`.
        None takes those that suit the table; those of a list are fitted whatever its size is. An
        estimator takes the place of the model whose name it has, and sees what that sees. With another
        name, a network sees what `plain` sees, an estimator that allows NaN what `trees` see, and
        others what `linear` sees. An open `n_jobs` or `thread_count` becomes 1, since each core has a
        member, but with scikit-learn's estimators, which follow joblib.

    network_params : dict, default=None
        Parameters of :class:`skdense.LowLevelMLPClassifier` for all networks of `plain` and `ramps`, in
        the place of the defaults for tables, such as ``{"dropout": 0.2}``.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: one member of each model is fitted without each fold. None means 8 folds, or 4 for
        tables of at least 10,000 rows.

    class_weight : dict, "balanced" or None, default=None
        Factor on the weight of each class's samples, for the members, their temperatures and the
        weights of the models. "balanced" gives all classes the same sum of weights.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and one with the out-of-fold loss of
        each model and of the blend.

    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the members.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    columns_ : TableEncoder
        What reads the columns of a table. It names what it makes of them, and what it left out.

    ensemble_ : BlendClassifier
        The fitted models and their weights. It takes what `columns_` makes of a table, and its classes
        are 0 to ``n_classes - 1``.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by members that were not trained on it; NaN for a sample that
        no member held out.

    oof_loss_ : float
        The log-loss of the out-of-fold predictions.

    oof_score_ : float
        Their accuracy.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    TabularRegressor : The same for numbers to predict.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import TabularClassifier
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = TabularClassifier(models=["ramps", "linear"], cv=2, random_state=0)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """

    _of_classes = True
    _parameter_constraints = BaseTabular._parameter_constraints | {
        "class_weight": [dict, compat.StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        *,
        models: list | None = None,
        network_params: dict[str, Any] | None = None,
        cv: Any = None,
        class_weight: dict | Literal["balanced"] | None = None,
        verbose: bool | int = False,
        random_state: int | RandomState | None = None,
    ):
        self.models = models
        self.network_params = network_params
        self.cv = cv
        self.class_weight = class_weight
        self.verbose = verbose
        self.random_state = random_state

    def _encoded(self, y):
        return np.searchsorted(self.classes_, y)

    def _loss_params(self):
        return {}

    def _class_weight(self):
        """The class weights, by the numbers of the classes."""
        if not isinstance(self.class_weight, dict):
            return self.class_weight
        classes = self.classes_.tolist()
        return {classes.index(label): weight for label, weight in self.class_weight.items()}

    def _row_weights(self, y, sample_weight):
        if self.class_weight is None:
            return np.ones(len(y)) if sample_weight is None else sample_weight
        return times_class_weight(sample_weight, y, self.class_weight, self.classes_)

    def _blend(self, models):
        return BlendClassifier(
            models, class_weight=self._class_weight(), verbose=self.verbose, prior_weight=PRIOR_WEIGHT
        )

    def _learn(self, samples, rows, n_given):
        blend = self.ensemble_
        self.oof_proba_, self.oof_loss_, self.oof_score_ = (
            blend.oof_proba_,
            blend.oof_loss_,
            blend.oof_score_,
        )
        self._learn_uncertainty(samples._replace(y=self.classes_[samples.y]))
        self.oof_proba_ = _of_all_rows(self.oof_proba_, rows, n_given)

    def _explained(self, ensemble, samples):
        shares = np.bincount(samples.y, samples.row_weights) / samples.row_weights.sum()
        entropy = -np.sum(xlogy(shares, shares))
        return 1 - ensemble.oof_loss_ / entropy if entropy else 0.0

    def _predict_proba(self, X):
        with config_context(transform_output="default"):  # as in `fit`
            return self.ensemble_._predict_proba(X)


class TabularRegressor(NumbersMixin, BaseTabular):
    """A regressor for tables with columns of any type, with or without missing values.

    It takes a DataFrame of pandas or polars, or an array, as it is, and needs no settings. It reads the
    columns as :class:`TabularClassifier` does, and has the same models for numbers, in a
    :class:`skdense.ensemble.BlendRegressor`; `linear` is a :class:`~sklearn.linear_model.RidgeCV`. All
    members are trained on a y that is scaled as the loss allows, so its unit does not matter. Networks
    have two hidden layers of 128 units, but from 3,000 rows on those of `plain` of 64. Trees are left
    out with several columns of y and with at least 100,000 rows, linear and constant models with any
    loss but the squared error, and with at least 10,000 rows.

    How large the error of a row is, for quantiles and intervals, is found out of fold: it is the same
    for all rows, or follows the prediction, or further trees predict it from the columns, whichever has
    the lowest pinball loss.

    Parameters
    ----------
    models : list of str or (str, estimator), default=None
        The models: `plain`, `ramps`, `trees`, `linear`, `constant`, or pairs of a name and any
        regressor, as explained for :class:`TabularClassifier`. None takes those that suit the table.

    network_params : dict, default=None
        Parameters of :class:`skdense.LowLevelMLPRegressor` for all networks of `plain` and `ramps`, in
        the place of the defaults for tables, such as ``{"dropout": 0.2}``.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: one member of each model is fitted without each fold. None means 8 folds, 5 from
        3,000 rows on, and 4 from 10,000 rows on.

    loss : {"squared_error", "absolute_error", "poisson", "quantile", "huber"}, \
            default="squared_error"
        What networks, trees and the weights of the models minimize. "poisson" is for counts.

    quantile : float, default=0.5
        The quantile for ``loss="quantile"``.

    delta : float, default=1.0
        For ``loss="huber"``, the error from which on the loss is linear, as a multiple of the standard
        deviation of y.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and one with the out-of-fold loss of
        each model and of the blend.

    random_state : int, RandomState instance or None, default=None
        Draws the folds and seeds the members.

    Attributes
    ----------
    columns_ : TableEncoder
        What reads the columns of a table. It names what it makes of them, and what it left out.

    ensemble_ : BlendRegressor
        The fitted models and their weights. It takes what `columns_` makes of a table.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by members that were not trained on it; NaN for a sample that no
        member held out.

    oof_loss_ : float
        The mean loss of the out-of-fold predictions; Huber's is that of y divided by its deviation.

    oof_score_ : float
        Their R2.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    See Also
    --------
    TabularClassifier : The same for class labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import TabularRegressor
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = TabularRegressor(models=["ramps", "linear"], cv=2, random_state=0).fit(X, range(40))
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """

    _of_classes = False
    _parameter_constraints = BaseTabular._parameter_constraints | {
        name: compat.constraints_of(BlendRegressor)[name] for name in ("loss", "quantile", "delta")
    }

    def __init__(
        self,
        *,
        models: list | None = None,
        network_params: dict[str, Any] | None = None,
        cv: Any = None,
        loss: str = "squared_error",
        quantile: float = 0.5,
        delta: float = 1.0,
        verbose: bool | int = False,
        random_state: int | RandomState | None = None,
    ):
        self.models = models
        self.network_params = network_params
        self.cv = cv
        self.loss = loss
        self.quantile = quantile
        self.delta = delta
        self.verbose = verbose
        self.random_state = random_state

    def _encoded(self, y):
        return y

    def _loss_params(self):
        return {"loss": self.loss, "quantile": self.quantile, "delta": self.delta}

    def _row_weights(self, y, sample_weight):
        return np.ones(len(y)) if sample_weight is None else sample_weight

    def _blend(self, models):
        return BlendRegressor(
            models, verbose=self.verbose, prior_weight=PRIOR_WEIGHT, **self._loss_params()
        )

    def _learn(self, samples, rows, n_given):
        blend = self.ensemble_
        self.oof_prediction_, self.oof_loss_, self.oof_score_, self._lowest = (
            blend.oof_prediction_,
            blend.oof_loss_,
            blend.oof_score_,
            blend._lowest,
        )
        has_trees = len(samples.y) >= FEW_ROWS and samples.y[:1].size <= _MOST_OUTPUTS
        self._learn_uncertainty(samples, trees_of_spreads(len(samples.y)) if has_trees else None)
        self.oof_prediction_ = _of_all_rows(self.oof_prediction_, rows, n_given)

    def _explained(self, ensemble, samples):
        return ensemble.oof_score_

    def _predict(self, X):
        with config_context(transform_output="default"):  # as in `fit`
            return self.ensemble_._predict(X)


def _of_all_rows(outputs, rows, n_given):
    """The outputs of some rows among those of all rows that the user gave; NaN for the others."""
    if len(rows) == n_given:
        return outputs
    found = np.full((n_given, *outputs.shape[1:]), np.nan)
    found[rows] = outputs
    return found
