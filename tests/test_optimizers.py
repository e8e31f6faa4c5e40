"""Formulas of a step by hand and against scikit-learn: chains of transforms, schedules, masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from helpers import is_kept, make_problem
from skdense import LowLevelMLPClassifier
from skdense.base import optimizer_constraints
from skdense.core.formulas.layers import dropper
from skdense.core.formulas.optimizers import OPTIMIZERS, Chain, Transform, allowed_settings
from skdense.core.formulas.schedules import lr_factor, with_schedule_number
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Allowed, Hyper, Spec


def changes(name, learning_rate, gradients, **numbers):
    """The changes `(n_steps, n_parameters)` that an optimizer makes of these gradients."""
    gradients = np.asarray(gradients)
    chain = Chain(Spec("binary", "log_loss", name, gradients.dtype.name))
    numbers = dict.fromkeys(allowed_settings(name), 0.0) | numbers
    settings = {name: tf.constant(value, tf.float64) for name, value in numbers.items()}
    rate = tf.constant(learning_rate, tf.float64)
    parameters = tf.zeros(gradients.shape[1], gradients.dtype)
    slots = [[parameters]] * chain.n_slots
    made = []
    for number, gradient in enumerate(gradients, start=1):
        step = tf.constant(number, tf.float64)
        [change], slots = chain.update(
            [tf.constant(gradient)], slots, [parameters], rate, step, settings
        )
        assert len(slots) == chain.n_slots
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

    made = changes("sgd", rate, gradients, momentum=momentum, nesterovs_momentum=float(nesterov))

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


def add_inertia(change, slots, penalized, inertia):
    """Add a part of the last change: behind plain gradient descent this is momentum."""
    change += inertia * slots[0]
    return change, (change,)


INERTIA = Transform({"inertia": Allowed(0, 1)}, add_inertia, n_slots=1)


@pytest.fixture
def with_inertia(monkeypatch):
    """A class of networks with one more optimizer, and its number among the parameters."""
    monkeypatch.setitem(OPTIMIZERS, "inert", (*OPTIMIZERS["sgd"], INERTIA))

    class WithInertia(LowLevelMLPClassifier):
        _parameter_constraints = LowLevelMLPClassifier._parameter_constraints | optimizer_constraints()

        def __init__(self, solver="inert", momentum=0.0, inertia=0.9, warm_start=False):
            super().__init__(
                (5,), solver=solver, momentum=momentum, nesterovs_momentum=False, batch_size=30,
                max_iter=4, random_state=0, warm_start=warm_start,
            )  # fmt: skip
            self.inertia = inertia

    return WithInertia


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_transform_is_one_record_with_its_numbers(with_inertia):
    """They are checked, they reach the program, and `partial_fit` keeps them."""
    X, y = make_problem()
    inert, reference = with_inertia().fit(X, y), with_inertia("sgd", momentum=0.9).fit(X, y)
    for model in (inert, reference):
        model.partial_fit(X, y).set_params(inertia=0.2, momentum=0.3).partial_fit(X, y)
    np.testing.assert_allclose(inert.loss_curve_, reference.loss_curve_, rtol=1e-12)
    np.testing.assert_allclose(inert.coefs_[0], reference.coefs_[0], rtol=1e-12)

    with pytest.raises(ValueError, match=r"'inertia' parameter .* in the range \[0.0, 1.0\)"):
        inert.set_params(inertia=1.0).fit(X, y)


def paces(schedule, warmup, n_epochs, steps):
    numbers = dict.fromkeys(Hyper._fields, 1) | {
        "n_samples": 100,
        "batch_size": 30,  # 4 steps an epoch
        "schedule_epochs": n_epochs,
        "schedule_shift": 0,
    }
    settings = with_schedule_number({"schedule": schedule, "warmup_epochs": warmup})
    del settings["schedule"]
    numbers, settings = (
        {name: tf.constant(number, tf.float64) for name, number in each.items()}
        for each in (numbers, settings)
    )
    return [float(lr_factor(tf.constant(n, tf.float64), Hyper(**numbers), settings)) for n in steps]


def test_the_warm_up_is_linear_and_the_cosine_falls_to_zero_over_the_rest():
    """If it is over, the cosine starts again without a warm-up, which may be longer than training."""
    np.testing.assert_allclose(paces("constant", 0.5, 9, range(4)), [0.5, 1, 1, 1])
    np.testing.assert_allclose(paces("cosine", 1, 4, [0, 1, 3, 4, 8, 10]), [0.25, 0.5, 1, 1, 0.75, 0.5])
    assert 0 < paces("cosine", 1, 4, [15])[0] < 0.02
    again = paces("cosine", 1, 4, range(16, 28))
    np.testing.assert_allclose(again, paces("cosine", 1, 4, range(4, 16)))
    np.testing.assert_allclose(paces("cosine", 5, 2, [0, 9]), [0.05, 0.5])


def test_clipping_keeps_the_direction_and_shortens_only_what_is_too_long():
    rng = np.random.default_rng(0)
    pieces = [rng.normal(size=n) for n in (5, 2)]
    norm = np.linalg.norm(np.hstack(pieces))
    chain = Chain(Spec("binary", "log_loss", "sgd", "float64", clips=True))
    rate, zeros = tf.constant(1.0, tf.float64), [tf.zeros_like(piece) for piece in pieces]

    for limit, factor in ((norm, 1), (10 * norm, 1), (0.25, 0.25 / norm)):
        numbers = {"max_grad_norm": limit, "momentum": 0, "nesterovs_momentum": 0}
        settings = {name: tf.constant(value, tf.float64) for name, value in numbers.items()}
        made, _ = chain.update([*map(tf.constant, pieces)], [zeros], zeros, rate, rate, settings)
        for piece, change in zip(pieces, made, strict=True):
            np.testing.assert_allclose(-change, factor * piece, rtol=0 if factor == 1 else 1e-14)


def test_a_gradient_whose_square_is_no_float32_is_clipped():
    gradient = np.array([3e20, -4e20], np.float32)
    chain = Chain(Spec("binary", "log_loss", "sgd", "float32", clips=True))
    rate, zeros = tf.constant(1.0), [tf.zeros(2)]
    numbers = {"max_grad_norm": 10.0, "momentum": 0.0, "nesterovs_momentum": 0.0}
    settings = {name: tf.constant(value) for name, value in numbers.items()}

    (change,), _ = chain.update([tf.constant(gradient)], [zeros], zeros, rate, rate, settings)

    np.testing.assert_allclose(-change, [6, -8], rtol=1e-6)


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
