"""Full-batch training: scipy's L-BFGS-B on the loss and gradient of a compiled program, in float64."""

from threading import Event

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize

from skdense.core.host.planning import lone_layout
from skdense.core.machine.compiling import program_of
from skdense.core.machine.costs import full_batch_rows
from skdense.core.machine.tensorflow import aligned_zeros, tf, to_tensor, view
from skdense.core.machine.threads import one_blas_thread, submit
from skdense.core.network import Curves, Hyper, Network, Spec, Tensor
from skdense.core.program.epochs import Objective
from skdense.core.program.layout import Layout
from skdense.core.program.stores import Stores, StoreShape, gather, signature, store_shape


def minimize_loss(spec: Spec, network: Network, max_fun: int, stop: Event | None = None) -> bool:
    """Train one network on all rows at once, with at most max_fun evaluations.

    The network is given its parameters, their penalized loss and the number of iterations. Ctrl-C, or
    `stop` once it is set, ends the training and keeps what the last iteration has reached; return
    whether it did.
    """
    # All runs in another thread, where no signal interrupts it.
    try:
        minimization = submit(Minimization, spec, network).result(stop)
    except KeyboardInterrupt:
        return True
    hyper = network.hyper
    options = {"maxfun": max_fun, "maxiter": int(hyper.max_epochs), "gtol": hyper.tol}
    try:
        submit(minimization.run, options).result(stop)
    except KeyboardInterrupt:
        return True
    finally:
        minimization.stops, reached = True, minimization.reached
        unpadded = minimization.unpadded
        vars(network).update(
            parameters=unpadded.unpack(reached.x, unpadded),
            curves=Curves(loss=np.array([reached.fun])),
            progress=network.progress._replace(epochs=reached.nit, converged=float(reached.success)),
            failure="" if reached.success else reached.message,
        )
    return False


class Minimization:
    """A minimization by scipy, over the network's own parameters as a vector.

    The padding around them has a gradient of zero, so scipy does not see it. `reached`, how far it
    is, is replaced as a whole.
    """

    def __init__(self, spec: Spec, network: Network):
        self.stops = False
        self.layout = lone_layout(network)
        self.unpadded = Layout(network.layers, network.n_features)
        shape = store_shape([network.data], self.layout.n_features)
        block_rows = full_batch_rows(network.data.X, self.layout.n_penalized)
        self.program = program_of(full_batch_program, spec, self.layout, shape, block_rows)
        self.store = Stores([network]).tensors(network.data, shape, spec.dtype)
        self.hyper = to_tensor(np.array(network.hyper, spec.dtype))
        zeros = aligned_zeros([self.layout.n_parameters], spec.dtype)
        self.vector = self.layout.pack_parameters(network.parameters, zeros)
        self.parameters = view(self.vector)
        self.offsets = self.layout.offsets(self.unpadded)
        self.reached = OptimizeResult(x=self.vector[self.offsets], fun=np.nan, nit=0, success=True)

    def objective(self, own_parameters: NDArray) -> tuple[float, NDArray]:
        """The loss and its gradient at the network's own parameters."""
        self.vector[self.offsets] = own_parameters
        [result] = self.program(*self.store, self.parameters, self.hyper)
        loss_and_gradient = np.asarray(result)
        return loss_and_gradient[0], loss_and_gradient[1:][self.offsets]

    def run(self, options: dict) -> None:
        """Minimize the objective."""
        # Threads that BLAS has for scipy's vectors spin between calls, on the cores of the program.
        with one_blas_thread():
            self.reached = minimize(
                self.objective,
                self.reached.x,
                jac=True,
                method="L-BFGS-B",
                options=options,
                callback=self._iteration,
            )

    def _iteration(self, intermediate_result: OptimizeResult) -> None:
        new = {"x": intermediate_result.x.copy(), "nit": self.reached.nit + 1}
        self.reached = OptimizeResult({**intermediate_result, **new}, success=True)
        if self.stops:
            raise StopIteration  # ends scipy's minimization


def full_batch_program(spec: Spec, layout: Layout, shape: StoreShape, block_rows: int) -> tuple:
    """The function of a program, and the TensorSpecs of its arguments, for `program_of`.

    It is called with the store, the parameters `(n_parameters,)`, and the network's `Hyper` as an
    array. It returns one array `(1 + n_parameters,)`, the penalized mean loss followed by its gradient.
    All rows are read, block by block.
    """
    objective = Objective(spec, layout)
    times = objective.loss.times(layout.layers[-1].width)

    def loss_and_gradient(store: tuple, parameters: Tensor, hyper: Tensor) -> Tensor:
        hyper = Hyper(*tf.unstack(hyper))
        n_samples = tf.cast(hyper.n_samples, tf.int32)
        pieces = layout.cut(parameters)

        def block(start: Tensor, sums: list, gradients: list) -> tuple:
            # The last block is filled up with copies of the last row, whose weight is zero there.
            rows = tf.minimum(start + tf.range(block_rows), n_samples - 1)
            minibatch = gather(store, shape, rows, n_samples - start)
            block_sums, block_gradients = objective.gradients(minibatch, pieces, hyper)
            sums = [a + b for a, b in zip(sums, (block_sums.loss, block_sums.weight))]
            return start + block_rows, sums, [a + b for a, b in zip(gradients, block_gradients)]

        zero = tf.zeros([], tf.float64)
        zeros = 0, [zero, zero], [tf.zeros_like(piece) for piece in pieces]
        _, (loss, weight), gradients = tf.while_loop(lambda start, *_: start < n_samples, block, zeros)
        penalty, penalty_gradients = objective.penalty(pieces, hyper.alpha)
        gradient = [a + b for a, b in zip(gradients, penalty_gradients)]
        return tf.concat([(times * loss + penalty)[None], *gradient], axis=0) / weight

    arguments = [
        signature(shape, spec.dtype),
        tf.TensorSpec([layout.n_parameters], spec.dtype),
        tf.TensorSpec([len(Hyper._fields)], spec.dtype),
    ]
    return loss_and_gradient, arguments
