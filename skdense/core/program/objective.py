"""What training minimizes: the weighted mean of the losses over the samples, plus the L2 penalty.

Parameters come as the pieces of a `Layout`, so that a gradient is one vector for each piece.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from skdense.core.formulas.layers import Drop, forward
from skdense.core.formulas.losses import LOSSES, NEGATIVE_LOSS
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper, Spec, Tensor
from skdense.core.program import minibatches
from skdense.core.program.layout import Layout
from skdense.core.program.minibatches import Minibatch, StoreShape


class BatchSums(NamedTuple):
    """Weighted sums over a minibatch, scalars; `terms` is a list."""

    loss: Any
    terms: list
    weight: Any

    @classmethod
    def split(cls, sums: Tensor) -> "BatchSums":
        """Those in a vector of the loss, the terms and the weight."""
        loss, *terms, weight = tf.unstack(sums)
        return cls(loss, terms, weight)


class Objective:
    """The objective of networks with one spec and this layout."""

    def __init__(self, spec: Spec, layout: Layout):
        self.layout = layout
        self.loss = LOSSES[spec.target_type][spec.loss]
        self.smoothed = self.loss.smoothed if spec.smooths else None
        self.score = NEGATIVE_LOSS if spec.scores_loss else self.loss.score

    def gradients(
        self, minibatch: Minibatch, pieces: Sequence, hyper: Hyper, drop: Drop | None = None
    ) -> tuple[list, BatchSums]:
        """The gradient of the weighted sum of losses, by piece, and `BatchSums`.

        hyper is in the dtype of the parameters. The sums have one term, the number of correct
        predictions, or none for a loss of regression.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pieces)
            logits = self._logits(minibatch, pieces, drop)
            if self.smoothed is not None:
                losses = self.smoothed(minibatch.targets, logits, hyper.label_smoothing)
            else:
                losses = self._losses(minibatch.targets, logits, hyper)
            total = tf.reduce_sum(minibatch.weights * losses)
        gradients = tape.gradient(total, pieces)
        terms = []
        if self.loss.correct is not None:
            terms = [tf.cast(self.loss.correct(minibatch.targets, logits), losses.dtype)]
        return gradients, BatchSums.split(_sums(minibatch, losses, terms))

    def validation_sums(
        self, minibatch: Minibatch, pieces: Sequence, hyper: Hyper, shift: Tensor
    ) -> Tensor:
        """`BatchSums` with the score's terms, as one vector that can be added up.

        Dropout, the penalty and smoothed labels are for training alone, so they are left out.
        """
        logits = self._logits(minibatch, pieces)
        losses = self._losses(minibatch.targets, logits, hyper)
        return _sums(minibatch, losses, self.score.terms(minibatch.targets, logits, shift))

    def _logits(self, minibatch: Minibatch, pieces: Sequence, drop: Drop | None = None) -> Tensor:
        parameters = self.layout.of_layers(pieces, minibatch.weights.shape[0])
        return forward(self.layout.layers, parameters, minibatch.inputs, drop)

    def _losses(self, targets: Tensor, logits: Tensor, hyper: Hyper) -> Tensor:
        parameter = [hyper.loss_parameter] if self.loss.parameter else []
        return self.loss.per_sample(targets, logits, *parameter)

    def penalty(self, pieces: Sequence, alpha: Tensor) -> tuple[Any, list]:
        """The sum of squared penalized parameters times alpha / 2, in float64, and its gradient."""
        value, gradients = 0.0, []
        for penalized in self.layout.penalized(pieces):
            gradients.append(alpha * penalized)
            value += tf.cast(tf.reduce_sum(gradients[-1] * penalized), tf.float64) / 2
        return value, gradients


def _sums(minibatch: Minibatch, losses: Tensor, terms: list) -> Tensor:
    # XLA compiles one product with the weights to one kernel, but each reduction to its own.
    summands = tf.stack([losses, *terms, tf.ones_like(losses)], axis=-1)
    weights = tf.reshape(minibatch.weights, [1, -1])
    return tf.cast(tf.squeeze(weights @ summands, axis=0), tf.float64)


# --- the program for lbfgs: all rows, block by block -------------------------------------------------


class FullBatchShape(NamedTuple):
    """The sizes for which a program is compiled; `block` is the number of rows in a block."""

    layout: Layout
    store: StoreShape
    block: int


def full_batch_program(spec: Spec, shape: FullBatchShape) -> tuple:
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`.

    It is called with the store, the parameters `(n_parameters,)`, and the network's `Hyper` as an
    array. It returns one array `(1 + n_parameters,)`, the penalized mean loss followed by its gradient.
    """
    layout = shape.layout
    objective = Objective(spec, layout)

    def loss_and_gradient(store: tuple, parameters: Tensor, hyper: Tensor) -> Tensor:
        hyper = Hyper(*tf.unstack(hyper))
        n_samples = tf.cast(hyper.n_samples, tf.int32)
        pieces = layout.cut(parameters)

        def block(start: Tensor, sums: list, gradients: list) -> tuple:
            # The last block is filled up with copies of the last row, whose weight is zero there.
            rows = tf.minimum(start + tf.range(shape.block), n_samples - 1)
            minibatch = minibatches.gather(store, shape.store, rows, n_samples - start)
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
        minibatches.signature(shape.store, spec.dtype),
        tf.TensorSpec([layout.n_parameters], spec.dtype),
        tf.TensorSpec([len(Hyper._fields)], spec.dtype),
    ]
    return loss_and_gradient, arguments
