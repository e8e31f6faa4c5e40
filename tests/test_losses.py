"""Losses from logits: their values, their gradients, and what they call a correct prediction."""

import numpy as np
import pytest
from scipy.special import expit, huber, softmax
from sklearn.metrics import (
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_squared_error,
    r2_score,
)
from sklearn.neural_network._base import poisson_loss

from skdense.core.formulas.losses import LOSSES
from skdense.core.machine.tensorflow import tf
from skdense.core.program.epochs import BatchSums


def record(loss):
    """All that is known of a loss, which is named with the type of its targets."""
    targets, _, name = loss.rpartition(" ")
    return LOSSES[targets][name]


ALL = [f"{targets} {name}" for targets, losses in LOSSES.items() for name in losses]
OUTPUT = {
    "multilabel log_loss": expit,
    "multiclass log_loss": lambda z: softmax(z, axis=-1),
    "multilabel squared_error": lambda z: z,
    "multiclass squared_error": lambda z: z,
    "regression squared_error": lambda z: z,
    "regression poisson": np.exp,
    "regression absolute_error": lambda z: z,
    "regression quantile": lambda z: z,
    "regression huber": lambda z: z,
}
EXCLUSIVE = {"multiclass log_loss", "multiclass squared_error"}
"""The losses whose targets have exactly one 1."""
HYPER = {"regression quantile": [0.3], "regression huber": [0.7]}
"""What losses take besides targets and logits."""


def targets_of(loss, shape, rng):
    """Random targets `(..., batch, n_outputs)`."""
    if loss in EXCLUSIVE:
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    return rng.integers(2, size=shape).astype(float)


def value_and_gradient(loss, targets, logits, upstream=1.0, smoothing=None):
    """The losses `(..., batch)`, and the gradient of their sum, weighted by `upstream`."""
    logits, of_loss = tf.constant(logits), record(loss)
    function, hyper = of_loss.per_sample, HYPER.get(loss, [])
    if smoothing is not None:
        assert of_loss.smooths
        hyper = [smoothing]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        hyper = (tf.constant(number, logits.dtype) for number in hyper)
        losses = function(tf.constant(targets, logits.dtype), logits, *hyper)
        total = tf.reduce_sum(upstream * losses)
    return losses.numpy(), tape.gradient(total, logits).numpy()


def examples(loss):
    """Targets and logits `(2, 100, n_outputs)`, with as few outputs as there may be and with four.

    Forty rows have equal logits, of which some are undecided.
    """
    rng = np.random.default_rng(0)
    for n_outputs in (2 if loss in EXCLUSIVE else 1, 4):
        logits = rng.uniform(-8, 8, size=(2, 100, n_outputs))
        logits[:, :40] = np.repeat([-8, 0, 0.5, 8], 10)[:, None]
        yield targets_of(loss, logits.shape, rng), logits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["multilabel log_loss", "multiclass log_loss"])
def test_a_log_loss_is_that_of_sklearn(loss, dtype):
    rng = np.random.default_rng(0)
    n_outputs = 3 if loss in EXCLUSIVE else 1
    logits = rng.normal(scale=4, size=(2, 20, n_outputs)).astype(dtype)
    targets = targets_of(loss, logits.shape, rng)

    losses, _ = value_and_gradient(loss, targets, logits)

    assert losses.dtype == dtype
    for k in range(2):
        labels = targets[k].argmax(axis=1) if loss in EXCLUSIVE else targets[k, :, 0]
        probabilities = OUTPUT[loss](logits[k].astype(float))
        probabilities = probabilities if loss in EXCLUSIVE else probabilities[:, 0]
        expected = log_loss(labels, probabilities, labels=range(max(2, n_outputs)), normalize=False)
        np.testing.assert_allclose(losses[k].sum(), expected, rtol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["multilabel log_loss", "multiclass log_loss"])
