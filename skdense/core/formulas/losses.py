"""Losses by the type of the targets and scikit-learn's names: all that is known of each, in one record.

In a hand-written loop these are the functions `loss_of(targets, outputs)` and `accuracy`, where
outputs are those of the last layer before its activation, the logits. Targets and logits are
`(batch, n_outputs)`, losses `(batch,)`, so that a sample weight is one multiplication. The loss of a
sample is the sum over its outputs, but for the squared error of numbers.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import entr, huber, rel_entr

from skdense.core.machine.tensorflow import tf
from skdense.core.network import Tensor


class Metric(NamedTuple):
    """How good predictions are, computed from sums over samples; greater is better.

    Attributes
    ----------
    terms : callable
        `terms(targets, logits, shift)` is a list of what to sum up, times the samples' weights, as
        tensors `(batch,)`. `shift` has the targets `(n_outputs,)` of the first row. R2
        computes the variance from distances to it: a sum of squares far from zero would lose digits.
    value : callable
        `value(sums)` is the score, from the `BatchSums` of all validation rows.
    """

    terms: Callable
    value: Callable


NEGATIVE_LOSS = Metric(lambda targets, logits, shift: [], lambda sums: -sums.loss / sums.weight)
"""The negative loss."""


class Loss(NamedTuple):
    """All that is known of a loss.

    Attributes
    ----------
    per_sample : callable
        `per_sample(targets, logits)` are the losses. Their gradient may differ from that of the
        values, see `times`. If it `smooths`, it can take a label_smoothing as one more argument.
    baseline_loss : callable
        `baseline_loss(targets, weights)` is the lowest weighted mean loss of a network that gives every
        sample the same output, from arrays `(n_samples, n_outputs)` and `(n_samples,)` or None. If it
        `smooths`, it can take a label_smoothing as well.
    output : str
        The activation of the output layer, a key of `OUTPUT_ACTIVATIONS`.
    metric : Metric
        The score on validation data.
    correct : callable or None
        `correct(targets, logits)` says which predictions are right, for losses of labels. The accuracy
        of the minibatches is recorded with it.
    smooths : bool
        Whether `per_sample` has a form with smoothed labels.
    number_name : str or None
        The name of a number that the user sets, which the functions of the loss take as one more
        argument.
    lowest_target : float
        The lowest target that the loss is defined for.
    elementwise : callable or None
        `elementwise(targets, predictions)` are the losses of single numbers, as arrays, by which a
        blend of regressors chooses its weights; its mean is the metric of scikit-learn.
    slope : callable or None
        `slope(targets, predictions)` are the derivatives of `elementwise` by the predictions.
    is_smooth : bool
        Whether `slope` is continuous.
    is_homogeneous : bool
        Whether y in another unit only multiplies `elementwise` by a constant.
    averages : bool
        Whether `per_sample` is a mean over outputs, not a sum.
    """

    per_sample: Callable
    baseline_loss: Callable
    output: str = "identity"
    metric: Metric = NEGATIVE_LOSS
    correct: Callable | None = None
    smooths: bool = False
    number_name: str | None = None
    lowest_target: float = -np.inf
    elementwise: Callable | None = None
    slope: Callable | None = None
    is_smooth: bool = True
    is_homogeneous: bool = False
    averages: bool = False

    def times(self, n_outputs: int) -> int:
        """The factor between the gradient that `per_sample` gives and that of its values."""
        return n_outputs if self.averages else 1


# --- labels ------------------------------------------------------------------------------------------


def _eps(tensor: Tensor) -> float:
    """The spacing of the dtype's numbers at 1."""
    return float(np.finfo(tensor.dtype.as_numpy_dtype).eps)


def _negative_log(probabilities: Tensor) -> Tensor:
    eps = _eps(probabilities)
    return -tf.math.log(tf.clip_by_value(probabilities, eps, 1 - eps))


def _with_gradient(formula: Callable) -> Callable:
    """A loss from a formula that returns its values and its gradient with respect to the logits."""

    def per_sample(targets: Tensor, logits: Tensor, *smoothing: Tensor) -> Tensor:
        @tf.custom_gradient
        def losses(logits: Tensor) -> tuple[Tensor, Callable]:
            values, gradient = formula(targets, logits, *smoothing)
            return values, lambda upstream: upstream[..., None] * gradient

        return losses(logits)

    return per_sample


def _smoothed(targets: Any, smoothing: Any, n_values: int) -> Any:
    """Targets that give a part of a label's probability to all its values (Szegedy et al., 2016)."""
    return (1 - smoothing) * targets + smoothing / n_values


# The values of a log-loss use clipped probabilities, so they stay finite. Its gradient does not, so a
# confidently wrong network goes on learning.


@_with_gradient
def _logistic_log_loss(targets: Tensor, logits: Tensor, smoothing: Any = None) -> tuple[Tensor, Tensor]:
    probabilities = tf.sigmoid(logits)
    if smoothing is None:
        losses = _negative_log(tf.where(targets > 0.5, probabilities, 1 - probabilities))
    else:
        targets = _smoothed(targets, smoothing, 2)
        losses = targets * _negative_log(probabilities)
        losses += (1 - targets) * _negative_log(1 - probabilities)
    return tf.reduce_sum(losses, axis=-1), probabilities - targets


