"""Predictions of ensembles and their uncertainty: quantiles, intervals and prediction sets.

Uncertainty is estimated from out-of-fold predictions only. It is stored as dicts of arrays and
estimators, so that no saved model depends on a class of this module. `docs/benchmarks/decisions.md` has
the measurements behind the constants.
"""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from sklearn.base import ClassifierMixin, RegressorMixin, clone
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import mean_pinball_loss
from sklearn.utils import resample
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.ensemble.calibration import as_logs, effective_rows
from skdense.ensemble.members import fit_member, in_parallel, joblib_jobs
from skdense.ensemble.predictors import in_blocks, predictor_of
from skdense.fit.inputs import MatrixLike
from skdense.fit.targets import as_numbers

_LARGEST = 1e30
"""The largest absolute value of y: float32 can hold such predictions, float64 sums of their squares."""


def check_confidence_level(confidence_level: float) -> None:
    """Raise if this is no share between 0 and 1."""
    if not (isinstance(confidence_level, Real) and 0 < confidence_level < 1):
        raise ValueError(
            f"confidence_level must be a number between 0 and 1, such as 0.9, got {confidence_level!r}"
        )


# --- what classifiers and regressors have -------------------------------------------------------------


def _uncertainty_of(model):
    """What a model has learned of its uncertainty."""
    check_is_fitted(model)
    if not hasattr(model, "_uncertainty"):
        raise ValueError(
            f"this {type(model).__name__} is part of a blend, and only the blend has intervals and "
            "prediction sets: use the blend, or fit the model separately"
        )
    return model._uncertainty


class LabelsMixin(ClassifierMixin):
    """What all classifiers share: labels and sets from probabilities.

    A subclass has the methods `_check_X(X)`, which checks X and raises if it is not fitted, and
    `_predict_proba(X)`, which predicts probabilities of checked samples. Its `fit` calls `_learn_y`,
    which sets `classes_`, sets `oof_proba_`, and sees that `_uncertainty` is learned unless a blend
    fits it.
    """

    _out_of_fold = "oof_proba_"
    oof_proba_: NDArray
    n_jobs: int | None
    _check_X: Any
    _predict_proba: Any

    def predict(self, X: MatrixLike) -> NDArray:
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The most probable labels.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X: MatrixLike) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            The columns are in the order of `classes_`.
        """
        with joblib_jobs(self.n_jobs):
            return self._predict_proba(self._check_X(X))

    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            The logarithms of `predict_proba`. Probabilities are clipped to at least 2.2e-16, so all
            values are finite.
        """
        return as_logs(self.predict_proba(X))

    def predict_set(self, X: MatrixLike, confidence_level: float = 0.9) -> NDArray:
        """Predict sets of classes that contain the true class with a given confidence.

        A prediction set contains the classes whose probability is at least a threshold. The threshold
        is computed from the out-of-fold probabilities so that the sets of the training samples have a
        coverage of `confidence_level`. If the probabilities are correct, no other score gives smaller
        sets on average [1]_. The coverage of an individual class may be lower or higher. The coverage
        is weighted by `sample_weight`; a `class_weight` changes the probabilities and therefore the
        sets, but not the coverage.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        confidence_level : float, default=0.9
            The coverage for new samples from the same distribution, between 0 and 1; with `groups`,
            also for samples of new groups.

        Returns
        -------
        sets : ndarray of bool, of shape (n_samples, n_classes)
            Whether the set of a sample contains a class. The columns are in the order of `classes_`. A
            set is empty if no class is probable enough, which happens if the accuracy is higher than
            the confidence level. It contains all classes if `fit` had too few samples: 0.9 needs 9
            samples, 0.99 needs 99.

        References
        ----------
        .. [1] Sadinle, Lei and Wasserman (2019), "Least Ambiguous Set-Valued Classifiers With Bounded
           Error Levels", JASA 114.
        """
        check_confidence_level(confidence_level)
        learned = _uncertainty_of(self)
        threshold = np.interp(confidence_level, learned["levels"], learned["errors"], right=np.inf)
        return 1 - self.predict_proba(X) <= threshold

    def _learn_uncertainty(self, samples, stop, estimator=None):
        rows = np.flatnonzero(np.isfinite(self.oof_proba_).all(axis=1))
        class_numbers = np.searchsorted(self.classes_, samples.y[rows])
        errors, weights = 1 - self.oof_proba_[rows, class_numbers], samples.own_weights[rows]
        self._uncertainty = in_order(errors, weights)

    def _learn_y(self, y):
        check_classification_targets(y)
        if y.ndim > 1:
            raise ValueError(f"y must have one label for each sample, got shape {y.shape}")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must have at least two classes, got one class: {self.classes_.tolist()}"
            )
        return y


