"""What ensembles learn out of fold: temperatures, weights, quantiles of errors, thresholds of sets.

Beside these stands the scale of y in which regressors are trained. `docs/benchmarks/decisions.md` has
the measurements behind the constants.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse import issparse
from scipy.special import log_softmax, logsumexp
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import GammaRegressor, PoissonRegressor, TweedieRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.utils import check_array, gen_batches, resample

from skdense import compat
from skdense.core.formulas.losses import LOSSES
from skdense.ensemble.members import COPIED_ROWS, at_once, fit_member, in_blocks
from skdense.ensemble.sizes import FEW_ROWS
from skdense.final_step import final_step

_POSITIVE = {"gamma", *(name for name, loss in LOSSES["regression"].items() if loss.output == "exp")}
"""The losses of positive predictions. Networks have none of gamma, trees do."""


def n_counted(row_weights):
    """The number of samples that the weights stand for.

    Weights are counts of samples, unless the positive ones have a mean below 1. Then they are shares,
    and each sample of positive weight counts once.
    """
    return max(row_weights.sum(), np.count_nonzero(row_weights))


def as_counts(row_weights):
    """The weights as counts of samples: shares are multiplied so that their mean is 1.

    The penalties of trees and linear models are compared with the sum of the weights.
    """
    return row_weights * (n_counted(row_weights) / row_weights.sum())


# --- the temperature: one number that divides a classifier's logits -----------------------------------

_LOG_TEMPERATURES = (-1.5, 1.5)
"""The bounds of the logarithm: if all samples are predicted right, the log-loss has no minimum."""
_PRIOR = 0.3
"""The standard deviation of a normal prior on the logarithm, which counts as much as a few samples."""
_BLOCK = 2**15
"""How many samples are divided at a time, which takes little memory."""


def as_logs(probabilities):
    """The logarithms of probabilities, none of which is -inf."""
    return np.log(np.maximum(probabilities, np.finfo(float).eps))


def probabilities_at(temperature, log_probabilities):
    """The probabilities if the logits are divided by a temperature.

    They are in float64, so that their sums are 1 as precisely as metrics demand.
    """
    found = np.empty(log_probabilities.shape)
    for rows in gen_batches(len(found), _BLOCK):
        logits = np.divide(log_probabilities[rows], temperature, dtype=np.float64)
        found[rows] = np.exp(log_softmax(logits, axis=1))
    return found


def learn_temperature(log_probabilities, class_numbers, row_weights, model_weights=(1.0,)):
    """The most probable temperature of the weighted mean of models, by its log-loss.

    `log_probabilities` has an array of shape `(n_samples, n_classes)` for each model, and
    `class_numbers` the column of each sample's class.
    """
    penalty = 1 / (2 * _PRIOR**2 * n_counted(row_weights))

    def objective(logarithm):
        each = np.empty((len(model_weights), len(class_numbers)))
        for of_model, likelihoods in zip(log_probabilities, each, strict=True):
            for rows in gen_batches(len(class_numbers), _BLOCK):
                logits = np.divide(of_model[rows], np.exp(logarithm), dtype=np.float64)
                logs = log_softmax(logits, axis=1)
                likelihoods[rows] = logs[np.arange(len(logs)), class_numbers[rows]]
        of_mean = logsumexp(each.T, axis=1, b=model_weights)
        return penalty * logarithm**2 - np.average(of_mean, weights=row_weights)

    best = minimize_scalar(objective, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x))


# --- the weights of a blend --------------------------------------------------------------------------

_LEAST_WEIGHT = 0.001
"""A model of less weight than this is left out."""
_SURE = 3
"""By how many standard errors others must be better than constant models, which have no weight then."""


def log_losses(likelihoods, model_weights):
    """The log-loss of each sample, from what each model says of its class `(n_models, n_samples)`."""
    return -as_logs(model_weights @ likelihoods)


def best_weights(losses_of, ensembles, row_weights, prior_weight):
    """The weights of ensembles with the lowest mean loss, none of them negative and their sum 1.

    `losses_of` gives the loss of each sample for weights of the models. The mean loss grows by the
    squared distance to a prior, times the share that `prior_weight` samples have. By the prior weights
    are equal, but constant models, if they are in, have half of them.
    """
    n_samples = n_counted(row_weights)
    dummies = DummyClassifier, DummyRegressor
    is_constant = np.array([isinstance(getattr(e, "estimator", None), dummies) for e in ensembles])

    def shares(chosen):
        return chosen / chosen.sum()

    def best_near(prior):
        def objective(model_weights):
            penalty = prior_weight / n_samples * np.sum((model_weights - prior) ** 2)
            return np.average(losses_of(model_weights), weights=row_weights) + penalty

        best = minimize(
            objective,
            prior,
            method="SLSQP",
            bounds=[(0, float(share > 0)) for share in prior],
            constraints={"type": "eq", "fun": lambda model_weights: model_weights.sum() - 1},
            options={"ftol": 1e-9},
        ).x
        return shares(np.where(best < _LEAST_WEIGHT, 0, best))

    if is_constant.all() or not is_constant.any():
        return best_near(shares(np.ones(len(ensembles))))
    constant, others = shares(is_constant), shares(~is_constant)
    model_weights = best_near(others)
    gains = losses_of(constant) - losses_of(model_weights)
    gain = np.average(gains, weights=row_weights)
    error = np.sqrt(np.average((gains - gain) ** 2, weights=row_weights) / n_samples)
    return model_weights if gain > _SURE * error else best_near((constant + others) / 2)


# --- the scale of y -----------------------------------------------------------------------------------


def is_positive(estimator):
    """Whether a regressor's predictions are positive: it adds up their logarithms."""
    loss = estimator.get_params(deep=False).get("loss")
    if isinstance(estimator, TweedieRegressor):
        return estimator.power >= 1
    return loss in _POSITIVE or isinstance(estimator, PoissonRegressor | GammaRegressor)


