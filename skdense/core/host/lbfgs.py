"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from skdense.core.host.planning import lone_layout, sizes_of
from skdense.core.host.tables import Tables, table_shape
from skdense.core.machine.blas import one_blas_thread
from skdense.core.machine.compiling import compiled
from skdense.core.machine.costs import full_batch_rows
from skdense.core.machine.memory import aligned_empty, to_tensor, view
from skdense.core.machine.threads import submit
from skdense.core.network import Network
from skdense.core.numbers import Minimum, Spec
from skdense.core.program.layout import Layout
from skdense.core.program.objective import FullBatchShape, full_batch_program

Observe = Callable[[Minimum], bool]


def minimize_loss(
    spec: Spec,
    network: Network,
    max_iter: int,
    max_fun: int,
    tol: float,
    observe: Observe | None = None,
) -> Minimum:
    """Train one network on all rows at once, and give it its parameters.

    `observe(minimum)` is called after each iteration, in the caller's thread, with the network's
    parameters of that iteration, and ends the training if it returns True. Ctrl-C ends it too, and
    keeps the last iteration's.
    """
    # TensorFlow's code runs in threads of its own, where no signal interrupts it.
    objective = submit(FullBatchObjective, spec._replace(dtype="float64"), network).result()
    minimization = _Minimization(objective, observe)
    options = {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol}
    interrupted = False
    try:
        if observe is None:
            submit(minimization.run, objective, options).result()
        else:  # an observer needs the caller's thread, where scipy then runs, too
            minimization.run(lambda parameters: submit(objective, parameters).result(), options)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        minimization.stops = True
    minimum, parameters = minimization.snapshot
    objective.keep(parameters)
    return minimum._replace(interrupted=interrupted)


class _Minimization:
    """A minimization by scipy, and how far it is: `snapshot` is replaced as a whole."""

    def __init__(self, objective: "FullBatchObjective", observe: Observe | None):
        self.objective, self.observe, self.stops = objective, observe, False
        self.snapshot = Minimum(np.nan, 0), objective.vector[objective.own]

    def run(self, evaluate: Callable, options: dict) -> None:
        """Minimize the loss that `evaluate` returns with its gradient."""
        # Threads that BLAS has for scipy's vectors spin between calls, on the cores of the program.
        with one_blas_thread():
            result = minimize(
                evaluate,
                self.snapshot[1],
                jac=True,
                method="L-BFGS-B",
                options=options,
                callback=self._iteration,
            )
        if not self.stops:
            minimum = Minimum(float(result.fun), result.nit, result.success, result.message)
            self.snapshot = minimum, result.x

    def _iteration(self, intermediate_result: OptimizeResult) -> None:
        parameters = intermediate_result["x"].copy()
        minimum = Minimum(float(intermediate_result["fun"]), self.snapshot[0].n_iter + 1)
        self.snapshot = minimum, parameters
        if self.observe is not None:
            self.objective.keep(parameters)
            self.stops = self.observe(minimum)
        if self.stops:
            raise StopIteration  # ends scipy's minimization


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
        self.table = Tables([network]).table(network.data, shape, spec.dtype)
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
