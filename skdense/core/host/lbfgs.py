"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from threading import Event
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.host.tables import make_table, table_shape
from skdense.core.machine.blas import one_blas_thread
from skdense.core.machine.compiling import compiled
from skdense.core.machine.interrupts import ctrl_c_held
from skdense.core.machine.memory import aligned_empty
from skdense.core.machine.runtime import to_tensor, view
from skdense.core.machine.shapes import full_batch_rows, padded_sizes
from skdense.core.program import minibatches
from skdense.core.program.full_batch import FullBatchShape, full_batch_program
from skdense.core.program.layout import Layout


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
    """Train one network on all rows at once, and give it its parameters.

    `observe(minimum)` is called after each iteration, with the network's parameters of that iteration,
    and ends the training if it returns True. Ctrl-C ends it too, and keeps the last iteration's.
    """
    sizes = network.layer_sizes
    evaluate, layout, vector = _objective_of(spec._replace(dtype="float64"), network)
    # scipy sees the network's own parameters. The padding around them has a gradient of zero.
    own = layout.offsets(sizes)
    loss, reached, n_iter = np.nan, vector[own], 0
    stop = Event()

    def objective(parameters):
        vector[own] = parameters
        values = evaluate()
        if stop.is_set():
            raise KeyboardInterrupt
        return values[0], values[1:][own]

    def keep(parameters):
        vector[own] = parameters
        network.parameters = layout.unpack(vector, sizes)

    def iteration(intermediate_result):
        nonlocal loss, reached, n_iter
        loss, reached = intermediate_result["fun"], intermediate_result["x"].copy()
        n_iter += 1
        if observe is not None:
            keep(reached)
            if observe(unfinished()):
                raise _Stopped

    def unfinished(interrupted=False):
        return Minimum(float(loss), n_iter, True, "", interrupted)

    options = {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol}
    try:
        # Threads that BLAS has for scipy's vectors spin between calls, on the cores of the program.
        with one_blas_thread(), ctrl_c_held(stop.set):
            result = minimize(
                objective,
                reached,
                jac=True,
                method="L-BFGS-B",
                options=options,
                callback=iteration,
            )
    except _Stopped:
        return unfinished()
    except KeyboardInterrupt:
        keep(reached)
        return unfinished(interrupted=True)
    keep(result.x)
    return Minimum(float(result.fun), result.nit, result.success, result.message, False)


def _objective_of(spec, network):
    """A function that evaluates the objective, the layout of its padded vector, and this vector.

    The function takes no arguments. It returns the loss and the gradient, in one array, for the
    parameters that the vector has at the time.
    """
    layer_sizes = padded_sizes([network])
    its_shape = table_shape([network.data], layer_sizes)
    shape = FullBatchShape(layer_sizes, its_shape, full_batch_rows(network.data.X, layer_sizes))
    program = compiled(full_batch_program, spec, shape)
    table = minibatches.as_tensors(make_table(network.data, its_shape, spec.dtype))
    numbers = to_tensor(np.array(network.hyper, spec.dtype))
    layout = Layout(layer_sizes)
    vector = aligned_empty([layout.n_parameters], spec.dtype)
    layout.pack_into(vector, network.parameters, ACTIVATIONS[spec.activation].padded_bias)
    parameters = view(vector[None, :])

    def evaluate():
        [values] = program(*table, parameters, numbers)
        return np.asarray(values)

    return evaluate, layout, vector
