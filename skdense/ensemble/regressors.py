"""CrossFitRegressor and BlendRegressor: what is particular to numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, is_regressor
from sklearn.metrics import mean_poisson_deviance, r2_score
from sklearn.model_selection import GroupKFold, KFold

from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.blocks import predicted
from skdense.ensemble.conversion import converted
from skdense.ensemble.crossfit import BaseCrossFit
from skdense.ensemble.ends import out_of_fold
from skdense.ensemble.folds import mean_by_row, n_counted
from skdense.ensemble.intervals import learn_errors, predict_quantiles
from skdense.ensemble.scaling import give_scale, scale_of
from skdense.ensemble.weights import best_weights, common_loss
from skdense.fit.inputs import MatrixLike
from skdense.fit.targets import as_numbers

__all__ = ["BlendRegressor", "CrossFitRegressor"]

_LARGEST = 1e30
"""The largest absolute value of y: float32 can hold such predictions, float64 sums of their squares."""


class _Regressor(RegressorMixin):
    """What both regressors share: quantiles from out-of-fold errors.

    A subclass has the method `_predict(X)`, which predicts numbers for checked samples.
    """

    def predict(self, X: MatrixLike, quantiles: float | Sequence[float] | None = None) -> NDArray:
        """Predict numbers, or quantiles of them.

        Quantiles are found from the errors of the out-of-fold predictions, without any further fits.
        Where errors grow or shrink with what is predicted, so do the distances between the quantiles.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        quantiles : float or list of float, default=None
            The quantiles to predict, such as ``[0.05, 0.95]`` for an interval that has 90 % of the
            values. None predicts numbers.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions. Several quantiles are on a last axis, ``(n_samples, n_quantiles)`` or
            ``(n_samples, n_outputs, n_quantiles)``.
        """
        predictions = self._predict(self._check_X(X))
        if quantiles is None:
            return predictions
        return predict_quantiles(self._errors, predictions, quantiles)

    def _check_y(self, y):
        y = as_numbers(y)
        if np.abs(y).max() > _LARGEST:
            raise ValueError(
                f"y must be between -{_LARGEST:g} and {_LARGEST:g}, got values from {y.min():.3g} to "
                f"{y.max():.3g}; divide y by a constant"
            )
        return y

    def _judge(self, y, predictions, weight):
        """Learn the score and the errors of out-of-fold predictions."""
        self.oof_score_ = r2_score(y, predictions, sample_weight=weight)
        self._errors = learn_errors(y, predictions, weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class CrossFitRegressor(_Regressor, BaseCrossFit):
    """Regressors of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other regressors whose `fit` takes `X_val`. The prediction is
    the mean of the members'. All networks are trained at the same time, as by
    :func:`skdense.fit_many`, on one copy of the data.

    Parameters
    ----------
    estimator : regressor
        A :class:`skdense.LowLevelMLPRegressor` or any other, of which clones are fitted, with other
        seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of shuffled folds. A generator may leave samples out: a member is
        fitted to the training set of its split only.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and the seeds of each member.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and the out-of-fold R2.

    scale_y : bool, default=False
        Whether the members are trained on a scaled y, so that results do not depend on its unit. y gets
        mean 0 and variance 1, or mean 1 with ``loss="poisson"`` or ``loss="gamma"``, which cannot be
        shifted. The members predict the scaled y, and the ensemble predicts y.

    Attributes
    ----------
    estimators_ : list of regressors
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    center_, scale_ : float, or ndarrays of shape (n_outputs,)
        With `scale_y`, members are trained on ``(y - center_) / scale_``; otherwise they are 0 and 1.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by the member that held it out; their mean if several did, NaN if
        none did. A member uses its held-out fold only for early stopping.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : The same for class labels.
    BlendRegressor : Ensembles of several kinds, with weights.
    skdense.make_tabular_regressor : The ensemble for tables of numbers and categories.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from skdense import LowLevelMLPRegressor
    >>> from skdense.ensemble import CrossFitRegressor
    >>> X, y = make_friedman1(200, random_state=0)
    >>> network = LowLevelMLPRegressor(max_iter=30, learning_rate_init=0.01, early_stopping=True)
    >>> ensemble = CrossFitRegressor(network, cv=4, random_state=0).fit(X, y)
    >>> len(ensemble.estimators_), ensemble.predict(X[:3]).shape
    (4, (3,))
    """

    _splitters = KFold, GroupKFold
    _parameter_constraints = BaseCrossFit._parameter_constraints | {"scale_y": ["boolean"]}

    def __init__(
        self,
        estimator: BaseEstimator,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
        scale_y: bool = False,
    ):
        super().__init__(estimator, cv, random_state=random_state, verbose=verbose)
        self.scale_y = scale_y

    def __setstate__(self, state):
        """Restore a saved state. Members of versions before 0.3 always predict y itself."""
        if "estimators_" in state:
            state = {"center_": 0.0, "scale_": 1.0} | state
        super().__setstate__({"scale_y": False} | state)

    def _predict(self, X):
        def mean(X):
            return np.mean([model.predict(X) for model in self.estimators_], axis=0)

        return self._unscaled(predicted(mean, X, self.estimators_))

    def _unscaled(self, predictions):
        """Predictions of members in the units of y, in float64, as float32 may be too coarse."""
        if not self.scale_y:
            return predictions
        return predictions * np.float64(self.scale_) + self.center_

    def _check_estimator(self):
        if not is_regressor(self.estimator):
            raise TypeError(f"estimator must be a regressor, got {self.estimator!r}")

    def _y_of_members(self, y, sample_weight):
        self.center_, self.scale_ = 0.0, 1.0
        if self.scale_y:
            self.center_, self.scale_ = scale_of(self.estimator, y, sample_weight)
            y = (y - self.center_) / self.scale_
        return y

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows, outputs = self._held_out(lambda model, X: model.predict(X), X, held_out)
        self.oof_prediction_, seen = mean_by_row(rows, self._unscaled(outputs), len(y))
        weight = None if sample_weight is None else sample_weight[seen]
        self._judge(y[seen], self.oof_prediction_[seen], weight)

    def _converted(self, model):
        model = converted(model)
        if self.scale_y:
            give_scale(model, self.center_, self.scale_)
        return model


class BlendRegressor(_Regressor, BaseBlend):
    """Regressors that are averaged with weights, chosen by their out-of-fold predictions.

    The models are fitted at the same time. The weights, of which none is negative, are those of the
    lowest loss of the mean of the out-of-fold predictions. The loss is the one that all members
    minimize if it is the absolute error, Huber's loss, the pinball loss of a quantile or the Poisson
    deviance, and otherwise the squared error. The prediction is the weighted mean of the models'.

    Parameters
    ----------
    estimators : list of (str, model)
        The models and their names. Each is a :class:`CrossFitRegressor` or another blend, or a Pipeline
        or a :class:`~sklearn.compose.TransformedTargetRegressor` that ends in one. Their folds may
        differ.
        "drop" instead of a model leaves it out.

    verbose : bool or int, default=False
        Whether to print the out-of-fold R2 of each model as it is fitted, and the weights and the
        out-of-fold R2 of the blend.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models, without those that are "drop".

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The same, by their names.

    n_estimators_ : int
        The number of the members of all models.

    weights_ : ndarray of shape (n_models,)
        The weights of the models. Their sum is 1. A model of weight 0 is not asked to predict.

    members_ : pandas.DataFrame
        A table of the models, with their weights and out-of-fold scores, and of the blend.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by members that were not trained on it; NaN for a sample that a
        model with a weight has never held out.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit, where X tells it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : Models of one kind.
    sklearn.ensemble.StackingRegressor : A model of the models' predictions.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.linear_model import RidgeCV
    >>> from skdense import LowLevelMLPRegressor
    >>> from skdense.ensemble import BlendRegressor, CrossFitRegressor
    >>> X, y = make_friedman1(200, random_state=0)
    >>> network = LowLevelMLPRegressor(max_iter=30, learning_rate_init=0.01, early_stopping=True)
    >>> blend = BlendRegressor([
    ...     ("networks", CrossFitRegressor(network, cv=4, random_state=0)),
    ...     ("linear", CrossFitRegressor(RidgeCV(), cv=4, random_state=0)),
    ... ]).fit(X, y)
    >>> blend.weights_.shape, blend.predict(X[:3]).shape
    ((2,), (3,))
    """

    _cross_fit = CrossFitRegressor

    def _predict(self, X):
        return self._mean(model.predict(X) for model in self._models())

    def _learn_out_of_fold(self, y, sample_weight):
        outputs = np.array([out_of_fold(model) for model in self.estimators_])
        seen = self._seen(outputs)
        weight = None if sample_weight is None else sample_weight[seen]
        y = y[seen]
        loss = common_loss(self.estimators_)
        # All losses but this one depend on differences only, which are precise around zero.
        center = 0 if loss.func is mean_poisson_deviance else y.mean(axis=0)
        columns = (y - center).reshape(len(y), -1).T
        predicted = (outputs[:, seen] - center).reshape(len(outputs), len(y), -1).transpose(2, 0, 1)

        def losses(weights):
            both = zip(columns, predicted, strict=True)
            return np.array([loss(c, weights @ each, sample_weight=weight) for c, each in both])

        equal = losses(np.full(len(outputs), 1 / len(outputs)))
        scale = np.maximum(equal, np.finfo(float).tiny)  # so the outputs' units do not matter
        n_rows = len(y) if weight is None else n_counted(weight)
        self.weights_ = best_weights(
            lambda w: np.mean(losses(w) / scale), len(outputs), self._rows_of_prior / n_rows
        )
        self.oof_prediction_ = self._mean(outputs[self.weights_ > 0])
        self._judge(y, self.oof_prediction_[seen], weight)
