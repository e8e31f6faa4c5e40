"""Out-of-fold ensembles: each model is fitted outside of a fold, which early stopping validates it on.

BaggingClassifier and CalibratedClassifierCV cannot pass the samples that they hold out to a network for
early stopping.
"""

from functools import partial
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
    is_classifier,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_random_state, gen_batches, get_tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdense.base import BaseLowLevelMLP
from skdense.ensemble.blocks import predicted
from skdense.ensemble.conversion import voting
from skdense.ensemble.folds import check_table, fit_folds, score_name
from skdense.ensemble.progress import FitTask
from skdense.fit.inputs import MatrixLike, float_dtypes, one_column, validated
from skdense.fit.train import unchanged_on_error

_BLOCK = 2**15
"""How many rows of a held-out fold are copied at a time."""


class BaseCrossFit(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """What both ensembles share: folds, and models that are fitted together.

    A subclass has the classes of its splitter without and with groups, `_splitters`, and the methods
    `_check_estimator`, `_check_y`, `_converted` and `_learn_out_of_fold`.
    """

    _parameter_constraints = {
        "estimator": [BaseEstimator],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _called = ""
    """What printed lines end with in a blend: a comma and the name of the model, such as ", plain"."""

    def __init__(
        self,
        estimator: BaseEstimator,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
    ):
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit a model outside of each fold, all at the same time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples; also a DataFrame that `estimator` can be fitted to.
        y : array-like of shape (n_samples,)
            What to predict; for the regressor also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training, in choosing epochs and in the out-of-fold score.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample, for `cv`. If that is an int, no group is in two folds.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If `estimator` is of another kind.
        ValueError
            If the data, the folds or the parameters of `estimator` are invalid, or training diverged.
            An earlier fit is left as it was.
        """
        self._check_estimator()
        context = self._init_callback_context(sequential_subtasks=False)
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, groups, context)
        return self

    def _fit(self, X, y, sample_weight, groups, context):
        X, y = self._check_data(X, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        random_state = check_random_state(self.random_state)
        folds = self._folds(X, y, groups, random_state)
        fewest_rows = min(len(rows) for rows, _ in folds)
        models = [self._seeded(fewest_rows, random_state) for _ in folds]
        names = [f"Fold {i} of {len(folds)}{self._called}" for i in range(1, len(folds) + 1)]
        task = FitTask(self, context, X, y, sample_weight)
        with task.of(len(folds)):
            report = task.report if task.has_callbacks else None
            self.estimators_ = fit_folds(
                models,
                X,
                self._y_of_members(y, sample_weight),
                sample_weight,
                folds,
                names if self.verbose else None,
                report,
            )
            self.n_estimators_ = len(models)
            self._learn_out_of_fold(X, y, sample_weight, [held_out for _, held_out in folds])
        if self.verbose:
            print(f"All {len(models)} folds{self._called}: {summary(self)}")

    def _y_of_members(self, y, sample_weight):
        """What members are fitted to."""
        return y

    def _check_data(self, X, y):
        if isinstance(self.estimator, BaseLowLevelMLP):
            X, y = validated(self, X, y, **_checks(self.estimator), multi_output=True)
            y = one_column(y)
        else:
            X, y = check_table(self, X, y, reset=True)
        return X, self._check_y(y)

    def _cv(self, y, groups):
        """What gives the folds. A subclass may let the data decide."""
        return self.cv

    def _folds(self, X, y, groups, random_state):
        """The rows to train on and those held out, for each fold."""
        splitter = self._cv(y, groups)
        if isinstance(splitter, Integral):
            splitter = self._splitters[groups is not None](
                splitter, shuffle=True, random_state=random_state.randint(2**31)
            )
        splitter = check_cv(splitter, y, classifier=is_classifier(self))
        rows = np.arange(len(y), dtype=np.int32)
        folds = [
            (np.sort(rows[train]), rows[held_out]) for train, held_out in splitter.split(X, y, groups)
        ]
        for i, fold in enumerate(folds):
            for name, part in zip(("to train on", "that are held out"), fold, strict=True):
                if not len(part):
                    raise ValueError(f"cv must give every fold samples {name}, got none in fold {i}")
        return folds

    def _member(self, n_rows):
        """A model to fit to this many rows or more. A subclass may let them decide its parameters."""
        return clone(self.estimator)

    def _seeded(self, n_rows, random_state):
        """The same with a seed wherever it takes one."""
        model = self._member(n_rows)
        seeds = {
            name: random_state.randint(2**31)
            for name in sorted(model.get_params())
            if name == "random_state" or name.endswith("__random_state")
        }
        return model.set_params(**seeds)

    def _check_X(self, X):
        """The checked samples to predict, in the `dtype` of the networks if it is set."""
        check_is_fitted(self)
        if isinstance(self.estimators_[0], BaseLowLevelMLP):
            return validated(self, X, **_checks(self.estimators_[0]), reset=False)
        return check_table(self, X, reset=False)

    def _held_out(self, output, X, held_out):
        """The rows that are held out, fold by fold, and the output of each fold's model for them."""
        outputs = [
            predicted(partial(output, model), _safe_indexing(X, rows[part]), [model])
            for model, rows in zip(self.estimators_, held_out, strict=True)
            for part in gen_batches(len(rows), _BLOCK)
        ]
        return np.concatenate(held_out), np.concatenate(outputs)

    def to_sklearn(self) -> BaseEstimator:
        """Convert to the VotingClassifier or VotingRegressor that is the same ensemble.

        Networks become scikit-learn's; other members are copied. A classifier's temperature, and the
        scale of y, become part of output layers, leaves and coefficients. The predictions are the same
        up to rounding, and need neither this package nor TensorFlow.

        Returns
        -------
        model : VotingClassifier or VotingRegressor
            The fitted model, which shares nothing with this one.

        Raises
        ------
        ValueError
            If scikit-learn's networks cannot represent one of the members, if a regressor predicts
            several numbers for each sample, or if members can take neither temperature nor scale:
            networks, scikit-learn's HistGradientBoosting and a LogisticRegression can.
        """
        check_is_fitted(self)
        return voting(self, {f"fold {i}": self._converted(m) for i, m in enumerate(self.estimators_)})

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def summary(ensemble):
    """The results of an ensemble or a blend on out-of-fold predictions, as text to print."""
    words = f"out-of-fold {score_name(ensemble)} {ensemble.oof_score_:f}"
    if hasattr(ensemble, "temperature_"):
        words += f", temperature {ensemble.temperature_:.3g}"
    return words


def _checks(network):
    """The arguments of `validated` for networks."""
    return {"dtype": float_dtypes(network), "order": "C"}
