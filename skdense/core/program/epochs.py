"""The training program: a chunk of minibatch gradient steps of one network, epoch by epoch.

There is one program for each `Spec` and `Shape`. Everything else is an argument.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np

from skdense.core.formulas.layers import dropper
from skdense.core.formulas.optimizers import OPTIMIZERS, clipped
from skdense.core.formulas.schedules import lr_factor, progress_after_epoch
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Curves, Hyper, Progress, Spec, Tensor
from skdense.core.program import minibatches
from skdense.core.program.layout import Layout
from skdense.core.program.minibatches import StoreShape
from skdense.core.program.objective import BatchSums, Objective


class Shape(NamedTuple):
    """The sizes for which a program is compiled; together with its spec, the key to it.

    `steps` is the most steps of a chunk, and `batch` the number of rows in a minibatch. `block` is the
    number of validation rows that are read at a time, and `n_blocks` the most such blocks that there
    are, both 0 without validation. `n_dropouts` is the number of rates.
    """

    steps: int
    batch: int
    layout: Layout
    store: StoreShape
    validation: StoreShape | None
    block: int
    n_blocks: int
    n_dropouts: int


class State(NamedTuple):
    """The arrays that go into a chunk and come out of it, besides the scalars.

    `parameters` is a vector, and so is each of the optimizer's `slots`. `best` has the parameters of
    the best validation score so far; without validation it is empty.
    """

    parameters: Any
    slots: tuple
    best: Any


class Batches(NamedTuple):
    """A store, and the rows of it to gather for each step: int32 `(steps, batch)`."""

    store: tuple
    orders: Any


def training_program(spec: Spec, shape: Shape) -> tuple[Callable, list]:
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`.

    It is called with the `Batches` of training and of validation, the constants, the scalars, the seed
    and the rates of dropout if there is any, and a `State`. It returns the curves `(steps, n_curves)`,
    the new scalars and the new state. The curves are the fields of `Curves`, the last two of them only
    with validation.
    """
    vector = tf.TensorSpec([shape.layout.n_parameters], spec.dtype)
    arguments = [
        Batches(
            minibatches.signature(shape.store, spec.dtype),
            tf.TensorSpec([shape.steps, shape.batch], tf.int32),
        ),
        Batches(
            minibatches.signature(shape.validation, spec.dtype) if shape.validation else (),
            tf.TensorSpec([shape.n_blocks, shape.block], tf.int32),
        ),
        tf.TensorSpec([N_CONSTANTS], tf.float64),
        tf.TensorSpec([N_SCALARS], tf.float64),
        tf.TensorSpec([1 + shape.n_dropouts], tf.float64) if shape.n_dropouts else (),
        State(
            parameters=vector,
            slots=(vector,) * OPTIMIZERS[spec.optimizer].n_slots,
            best=vector if shape.n_blocks else tf.TensorSpec([0], spec.dtype),
        ),
    ]
    return _Program(spec, shape).run, arguments


