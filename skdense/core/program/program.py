"""The training program: a chunk of minibatch gradient steps of a stack of networks, epoch by epoch.

There is one program for each `Spec` and `Shape`. Everything else is an argument.
"""

from typing import Any, NamedTuple

import numpy as np

from skdense.core.formulas.dropout import dropper
from skdense.core.formulas.optimizers import OPTIMIZERS, clipped
from skdense.core.formulas.pace import pace
from skdense.core.formulas.stopping import end_epoch
from skdense.core.machine.runtime import tf
from skdense.core.network import Curves
from skdense.core.program import minibatches
from skdense.core.program.minibatches import TableShape
from skdense.core.program.objective import BatchSums, Objective
from skdense.core.program.packed import N_NUMBERS, Fields, Sums, replaced


class Shape(NamedTuple):
    """The sizes for which a program is compiled; together with its spec, the key to it.

    `n_blocks` is the most blocks, each the size of a minibatch, that a network's validation rows fill;
    0 without validation.
    """

    height: int
    steps: int
    batch: int
    layer_sizes: tuple
    table: TableShape
    validation: TableShape | None
    n_blocks: int


class State(NamedTuple):
    """The arrays that go into a chunk and come out of it, besides the packed numbers.

    `parameters` is `(K, n_parameters)`, and so is each of the optimizer's `slots`. `best` has the
    parameters of the best validation score so far; without validation it is `(K, 0)`.
    """

    parameters: Any
    slots: tuple
    best: Any

    def map(self, function):
        """The state with this function applied to each array."""
        return State(function(self.parameters), tuple(map(function, self.slots)), function(self.best))


class Rows(NamedTuple):
    """A table and the rows of it to gather: int32 `(steps, K, batch)`, a minibatch for each step."""

    table: tuple
    orders: Any