def _softmax(logits: Tensor) -> Tensor:
    """`tf.nn.softmax` in fewer loops: XLA repeats a product where it is used, but not a quotient."""
    exponentials = tf.exp(logits - tf.reduce_max(logits, axis=-1, keepdims=True))
    return exponentials * (1 / tf.reduce_sum(exponentials, axis=-1, keepdims=True))


@_with_gradient
def _softmax_log_loss(targets: Tensor, logits: Tensor, smoothing: Any = None) -> tuple[Tensor, Tensor]:
    probabilities = _softmax(logits)
    if smoothing is None:
        likelihoods = tf.reduce_sum(targets * probabilities, axis=-1)
        return _negative_log(likelihoods), probabilities - targets
    targets = _smoothed(targets, smoothing, targets.shape[-1])
    return tf.reduce_sum(targets * _negative_log(probabilities), axis=-1), probabilities - targets


def _squared_error(targets: Tensor, logits: Tensor) -> Tensor:
    return tf.reduce_sum((logits - targets) ** 2, axis=-1)


def _all_above(threshold: float) -> Callable:
    def correct(targets: Tensor, logits: Tensor) -> Tensor:
        return tf.reduce_all((logits > threshold) == (targets > 0.5), axis=-1)

    return correct


def _largest(targets: Tensor, logits: Tensor) -> Tensor:
    # The targets are one-hot, so a weighted sum of class numbers replaces an argmax, which costs more.
    number = tf.range(logits.shape[-1], dtype=logits.dtype)
    return tf.cast(tf.argmax(logits, axis=-1), logits.dtype) == tf.reduce_sum(number * targets, axis=-1)


def _largest_positive(targets: Tensor, logits: Tensor) -> Tensor:
    return _largest(targets, tf.maximum(logits, _eps(logits)))


def _constant_loss(loss: Callable, n_values: int | None = None) -> Callable:
    """The loss of a constant output, which is a function of the frequencies of the labels.

    If the loss takes a label_smoothing, so does this, as one more argument. A label has n_values, by
    default as many as there are outputs.
    """

    def baseline_loss(targets: NDArray, weights: NDArray | None, smoothing: float = 0.0) -> float:
        shares = np.average(targets, axis=0, weights=weights)
        return loss(_smoothed(shares, smoothing, n_values or len(shares))).sum()

    return baseline_loss


def _accuracy(correct: Callable) -> Metric:
    return Metric(
        terms=lambda targets, logits, shift: [tf.cast(correct(targets, logits), logits.dtype)],
        value=lambda sums: sums.terms[0] / sums.weight,
    )


def _label_losses(
    log_loss: Callable, baseline: Callable, output: str, correct: Callable, correct_values: Callable
) -> dict[str, Loss]:
    """The two losses of labels: `correct` judges logits, `correct_values` outputs of squared_error."""
    squared_baseline = _constant_loss(lambda p: p * (1 - p))
    accuracy = _accuracy(correct_values)
    return {
        "log_loss": Loss(log_loss, baseline, output, _accuracy(correct), correct, smooths=True),
        "squared_error": Loss(_squared_error, squared_baseline, "identity", accuracy, correct_values),
    }


# --- regression ---------------------------------------------------------------------------------------


