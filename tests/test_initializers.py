"""Initial parameters: MLPClassifier's draws, and the other initializers' formulas."""

import numpy as np
import pytest
import scipy.stats
from sklearn.neural_network import MLPClassifier

from skdense.core.formulas.layers import INITIALIZERS, Dense, hidden_and_output, initial_parameters

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")


def drawn(init, fan_in, fan_out, activation):
    """The kernel and bias of a dense layer."""
    random_state = np.random.RandomState(0)
    [parameters] = initial_parameters(
        [Dense(fan_out, activation)], fan_in, init, activation, random_state, float
    )
    return parameters


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_glorot_uniform_draws_what_mlp_classifier_draws(activation, hidden, n_classes, dtype):
    X = np.random.default_rng(0).normal(size=(12, 6)).astype(dtype)
    # A learning rate this small changes no bit of what was drawn.
    theirs = MLPClassifier(
        hidden, activation, max_iter=1, learning_rate_init=1e-300, solver="sgd", random_state=7
    ).fit(X, np.arange(12) % n_classes)

    layers = hidden_and_output(hidden, activation, theirs.n_outputs_)
    ours = initial_parameters(layers, 6, "glorot_uniform", activation, np.random.RandomState(7), dtype)

    for (kernel, bias), coef, intercept in zip(ours, theirs.coefs_, theirs.intercepts_, strict=True):
        assert kernel.dtype == bias.dtype == dtype
        np.testing.assert_array_equal(kernel, coef)
        np.testing.assert_array_equal(bias, intercept)


@pytest.mark.parametrize(("init", "gain"), [("lecun_normal", 1), ("he_normal", 2)])
def test_a_normal_initializer_keeps_the_variance_of_what_a_layer_is_given(init, gain):
    kernel, bias = drawn(init, 300, 200, "selu")

    np.testing.assert_array_equal(bias, 0)
    normal = scipy.stats.norm(scale=np.sqrt(gain / 300))
    assert scipy.stats.kstest(kernel.ravel(), normal.cdf).pvalue > 0.01


@pytest.mark.parametrize("init", ["glorot_uniform", "he_uniform", "uniform"])
@pytest.mark.parametrize("activation", ["logistic", "relu"])
def test_each_initializer_keeps_its_bounds(init, activation):
    fan_in, fan_out = 30, 50
    glorot = np.sqrt((2 if activation == "logistic" else 6) / (fan_in + fan_out))
    low, high = {
        "glorot_uniform": (-glorot, glorot),
        "he_uniform": (-np.sqrt(6 / fan_in), np.sqrt(6 / fan_in)),
        "uniform": (0, 1),
    }[init]

    kernel, bias = drawn(init, fan_in, fan_out, activation)

    assert kernel.shape == (fan_in, fan_out)
    assert bias.shape == (fan_out,)
    assert low <= kernel.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < kernel.max() <= high
    if init == "glorot_uniform":
        assert low <= bias.min() < 0 < bias.max() <= high
    else:
        np.testing.assert_array_equal(bias, 0)


@pytest.mark.parametrize("init", INITIALIZERS)
def test_parameters_are_drawn_in_float64_and_then_cast(init):
    layers = hidden_and_output((3,), "relu", 2)

    double = initial_parameters(layers, 4, init, "relu", np.random.RandomState(0), np.float64)
    single = initial_parameters(layers, 4, init, "relu", np.random.RandomState(0), np.float32)

    for of_double, of_single in zip(double, single, strict=True):
        for array, cast in zip(of_double, of_single):
            assert cast.dtype == np.float32
            np.testing.assert_array_equal(array.astype(np.float32), cast)


@pytest.mark.parametrize("init", INITIALIZERS)
def test_kernel_and_bias_are_drawn_layer_by_layer_from_one_stream(init):
    random_state, again = np.random.RandomState(3), np.random.RandomState(3)

    layers = hidden_and_output((3,), "tanh", 2)
    whole = initial_parameters(layers, 4, init, "tanh", random_state, np.float64)

    one_by_one = [
        initial_parameters([layer], n, init, "tanh", again, np.float64)
        for layer, n in zip(layers, (4, 3))
    ]
    for ours, [layer] in zip(whole, one_by_one, strict=True):
        for array, expected in zip(ours, layer, strict=True):
            np.testing.assert_array_equal(array, expected)
    assert random_state.uniform() == again.uniform()
