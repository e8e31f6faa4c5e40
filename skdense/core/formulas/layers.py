"""Layers: which parameters each has, and how it maps inputs to outputs, for arrays and for tensors.

In a hand-written loop these are the variables and functions of the model: its `layer1(x)` is
`Dense.__call__` here, `model(x)` is `forward`, and `INITIALIZERS`, which draw with NumPy, are in the
place of `tf.random.uniform`.

A network is a tuple of layers. Its parameters are a list with a tuple of arrays for each layer. All of
the core that works on parameters, such as packing, the penalty, the optimizers and the forward pass,
reads these descriptions, so a new kind of layer is a record here. The estimators have dense layers.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import DTypeLike, NDArray

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Parameters, Tensor

Drop = Callable[[int, Any], Any]
"""Applies dropout to the outputs of hidden layer `index`."""


class Parameter(NamedTuple):
    """One array of a layer, described: its shape, whether the penalty takes it, and what pads it.

    `fill` is the value of entries that are added to the last axis of a vector to pad it. With it the
    outputs of padded units are exactly 0, and no gradient reaches them.
    """

    shape: tuple[int, ...]
    penalized: bool = False
    fill: float = 0.0


@dataclass(frozen=True)
class Layer:
    """What the core needs of a layer. It is a part of a program's key.

    Padding makes it wider: units that are added have no effect, see `Parameter.fill`.
    """

    width: int
    """How many values it makes of each sample's inputs."""

    def parameters(self, n_inputs: int) -> tuple[Parameter, ...]:
        """The layer's arrays, in their order, if each sample has n_inputs."""
        raise NotImplementedError

    def __call__(self, inputs: Tensor, parameters: Sequence) -> Tensor:
        """The outputs `(batch, width)`.

        A parameter of one axis comes from a program repeated for each sample, `(batch, size)`.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Dense(Layer):
    """`activation(inputs @ kernel + bias)`, in a hand-written network `layer1`."""

    activation: str = "identity"

    def parameters(self, n_inputs: int) -> tuple[Parameter, ...]:
        bias = Parameter((self.width,), fill=ACTIVATIONS[self.activation].padded_bias)
        return Parameter((n_inputs, self.width), penalized=True), bias

    def __call__(self, inputs: Tensor, parameters: Sequence) -> Tensor:
        kernel, bias = parameters
        outputs = inputs @ kernel
        outputs += bias
        activation = ACTIVATIONS[self.activation]
        function = activation.array if isinstance(outputs, np.ndarray) else activation.tensor
        return function(outputs)


def hidden_and_output(widths: Sequence[int], activation: str, n_outputs: int) -> tuple[Layer, ...]:
    """The layers of a multi-layer perceptron."""
    return *(Dense(width, activation) for width in widths), Dense(n_outputs)


def forward(
    layers: Sequence[Layer], parameters: Sequence, inputs: Tensor, drop: Drop | None = None
) -> Tensor:
    """The outputs of the last layer: the logits of a network.

    `drop(index, values)`, if given, applies dropout to the outputs of hidden layer `index`.
    """
    for index, (layer, arrays) in enumerate(zip(layers, parameters, strict=True)):
        if drop is not None and index > 0:
            inputs = drop(index - 1, inputs)
        inputs = layer(inputs, arrays)
    return inputs


def hidden_values(layers: Sequence[Layer], parameters: Sequence, inputs: Any) -> Iterator[Any]:
    """The outputs `(batch, width)` of each hidden layer, one after the other."""
    for layer, arrays in zip(layers[:-1], parameters):
        inputs = layer(inputs, arrays)
        yield inputs


# --- dropout -----------------------------------------------------------------------------------------

# A hash of the network's seed, the step, the layer, the sample's position in the minibatch and the unit
# decides which values are set to 0. So the result is the same with any padding and however training is
# cut into chunks. A random generator's numbers would depend on the shape of the array to fill.


def dropper(seed_and_rates: Tensor, step: Tensor) -> Drop:
    """A function `drop(index, values)` of the outputs `(batch, width)` of a hidden layer.

    It sets some to 0 and divides the others by the fraction that is kept (Srivastava et al., 2014).
    seed_and_rates `(1 + n_hidden,)` are float64; step counts the steps before this one.
    """
    seed, *rates = tf.unstack(seed_and_rates)
    key = _hash(_hash(_to_uint(seed), 0), _to_uint(step))

    def drop(index: int, values: Tensor) -> Tensor:
        batch, width = values.shape
        rate = rates[index]
        row_key = _hash(_hash(key, index), _counts(batch))
        is_kept = _hash(row_key[:, None], _counts(width)) >= _to_uint(rate * 2.0**32)
        return tf.where(is_kept, values / tf.cast(1 - rate, values.dtype), 0)

    return drop


def _hash(key: Tensor, counter: Tensor) -> Tensor:
    """A pseudorandom 32-bit number from another one, the key, and a counter.

    It is Wellons's "lowbias32": flipping one bit of the sum flips about half of the result's bits.
    """
    bits = key + counter + np.uint32(0x9E3779B9)  # without the constant, zeros would hash to zero
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16)) * np.uint32(0x7FEB352D)
    bits = tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 15)) * np.uint32(0x846CA68B)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.right_shift(bits, 16))


def _to_uint(number: Tensor) -> Tensor:
    return tf.cast(tf.cast(number, tf.int64), tf.uint32)


def _counts(n: int) -> Tensor:
    return tf.cast(tf.range(n), tf.uint32)


# --- initial parameters ------------------------------------------------------------------------------


class Initializer(NamedTuple):
    """How the parameters of a new network are drawn.

    Attributes
    ----------
    draw : callable
        `draw(random_state, scale, shape)` is an array of this scale.
    scale : callable
        `scale(fan_in, fan_out, glorot_factor)`, of a layer's numbers of inputs and outputs and the
        factor of the activation of hidden layers.
    draws_biases : bool
        Whether it draws biases, too, which otherwise are 0.
    one_sign : bool
        Whether all numbers that it draws have the same sign.
    """

    draw: Callable
    scale: Callable
    draws_biases: bool = False
    one_sign: bool = False


def _uniform(random_state: RandomState, bound: float, shape: tuple[int, ...]) -> NDArray:
    return random_state.uniform(-bound, bound, shape)


def _normal(random_state: RandomState, deviation: float, shape: tuple[int, ...]) -> NDArray:
    return random_state.normal(0, deviation, shape)


INITIALIZERS = {
    # The bound is Glorot and Bengio's (2010), with the factor 6 for most activations. The activation's
    # factor, and drawing the biases from the same distribution, are MLPClassifier's.
    "glorot_uniform": Initializer(
        _uniform,
        lambda fan_in, fan_out, factor: np.sqrt(factor / (fan_in + fan_out)),
        draws_biases=True,
    ),
    # He et al. (2015)
    "he_uniform": Initializer(_uniform, lambda fan_in, *_: np.sqrt(6 / fan_in)),
    "he_normal": Initializer(_normal, lambda fan_in, *_: np.sqrt(2 / fan_in)),
    # LeCun et al. (1998)
    "lecun_normal": Initializer(_normal, lambda fan_in, *_: np.sqrt(1 / fan_in)),
    # From 0 to 1
    "uniform": Initializer(
        lambda random, scale, shape: random.uniform(0, scale, shape), lambda *_: 1, one_sign=True
    ),
}


def initial_parameters(
    layers: Sequence[Layer],
    n_features: int,
    init: str,
    activation: str,
    random_state: RandomState,
    dtype: DTypeLike,
) -> Parameters:
    """The parameters of a new network, drawn in float64 and then cast to `dtype`.

    As in MLPClassifier the activation of the hidden layers, by name, decides for all layers.
    """
    factor = ACTIVATIONS[activation].glorot_factor
    draw, scale_for, draws_biases, _ = INITIALIZERS[init]
    parameters, fan_in = [], n_features
    for layer in layers:
        scale = scale_for(fan_in, layer.width, factor)
        arrays = (
            draw(random_state, scale, p.shape) if p.penalized or draws_biases else np.zeros(p.shape)
            for p in layer.parameters(fan_in)
        )
        parameters.append(tuple(array.astype(dtype) for array in arrays))
        fan_in = layer.width
    return parameters
