"""Losses from logits: their values, their gradients, and what they call a correct prediction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from skdense.core.losses import LOSSES
from skdense.core.runtime import tf

OUTPUT = {
    "logistic_log_loss": expit,
    "softmax_log_loss": lambda z: softmax(z, axis=-1),
    "squared_error": lambda z: z,
    "multiclass_squared_error": lambda z: z,
}
EXCLUSIVE = {"softmax_log_loss", "multiclass_squared_error"}
"""The losses whose targets have exactly one 1."""


def targets_of(loss, shape, rng):
    """Random targets `(K, batch, n_outputs)`."""
    if loss in EXCLUSIVE:
        return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]
    return rng.integers(2, size=shape).astype(float)


def value_and_gradient(loss, targets, logits, upstream=1.0):
    """The losses `(K, batch)`, and the gradient of their sum, weighted by `upstream`."""
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = LOSSES[loss].per_example(tf.constant(targets, logits.dtype), logits)
        total = tf.reduce_sum(upstream * losses)
    return losses.numpy(), tape.gradient(total, logits).numpy()


@st.composite
def examples(draw, loss):
    """Targets and logits `(2, 3, n_outputs)`."""
    n_outputs = draw(st.integers(2 if loss in EXCLUSIVE else 1, 4))
    shape = (2, 3, n_outputs)
    logits = draw(arrays(np.float64, shape, elements=st.floats(-8, 8, width=32)))
    return targets_of(loss, shape, np.random.default_rng(draw(st.integers(0, 99)))), logits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_log_loss_is_that_of_sklearn(dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=4, size=(2, 20, 1)).astype(dtype)
    targets = targets_of("logistic_log_loss", logits.shape, rng)

    losses, _ = value_and_gradient("logistic_log_loss", targets, logits)

    assert losses.dtype == dtype
    for k in range(2):
        expected = log_loss(targets[k, :, 0], expit(logits[k, :, 0]), normalize=False)
        np.testing.assert_allclose(losses[k].sum(), expected, rtol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multiclass_log_loss_is_that_of_sklearn(dtype):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=4, size=(2, 20, 3)).astype(dtype)
    targets = targets_of("softmax_log_loss", logits.shape, rng)

    losses, _ = value_and_gradient("softmax_log_loss", targets, logits)

    assert losses.dtype == dtype
    for k in range(2):
        probabilities = softmax(logits[k].astype(float), axis=1)
        expected = log_loss(targets[k].argmax(axis=1), probabilities, labels=[0, 1, 2], normalize=False)
        np.testing.assert_allclose(losses[k].sum(), expected, rtol=100 * np.finfo(dtype).eps)


def test_multilabel_log_loss_is_the_sum_of_the_labels_log_losses():
    rng = np.random.default_rng(1)
    logits = rng.normal(scale=3, size=(2, 6, 3))
    targets = targets_of("logistic_log_loss", logits.shape, rng)

    losses, _ = value_and_gradient("logistic_log_loss", targets, logits)

    one_by_one = [
        value_and_gradient("logistic_log_loss", targets[..., [i]], logits[..., [i]])[0]
        for i in range(3)
    ]
    np.testing.assert_allclose(losses, np.sum(one_by_one, axis=0), rtol=1e-14)


@pytest.mark.parametrize("loss", ["squared_error", "multiclass_squared_error"])
def test_squared_error_sums_over_outputs_without_a_half(loss):
    targets = np.array([[[0.0, 1.0], [1.0, 0.0]]])
    logits = np.array([[[0.5, -1.0], [1.0, 3.0]]])

    losses, gradient = value_and_gradient(loss, targets, logits)

    np.testing.assert_array_equal(losses, [[0.25 + 4, 9]])
    np.testing.assert_array_equal(gradient, 2 * (logits - targets))


@pytest.mark.parametrize("loss", ["logistic_log_loss", "softmax_log_loss"])
@given(data=st.data())
def test_the_gradient_of_a_log_loss_is_probability_minus_target(loss, data):
    targets, logits = data.draw(examples(loss))
    weights = np.array([[1.0, 0.0, 2.5], [0.5, 1.0, 3.0]])

    _, gradient = value_and_gradient(loss, targets, logits, upstream=weights)

    expected = weights[..., None] * (OUTPUT[loss](logits) - targets)
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@given(data=st.data())
def test_the_gradient_is_the_slope_of_the_value(loss, data):
    targets, logits = data.draw(examples(loss))
    i = data.draw(st.integers(0, logits.shape[-1] - 1))
    step = np.zeros_like(logits)
    step[..., i] = 1e-5

    above, _ = value_and_gradient(loss, targets, logits + step)
    below, _ = value_and_gradient(loss, targets, logits - step)
    _, gradient = value_and_gradient(loss, targets, logits)

    np.testing.assert_allclose(gradient[..., i], (above - below) / 2e-5, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [100.0, 1e5])
@pytest.mark.parametrize(
    ("loss", "targets", "logits"),
    [
        ("logistic_log_loss", [0.0], [1.0]),
        ("logistic_log_loss", [1.0], [-1.0]),
        ("softmax_log_loss", [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
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
    ("loss", "targets"), [("logistic_log_loss", [0.0, 1.0]), ("softmax_log_loss", [0.0, 1.0])]
)
def test_a_confidently_right_network_reports_the_clipped_loss(loss, targets, dtype):
    logits = np.array([[[-1e5, 1e5]]], dtype)

    (value,), gradient = value_and_gradient(loss, np.array([[targets]], dtype), logits)

    n_summed = 2 if loss == "logistic_log_loss" else 1
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(value, -n_summed * np.log1p(-eps), rtol=0.01)
    np.testing.assert_array_equal(gradient, np.zeros_like(logits))


@given(examples("logistic_log_loss"))
def test_a_logistic_prediction_is_correct_if_each_probability_is_on_its_targets_side(example):
    targets, logits = example

    correct = LOSSES["logistic_log_loss"].correct(tf.constant(targets), tf.constant(logits))

    np.testing.assert_array_equal(correct, ((expit(logits) > 0.5) == targets).all(axis=-1))


@given(examples("softmax_log_loss"))
def test_a_softmax_prediction_is_correct_if_the_targets_class_is_the_most_probable(example):
    targets, logits = example

    correct = LOSSES["softmax_log_loss"].correct(tf.constant(targets), tf.constant(logits))

    np.testing.assert_array_equal(correct, logits.argmax(axis=-1) == targets.argmax(axis=-1))


@given(examples("squared_error"))
def test_a_squared_error_prediction_is_correct_if_each_output_is_on_its_targets_side(example):
    targets, logits = example

    correct = LOSSES["squared_error"].correct(tf.constant(targets), tf.constant(logits))

    np.testing.assert_array_equal(correct, ((logits > 0.5) == targets).all(axis=-1))


@given(examples("multiclass_squared_error"))
def test_a_multiclass_squared_error_prediction_is_the_largest_positive_output(example):
    targets, logits = example

    correct = LOSSES["multiclass_squared_error"].correct(tf.constant(targets), tf.constant(logits))

    predicted = np.maximum(logits, np.finfo(float).eps).argmax(axis=-1)
    np.testing.assert_array_equal(correct, predicted == targets.argmax(axis=-1))


def test_an_undecided_output_counts_as_negative_as_in_predict():
    for loss, threshold in [("logistic_log_loss", 0.0), ("squared_error", 0.5)]:
        logits = tf.constant([[[threshold]]], tf.float64)
        assert LOSSES[loss].correct(tf.constant([[[0.0]]], tf.float64), logits).numpy().all()
        assert not LOSSES[loss].correct(tf.constant([[[1.0]]], tf.float64), logits).numpy().any()
