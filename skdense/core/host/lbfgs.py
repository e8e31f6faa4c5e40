"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from skdense.core.host.planning import lone_layout
from skdense.core.host.stores import Stores, store_shape
from skdense.core.machine.blas import one_blas_thread
from skdense.core.machine.compiling import compiled
from skdense.core.machine.costs import full_batch_rows
from skdense.core.machine.memory import aligned_empty, to_tensor, view
from skdense.core.machine.threads import submit
from skdense.core.network import Network
from skdense.core.numbers import Minimum, Spec
from skdense.core.program.layout import Layout
from skdense.core.program.objective import FullBatchShape, full_batch_program


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
    # TensorFlow's code runs in threads of its own, where no signal interrupts it.
    minimization = submit(Minimization, spec._replace(dtype="float64"), network, observe).result()
    options = {"maxfun": max_fun, "maxiter": max_iter, "gtol": tol}
    interrupted = False
    try:
        if observe is None:
            submit(minimization.run, minimization.objective, options).result()
        else:  # an observer needs the caller's thread, where scipy then runs, too
            minimization.run(lambda own: submit(minimization.objective, own).result(), options)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        minimization.stops = True
    minimum, own = minimization.snapshot
    minimization.keep(own)
    return minimum._replace(interrupted=interrupted)


class Minimization:
    """A minimization by scipy, over the network's own parameters as a vector.

    The padding around them has a gradient of zero, so scipy does not see it. `snapshot` says how far
    the minimization is, and has the parameters then. It is replaced as a whole.
    """

    def __init__(self, spec: Spec, network: Network, observe: Callable[[Minimum], bool] | None):
        self.network, self.observe, self.stops = network, observe, False
        self.layout = lone_layout(network)
        self.own_layout = Layout(network.layers, network.n_features)
        shape = store_shape([network.data], self.layout.n_features)
        rows = full_batch_rows(network.data.X, self.layout.n_penalized)
        self.program = compiled(full_batch_program, spec, FullBatchShape(self.layout, shape, rows))
        self.store = Stores([network]).of(network.data, shape, spec.dtype)
        self.hyper = to_tensor(np.array(network.hyper, spec.dtype))
        self.vector = aligned_empty([self.layout.n_parameters], spec.dtype)
        self.layout.pack_into(self.vector, network.parameters)
        self.parameters = view(self.vector)
        self.own = self.layout.offsets(self.own_layout)
        self.snapshot = Minimum(np.nan, 0), self.vector[self.own]

    def objective(self, own: NDArray) -> tuple[float, NDArray]:
        """The loss and its gradient at the network's own parameters."""
        self.vector[self.own] = own
        [values] = self.program(*self.store, self.parameters, self.hyper)
        values = np.asarray(values)
        return values[0], values[1:][self.own]

    def run(self, objective: Callable, options: dict) -> None:
        """Minimize the objective, which may be evaluated in another thread."""
        # Threads that BLAS has for scipy's vectors spin between calls, on the cores of the program.
        with one_blas_thread():
            result = minimize(
                objective,
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
        own = intermediate_result["x"].copy()
        minimum = Minimum(float(intermediate_result["fun"]), self.snapshot[0].n_iter + 1)
        self.snapshot = minimum, own
        if self.observe is not None:
            self.keep(own)
            self.stops = self.observe(minimum)
        if self.stops:
            raise StopIteration  # ends scipy's minimization

    def keep(self, own: NDArray) -> None:
        """Give the network these parameters."""
        self.network.parameters = self.own_layout.unpack(own, self.own_layout)
