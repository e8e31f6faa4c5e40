"""Layers and activations: the same function serves arrays and tensors, and a new layer is a record."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from math import exp

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import expit, softmax
from scipy.stats import kstest, norm
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from helpers import make_problem
from skdense.core.formulas.activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from skdense.core.formulas.layers import (
    INITIALIZERS,
    Dense,
    Layer,
    Parameter,
    forward,
    hidden_and_output,
    hidden_values,
    initial_parameters,
)
from skdense.core.host.lbfgs import Minimization
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Data, Hyper, Network, Progress, Spec

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# The formulas, written out once more.
FORMULAS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: z * (z > 0),
    "leaky_relu": lambda z: np.where(z > 0, z, z / 100),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.05070098735548 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(-np.abs(z))),
    "gelu": lambda z: z * norm.cdf(z).astype(z.dtype),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "softmax": lambda z: softmax(z, axis=-1),
    "exp": lambda z: np.array([[exp(value) for value in row] for row in z.tolist()], z.dtype),
}


def parameters_of(layer_sizes, rng):
    """Random `(kernel, bias)` pairs of a network."""
    return [
        (rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out))
        for fan_in, fan_out in pairwise(layer_sizes)
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula_on_arrays_and_on_tensors(name, dtype):
    values = np.random.default_rng(0).normal(scale=3, size=(2, 5, 4)).astype(dtype)
    values[0, 0] = [0, -0.0, 50, -50]
    expected = FORMULAS[name](values)

    of_array = ACTIVATIONS[name].array(values.copy())
    of_tensor = ACTIVATIONS[name].tensor(tf.constant(values))

    assert of_array.dtype.name == of_tensor.dtype.name == dtype
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(of_array, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(of_tensor, expected, rtol=tolerance, atol=tolerance)
    assert ACTIVATIONS[name].saturates == (np.abs(FORMULAS[name](np.array([1e4, -1e4]))) <= 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OUTPUT_ACTIVATIONS)
def test_an_output_activation_is_its_formula(name, dtype):
    logits = np.random.default_rng(0).normal(scale=3, size=(5, 4)).astype(dtype)
    expected = FORMULAS[name](logits)

    outputs = OUTPUT_ACTIVATIONS[name](logits.copy())

    assert outputs.dtype.name == dtype
    np.testing.assert_allclose(outputs, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_bias_of_a_padded_unit_silences_it(name, dtype):
    activation = ACTIVATIONS[name]
    bias = np.full(1, activation.padded_bias, dtype)

    assert activation.array(bias.copy()) == 0
    assert activation.tensor(tf.constant(bias)).numpy() == 0


@pytest.mark.parametrize("widths", [(), (4,), (4, 2)])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_forward_pass_is_a_chain_of_layers_that_ends_in_logits(name, widths):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(6, 3))
    parameters = parameters_of((3, *widths, 2), rng)
    expected = X
    for i, (kernel, bias) in enumerate(parameters):
        expected = expected @ kernel + bias
        if i < len(widths):
            expected = FORMULAS[name](expected)

    layers = hidden_and_output(widths, name, 2)
    before = deepcopy((X, parameters))
    of_array = forward(layers, parameters, X)
    np.testing.assert_equal((X, parameters), before)
    tensors = [(tf.constant(kernel), tf.constant(bias)) for kernel, bias in parameters]
    of_tensor = forward(layers, tensors, tf.constant(X))

    np.testing.assert_allclose(of_array, expected, rtol=1e-13)
    np.testing.assert_allclose(of_tensor, expected, rtol=1e-13)
    hidden = [*hidden_values(layers, parameters, X)]
    assert [values.shape for values in hidden] == [(6, width) for width in widths]
    if hidden:
        np.testing.assert_allclose(hidden[-1] @ kernel + bias, expected, rtol=1e-13)


# --- initial parameters ------------------------------------------------------------------------------


def drawn(init, fan_in, fan_out, activation):
    """The kernel and bias of a dense layer."""
    random_state = np.random.RandomState(0)
    [parameters] = initial_parameters(
        [Dense(fan_out, activation)], fan_in, init, activation, random_state, float
    )
    return parameters


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("hidden", "n_classes"), [((), 2), ((4, 3), 3)])
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
    normal = norm(scale=np.sqrt(gain / 300))
    assert kstest(kernel.ravel(), normal.cdf).pvalue > 0.01


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
def test_kernel_and_bias_are_drawn_layer_by_layer_in_float64_and_then_cast(init):
    layers, streams = hidden_and_output((3,), "tanh", 2), [np.random.RandomState(3) for _ in range(3)]

    double, single = (
        initial_parameters(layers, 4, init, "tanh", stream, dtype)
        for stream, dtype in zip(streams, (np.float64, np.float32))
    )

    assert INITIALIZERS[init].one_sign == bool((double[0][0] >= 0).all())
    for i, (layer, n_inputs) in enumerate(zip(layers, (4, 3), strict=True)):
        [alone] = initial_parameters([layer], n_inputs, init, "tanh", streams[2], np.float64)
        for array, cast, expected in zip(double[i], single[i], alone, strict=True):
            np.testing.assert_array_equal(array, expected)
            assert cast.dtype == np.float32
            np.testing.assert_array_equal(array.astype(np.float32), cast)
    assert len({stream.uniform() for stream in streams}) == 1


# --- a layer that this package does not have ---------------------------------------------------------


@dataclass(frozen=True)
class Gated(Layer):
    """`sigmoid(inputs @ gate) * (inputs @ kernel + bias)`: a gated linear unit."""

    def parameters(self, n_inputs):
        kernel = Parameter((n_inputs, self.width), penalized=True)
        return kernel, kernel, Parameter((self.width,))

    def __call__(self, inputs, parameters):
        gate, kernel, bias = parameters
        return (inputs @ kernel + bias) / (1 + np.e ** (-(inputs @ gate)))


def test_a_network_of_new_layers_has_their_loss_and_its_slope():
    X, y = make_problem("three classes")
    layers, random_state = (Gated(5), Gated(3), Dense(3)), np.random.RandomState(0)
    parameters = initial_parameters(layers, 4, "glorot_uniform", "tanh", random_state, "float64")
    hyper = dict.fromkeys(Hyper._fields, 0.0) | {"alpha": 0.3, "n_samples": len(X)}
    data = Data(X, np.eye(3)[y])
    network = Network(layers, parameters, Hyper(**hyper), Progress(0), data, random_state)
    minimization = Minimization(Spec("multiclass", "log_loss", "lbfgs", "float64"), network)
    start = minimization.reached.x

    loss, gradient = minimization.objective(start)

    squares = sum((array**2).sum() for arrays in parameters for array in arrays if array.ndim == 2)
    probabilities = softmax(forward(layers, parameters, X), axis=1)
    expected = log_loss(y, probabilities) + 0.3 / 2 * squares / len(X)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    slope = approx_fprime(start, lambda vector: minimization.objective(vector)[0], 1e-7)
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6)
