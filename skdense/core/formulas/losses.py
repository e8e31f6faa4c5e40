"""Losses from logits, one value per example, with the score of the predictions.

Targets and logits are `(K, batch, n_outputs)`, losses and correctness `(K, batch)`, so that a sample
weight is one multiplication. Multilabel targets have one logistic output a label, and their losses
add up; so do those of the outputs of a regression, but for the squared error.
"""

from collections.abc import Callable
from typing import NamedTuple

from skdense.core.machine.runtime import tf


class Score(NamedTuple):
    """How good predictions are, made of sums over samples; greater is better.

    Attributes
    ----------
    n_terms : callable
        `n_terms(n_outputs)` is the number of sums.
    terms : callable
        `terms(targets, logits, origin)` is a list of n_terms `(K, batch)`: what to sum up, times the
        samples' weights. `origin`, the targets `(K, 1, n_outputs)` of a network's first row, is for
        sums of squares, which would cancel if they were taken from zero.
    finish : callable
        `finish(sums)` is the score `(K,)`, from the `BatchSums` of all validation rows.
    """

    n_terms: Callable
    terms: Callable
    finish: Callable


class Loss(NamedTuple):
    """What a network is trained for, from its logits.

    Attributes
    ----------
    per_example : callable
        `per_example(targets, logits, *hyper)` are the losses. Their gradient may be another than the
        value's.
    correct : callable or None
        `correct(targets, logits)`, a bool each, where predictions are right or wrong: the accuracy of
        the minibatches is then recorded.
    score : Score
        How a network is judged on validation data.
    hyper : tuple of str
        The fields of `Hyper` that `per_example` takes, each `(K, 1, 1)`.
    smoothed : callable or None
        `smoothed(targets, logits, label_smoothing)` are the losses with smoothed labels, if that means
        anything here.
    """

    per_example: Callable
    correct: Callable | None
    score: Score
    hyper: tuple = ()
    smoothed: Callable | None = None


def _eps(tensor):
    """The spacing of the dtype's numbers at 1."""
    return {tf.float32: 2.0**-23, tf.float64: 2.0**-52}[tensor.dtype]


def _negative_log(probabilities):
    eps = _eps(probabilities)
    return -tf.math.log(tf.clip_by_value(probabilities, eps, 1 - eps))


# The value of a log-loss is that of clipped probabilities, its gradient that of the unclipped loss:
# a confidently wrong network reports a finite loss and goes on learning.


@tf.custom_gradient
def _logistic_log_loss(targets, logits):
    probabilities = tf.sigmoid(logits)
    of_target = tf.where(targets > 0.5, probabilities, 1 - probabilities)

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets)

    return tf.reduce_sum(_negative_log(of_target), axis=-1), gradient


def _softmax(logits):
    """`tf.nn.softmax` in fewer kernels: XLA repeats a product where it is used, but not a quotient."""
    exponentials = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    return exponentials * (1 / tf.reduce_sum(exponentials, axis=-1, keepdims=True))


@tf.custom_gradient
def _softmax_log_loss(targets, logits):
    probabilities = _softmax(logits)
    of_target = tf.reduce_sum(targets * probabilities, axis=-1)

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets)

    return _negative_log(of_target), gradient


# Smoothed targets (Szegedy et al., 2016) leave a part of the certainty to all classes alike.


@tf.custom_gradient
def _smoothed_logistic_log_loss(targets, logits, smoothing):
    probabilities = tf.sigmoid(logits)
    targets = (1 - smoothing) * targets + smoothing / 2
    losses = targets * _negative_log(probabilities) + (1 - targets) * _negative_log(1 - probabilities)

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets), None

    return tf.reduce_sum(losses, axis=-1), gradient


@tf.custom_gradient
def _smoothed_softmax_log_loss(targets, logits, smoothing):
    probabilities = _softmax(logits)
    targets = (1 - smoothing) * targets + smoothing / targets.shape[-1]

    def gradient(upstream):
        return None, upstream[..., None] * (probabilities - targets), None

    return tf.reduce_sum(targets * _negative_log(probabilities), axis=-1), gradient


def _squared_error(targets, logits):
    return tf.reduce_sum((logits - targets) ** 2, axis=-1)


@tf.custom_gradient
def _half_squared_error(targets, logits):
    """The mean over outputs, but the gradient of the sum over outputs: MLPRegressor's choice."""

    def gradient(upstream):
        return None, upstream[..., None] * (logits - targets)

    return tf.reduce_mean((logits - targets) ** 2, axis=-1) / 2, gradient