class NumbersMixin(RegressorMixin):
    """What all regressors share: quantiles from out-of-fold errors.

    A subclass has the methods `_check_X(X)`, which checks X and raises if it is not fitted, and
    `_predict(X)`, which predicts numbers for checked samples. Its `fit` sets `oof_prediction_`, and
    sees that `_uncertainty` is learned unless a blend fits it.
    """

    _out_of_fold = "oof_prediction_"
    oof_prediction_: NDArray
    n_jobs: int | None
    _check_X: Any
    _predict: Any
    _lowest = -np.inf
    """No quantile is lower; 0 if the loss allows positive predictions only."""

    def predict(self, X: MatrixLike, quantiles: ArrayLike | None = None) -> NDArray:
        """Predict the target.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        quantiles : float or list of float, default=None
            Quantiles to predict instead of the target.

            .. deprecated:: 0.7.0
               It will be removed in 0.8.0; use :meth:`predict_quantiles`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions.
        """
        if quantiles is not None:
            compat.warn_at_caller(
                "predict(X, quantiles=...) is deprecated and will be removed in skdense 0.8.0: use "
                "predict_quantiles(X, quantiles), which has the quantiles on the last axis",
                FutureWarning,
            )
            predictions = self.predict_quantiles(X, quantiles)
            return predictions if np.ndim(quantiles) else predictions[..., 0]
        with joblib_jobs(self.n_jobs):
            return self._predict(self._check_X(X))

    def predict_quantiles(self, X: MatrixLike, quantiles: ArrayLike) -> NDArray:
        """Predict quantiles of the target.

        Quantiles are estimated from the errors of the out-of-fold predictions. The distances between
        them may depend on the prediction, if this decreases the out-of-fold pinball loss. For a
        :class:`skdense.TabularRegressor` they may also depend on the columns of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        quantiles : float or array-like of shape (n_quantiles,)
            The quantiles to predict, such as ``[0.05, 0.95]`` for a 90% interval. A float is one
            quantile.

        Returns
        -------
        y : ndarray of shape (n_samples, n_quantiles) or (n_samples, n_outputs, n_quantiles)
            The quantiles. Of `n` samples in `fit`, those below ``1 / (n + 1)`` are -inf, or 0 if the
            loss has positive predictions only, and those above ``n / (n + 1)`` are inf: they cannot be
            estimated from so few samples.
        """
        refused = ValueError(
            f"quantiles must be a number or a list of numbers in [0, 1], got {quantiles!r}"
        )
        try:
            asked = np.atleast_1d(np.asarray(quantiles, dtype=float))
        except (TypeError, ValueError):
            raise refused from None
        if asked.ndim > 1 or not ((asked >= 0) & (asked <= 1)).all():
            raise refused
        uncertainty, quantiles_of_outputs = _uncertainty_of(self), []
        X = self._check_X(X)
        with joblib_jobs(self.n_jobs):
            predictions = self._predict(X)
            columns = predictions.reshape(len(predictions), -1).T
            for learned, column in zip(uncertainty, columns, strict=True):
                levels, errors = learned["levels"], learned["errors"]
                relative_errors = np.interp(asked, levels, errors, left=-np.inf, right=np.inf)
                spread = spread_at(learned["spread"], column, X)
                quantiles_of_outputs.append(column[:, None] + np.outer(spread, relative_errors))
        shape = predictions.shape + asked.shape
        return np.maximum(np.stack(quantiles_of_outputs, axis=1).reshape(shape), self._lowest)

    def predict_interval(self, X: MatrixLike, confidence_level: float = 0.9) -> NDArray:
        """Predict intervals that contain the true value with a given confidence.

        The bounds are two quantiles of :meth:`predict_quantiles`, so that values below and above the
        interval are equally likely.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        confidence_level : float, default=0.9
            The coverage for new samples from the same distribution, between 0 and 1; with `groups`,
            also for samples of new groups.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2) or (n_samples, n_outputs, 2)
            The lower and the upper bound. If `fit` had too few samples, they are infinite (the lower
            one is 0 if the loss has only positive predictions): 0.9 needs 19 samples, 0.99 needs 199.
        """
        check_confidence_level(confidence_level)
        return self.predict_quantiles(X, [(1 - confidence_level) / 2, (1 + confidence_level) / 2])

    def _learn_uncertainty(self, samples, stop, estimator=None):
        self._uncertainty = learn_errors(samples, self.oof_prediction_, estimator, stop)

    def _learn_y(self, y):
        y = as_numbers(y).astype(np.float64, copy=False)
        if np.abs(y).max() > _LARGEST:
            raise ValueError(
                f"y must be between -{_LARGEST:g} and {_LARGEST:g}, got values from {y.min():.3g} to "
                f"{y.max():.3g}; divide y by a constant"
            )
        return y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