def training_program(spec, shape):
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`.

    It is called with the training `Rows`, the validation `Rows`, the packed numbers, the seeds and
    rates of dropout if there is any, and a `State`. It returns the curves `(steps, n_fields, K)`, the
    new numbers and the new state.
    """
    program = _Program(spec, shape)
    vectors = tf.TensorSpec([shape.height, program.layout.n_parameters], spec.dtype)
    n_best = program.layout.n_parameters if shape.n_blocks else 0
    arguments = [
        Rows(
            minibatches.signature(shape.table, spec.dtype),
            tf.TensorSpec([shape.steps, shape.height, shape.batch], tf.int32),
        ),
        Rows(
            minibatches.signature(shape.validation, spec.dtype) if shape.validation else (),
            tf.TensorSpec([shape.n_blocks, shape.height, shape.batch], tf.int32),
        ),
        tf.TensorSpec([N_NUMBERS, shape.height], tf.float64),
        tf.TensorSpec([len(shape.layer_sizes) - 1, shape.height], tf.float64) if spec.dropout else (),
        State(
            parameters=vectors,
            slots=(vectors,) * OPTIMIZERS[spec.optimizer].n_slots,
            best=tf.TensorSpec([shape.height, n_best], spec.dtype),
        ),
    ]
    return program.run, arguments


class _Program:
    """The functions of a program, from the whole chunk down to a step.

    Its loops carry the parameters and slots in pieces. A piece is the same part of the parameters and
    of each slot, `(values, *slots)`, which the optimizer updates by itself.
    """

    def __init__(self, spec, shape):
        self.spec, self.shape, self.dtype = spec, shape, tf.as_dtype(spec.dtype)
        self.optimizer = OPTIMIZERS[spec.optimizer]
        self.objective = Objective(spec, shape.layer_sizes)
        self.layout = self.objective.layout

    def run(self, training, validation, numbers, dropout, state):
        """Run the steps of a chunk; after each epoch, validate and see which networks stop."""

        def step(s, numbers, pieces):
            rows = training.table, training.orders[s]
            return s + 1, *self.step(*rows, dropout, numbers, pieces)

        def epoch(s, e, numbers, pieces, best, curves):
            s, numbers, pieces = tf.while_loop(_epoch_goes_on, step, (s, numbers, pieces))
            parameters = [values for values, *_ in pieces]
            numbers, improved, row, is_over = self.end_epoch(validation, numbers, parameters)
            if self.shape.n_blocks:
                best = tf.where(improved[:, None], tf.concat(parameters, axis=1), best)
            curves = curves.write(e, tf.stack(row))
            return s, e + tf.cast(is_over[0], tf.int32), numbers, pieces, best, curves

        curves = tf.TensorArray(
            tf.float64, self.shape.steps, element_shape=[len(Curves._fields), self.shape.height]
        )
        vectors = state.parameters, *state.slots
        pieces = tuple(zip(*(self.layout.cut(vector) for vector in vectors)))
        best = state.best if self.shape.n_blocks else ()
        _, _, numbers, pieces, best, curves = tf.while_loop(
            _chunk_goes_on, epoch, (0, 0, numbers, pieces, best, curves)
        )
        parameters, *slots = (tf.concat(parts, axis=1) for parts in zip(*pieces))
        best = best if self.shape.n_blocks else state.best
        return curves.stack(), numbers, State(parameters, tuple(slots), best)

    def _as_columns(self, numbers):
        """Numbers `(..., K)` as `(..., K, 1)` in the parameters' dtype, to broadcast with `(K, n)`."""
        return tf.cast(numbers, self.dtype)[..., None]

    def step(self, table, order, dropout, numbers, pieces):
        """A gradient step on the rows `order`, `(K, batch)`: the numbers and pieces after it."""
        now, hyper = Fields(numbers), Fields(self._as_columns(numbers))
        n_real = tf.clip_by_value(now.n_samples - now.position * now.batch_size, 0, now.batch_size)
        minibatch = minibatches.gather(table, self.shape.table, order, now.shift, n_real)
        parameters = [values for values, *_ in pieces]
        drop = dropper(dropout, now.step) if self.spec.dropout else None
        gradients, batch = self.objective.gradients(minibatch, parameters, hyper, drop)
        penalty, decays = self.objective.penalty(parameters, hyper.alpha)
        effective = (now.active > 0) & (batch.weight > 0)
        divisor = tf.where(effective, batch.weight, 1)
        mean_over = self._as_columns(divisor)
        gradients = [(a + b) / mean_over for a, b in zip(gradients, decays, strict=True)]
        if self.spec.clips:
            gradients = clipped(gradients, hyper.max_grad_norm)
        pieces = self.updated(pieces, gradients, now, effective)
        n_correct = batch.terms[:, 0] if self.objective.loss.correct else tf.zeros_like(batch.weight)
        new = Sums((batch.loss + penalty) / divisor * n_real, n_real, n_correct, batch.weight)
        sums = {
            name: getattr(now, name) + tf.where(effective, number, 0)
            for name, number in new._asdict().items()
        }
        n_steps = now.step + tf.cast(effective, tf.float64)
        return replaced(numbers, position=now.position + 1, step=n_steps, **sums), pieces

    def updated(self, pieces, gradients, now, effective):
        """The pieces after the optimizer's step, where `effective` is true for the network.

        Else the network has stopped, or its minibatch has no weight, and a selection keeps the old
        pieces. Multiplying the change by zero would not do: an infinite gradient would become NaN.
        """
        # XLA copies each array once in a step, as several kernels read what one of them overwrites.
        # This takes about 5 % of a step of (512, 512), and nothing measurable up to (256, 256).
        rate = now.learning_rate
        if self.spec.paced:
            rate *= pace(now.step, now)
        numbers = [*map(self._as_columns, self.optimizer.numbers(rate, now.step + 1, now))]
        kernels = self.layout.kernels([values for values, *_ in pieces])
        updated = []
        for old, gradient, its_kernels in zip(pieces, gradients, kernels, strict=True):
            values, *slots = old
            change, slots = self.optimizer.update(gradient, slots, its_kernels, *numbers)
            new = values + change, *slots
            updated.append(tuple(tf.where(effective[:, None], a, b) for a, b in zip(new, old)))
        return tuple(updated)

    def end_epoch(self, validation, numbers, parameters):
        """End the epoch if it is over; a chunk may have run only a part of it.

        Return the numbers, which networks have their best parameters now, the epoch's `Curves`, and
        whether the epoch is over, `(K,)` but the same for all networks.
        """
        now = Fields(numbers)
        is_over = now.position == now.steps_per_epoch
        loss, accuracy = now.loss / now.rows, now.correct / now.weight
        validation_loss = score = tf.fill([self.shape.height], tf.constant(np.nan, tf.float64))
        if self.shape.n_blocks:
            validation_loss, score = self.validate(validation, numbers, is_over, parameters)
        progress, improved = end_epoch(now, loss, score)
        row = Curves(loss, accuracy, progress.learning_rate, validation_loss, score)
        zero = tf.zeros_like(loss)
        zeros = Sums(zero, zero, zero, zero)
        ended = replaced(numbers, position=zero, **progress._asdict(), **zeros._asdict())
        return tf.where(is_over, ended, numbers), is_over & improved, row, is_over

    def validate(self, validation, numbers, is_over, parameters):
        """The mean loss and the score `(K,)` on the validation rows, if the epoch is over."""
        (table, orders), now = validation, Fields(numbers)
        score = self.objective.score

        def rows_of(b):
            n_real = now.n_validation - tf.cast(b * self.shape.batch, tf.float64)
            return minibatches.gather(
                table, self.shape.validation, orders[b], now.validation_shift, n_real
            )

        origin = rows_of(0).targets[:, :1]

        def block(b, sums):
            hyper = Fields(self._as_columns(numbers))
            new = self.objective.validation_sums(rows_of(b), parameters, hyper, origin)
            return b + 1, sums + new

        n_blocks = tf.where(is_over[0], tf.cast(now.n_blocks[0], tf.int32), 0)
        n_sums = score.n_terms(self.layout.layer_sizes[-1]) + 2
        start = tf.zeros([self.shape.height, n_sums], tf.float64)
        _, sums = tf.while_loop(lambda b, sums: b < n_blocks, block, (0, start))
        sums = BatchSums.split(sums)
        return sums.loss / sums.weight, score.finish(tf, sums)


def _epoch_goes_on(s, numbers, *_):
    now = Fields(numbers)
    return (tf.cast(s, tf.float64) < now.n_steps[0]) & (now.position[0] < now.steps_per_epoch[0])


def _chunk_goes_on(s, e, numbers, *_):
    now = Fields(numbers)
    return (tf.cast(s, tf.float64) < now.n_steps[0]) & tf.reduce_any(now.active > 0)
