"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from skdense.core.activations import tensor_activation
from skdense.core.compiling import compiled
from skdense.core.layers import forward
from skdense.core.losses import LOSSES
from skdense.core.program import cut, layers_of
from skdense.core.runtime import tf, to_tensor
from skdense.core.stack import Layout, bucket, table_shape
from skdense.core.tables import make_table, minibatch, signature

_BLOCK = 1024
"""Rows whose activations are in memory at a time."""

_DTYPE = "float64"


class Minimum(NamedTuple):
    """How far a minimization is, or how it ended: the penalized loss, the iterations, the verdict."""

    loss: float
    n_iter: int
    success: bool
    message: str
    interrupted: bool


class _Stopped(Exception):
    """An observer asks to stop."""


def minimize_loss(spec, network, max_iter, max_fun, tol, observe=None):
    """Train one network on all rows at once; it is given its parameters after each iteration.

    `observe(minimum)` is called after each iteration and ends the training if it returns True. Ctrl-C
    ends it too, and keeps the last iteration's parameters.
    """
    sizes, data = network.layer_sizes, network.data
    layout = Layout(sizes)
    shape = table_shape([data], sizes)
    n_samples = data.X.shape[0]
    block_rows = min(_BLOCK, bucket(n_samples))
    program = compiled(objective_program, spec.activation, spec.loss, layout, shape, block_rows)
    table = make_table(data, shape, _DTYPE)
    numbers = to_tensor(np.array([network.hyper.alpha, n_samples], _DTYPE))
    latest = Minimum(np.nan, 0, success=True, message="", interrupted=False)

    def objective(vector):
        loss, gradient = program(table, to_tensor(vector[None, :]), numbers)
        return float(loss), gradient.numpy()[0]

    def iteration(intermediate_result):
        nonlocal latest
        latest = latest._replace(loss=float(intermediate_result.fun), n_iter=latest.n_iter + 1)
        network.parameters = layout.unpack(intermediate_result.x, sizes)
        if observe is not None and observe(latest):
            raise _Stopped

    start = layout.pack(network.parameters, np.float64)
    options = {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol}
    try:
        result = minimize(
            objective, start, jac=True, method="L-BFGS-B", options=options, callback=iteration
        )
    except _Stopped:
        return latest
    except KeyboardInterrupt:
        return latest._replace(interrupted=True)
    network.parameters = layout.unpack(result.x, sizes)
    return Minimum(float(result.fun), result.nit, result.success, result.message, False)


def objective_program(activation, loss, layout, shape, block_rows):
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`."""
    activation, loss = tensor_activation(activation), LOSSES[loss]

    def loss_and_gradient(table, parameters, numbers):
        """The penalized mean loss, a scalar, and its gradient `(1, n_parameters)`."""
        alpha, n_samples = numbers[0], tf.cast(numbers[1], tf.int32)

        def block(start, loss_sum, weight_sum, gradient):
            rows = tf.minimum(start + tf.range(block_rows), shape.n_rows - 1)[None, :]
            inputs, targets, weights = minibatch(
                table, shape, rows, tf.zeros([1], tf.int32), (n_samples - start)[None]
            )
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(parameters)
                layers = layers_of(cut(parameters, layout), layout)
                losses = loss.per_example(targets, forward(inputs, layers, activation))
                total = tf.reduce_sum(weights * losses)
            gradient += tape.gradient(total, parameters)
            return start + block_rows, loss_sum + total, weight_sum + tf.reduce_sum(weights), gradient

        zero = tf.zeros([], parameters.dtype)
        _, loss_sum, weight_sum, gradient = tf.while_loop(
            lambda start, *_: start < n_samples, block, (0, zero, zero, tf.zeros_like(parameters))
        )
        is_kernel = tf.range(layout.n_parameters) < layout.n_kernel_entries
        decayed = tf.where(is_kernel, alpha * parameters, 0)
        penalty = tf.reduce_sum(decayed * parameters) / 2
        return (loss_sum + penalty) / weight_sum, (gradient + decayed) / weight_sum

    arguments = [
        signature(shape, _DTYPE),
        tf.TensorSpec([1, layout.n_parameters], _DTYPE),
        tf.TensorSpec([2], _DTYPE),
    ]
    return loss_and_gradient, arguments