def test_a_smoothed_loss_is_a_mean_of_those_of_the_label_and_of_all_classes(loss, dtype):
    """That of the label weighs 0.8, and those of all classes, as if each were the label, 0.2."""
    logits = np.random.default_rng(0).normal(scale=4, size=(2, 20, 3)).astype(dtype)
    targets = targets_of(loss, logits.shape, np.random.default_rng(1))
    labels = (
        np.eye(3)[:, None, None] if loss in EXCLUSIVE else np.array([0.0, 1.0])[:, None, None, None]
    )
    of_each_label = [value_and_gradient(loss, one + 0 * logits, logits) for one in labels]

    smoothed = value_and_gradient(loss, targets, logits, smoothing=0.2)

    for i, hard in enumerate(value_and_gradient(loss, targets, logits)):
        expected = 0.8 * hard + 0.2 * np.mean([each[i] for each in of_each_label], axis=0)
        assert smoothed[i].dtype == dtype
        tolerance = 100 * np.finfo(dtype).eps
        np.testing.assert_allclose(smoothed[i], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_losses_of_numbers_are_those_of_sklearn_and_scipy(dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, 20, 3)).astype(dtype)
    counts = rng.poisson(1, size=logits.shape)
    normal = rng.normal(size=logits.shape).astype(dtype)
    expected = {
        "regression squared_error": (normal, mean_squared_error(normal[0], logits[0]) / 2),
        "regression poisson": (counts, poisson_loss(counts[0], np.exp(logits[0].astype(float)))),
        "regression absolute_error": (normal, 3 * mean_absolute_error(normal[0], logits[0])),
        "regression quantile": (normal, 3 * mean_pinball_loss(normal[0], logits[0], alpha=0.3)),
        "regression huber": (normal, 3 * huber(0.7, normal - logits).mean()),
    }
    assert expected.keys() == {loss for loss in ALL if loss.startswith("regression")}
    for loss, (targets, value) in expected.items():
        losses, _ = value_and_gradient(loss, targets, logits)
        assert losses.dtype == dtype
        np.testing.assert_allclose(losses.mean(), value, rtol=100 * np.finfo(dtype).eps, err_msg=loss)


def test_the_poisson_deviance_of_a_prediction_that_rounds_to_zero_is_finite():
    losses, gradient = value_and_gradient(
        "regression poisson", np.array([[[2.0, 0.0]]]), np.array([[[-800.0, -800.0]]])
    )
    np.testing.assert_allclose(losses, [[2 * np.log(2) + 1600 - 2]])
    np.testing.assert_array_equal(gradient, [[[-2, 0]]])


@pytest.mark.parametrize("loss", ["regression absolute_error", "regression quantile"])
def test_a_prediction_that_is_exact_has_no_gradient(loss):
    losses, gradient = value_and_gradient(loss, np.zeros((1, 1, 3)), np.array([[[-1.0, 0.0, 2.0]]]))
    low, high = {"regression absolute_error": (-1, 1), "regression quantile": (-0.3, 0.7)}[loss]
    np.testing.assert_array_equal(gradient, [[[low, 0, high]]])
    np.testing.assert_allclose(losses, [[-low + 2 * high]])


@pytest.mark.parametrize("loss", [loss for loss in ALL if loss != "regression squared_error"])
def test_the_gradient_is_the_slope_of_the_value(loss):
    for targets, logits in examples(loss):
        if loss in ("regression absolute_error", "regression quantile"):
            logits[targets == logits] += 0.1  # there is no slope between the two sides
        _, gradient = value_and_gradient(loss, targets, logits)

        for i in range(logits.shape[-1]):
            step = np.zeros_like(logits)
            step[..., i] = 1e-5
            above, _ = value_and_gradient(loss, targets, logits + step)
            below, _ = value_and_gradient(loss, targets, logits - step)
            slope = (above - below) / 2e-5
            np.testing.assert_allclose(gradient[..., i], slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "loss",
    ["multilabel log_loss", "multiclass log_loss", "regression squared_error", "regression poisson"],
)
def test_the_gradient_is_prediction_minus_target(loss):
    weights = np.random.default_rng(1).permutation(np.linspace(0, 3, 200)).reshape(2, 100)
    for targets, logits in examples(loss):
        _, gradient = value_and_gradient(loss, targets, logits, upstream=weights)

        expected = weights[..., None] * (OUTPUT[loss](logits) - targets)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [100.0, 1e5])