def scale_of(estimator, y, row_weights):
    """What to subtract from y, and what to divide the result by, as the loss of the estimator allows.

    y gets mean 0 and variance 1, or mean 1 if its predictions are positive, which cannot be shifted.
    """
    last = final_step(estimator)
    mean, deviation = mean_and_deviation(y, row_weights)
    if is_positive(last):
        if (y < 0).any():
            loss = last.get_params(deep=False).get("loss")
            raise ValueError(
                "Some value(s) of y are out of the valid range of "
                f"{f'loss={loss!r}' if loss else last}: must be at least 0, got {y.min()}"
            )
        return np.zeros_like(mean), np.where(mean > 0, mean, 1)
    return mean, deviation


def mean_and_deviation(y, row_weights):
    """The mean and the standard deviation of each column of y; 1 in the place of a deviation of 0."""
    mean = np.average(y, axis=0, weights=row_weights)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=row_weights))
    return mean, np.where(deviation > 0, deviation, 1)


# --- sets of classes ----------------------------------------------------------------------------------


def learn_nonconformity(probabilities, class_numbers, row_weights):
    """What `sets_of` needs to know of out-of-fold probabilities: 1 minus those of the true classes."""
    rows = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    return _in_order(1 - probabilities[rows, class_numbers[rows]], row_weights[rows])


def sets_of(learned, probabilities, confidence):
    """Whether each class is in the set of each sample."""
    scores, levels = learned
    return 1 - probabilities <= np.interp(confidence, levels, scores, right=1)


# --- quantiles of what is to be predicted -------------------------------------------------------------

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
_TREES = {
    "loss": "gamma",
    "learning_rate": 0.1,
    "max_iter": 300,
    "max_leaf_nodes": 8,
    "l2_regularization": 1.0,
    "max_features": 0.5,
    "early_stopping": True,
    "random_state": 0,
}
"""The parameters of trees that predict how large the error of a row is."""
_MOST_ROWS, _MOST_OUTPUTS = 20_000, 10
"""How many samples such trees are fitted to, drawn at random, and for how many outputs."""


