"""The full-batch program: the penalized loss and its gradient on all rows, block by block."""

from typing import NamedTuple

from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper, Spec, Tensor
from skdense.core.program import minibatches
from skdense.core.program.layout import Layout
from skdense.core.program.minibatches import TableShape
from skdense.core.program.objective import Objective


class FullBatchShape(NamedTuple):
    """The sizes for which a program is compiled; `block` is the number of rows in a block."""

    layout: Layout
    table: TableShape
    block: int


def full_batch_program(spec: Spec, shape: FullBatchShape) -> tuple:
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`.

    It is called with the table, the parameters `(n_parameters,)`, and the network's `Hyper` as an
    array. It returns one array `(1 + n_parameters,)`, the penalized mean loss followed by its gradient.
    """
    layout = shape.layout
    objective = Objective(spec, layout)

    def loss_and_gradient(table: tuple, parameters: Tensor, hyper: Tensor) -> Tensor:
        hyper = Hyper(*tf.unstack(hyper))
        n_samples = tf.cast(hyper.n_samples, tf.int32)
        pieces = layout.cut(parameters)

        def block(start: Tensor, sums: list, gradients: list) -> tuple:
            # The last block is filled up with copies of the last row, whose weight is zero there.
            rows = tf.minimum(start + tf.range(shape.block), n_samples - 1)
            minibatch = minibatches.gather(table, shape.table, rows, n_samples - start)
            new, batch = objective.gradients(minibatch, pieces, hyper)
            sums = [a + b for a, b in zip(sums, (batch.loss, batch.weight))]
            return start + shape.block, sums, [a + b for a, b in zip(gradients, new)]

        zero = tf.zeros([], tf.float64)
        _, (loss, weight), gradients = tf.while_loop(
            lambda start, *_: start < n_samples,
            block,
            (0, [zero, zero], [tf.zeros_like(piece) for piece in pieces]),
        )
        penalty, decays = objective.penalty(pieces, hyper.alpha)
        gradient = [a + b for a, b in zip(gradients, decays)]
        return tf.concat([(loss + penalty)[None], *gradient], axis=0) / weight

    arguments = [
        minibatches.signature(shape.table, spec.dtype),
        tf.TensorSpec([layout.n_parameters], spec.dtype),
        tf.TensorSpec([len(Hyper._fields)], spec.dtype),
    ]
    return loss_and_gradient, arguments
