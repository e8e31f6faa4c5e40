"""Formulas of a step by hand and against scikit-learn: rules of descent, schedules, clipping, masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from helpers import is_kept
from skdense import LowLevelMLPClassifier
from skdense.core.formulas.layers import dropper
from skdense.core.formulas.optimizers import OPTIMIZERS, clipped
from skdense.core.formulas.schedules import SCHEDULES, lr_factor
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper

NEUTRAL = dict.fromkeys(Hyper._fields, 0.0)


def changes(name, learning_rate, gradients, **numbers):
    """The changes `(n_steps, n_parameters)` that a rule makes of these gradients."""
    optimizer = OPTIMIZERS[name]
    gradients = np.asarray(gradients)
    hyper = Hyper(
        **{name: tf.constant(value, tf.float64) for name, value in (NEUTRAL | numbers).items()}
    )
    rate = tf.constant(learning_rate, tf.float64)
    parameters = tf.zeros(gradients.shape[1], gradients.dtype)
    slots = (parameters,) * optimizer.n_slots
    made = []
    for step, gradient in enumerate(gradients, start=1):
        numbers = optimizer.numbers(rate, tf.constant(step, tf.float64), hyper)
        assert all(number.dtype == tf.float64 for number in numbers)
        numbers = [tf.cast(number, gradients.dtype) for number in numbers]
        change, slots = optimizer.update(tf.constant(gradient), slots, parameters, *numbers)
        assert len(slots) == optimizer.n_slots
        parameters += change
        made.append(change.numpy())
    return np.array(made)


def test_adamw_by_hand():
    # With beta_1 = 1/2 and beta_2 = 3/4 these gradients keep both means at 1, so with epsilon = 1 a
    # step is half the corrected rate sqrt(1 - (3/4)^t) / (1 - (1/2)^t), and what a quarter of the rate
    # takes from parameters of -1/2 and then less.
    made = changes(
        "adamw", 1.0, [[2.0], [1.0], [1.0]], beta_1=0.5, beta_2=0.75, epsilon=1.0, weight_decay=0.25
    )

    second = -np.sqrt(7) / 6 + 1 / 8
    expected = [-1 / 2, second, -np.sqrt(37) / 14 - (second - 1 / 2) / 4]
    np.testing.assert_allclose(made[:, 0], expected, rtol=1e-14)


def test_adams_first_step_in_float32_is_the_learning_rate_to_its_last_digits():
    """1 - 0.999 is a number of few digits if 0.999 is one of float32."""
    made = changes("adam", 0.1, np.ones((1, 1), np.float32), beta_1=0.9, beta_2=0.999, epsilon=1e-30)

    np.testing.assert_allclose(made, -0.1, rtol=5e-7)


rates = st.floats(1e-5, 10)
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=20)
@given(seed=seeds, rate=rates, momentum=st.floats(0, 1), nesterov=st.booleans())
def test_sgd_takes_sklearns_steps(seed, rate, momentum, nesterov):
    gradients = np.random.default_rng(seed).normal(size=(12, 4))
    theirs = SGDOptimizer([np.zeros(4)], rate, momentum=momentum, nesterov=nesterov)
    expected = [theirs._get_updates([gradient])[0] for gradient in gradients]

    made = changes("sgd", rate, gradients, momentum=momentum, nesterov=float(nesterov))

    np.testing.assert_allclose(made, expected, rtol=1e-12, atol=1e-12 * rate)


@settings(max_examples=20)
@given(
    seed=seeds,
    rate=rates,
    beta_1=st.floats(0, 0.999),
    beta_2=st.floats(0, 0.9999),
    epsilon=st.floats(1e-12, 1),
)
def test_adam_takes_sklearns_steps(seed, rate, beta_1, beta_2, epsilon):
    gradients = np.random.default_rng(seed).normal(size=(12, 4))
    theirs = AdamOptimizer([np.zeros(4)], rate, beta_1, beta_2, epsilon)
    expected = [theirs._get_updates([gradient])[0] for gradient in gradients]

    made = changes("adam", rate, gradients, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)

    np.testing.assert_allclose(made, expected, rtol=1e-9, atol=1e-9 * rate)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_float32_network_is_changed_in_float32(name):
    gradients = np.ones((3, 2), np.float32)

    made = changes(name, 0.1, gradients, beta_1=0.9, beta_2=0.999, epsilon=1e-8)

    assert made.dtype == np.float32
    np.testing.assert_allclose(made, -0.1, rtol=1e-4)


def test_the_solvers_of_an_estimator_are_these_rules_and_lbfgs():
    """The estimator repeats their names, since this table cannot be read without TensorFlow."""
    (solvers,) = LowLevelMLPClassifier._parameter_constraints["solver"]
    assert solvers.options == {"lbfgs", *OPTIMIZERS}


# --- schedules of steps, clipping, dropout -----------------------------------------------------------


def paces(schedule, warmup, n_epochs, steps):
    numbers = dict.fromkeys(Hyper._fields, 1) | {
        "n_samples": 100,
        "batch_size": 30,  # 4 steps an epoch
        "schedule": SCHEDULES[schedule].number,
        "warmup": warmup,
        "schedule_epochs": n_epochs,
    }
    hyper = Hyper(**{name: tf.constant(number, tf.float64) for name, number in numbers.items()})
    return [float(lr_factor(tf.constant(step, tf.float64), hyper)) for step in steps]


def test_the_warm_up_is_linear_and_the_cosine_falls_to_zero_over_the_rest():
    """If it is over, the cosine starts again without a warm-up, which may be longer than training."""
    np.testing.assert_allclose(paces("constant", 0.5, 9, range(4)), [0.5, 1, 1, 1])
    np.testing.assert_allclose(paces("cosine", 1, 4, [0, 1, 3, 4, 8, 10]), [0.25, 0.5, 1, 1, 0.75, 0.5])
    assert 0 < paces("cosine", 1, 4, [15])[0] < 0.02
    again = paces("cosine", 1, 4, range(16, 28))
    np.testing.assert_allclose(again, paces("cosine", 1, 4, range(4, 16)))
    np.testing.assert_allclose(paces("cosine", 5, 2, [0, 9]), [0.05, 0.5])


def test_clipping_keeps_the_direction_and_shortens_only_what_is_too_long():
    """The norm is that of all pieces together."""
    rng = np.random.default_rng(0)
    pieces = [rng.normal(size=n) for n in (5, 2)]
    norm = np.linalg.norm(np.hstack(pieces))

    for limit in (norm, 10 * norm):
        for piece, same in zip(pieces, clipped([*map(tf.constant, pieces)], limit), strict=True):
            np.testing.assert_array_equal(same, piece)
    for piece, short in zip(pieces, clipped([*map(tf.constant, pieces)], 0.25), strict=True):
        np.testing.assert_allclose(short, piece / norm / 4, rtol=1e-14)


@pytest.mark.parametrize(
    ("seed", "step", "rates"), [(3, 0, [0.5, 0]), (2**31 - 1, 700_000, [0.9, 0.25])]
)
def test_the_masks_are_those_of_numpy_and_what_is_kept_is_scaled(seed, step, rates):
    values = np.random.default_rng(0).normal(size=(40, 30))

    drop = dropper(tf.constant([seed, *rates], tf.float64), tf.constant(step, tf.float64))

    row, unit = np.indices(values.shape)
    for layer, rate in enumerate(rates):
        kept = is_kept(seed, step, layer, row, unit, rate=rate)
        expected = np.where(kept, values / (1 - rate), 0)
        np.testing.assert_allclose(drop(layer, tf.constant(values)), expected, rtol=1e-15)