# --- levels of errors ---------------------------------------------------------------------------------

_MOST_LEVELS = 1000
"""How many errors are kept. Between them, errors are interpolated."""


def in_order(errors, weights):
    """The sorted errors, and for each the level of the quantile that it estimates.

    A new error falls into each gap between two of n errors with the same probability. So the i-th error
    has the level i / (n + 1), the method "weibull" of `numpy.quantile`, and nothing is known beyond the
    first and the last. With weights, an error stands for its share of the effective number of rows, and
    has the level of the middle of them.
    """
    order, n_rows = np.argsort(errors), effective_rows(weights)
    errors, shares = errors[order], weights[order] * (n_rows / weights.sum())
    levels = (np.cumsum(shares) - shares / 2 + 0.5) / (n_rows + 1)
    least = (1 - 1e-9) / (n_rows + 1)  # in floats, (1 - 0.9) / 2 is a little below 1 / 20
    levels = np.clip([0, *levels, 1], least, 1 - least)
    steps = _kept(levels)
    return {"errors": np.pad(errors, 1, mode="edge")[steps], "levels": levels[steps]}


def _kept(levels):
    """The indices of at most `_MOST_LEVELS` of sorted levels: fewest in the middle, all at the ends."""
    last = len(levels) - 1
    if last < _MOST_LEVELS:
        return np.arange(last + 1)
    low, high = logit(levels[[0, last]])
    wanted = expit(np.linspace(low, high, _MOST_LEVELS)[1:-1])
    return np.unique(np.concatenate([[0], np.searchsorted(levels, wanted), [last]]))


# --- the size of errors -------------------------------------------------------------------------------

# CV+ (Barber, Candès, Ramdas and Tibshirani, 2021, "Predictive Inference with the Jackknife+") adds the
# out-of-fold errors of each fold to the prediction by the member that held that fold out, and takes
# quantiles of all these sums. Here the whole ensemble's prediction replaces the members', because it is
# closer to y, and so are the quantiles. And errors are divided by a spread, as in Lei, G'Sell, Rinaldo,
# Tibshirani and Wasserman (2018), "Distribution-Free Predictive Inference for Regression", section 5.2.