class Errors(NamedTuple):
    """The out-of-fold errors of one output over their spread, in order, with their levels."""

    errors: NDArray
    levels: NDArray
    spread_of: Callable
    """Of X, predictions, and the rows that are asked for."""

    def quantiles(self, quantiles, predictions, spread):
        """The quantiles around predictions, on a last axis."""
        scaled = np.interp(quantiles, self.levels, self.errors)
        return predictions[:, None] + np.outer(spread, scaled)


class _OfPredictions(NamedTuple):
    """A spread that depends on the prediction alone."""

    predictions: NDArray
    spread: NDArray

    def __call__(self, X, predictions, rows):
        return np.interp(predictions[rows], self.predictions, self.spread)


class _OfRows(NamedTuple):
    """A spread that trees predict from the columns of X and the prediction."""

    trees: list
    mean: float

    def __call__(self, X, predictions, rows):
        def predict(table):
            return self.mean * np.mean([tree.predict(table) for tree in self.trees], axis=0)

        blocks = [rows[block] for block in gen_batches(len(rows), COPIED_ROWS)]
        return np.concatenate(
            [
                in_blocks(predict, _seen_by_trees(X, predictions, block), self.trees[0])
                for block in blocks
            ]
        )


def _seen_by_trees(X, predictions, rows):
    """What the trees of a spread see of these rows."""
    X = check_array(compat.safe_indexing(X, rows), dtype=np.float64, ensure_all_finite=False)
    return np.column_stack([X, predictions[rows]])


def _is_of_numbers(X):
    """Whether X is an array or a DataFrame of numbers only, of which trees can learn."""
    types = getattr(X, "dtypes", [getattr(X, "dtype", None)])
    return not issparse(X) and all(getattr(one, "kind", "O") in "biuf" for one in types)


def learn_errors(X, y, predictions, row_weights, groups):
    """For each output, what `predict_quantiles` needs to know of the out-of-fold errors.

    Errors are divided by a spread if that lowers the pinball loss: by the mean absolute error of
    similar samples plus a share of that of all samples. A rising or falling function of the prediction
    says which samples are similar, or trees do, by the prediction and the columns of X. There are trees
    if X is a table of numbers with enough rows, for few outputs; it may be None. Each spread is judged
    on samples, or groups, that it was not fitted to.
    """
    by_output = y.reshape(len(y), -1).T, predictions.reshape(len(y), -1).T
    rows = np.flatnonzero(np.isfinite(by_output[1]).all(axis=0))
    if groups is not None:
        groups = np.asarray(groups)[rows]
    if not _is_of_numbers(X) or len(rows) < FEW_ROWS or len(by_output[0]) > _MOST_OUTPUTS:
        X = None
    elif len(rows) < len(y):
        X = compat.safe_indexing(X, rows)
    return [
        _learn_errors(X, one[rows], of_one[rows], row_weights[rows], groups)
        for one, of_one in zip(*by_output, strict=True)
    ]