def _half_poisson_deviance(targets, logits):
    """`y log(y / p) - y + p` of the prediction `p = exp(logit)`, without dividing by a p that is 0."""
    log_targets = tf.math.log(tf.where(targets > 0, targets, 1))
    losses = targets * (log_targets - logits) - targets + tf.exp(logits)
    return tf.reduce_sum(losses, axis=-1)


def _absolute_error(targets, logits):
    return tf.reduce_sum(tf.abs(logits - targets), axis=-1)


def _pinball(targets, logits, quantile):
    """`quantile` times the error where the target is higher, `1 - quantile` times where it is lower."""
    errors = targets - logits
    slopes = tf.where(errors > 0, quantile, tf.where(errors < 0, quantile - 1, 0))
    return tf.reduce_sum(slopes * errors, axis=-1)


def _all_above(threshold):
    def correct(targets, logits):
        return tf.reduce_all((logits > threshold) == (targets > 0.5), axis=-1)

    return correct


def _largest(targets, logits):
    # Of the targets, which are ones and zeros, a sum of places is cheaper than an argmax.
    place = tf.range(logits.shape[-1], dtype=logits.dtype)
    return tf.cast(tf.argmax(logits, axis=-1), logits.dtype) == tf.reduce_sum(place * targets, axis=-1)


def _largest_positive(targets, logits):
    return _largest(targets, tf.maximum(logits, _eps(logits)))


def _classification(per_example, correct, smoothed=None):
    """The record of a loss whose predictions are right or wrong: the score is the accuracy."""
    accuracy = Score(
        n_terms=lambda n_outputs: 1,
        terms=lambda targets, logits, origin: [tf.cast(correct(targets, logits), logits.dtype)],
        finish=lambda sums: sums.terms[:, 0] / sums.weight,
    )
    return Loss(per_example, correct, accuracy, smoothed=smoothed)


def _r2_terms(predictions):
    """The terms of R2: for each output the squared residual, the squared target and the target."""

    def terms(targets, logits, origin):
        predicted = predictions(logits)
        squares = (targets - predicted) ** 2
        # As in MLPRegressor, R2 is not a number where a prediction is not finite.
        squares = tf.where(tf.math.is_finite(predicted), squares, float("nan"))
        shifted = targets - origin
        return tf.unstack(tf.concat([squares, shifted**2, shifted], axis=-1), axis=-1)

    return terms


def _r2(sums):
    """The mean over outputs of r2_score: 1 where all is predicted exactly, else 0 for a constant."""
    residual, square, total = tf.split(sums.terms, 3, axis=1)
    variation = square - total**2 / sums.weight[:, None]
    of_constant = tf.where(tf.math.is_nan(residual), residual, 0)
    scores = tf.where(variation > 0, 1 - residual / variation, of_constant)
    return tf.reduce_mean(tf.where(residual != 0, scores, 1), axis=1)


def _r2_of(predictions):
    return Score(lambda n_outputs: 3 * n_outputs, _r2_terms(predictions), _r2)


LOWEST_LOSS = Score(lambda n_outputs: 0, lambda *_: [], lambda sums: -sums.loss / sums.weight)
"""The negative loss."""

LOSSES = {
    "logistic_log_loss": _classification(
        _logistic_log_loss, _all_above(0), _smoothed_logistic_log_loss
    ),
    "softmax_log_loss": _classification(_softmax_log_loss, _largest, _smoothed_softmax_log_loss),
    "squared_error": _classification(_squared_error, _all_above(0.5)),
    "multiclass_squared_error": _classification(_squared_error, _largest_positive),
    # Where all samples have one class, its targets are 0, and it is predicted whatever the logits are.
    "one_class_log_loss": _classification(_logistic_log_loss, _all_above(float("inf"))),
    "one_class_squared_error": _classification(_squared_error, _all_above(float("inf"))),
    "half_squared_error": Loss(_half_squared_error, None, _r2_of(tf.identity)),
    "half_poisson_deviance": Loss(_half_poisson_deviance, None, _r2_of(tf.exp)),
    # R2 would prefer the networks that are nearest to the mean.
    "absolute_error": Loss(_absolute_error, None, LOWEST_LOSS),
    "pinball": Loss(_pinball, None, LOWEST_LOSS, hyper=("quantile",)),
}