_COMPARED = (0.05, 0.25, 0.75, 0.95)
"""The quantiles by which a spread is judged."""
_FIFTHS = 5
"""The spread of each fifth of the samples is fitted to the others, as it would know its own errors."""
_LEAST_OF_PREDICTIONS, _LEAST_OF_ROWS = 0.5, 0.05
"""What is added to a spread that follows the prediction or the row, as a share of the mean error."""
_MOST_ROWS_OF_SPREADS = 20_000
"""How many samples an estimator of spreads is fitted to, drawn at random."""


def learn_errors(samples, predictions, estimator, stop):
    """For each output, the out-of-fold errors over their spread, in order, and the spread, in a dict.

    Errors are divided by a spread if that lowers their pinball loss: by the mean absolute error of
    similar samples plus a share of that of all samples. A rising or falling function of the prediction
    says which samples are similar, or clones of an estimator do, by X and the prediction. The estimator
    is a regressor for a positive target, and X an array of numbers then. Each spread is judged on
    fifths of the samples, or of the groups, that it was neither fitted to nor stopped by. Without
    groups, copies of a sample are in the same fifth, as an estimator would know their errors. With
    "constant" in the place of an estimator, all samples have the same spread.
    """
    is_constant = isinstance(estimator, str)
    estimator = None if is_constant else estimator
    predictions = predictions.reshape(len(predictions), -1)
    rows = np.flatnonzero(np.isfinite(predictions).all(axis=1))
    X = np.empty((len(predictions), 0)) if estimator is None else samples.X
    known = samples._replace(X=X, splits=None).take_rows(rows)
    # Boosted trees take a missing value for 0 if they have seen none in its column.
    fill = np.median(known.X, axis=0)
    if known.groups is None and estimator is not None:
        parts = (part.reshape(len(rows), -1) for part in (known.X, known.y))
        row_bytes = np.hstack([np.ascontiguousarray(part).view(np.uint8) for part in parts])
        copies = np.unique(row_bytes.view(f"V{row_bytes.shape[1]}"), return_inverse=True)[1].ravel()
        known = known._replace(groups=copies)
    columns = known.y.reshape(len(rows), -1).T, predictions[rows].T
    return [
        _learn_errors(y_column, prediction_column, known, fill, is_constant, estimator, stop)
        for y_column, prediction_column in zip(*columns, strict=True)
    ]


class Candidate(NamedTuple):
    """A spread of errors that is compared with others.

    Attributes
    ----------
    spread : dict
        The spread for new rows.
    fold_spreads : list of dict
        For each fifth of the samples, a spread that does not know the errors of that fifth.
    """

    spread: dict[str, Any]
    fold_spreads: list[dict[str, Any]]


def _learn_errors(y, predictions, samples, fill, is_constant, estimator, stop):
    X, weights, groups = samples.X, samples.own_weights, samples.groups
    errors = y - predictions
    absolute = np.abs(errors)
    mean = float(np.average(absolute, weights=weights))
    fifth_of = np.unique(predictions if groups is None else groups, return_inverse=True)[1] % _FIFTHS
    fifths = [np.flatnonzero(fifth_of == i) for i in range(fifth_of.max() + 1)]
    candidates = [_constant_candidate(len(fifths))]
    if mean > 0 and len(fifths) > 1 and not is_constant:
        candidates.append(_isotonic_candidate(predictions, absolute, weights, mean, fifth_of))
    if mean > 0 and len(fifths) > 2 and estimator is not None:
        target = absolute / mean + _LEAST_OF_ROWS  # it must be positive
        arguments = estimator, X, predictions, target, weights, stop, fifth_of
        candidates.append(_estimator_candidate(arguments, len(fifths), mean, fill))
    judged = []
    for spread, fold_spreads in candidates:
        sizes = np.empty(len(y))
        for rows, fold_spread in zip(fifths, fold_spreads, strict=True):
            sizes[rows] = spread_at(fold_spread, predictions[rows], X[rows])
        learned = in_order(errors / sizes, weights) | {"spread": spread}
        judged.append((_pinball_loss(learned, sizes, errors, weights), learned))
    return min(judged, key=lambda pair: pair[0])[1]