class _Program:
    """The functions of a program, from the whole chunk down to a step.

    Its loops carry the parameters and slots in pieces. A piece is the same part of the parameters and
    of each slot, `(values, *slots)`, which the optimizer updates by itself.
    """

    def __init__(self, spec: Spec, shape: Shape):
        self.spec, self.shape, self.dtype = spec, shape, tf.as_dtype(spec.dtype)
        self.optimizer = OPTIMIZERS[spec.optimizer]
        self.layout = shape.layout
        self.objective = Objective(spec, shape.layout)

    def run(
        self,
        training: Batches,
        validation: Batches,
        constants: Tensor,
        scalars: Tensor,
        dropout: Any,
        state: State,
    ) -> tuple:
        """Run the steps of a chunk; after each epoch, validate and see whether the network stops."""
        n_curves = len(Curves._fields) if self.shape.n_blocks else len(Curves._fields) - 2

        def step_follows(scalars: Tensor, *_: Any) -> Tensor:
            (limits, _), counters = unpack_constants(constants), unpack_scalars(scalars).counters
            in_epoch = counters.position < limits.steps_per_epoch
            return (counters.steps < limits.n_steps) & in_epoch

        def step(scalars: Tensor, pieces: tuple) -> tuple:
            return self.step(training, constants, scalars, dropout, pieces)

        def epoch_follows(scalars: Tensor, *_: Any) -> Tensor:
            (limits, _), (counters, progress, _) = unpack_constants(constants), unpack_scalars(scalars)
            return (counters.steps < limits.n_steps) & (progress.active > 0)

        def epoch(scalars: Tensor, pieces: tuple, best: tuple, curves: Tensor) -> tuple:
            place = tf.cast(unpack_scalars(scalars).counters.epochs, tf.int32)
            scalars, pieces = tf.while_loop(step_follows, step, (scalars, pieces))
            parameters = [values for values, *_ in pieces]
            scalars = self.end_epoch(validation, constants, scalars, parameters)
            is_best = unpack_scalars(scalars).point.is_best > 0
            best = tuple(tf.where(is_best, new, old) for new, old in zip(parameters, best))
            point = scalars[_ENDS[2] : _ENDS[2] + n_curves]
            return scalars, pieces, best, curves.write(place, point)

        curves = tf.TensorArray(tf.float64, self.shape.steps, element_shape=[n_curves])
        vectors = state.parameters, *state.slots
        pieces = tuple(zip(*map(self.layout.cut, vectors)))
        best = tuple(self.layout.cut(state.best)) if self.shape.n_blocks else ()
        scalars, pieces, best, curves = tf.while_loop(
            epoch_follows, epoch, (scalars, pieces, best, curves)
        )
        parameters, *slots = (tf.concat(parts, axis=0) for parts in zip(*pieces))
        best = tf.concat(best, axis=0) if best else state.best
        return curves.stack(), scalars, State(parameters, tuple(slots), best)

    def step(
        self, training: Batches, constants: Tensor, scalars: Tensor, dropout: Any, pieces: tuple
    ) -> tuple:
        """A gradient step on the next minibatch: the scalars and the pieces after it.

        If the minibatch has no weight, the step is not effective and only takes its place in the epoch.
        """
        # Counting and learning rates need float64; `typed` computes with parameters of another dtype.
        _, hyper = unpack_constants(constants)
        _, typed = unpack_constants(constants, self.dtype)
        counters, progress, _ = unpack_scalars(scalars)
        order = tf.gather(training.orders, tf.cast(counters.steps, tf.int32))
        n_valid = tf.minimum(hyper.n_samples - counters.position * hyper.batch_size, hyper.batch_size)
        minibatch = minibatches.gather(training.store, self.shape.store, order, n_valid)
        parameters = [values for values, *_ in pieces]
        drop = dropper(dropout, progress.step) if self.shape.n_dropouts else None
        gradients, sums = self.objective.gradients(minibatch, parameters, typed, drop)
        penalty, decays = self.objective.penalty(parameters, typed.alpha)
        effective = sums.weight > 0
        divisor = tf.where(effective, sums.weight, 1)
        mean_over = tf.cast(divisor, self.dtype)
        gradients = [(a + b) / mean_over for a, b in zip(gradients, decays, strict=True)]
        if self.spec.clips:
            gradients = clipped(gradients, typed.max_grad_norm)
        rate = progress.learning_rate
        if self.spec.lr_by_step:
            rate *= lr_factor(progress.step, hyper)
        numbers = self.optimizer.numbers(rate, progress.step + 1, hyper)
        numbers = [tf.cast(number, self.dtype) for number in numbers]
        # XLA copies each array once in a step, as several kernels read what one of them overwrites.
        # This takes about 5 % of a step of (512, 512), and nothing measurable up to (256, 256).
        updated = []
        penalized = self.layout.penalized(parameters)
        for old, gradient, kernels in zip(pieces, gradients, penalized, strict=True):
            values, *slots = old
            change, slots = self.optimizer.update(gradient, slots, kernels, *numbers)
            new = values + change, *slots
            # Multiplying the change by zero would not do: an infinite gradient would become NaN.
            updated.append(tuple(tf.where(effective, a, b) for a, b in zip(new, old)))
        counted = Counters(
            steps=1.0,
            position=1.0,
            loss=(sums.loss + penalty) / divisor * n_valid,
            rows=n_valid,
            correct=sums.terms[0] if sums.terms else 0.0,
            weight=sums.weight,
        )
        added = packed(counted, _UNCHANGED._replace(step=1.0), Point())
        only_place = packed(Counters(steps=1.0, position=1.0), _UNCHANGED, Point())
        return scalars + tf.where(effective, added, only_place), tuple(updated)

    def end_epoch(
        self, validation: Batches, constants: Tensor, scalars: Tensor, parameters: Sequence[Tensor]
    ) -> Tensor:
        """The scalars after the epoch, or as they were: a chunk may have run only a part of it."""
        (limits, hyper), (counters, progress, _) = unpack_constants(constants), unpack_scalars(scalars)
        is_over = counters.position == limits.steps_per_epoch
        loss, accuracy = counters.loss / counters.rows, counters.correct / counters.weight
        validation_loss = score = None
        if self.shape.n_blocks:
            validation_loss, score = self.validate(validation, constants, is_over, parameters)
        progress, is_best = progress_after_epoch(progress, hyper, self.spec.optimizer, loss, score)
        point = Point(loss, accuracy, progress.learning_rate)
        if self.shape.n_blocks:
            validated = {"validation_loss": validation_loss, "validation_score": score}
            point = point._replace(**validated, is_best=tf.cast(is_best, tf.float64))
        counters = Counters(steps=counters.steps, epochs=counters.epochs + 1)
        # `is_best`, the last scalar, is that of the epoch before: the parameters have changed since.
        not_best = tf.where(np.arange(N_SCALARS) == N_SCALARS - 1, tf.zeros_like(scalars), scalars)
        return tf.where(is_over, packed(counters, progress, point), not_best)

    def validate(
        self, validation: Batches, constants: Tensor, is_over: Tensor, parameters: Sequence[Tensor]
    ) -> tuple:
        """The mean loss and the score on the validation rows, if the epoch is over."""
        (store, orders), shape, score = validation, self.shape, self.objective.score
        store_shape = shape.validation
        assert store_shape is not None  # only programs with validation call this
        shift = tf.gather(store[-1], orders[0, 0])[:-1]  # the last column has the weights

        def block(b: Tensor, sums: Tensor) -> tuple:
            _, hyper = unpack_constants(constants)
            _, typed = unpack_constants(constants, self.dtype)
            n_valid = hyper.n_validation - tf.cast(b * shape.block, tf.float64)
            minibatch = minibatches.gather(store, store_shape, tf.gather(orders, b), n_valid)
            return b + 1, sums + self.objective.validation_sums(minibatch, parameters, typed, shift)

        n_sums = score.n_terms(store_shape.n_outputs) + 2
        sums = tf.zeros([n_sums], tf.float64)
        if shape.n_blocks == 1:  # no loop is needed; the block is read even if the epoch is not over
            _, sums = block(0, sums)
        else:
            limits, _ = unpack_constants(constants)
            n_blocks = tf.where(is_over, tf.cast(limits.n_blocks, tf.int32), 0)
            _, sums = tf.while_loop(lambda b, sums: b < n_blocks, block, (0, sums))
        sums = BatchSums.split(sums)
        return sums.loss / sums.weight, score.value(sums)