@_with_gradient
def _half_squared_error(targets: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over outputs, but the gradient of the sum over outputs, as in MLPRegressor."""
    return tf.reduce_mean((logits - targets) ** 2, axis=-1) / 2, logits - targets


def _half_poisson_deviance(targets: Tensor, logits: Tensor) -> Tensor:
    """`y log(y / p) - y + p` of the prediction `p = exp(logit)`, without dividing by a p of 0."""
    log_targets = tf.math.log(tf.where(targets > 0, targets, 1))
    losses = targets * (log_targets - logits) - targets + tf.exp(logits)
    return tf.reduce_sum(losses, axis=-1)


def _absolute_error(targets: Tensor, logits: Tensor) -> Tensor:
    return tf.reduce_sum(tf.abs(logits - targets), axis=-1)


def _pinball(targets: Tensor, logits: Tensor, quantile: Tensor) -> Tensor:
    """`quantile` times the error where the target is higher, `1 - quantile` times where it is lower."""
    errors = targets - logits
    slopes = tf.where(errors > 0, quantile, tf.where(errors < 0, quantile - 1, 0))
    return tf.reduce_sum(slopes * errors, axis=-1)


def _huber(targets: Tensor, logits: Tensor, delta: Tensor) -> Tensor:
    """Half the squared error up to `delta` (Huber, 1964), from there on its tangent."""
    errors = tf.abs(logits - targets)
    quadratic = tf.minimum(errors, delta)
    return tf.reduce_sum(quadratic * (errors - quadratic / 2), axis=-1)


def _mean(targets: NDArray, weights: NDArray | None) -> NDArray:
    return np.average(targets, axis=0, weights=weights)


def _quantile(targets: NDArray, weights: NDArray | None, quantile: float = 0.5) -> NDArray:
    return np.quantile(targets, quantile, axis=0, weights=weights, method="inverted_cdf")


def _pinballs(targets: NDArray, predictions: NDArray, quantile: float) -> NDArray:
    return np.maximum(quantile * (targets - predictions), (quantile - 1) * (targets - predictions))


def _pinball_slopes(targets: NDArray, predictions: NDArray, quantile: float) -> NDArray:
    return np.where(targets > predictions, -quantile, 1 - quantile)


def _huber_mean(targets: NDArray, weights: NDArray | None, delta: float) -> NDArray:
    """Where the weighted mean of the loss's slopes, the errors clipped at `delta`, is zero."""

    def slope(constant: float, column: NDArray) -> float:
        return np.average(np.clip(constant - column, -delta, delta), weights=weights)

    return np.array([brentq(slope, column.min(), column.max(), (column,)) for column in targets.T])


def _r2(predictions: Callable) -> Metric:
    """The score R2. Its terms are each output's squared residual, squared target and target."""

    def terms(targets: Tensor, logits: Tensor, shift: Tensor) -> list[Tensor]:
        predicted = predictions(logits)
        squares = (targets - predicted) ** 2
        # As in MLPRegressor, R2 is NaN if a prediction is not finite.
        squares = tf.where(tf.math.is_finite(predicted), squares, float("nan"))
        shifted = targets - shift
        return tf.unstack(tf.concat([squares, shifted**2, shifted], axis=-1), axis=-1)

    return Metric(terms, _value_of_r2)


def _value_of_r2(sums: Any) -> Tensor:
    """The mean over outputs of r2_score. A constant target scores 1 if predicted exactly, else 0."""
    residual, square, total = tf.split(tf.stack(sums.terms), 3)
    variation = square - total**2 / sums.weight
    zero_or_nan = tf.where(tf.math.is_nan(residual), residual, 0)
    scores = tf.where(variation > 0, 1 - residual / variation, zero_or_nan)
    return tf.reduce_mean(tf.where(residual != 0, scores, 1))


def _regression(
    per_sample: Callable, elementwise: Callable, constant: Callable, share: float = 1.0, **others: Any
) -> Loss:
    """The record of a loss of numbers: a share of `elementwise`, summed or averaged over the outputs.

    `constant(targets, weights)` is the best constant output `(n_outputs,)`. It takes the loss's number,
    too, if it has one.
    """
    averages = others.get("averages", False)

    def baseline_loss(targets: NDArray, weights: NDArray | None, *number: float) -> float:
        targets = targets.astype(np.float64)  # differences of bools or small ints would not do
        losses = elementwise(targets, constant(targets, weights, *number), *number)
        losses = losses.mean(axis=1) if averages else losses.sum(axis=1)
        return share * np.average(losses, weights=weights)

    return Loss(per_sample, baseline_loss, elementwise=elementwise, **others)


_LOGISTIC = _logistic_log_loss, _constant_loss(lambda p: entr(p) + entr(1 - p), 2), "logistic"

LOSSES = {
    "binary": _label_losses(*_LOGISTIC, _all_above(0), _all_above(0.5)),
    "multilabel": _label_losses(*_LOGISTIC, _all_above(0), _all_above(0.5)),
    # With one class in y its targets are 0, and it is predicted whatever the logits are.
    "one class": _label_losses(*_LOGISTIC, _all_above(np.inf), _all_above(np.inf)),
    "multiclass": _label_losses(
        _softmax_log_loss, _constant_loss(entr), "softmax", _largest, _largest_positive
    ),
    "regression": {
        "squared_error": _regression(
            _half_squared_error, lambda y, predicted: (y - predicted) ** 2, _mean, 0.5, averages=True,
            metric=_r2(lambda logits: logits), is_homogeneous=True,
            slope=lambda y, predicted: 2 * (predicted - y),
        ),
        "poisson": _regression(
            _half_poisson_deviance, lambda y, predicted: 2 * (rel_entr(y, predicted) - y + predicted),
            _mean, 0.5, metric=_r2(lambda logits: tf.exp(logits)), output="exp", lowest_target=0,
            is_homogeneous=True, slope=lambda y, predicted: 2 * (1 - y / predicted),
        ),
        # These have no R2 score, which would prefer networks that predict the mean.
        "absolute_error": _regression(
            _absolute_error, lambda y, predicted: np.abs(y - predicted), _quantile, is_homogeneous=True,
            slope=lambda y, predicted: np.sign(predicted - y), is_smooth=False,
        ),
        "quantile": _regression(
            _pinball, _pinballs, _quantile, number_name="quantile", is_homogeneous=True,
            slope=_pinball_slopes, is_smooth=False,
        ),
        "huber": _regression(
            _huber, lambda y, predicted, delta: huber(delta, y - predicted), _huber_mean,
            number_name="delta",
            slope=lambda y, predicted, delta: np.clip(predicted - y, -delta, delta),
        ),
    },
}  # fmt: skip
"""The losses by the type of the targets, as the encoders in `skdense.fit` call it, and by name."""