def _constant_candidate(n_fifths):
    """The same spread for all rows."""
    constant = {"predictions": np.zeros(1), "sizes": np.ones(1)}
    return Candidate(constant, [constant] * n_fifths)


def _isotonic_candidate(predictions, absolute, weights, mean, fifth_of):
    """A spread that rises or falls with the prediction."""
    arguments = predictions, absolute, weights, _LEAST_OF_PREDICTIONS * mean
    fold_spreads = [_fit_spread(fifth_of != i, *arguments) for i in range(fifth_of.max() + 1)]
    return Candidate(_fit_spread(slice(None), *arguments), fold_spreads)


def _estimator_candidate(arguments, n_fifths, mean, fill):
    """A spread that clones of an estimator predict from the row: of new rows all of them, on average.

    `arguments` are those of `_fit_estimator`, but the last one, which is the number of the fifth.
    """
    calls = [(*arguments, i) for i in range(n_fifths)]
    fitted = [*in_parallel(_fit_estimator, calls, ["trees of the size of errors"] * n_fifths)]
    settings = {"mean": mean, "fill": fill}
    fold_spreads = [{"estimators": [model]} | settings for model in fitted]
    return Candidate({"estimators": fitted} | settings, fold_spreads)


def _fit_spread(rows, predictions, absolute, weights, least):
    """A rising or falling function of the prediction."""
    predictions, absolute, weights = predictions[rows], absolute[rows], weights[rows]
    centered = predictions - np.average(predictions, weights=weights)
    isotonic = IsotonicRegression(increasing=bool(weights @ (centered * absolute) >= 0))
    isotonic.fit(predictions, absolute, weights)
    n_steps = len(isotonic.X_thresholds_)
    steps = _kept(np.arange(1, n_steps + 1) / (n_steps + 1))
    sizes = isotonic.y_thresholds_[steps] + least
    return {"predictions": isotonic.X_thresholds_[steps], "sizes": sizes}


def _fit_estimator(estimator, X, predictions, target, weights, stop, fifth_of, i):
    """A clone that is fitted outside of a fifth and the next one, which stops it if it stops early."""
    stops = fifth_of == (i + 1) % (fifth_of.max() + 1)
    drawn: list[Any] = [
        resample(rows, replace=False, n_samples=min(len(rows), _MOST_ROWS_OF_SPREADS), random_state=0)
        for rows in (np.flatnonzero((fifth_of != i) & ~stops), np.flatnonzero(stops))
    ]
    rows = np.concatenate(drawn)
    split = np.split(np.arange(len(rows)), [len(drawn[0])])
    features = np.column_stack([X[rows], predictions[rows]])
    return fit_member(clone(estimator), split, features, target[rows], weights[rows], stop)[0]


def spread_at(spread, predictions, X):
    """What errors are divided by at these predictions, of rows of X."""
    if "estimators" not in spread:
        return np.interp(predictions, spread["predictions"], spread["sizes"])
    estimators = spread["estimators"]

    def predict_rows(rows):
        filled = np.where(np.isnan(X[rows]), spread["fill"], X[rows])
        features = np.column_stack([filled, predictions[rows]])
        return spread["mean"] * np.mean(
            [predictor_of(model).predict(model, features) for model in estimators], axis=0
        )

    return in_blocks(predict_rows, np.arange(len(predictions)), estimators[0])


def _pinball_loss(learned, sizes, errors, weights):
    """The sum of the pinball losses of the quantiles compared, if errors have these spreads."""
    quantiles = np.outer(np.interp(_COMPARED, learned["levels"], learned["errors"]), sizes)
    return sum(
        mean_pinball_loss(errors, column, alpha=quantile, sample_weight=weights)
        for quantile, column in zip(_COMPARED, quantiles, strict=True)
    )
