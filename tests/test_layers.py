"""Dense layers and activations: the same function serves arrays and tensors, one network and many."""

from itertools import pairwise
from math import exp

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm

from skdense.core.formulas.activations import ACTIVATIONS, OUTPUT_ACTIVATIONS
from skdense.core.formulas.layers import dense, forward
from skdense.core.machine.runtime import tf

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


def parameters_of(layer_sizes, rng, height=None):
    """Random `(kernel, bias)` pairs of a network, or of a stack of `height` networks."""
    stack = () if height is None else (height,)
    bias_shape = () if height is None else (height, 1)
    return [
        (rng.normal(size=(*stack, fan_in, fan_out)), rng.normal(size=(*bias_shape, fan_out)))
        for fan_in, fan_out in pairwise(layer_sizes)
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula_on_arrays_and_on_tensors(name, dtype):
    values = np.random.default_rng(0).normal(scale=3, size=(2, 5, 4)).astype(dtype)
    values[0, 0] = [0, -0.0, 50, -50]
    expected = FORMULAS[name](values)

    of_array = ACTIVATIONS[name].array(values.copy())
    of_tensor = ACTIVATIONS[name].tensor(tf)(tf.constant(values))

    assert of_array.dtype.name == of_tensor.dtype.name == dtype
    tolerance = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(of_array, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(of_tensor, expected, rtol=tolerance, atol=tolerance)


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
    assert activation.tensor(tf)(tf.constant(bias)) == 0


def test_a_dense_layer_is_matmul_plus_bias_then_activation_and_leaves_its_inputs_alone():
    rng = np.random.default_rng(0)
    inputs, kernel, bias = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    before = [array.copy() for array in (inputs, kernel, bias)]

    outputs = dense(inputs, kernel, bias, ACTIVATIONS["relu"].array)

    np.testing.assert_allclose(outputs, np.maximum(np.einsum("ni,io->no", inputs, kernel) + bias, 0))
    for array, copy in zip((inputs, kernel, bias), before):
        np.testing.assert_array_equal(array, copy)


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

    of_array = forward(X, parameters, ACTIVATIONS[name].array)
    tensors = [(tf.constant(kernel), tf.constant(bias)) for kernel, bias in parameters]
    of_tensor = forward(tf.constant(X), tensors, ACTIVATIONS[name].tensor(tf))

    np.testing.assert_allclose(of_array, expected, rtol=1e-13)
    np.testing.assert_allclose(of_tensor, expected, rtol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_stack_gives_each_network_what_it_gives_alone(name):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(3, 6, 4))
    parameters = parameters_of((4, 5, 2), rng, height=3)

    stacked = forward(X, parameters, ACTIVATIONS[name].array)

    for k in range(3):
        alone = [(kernel[k], bias[k, 0]) for kernel, bias in parameters]
        np.testing.assert_allclose(
            stacked[k], forward(X[k], alone, ACTIVATIONS[name].array), rtol=1e-13
        )
