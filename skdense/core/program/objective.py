"""What training minimizes: the weighted mean of the losses over a minibatch, plus the L2 penalty.

Parameters come as the pieces of a `Layout`, so that a gradient is one array for each piece.
"""

from typing import Any, NamedTuple

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import forward
from skdense.core.formulas.losses import LOSSES, LOWEST_LOSS
from skdense.core.machine.runtime import tf
from skdense.core.program.layout import Layout


class BatchSums(NamedTuple):
    """Weighted sums over a minibatch: `loss` and `weight` are `(K,)`, `terms` is `(K, n_terms)`."""

    loss: Any
    terms: Any
    weight: Any

    @classmethod
    def split(cls, sums):
        """Those that are the columns of an array `(K, n_terms + 2)`."""
        return cls(sums[:, 0], sums[:, 1:-1], sums[:, -1])


class Objective:
    """The objective of networks with one spec and these layer sizes."""

    def __init__(self, spec, layer_sizes):
        self.layout = Layout(layer_sizes)
        self.loss = LOSSES[spec.targets][spec.loss]
        self.smooths = spec.smooths
        self.score = LOWEST_LOSS if spec.scores_loss else self.loss.score
        self.activation = ACTIVATIONS[spec.activation].tensor(tf)

    def gradients(self, minibatch, pieces, hyper, drop=None):
        """The gradient of the weighted sum of losses, by piece, and `BatchSums`.

        The numbers of hyper are `(K, 1)`, or scalars; `drop` is what `forward` takes. The sums have one
        term, the number of correct predictions, or none for a loss of regression.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pieces)
            logits = self._logits(minibatch, pieces, drop)
            if self.smooths:
                smoothing = hyper.label_smoothing[..., None]
                losses = self.loss.smoothed(tf, minibatch.targets, logits, smoothing)
            else:
                losses = self._losses(minibatch.targets, logits, hyper)
            total = tf.reduce_sum(minibatch.weights * losses, axis=1)
        gradients = tape.gradient(total, pieces)
        terms = []
        if self.loss.correct is not None:
            terms = [tf.cast(self.loss.correct(tf, minibatch.targets, logits), losses.dtype)]
        return gradients, BatchSums.split(_sums(minibatch, losses, terms))

    def validation_sums(self, minibatch, pieces, hyper, origin):
        """The columns of `BatchSums`, with the score's terms, as one array that can be added up.

        Dropout, the penalty and smoothed labels are for training alone, so they are left out.
        """
        logits = self._logits(minibatch, pieces)
        losses = self._losses(minibatch.targets, logits, hyper)
        return _sums(minibatch, losses, self.score.terms(tf, minibatch.targets, logits, origin))

    def _logits(self, minibatch, pieces, drop=None):
        layers = self.layout.layers(pieces, minibatch.weights.shape[1])
        return forward(minibatch.inputs, layers, self.activation, drop)

    def _losses(self, targets, logits, hyper):
        parameter = [hyper.loss_parameter[..., None]] if self.loss.parameter else []
        return self.loss.per_example(tf, targets, logits, *parameter)

    def penalty(self, pieces, alpha):
        """The sum of squared kernels times alpha / 2, `(K,)` in float64, and its gradient by piece.

        Biases have no penalty. alpha is `(K, 1)`, or a scalar.
        """
        value, gradients = 0.0, []
        for kernels in self.layout.kernels(pieces):
            gradients.append(alpha * kernels)
            value += tf.cast(tf.reduce_sum(gradients[-1] * kernels, axis=1), tf.float64) / 2
        return value, gradients


def _sums(minibatch, losses, terms):
    # XLA compiles one product with the weights to one kernel, but each reduction to its own.
    summands = tf.stack([losses, *terms, tf.ones_like(losses)], axis=-1)
    return tf.cast((minibatch.weights[:, None, :] @ summands)[:, 0], tf.float64)
