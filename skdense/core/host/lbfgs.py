"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from collections.abc import Callable
from threading import Event

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from skdense.core.host.planning import lone_layout, sizes_of
from skdense.core.host.tables import as_tensors, make_table, table_shape
from skdense.core.machine.blas import one_blas_thread
from skdense.core.machine.compiling import compiled
from skdense.core.machine.costs import full_batch_rows
from skdense.core.machine.memory import aligned_empty, to_tensor, view
from skdense.core.machine.threads import apart
from skdense.core.network import Network
from skdense.core.numbers import Minimum, Spec
from skdense.core.program.full_batch import FullBatchShape, full_batch_program
from skdense.core.program.layout import Layout


class _Stopped(Exception):
    """Ends scipy's minimization: an observer asked for it, or Ctrl-C came."""


def minimize_loss(
    spec: Spec,
    network: Network,
    max_iter: int,
    max_fun: int,
    tol: float,
    observe: Callable[[Minimum], bool] | None = None,
) -> Minimum:
    """Train one network on all rows at once, and give it its parameters.

    `observe(minimum)` is called after each iteration, in the caller's thread, with the network's
    parameters of that iteration, and ends the training if it returns True. Ctrl-C ends it too, and
    keeps the last iteration's.
    """
    objective = FullBatchObjective(spec._replace(dtype="float64"), network)
    start = objective.vector[objective.own]
    reached = Minimum(np.nan, 0), start
    stop = Event()

    def iteration(intermediate_result: OptimizeResult) -> None:
        nonlocal reached
        minimum = Minimum(float(intermediate_result["fun"]), reached[0].n_iter + 1)
        reached = minimum, intermediate_result["x"].copy()
        if observe is not None:
            objective.keep(reached[1])
            if observe(minimum):
                stop.set()
        if stop.is_set():
            raise _Stopped

    def work(evaluate: Callable) -> OptimizeResult:
        # Threads that BLAS has for scipy's vectors spin between calls, on the cores of the program.
        with one_blas_thread():
            return minimize(
                evaluate,
                start,
                jac=True,
                method="L-BFGS-B",
                options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
                callback=iteration,
            )

    # TensorFlow's code runs in a thread of its own, so that signals are answered here. An observer
    # needs the caller's thread, where scipy then runs, too.
    interrupted = False
    try:
        if observe is None:
            result = apart(work, objective).result()
        else:
            result = work(lambda parameters: apart(objective, parameters).result())
    except _Stopped:
        pass
    except KeyboardInterrupt:
        interrupted = True
    else:
        objective.keep(result.x)
        return Minimum(float(result.fun), result.nit, result.success, result.message)
    finally:
        stop.set()
    minimum, parameters = reached
    objective.keep(parameters)
    return minimum._replace(interrupted=interrupted)


class FullBatchObjective:
    """The objective as a function of the network's own parameters, a vector.

    The padding around them has a gradient of zero, so scipy does not see it.
    """

    def __init__(self, spec: Spec, network: Network):
        self.network = network
        self.layout = lone_layout(network)
        self.own_layout = Layout(network.layers, network.n_features)
        shape = table_shape([network.data], self.layout.n_features)
        rows = full_batch_rows(network.data.X, sizes_of(self.layout))
        self.program = compiled(full_batch_program, spec, FullBatchShape(self.layout, shape, rows))
        self.table = as_tensors(make_table(network.data, shape, spec.dtype))
        self.hyper = to_tensor(np.array(network.hyper, spec.dtype))
        self.vector = aligned_empty([self.layout.n_parameters], spec.dtype)
        self.layout.pack_into(self.vector, network.parameters)
        self.parameters = view(self.vector)
        self.own = self.layout.offsets(self.own_layout)

    def __call__(self, parameters: NDArray) -> tuple[float, NDArray]:
        """The loss and the gradient."""
        self.vector[self.own] = parameters
        [values] = self.program(*self.table, self.parameters, self.hyper)
        values = np.asarray(values)
        return values[0], values[1:][self.own]

    def keep(self, parameters: NDArray) -> None:
        """Give the network these parameters."""
        vector = self.vector.copy()
        vector[self.own] = parameters
        self.network.parameters = self.layout.unpack(vector, self.own_layout)