@pytest.mark.parametrize(
    ("loss", "targets", "logits"),
    [
        ("multilabel log_loss", [0.0], [1.0]),
        ("multilabel log_loss", [1.0], [-1.0]),
        ("multiclass log_loss", [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
    ],
)
def test_a_confidently_wrong_network_has_a_finite_loss_and_goes_on_learning(
    loss, targets, logits, size, dtype
):
    targets, logits = np.array([[targets]], dtype), size * np.array([[logits]], dtype)

    (value,), gradient = value_and_gradient(loss, targets, logits)

    assert value == pytest.approx(-np.log(np.finfo(dtype).eps), rel=1e-6)
    expected = OUTPUT[loss](logits) - targets
    assert np.abs(gradient).max() == 1
    np.testing.assert_allclose(gradient, expected, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "targets"), [("multilabel log_loss", [0.0, 1.0]), ("multiclass log_loss", [0.0, 1.0])]
)
def test_a_confidently_right_network_reports_the_clipped_loss(loss, targets, dtype):
    logits = np.array([[[-1e5, 1e5]]], dtype)

    (value,), gradient = value_and_gradient(loss, np.array([[targets]], dtype), logits)

    n_summed = 2 if loss == "multilabel log_loss" else 1
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, -n_summed * np.log1p(-eps), rtol=0.01)
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))


EPS = np.finfo(float).eps
IS_CORRECT = {
    "multilabel log_loss": lambda targets, logits: ((logits > 0) == targets).all(axis=-1),
    "multilabel squared_error": lambda targets, logits: ((logits > 0.5) == targets).all(axis=-1),
    "multiclass log_loss": lambda targets, logits: logits.argmax(-1) == targets.argmax(-1),
    # as predict clips
    "multiclass squared_error": lambda targets, logits: (
        np.maximum(logits, EPS).argmax(-1) == targets.argmax(-1)
    ),
}


@pytest.mark.parametrize("loss", IS_CORRECT)
def test_a_prediction_is_correct_if_each_label_is_on_its_side_or_the_class_is_the_first_of_all(loss):
    """A label or a class that is undecided counts as in `predict`."""
    for targets, logits in examples(loss):
        correct = record(loss).correct(tf.constant(targets), tf.constant(logits))

        np.testing.assert_array_equal(correct, IS_CORRECT[loss](targets, logits))


def score_of(loss, targets, logits, weights):
    """The score as a program makes it."""
    metric = record(loss).metric
    targets, logits = tf.constant(targets), tf.constant(logits)
    terms = metric.terms(targets, logits, targets[0])
    sums = [tf.reduce_sum(weights * term) for term in terms]
    return metric.value(BatchSums(None, tf.stack(sums), weights.sum())).numpy()


@pytest.mark.parametrize(
    ("loss", "center"),
    [("regression squared_error", 0.0), ("regression squared_error", 1e6), ("regression poisson", 1.0)],
)
def test_the_score_of_numbers_is_r2(loss, center):
    predict, rng = OUTPUT[loss], np.random.default_rng(0)
    logits = center + rng.normal(size=(30, 3))
    targets = predict(logits) + rng.normal(size=logits.shape)
    weights = rng.uniform(0, 2, size=30)

    score = score_of(loss, targets, logits, weights)

    expected = r2_score(targets, predict(logits), sample_weight=weights)
    np.testing.assert_allclose(score, expected, rtol=1e-9)


@pytest.mark.parametrize(("errors", "expected"), [([0, 0], 1), ([1, 0], 0.5), ([1, 1], 0)])
def test_the_r2_of_a_constant_is_that_of_sklearn(errors, expected):
    targets = np.full((5, 2), 0.1)
    logits = targets.copy()
    logits[0] += errors

    score = score_of("regression squared_error", targets, logits, np.ones(5))

    assert score == r2_score(targets, logits) == expected


@pytest.mark.parametrize("infinite", [np.inf, np.nan])
@pytest.mark.parametrize("constant", [False, True])
def test_the_r2_of_a_prediction_that_is_not_finite_is_not_a_number(constant, infinite):
    targets = np.zeros((5, 2)) if constant else np.arange(10.0).reshape(5, 2)
    logits = targets.copy()
    logits[3, 1] = infinite

    assert np.isnan(score_of("regression squared_error", targets, logits, np.ones(5)))
