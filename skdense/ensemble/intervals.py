"""Quantiles of what is to be predicted, from the errors of out-of-fold predictions.

CV+ [1]_ adds the out-of-fold errors of each fold to the prediction by the member that held that fold
out, and takes quantiles of all these sums. Here the whole ensemble's prediction replaces the members',
because it is closer to y, and so are the quantiles.

.. [1] Barber, Candès, Ramdas and Tibshirani (2021), "Predictive Inference with the Jackknife+", Annals
   of Statistics.
"""

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import mean_pinball_loss

from skdense.ensemble.folds import n_counted

_LEAST_SPREAD = 0.5
"""The spread is at least this times the mean absolute error."""
_COMPARED = (0.05, 0.25, 0.75, 0.95)
"""The quantiles by which a spread is judged."""
_PARTS = 5
"""The spread of each part of the samples is fitted to the other parts, since one that was fitted to
a sample's own error makes it look small. On tables of 50 rows whose errors are of one size, such a
spread was nearly always taken, and intervals of 90 % had 87.8 % of new values; fitted to other parts,
it is taken on 9 % of them, and intervals have 90.1 %.
"""


def learn_errors(y, predictions, weights):
    """For each output, what `predict_quantiles` needs to know of the out-of-fold errors.

    Errors are divided by a spread if that lowers the pinball loss. The spread is half of the mean
    absolute error, plus the mean absolute error of samples with similar predictions, fitted as a rising
    or falling function of the prediction, to other samples.
    """
    weights = np.ones(len(y)) if weights is None else weights
    counted = weights > 0
    y, predictions, weights = y[counted], predictions[counted], weights[counted]
    columns = y.reshape(len(y), -1).T, predictions.reshape(len(y), -1).T
    return [_learn_errors(*both, weights) for both in zip(*columns, strict=True)]


def _learn_errors(y, predictions, weights):
    """Errors, in order, and their levels; then predictions, in order, and the spread there."""
    errors = y - predictions
    absolute = np.abs(errors)
    least = _LEAST_SPREAD * np.average(absolute, weights=weights)
    plain = *_in_order(errors, weights), np.zeros(1), np.ones(1)
    # Copies of a sample, which have the same prediction, are in the same part.
    part = np.unique(predictions, return_inverse=True)[1] % _PARTS
    if least == 0 or part.max() == 0:
        return plain

    def spread_of(rows):
        thresholds, level = _level(predictions[rows], absolute[rows], weights[rows])
        return thresholds, level + least

    spread = np.empty(len(y))
    for i in range(part.max() + 1):
        spread[part == i] = np.interp(predictions[part == i], *spread_of(part != i))
    scaled = *_in_order(errors / spread, weights), *spread_of(slice(None))

    def loss(learned, spread):
        errors, levels, *_ = learned
        quantiles = predictions[:, None] + np.outer(spread, np.interp(_COMPARED, levels, errors))
        return sum(
            mean_pinball_loss(y, column, alpha=quantile, sample_weight=weights)
            for quantile, column in zip(_COMPARED, quantiles.T, strict=True)
        )

    return scaled if loss(scaled, spread) < loss(plain, np.ones(len(y))) else plain


def _level(predictions, absolute, weights):
    """The mean absolute error as a rising or falling function: predictions in order, and its values."""
    centered = predictions - np.average(predictions, weights=weights)
    rises = np.average(centered * absolute, weights=weights) >= 0
    level = IsotonicRegression(increasing=bool(rises)).fit(predictions, absolute, weights)
    return level.X_thresholds_, level.y_thresholds_


def _in_order(errors, weights):
    """The sorted errors, and for each the level of the quantile that it estimates.

    A new error falls into each gap between two of n errors with the same probability. So the i-th error
    has the level i / (n + 1), the method "weibull" of `numpy.quantile`. An error of weight w stands for
    w equal errors, counted as in `n_counted`, and has the level of the middle one.
    """
    weights = np.ones(len(errors)) if weights is None else weights
    order = np.argsort(errors)
    n_errors = n_counted(weights)
    counts = weights[order] * (n_errors / weights.sum())
    return errors[order], (np.cumsum(counts) - counts / 2 + 0.5) / (n_errors + 1)


def predict_quantiles(learned, predictions, quantiles):
    """The quantiles around predictions, on a last axis if there are several."""
    quantiles = np.asarray(quantiles, dtype=float)
    if quantiles.ndim > 1 or not ((quantiles >= 0) & (quantiles <= 1)).all():
        raise ValueError(f"quantiles must be a number or a list of numbers in [0, 1], got {quantiles}")
    predicted = np.empty(predictions.shape + quantiles.shape)
    columns = predictions.reshape(len(predictions), -1).T
    views = predicted.reshape(len(predictions), len(columns), quantiles.size)
    for i, (errors, levels, *spread_of) in enumerate(learned):
        spread = np.interp(columns[i], *spread_of)
        views[:, i] = columns[i][:, None] + np.outer(spread, np.interp(quantiles, levels, errors))
    return predicted