# --- the scalars of a training, packed into vectors --------------------------------------------------

# `constants` stay as they are in a call: its `Limits` and `Hyper`. `Scalars` change, and a program
# returns them. Packed, they are changed by one kernel, and a kernel takes about 10 ms to compile; and
# each argument of a program takes as long as some steps of a small network.


class Limits(NamedTuple):
    """Where loops end: the number of steps in this call and in an epoch, and of validation blocks."""

    n_steps: Any
    steps_per_epoch: Any
    n_blocks: Any


class Counters(NamedTuple):
    """The steps and the epochs done in this call, the steps done in this epoch, and sums over them.

    `loss` is the sum of each minibatch's mean loss times its rows.
    """

    steps: Any = 0.0
    epochs: Any = 0.0
    position: Any = 0.0
    loss: Any = 0.0
    rows: Any = 0.0
    correct: Any = 0.0
    weight: Any = 0.0


class Point(NamedTuple):
    """The last epoch's point of each curve, and whether it has the best validation score so far.

    The first fields are those of `Curves` in their order, and `is_best` is the last scalar of all:
    the methods `run` and `end_epoch` rely on it.
    """

    loss: Any = 0.0
    accuracy: Any = 0.0
    learning_rate: Any = 0.0
    validation_loss: Any = 0.0
    validation_score: Any = 0.0
    is_best: Any = 0.0


class Scalars(NamedTuple):
    """All that changes, in the order of the vector."""

    counters: Counters
    progress: Progress
    point: Point


N_CONSTANTS = len(Limits._fields) + len(Hyper._fields)
_PARTS: tuple[Any, ...] = (Counters, Progress, Point)
_ENDS = [0, *accumulate(len(part._fields) for part in _PARTS)]
N_SCALARS = _ENDS[-1]


def split_scalars(values: Sequence) -> Scalars:
    """The scalars from a sequence of them."""
    parts = zip(_PARTS, pairwise(_ENDS))
    return Scalars(*(part(*values[start:stop]) for part, (start, stop) in parts))


def unpack_constants(vector: Tensor, dtype: Any = "float64") -> tuple[Limits, Hyper]:
    """The constants in a tensor, as scalars of this dtype.

    Unpack them inside the body of the loop that uses them: there XLA drops those that are not used,
    while each that is unpacked before a loop is a variable of it.
    """
    values = tf.unstack(tf.cast(vector, dtype))
    return Limits(*values[: len(Limits._fields)]), Hyper(*values[len(Limits._fields) :])


def unpack_scalars(vector: Tensor) -> Scalars:
    """The scalars in a tensor."""
    return split_scalars(tf.unstack(vector))


def packed(*parts: tuple) -> Tensor:
    """The tensor of scalars from its parts, of scalar tensors and floats.

    XLA makes one kernel of this chain of selections. Of `tf.stack` it makes a kernel for each scalar
    besides.
    """
    values = [value for part in parts for value in part]
    floats = [value if isinstance(value, float) else 0.0 for value in values]
    vector = tf.constant(floats, tf.float64)
    for place, value in enumerate(values):
        if not isinstance(value, float):
            vector = tf.where(np.arange(len(values)) == place, value, vector)
    return vector


_UNCHANGED = Progress(*[0.0] * len(Progress._fields))