def _learn_errors(X, y, predictions, row_weights, groups):
    errors = y - predictions
    absolute = np.abs(errors)
    mean = np.average(absolute, weights=row_weights)
    # Copies of a sample, which have the same prediction, are in the same fifth.
    fifth_of = np.unique(predictions if groups is None else groups, return_inverse=True)[1] % _FIFTHS
    fifths = [np.flatnonzero(fifth_of == i) for i in range(fifth_of.max() + 1)]

    def of_predictions(rows):
        centered = predictions[rows] - np.average(predictions[rows], weights=row_weights[rows])
        rises = np.average(centered * absolute[rows], weights=row_weights[rows]) >= 0
        isotonic = IsotonicRegression(increasing=bool(rises))
        isotonic.fit(predictions[rows], absolute[rows], row_weights[rows])
        spread = isotonic.y_thresholds_ + _LEAST_OF_PREDICTIONS * mean
        return _OfPredictions(isotonic.X_thresholds_, spread)

    def judged(spread_of, spreads_of_fifths):
        spread = np.empty(len(y))
        for held_out, spread_of_fifth in zip(fifths, spreads_of_fifths, strict=True):
            spread[held_out] = spread_of_fifth(X, predictions, held_out)
        learned = Errors(*_in_order(errors / spread, row_weights), spread_of)
        quantiles = learned.quantiles(_COMPARED, predictions, spread)
        losses = [
            mean_pinball_loss(y, column, alpha=quantile, sample_weight=row_weights)
            for quantile, column in zip(_COMPARED, quantiles.T, strict=True)
        ]
        return sum(losses), learned

    constant = _OfPredictions(np.zeros(1), np.ones(1))
    found = [judged(constant, [constant] * len(fifths))]
    if mean > 0 and len(fifths) > 1:
        of_others = [of_predictions(np.flatnonzero(fifth_of != i)) for i in range(len(fifths))]
        found.append(judged(of_predictions(np.arange(len(y))), of_others))
        if X is not None:
            target = absolute / mean + _LEAST_OF_ROWS  # the loss takes positive numbers only
            data = X, predictions, target, row_weights
            trees = [*at_once(_fit_trees, [(*data, fifth_of == i) for i in range(len(fifths))])]
            found.append(judged(_OfRows(trees, mean), [_OfRows([tree], mean) for tree in trees]))
    return min(found, key=itemgetter(0))[1]


def _fit_trees(X, predictions, target, row_weights, held_out):
    """Trees that are fitted to samples that are not held out, and stopped by those that are."""
    trained_on, fold = (
        resample(rows, replace=False, n_samples=min(len(rows), _MOST_ROWS), random_state=0)
        for rows in (np.flatnonzero(~held_out), np.flatnonzero(held_out))
    )
    rows = np.concatenate([trained_on, fold])
    split = np.split(np.arange(len(rows)), [len(trained_on)])
    trees = HistGradientBoostingRegressor(**_TREES, min_samples_leaf=max(20, len(trained_on) // 100))
    # With weights, scikit-learn takes ten times as long to find the bins of the columns.
    sample_weight = None if np.ptp(row_weights) == 0 else row_weights[rows]
    seen = _seen_by_trees(X, predictions, rows)
    return fit_member(trees, split, seen, target[rows], sample_weight)[0]


def _in_order(errors, row_weights):
    """The sorted errors, and for each the level of the quantile that it estimates.

    A new error falls into each gap between two of n errors with the same probability. So the i-th error
    has the level i / (n + 1), the method "weibull" of `numpy.quantile`. An error of weight w stands for
    w equal errors, counted as in `n_counted`, and has the level of the middle one.
    """
    order = np.argsort(errors)
    counts = as_counts(row_weights[order])
    return errors[order], (np.cumsum(counts) - counts / 2 + 0.5) / (counts.sum() + 1)


def predict_quantiles(learned, X, predictions, quantiles, lowest):
    """The quantiles around predictions, at least `lowest`, on a last axis if there are several."""
    quantiles = np.asarray(quantiles, dtype=float)
    if quantiles.ndim > 1 or not ((quantiles >= 0) & (quantiles <= 1)).all():
        raise ValueError(f"quantiles must be a number or a list of numbers in [0, 1], got {quantiles}")
    columns, rows = predictions.reshape(len(predictions), -1).T, np.arange(len(predictions))
    found = [
        errors.quantiles(quantiles.ravel(), column, errors.spread_of(X, column, rows))
        for errors, column in zip(learned, columns, strict=True)
    ]
    shape = predictions.shape + quantiles.shape
    return np.maximum(np.stack(found, axis=1).reshape(shape), lowest)
