"""The compiled training program: epochs of minibatch gradient steps of a stack of networks.

There is one program for each `Spec` and `Shape`; everything else is an argument.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from skdense.core.activations import tensor_activation
from skdense.core.layers import forward
from skdense.core.losses import LOSSES
from skdense.core.optimizers import OPTIMIZERS
from skdense.core.runtime import tf
from skdense.core.stack import Curves, Hyper, Layout, Progress, Schedule
from skdense.core.tables import minibatch, signature


class Clock(NamedTuple):
    """How many steps a call is to run, how many make an epoch, and where in the epoch it stands."""

    n_steps: Any
    steps_per_epoch: Any
    position: Any
    n_blocks: Any


class Shifts(NamedTuple):
    """What leads from a row of a table to its targets, for the data and for the validation data."""

    data: Any
    validation: Any


class Sums(NamedTuple):
    """What adds up over an epoch's minibatches: losses count by rows."""

    loss: Any
    rows: Any
    correct: Any
    weight: Any


class Numbers(NamedTuple):
    """All numbers of a network that go into a call and come out of it, float64.

    They are one array `(n_numbers, K)`: XLA makes a kernel of everything that is cut out of an
    argument, and one argument of a program costs as much as some steps of a small network.
    """

    clock: Clock
    shifts: Shifts
    hyper: Hyper
    progress: Progress
    sums: Sums


_PARTS = tuple(Numbers.__annotations__.values())
_ENDS = np.cumsum([0, *(len(part._fields) for part in _PARTS)]).tolist()
ROWS = Numbers(*(slice(start, stop) for start, stop in pairwise(_ENDS)))
"""Which rows of the array are which part."""


class State(NamedTuple):
    """What goes into a call and comes out of it.

    numbers `(n_numbers, K)`, parameters `(K, n_parameters)`, slots a tuple of such arrays, and best,
    the parameters of the best validation score or a `(K, 0)` array.
    """

    numbers: Any
    parameters: Any
    slots: tuple
    best: Any


def training_program(spec, shape):
    """The function of a program, and the TensorSpecs of its arguments, for `compiled`.

    It is called with the table, the orders, the validation table and its orders, and a `State`; it
    returns the curves and the new state. Orders are row numbers `(steps, K, batch)`, curves
    `(steps, n_fields, K)`.
    """
    dtype = tf.as_dtype(spec.dtype)
    height, layout = shape.height, Layout(shape.layer_sizes)
    n_best = layout.n_parameters if shape.n_blocks else 0
    arguments = [
        signature(shape.table, dtype),
        tf.TensorSpec([shape.steps, height, shape.batch], tf.int32),
        signature(shape.validation, dtype) if shape.validation else (),
        tf.TensorSpec([shape.n_blocks, height, shape.batch], tf.int32),
        State(
            numbers=tf.TensorSpec([_ENDS[-1], height], tf.float64),
            parameters=tf.TensorSpec([height, layout.n_parameters], dtype),
            slots=(tf.TensorSpec([height, layout.n_parameters], dtype),)
            * OPTIMIZERS[spec.optimizer].n_slots,
            best=tf.TensorSpec([height, n_best], dtype),
        ),
    ]
    return _training_function(spec, shape), arguments


def _training_function(spec, shape):
    layout = Layout(shape.layer_sizes)
    activation = tensor_activation(spec.activation)
    loss = LOSSES[spec.loss]
    optimizer = OPTIMIZERS[spec.optimizer]
    dtype = tf.as_dtype(spec.dtype)

    def weighted_sums(weights, losses, correct):
        """Sums over the batch `(K, 3)` in float64: losses, correct predictions, weights."""
        columns = tf.stack([losses, tf.cast(correct, dtype), tf.ones_like(losses)], axis=-1)
        return tf.cast((weights[:, None, :] @ columns)[:, 0], tf.float64)

    def gradient_step(table, order, columns, numbers, pieces):
        old = _split(numbers)
        clock, shifts, hyper, progress, sums = old
        n_real = tf.clip_by_value(
            hyper.n_samples - clock.position * hyper.batch_size, 0, hyper.batch_size
        )
        inputs, targets, weights = minibatch(table, shape.table, order, shifts.data, n_real)
        parameters = [values for values, *_ in pieces]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(parameters)
            logits = forward(inputs, layers_of(parameters, layout), activation)
            losses = loss.per_example(targets, logits)
            total = tf.reduce_sum(weights * losses, axis=1)
        gradients = tape.gradient(total, parameters)
        loss_sum, correct, weight = tf.unstack(
            weighted_sums(weights, losses, loss.correct(targets, logits)), axis=1
        )
        effective = (progress.active > 0) & (weight > 0)
        divisor = tf.where(effective, weight, 1)
        step = progress.step + tf.cast(effective, tf.float64)
        step_size = optimizer.step_size(progress.learning_rate, step, hyper)
        step_size, mean_over = (tf.cast(x, dtype)[:, None] for x in (step_size, divisor))
        # A network that has stopped, or whose batch weighs nothing, is left as it was by selection:
        # multiplying the change by zero would turn an infinite gradient into NaN.
        keep = effective[:, None]
        new_pieces, penalty, start = [], 0.0, 0
        for piece, gradient in zip(pieces, gradients):
            values, *slots = piece
            # The L2 penalty is alpha / 2 times the sum of squared kernels; biases are free.
            is_kernel = start + tf.range(values.shape[1]) < layout.n_kernel_entries
            decayed = tf.where(is_kernel, columns.alpha * values, 0)
            penalty += tf.cast(tf.reduce_sum(decayed * values, axis=1), tf.float64) / 2
            gradient = (gradient + decayed) / mean_over
            change, new_slots = optimizer.update(gradient, slots, step_size, columns)
            new_piece = (values + change, *new_slots)
            new_pieces.append(tuple(tf.where(keep, new, old) for new, old in zip(new_piece, piece)))
            start += values.shape[1]
        batch_sums = Sums((loss_sum + penalty) / divisor * n_real, n_real, correct, weight)
        sums = Sums(*(tf.where(effective, a + b, a) for a, b in zip(sums, batch_sums)))
        clock = clock._replace(position=clock.position + 1)
        new = old._replace(clock=clock, progress=progress._replace(step=step), sums=sums)
        return _updated(numbers, old, new), tuple(new_pieces)

    def validate(table, orders, numbers, layers):
        """The mean loss and accuracy `(K,)` on the validation rows."""
        clock, shifts, hyper, *_ = _split(numbers)

        def block(b, sums):
            n_real = hyper.n_validation - tf.cast(b * shape.batch, tf.float64)
            rows = minibatch(table, shape.validation, orders[b], shifts.validation, n_real)
            inputs, targets, weights = rows
            logits = forward(inputs, layers, activation)
            losses = loss.per_example(targets, logits)
            return b + 1, sums + weighted_sums(weights, losses, loss.correct(targets, logits))

        is_over = clock.position[0] == clock.steps_per_epoch[0]
        n_blocks = tf.where(is_over, tf.cast(clock.n_blocks[0], tf.int32), 0)
        start = tf.zeros([shape.height, 3], tf.float64)
        _, sums = tf.while_loop(lambda b, sums: b < n_blocks, block, (0, start))
        return sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2]

    def program(table, orders, validation_table, validation_orders, state):
        # What is cast for every parameter is cast once.
        hyper = _split(state.numbers).hyper
        columns = Hyper(*(tf.cast(number, dtype)[:, None] for number in hyper))

        def goes_on(s, numbers, *_):
            clock = _split(numbers).clock
            return (tf.cast(s, tf.float64) < clock.n_steps[0]) & (
                clock.position[0] < clock.steps_per_epoch[0]
            )

        def step(s, numbers, pieces):
            return s + 1, *gradient_step(table, orders[s], columns, numbers, pieces)

        def epoch(s, e, numbers, pieces, best, curves):
            s, numbers, pieces = tf.while_loop(goes_on, step, (s, numbers, pieces))
            old = _split(numbers)
            clock, _, hyper, progress, sums = old
            is_over = clock.position == clock.steps_per_epoch
            loss_mean = sums.loss / sums.rows
            validation_loss = score = tf.fill([shape.height], tf.constant(np.nan, tf.float64))
            if shape.n_blocks:
                parameters = [values for values, *_ in pieces]
                layers = layers_of(parameters, layout)
                validation_loss, score = validate(validation_table, validation_orders, numbers, layers)
            after, improved = _end_of_epoch(progress, hyper, loss_mean, score)
            if shape.n_blocks:
                best = tf.where((is_over & improved)[:, None], tf.concat(parameters, axis=1), best)
            row = Curves(
                loss_mean, sums.correct / sums.weight, after.learning_rate, validation_loss, score
            )
            curves = curves.write(e, tf.stack(row))
            zero = tf.zeros_like(clock.position)
            new = old._replace(
                clock=clock._replace(position=zero), progress=after, sums=Sums(zero, zero, zero, zero)
            )
            numbers = tf.where(is_over, _updated(numbers, old, new), numbers)
            e += tf.cast(is_over[0], tf.int32)
            return s, e, numbers, pieces, best, curves

        def has_steps(s, e, numbers, *_):
            clock, _, _, progress, _ = _split(numbers)
            return (tf.cast(s, tf.float64) < clock.n_steps[0]) & tf.reduce_any(progress.active > 0)

        curves = tf.TensorArray(
            tf.float64, shape.steps, element_shape=[len(Curves._fields), shape.height]
        )
        # A piece is a part of the parameters, with that of every slot.
        vectors = state.parameters, *state.slots
        pieces = tuple(zip(*(cut(vector, layout) for vector in vectors)))
        _, _, numbers, pieces, best, curves = tf.while_loop(
            has_steps, epoch, (0, 0, state.numbers, pieces, state.best, curves)
        )
        parameters, *slots = (tf.concat(parts, axis=1) for parts in zip(*pieces))
        return curves.stack(), State(numbers, parameters, tuple(slots), best)

    return program


def _split(numbers):
    """`Numbers` of an array of them."""
    return Numbers(*(part(*tf.unstack(numbers[rows])) for part, rows in zip(_PARTS, ROWS)))


def _updated(numbers, old, new):
    """The array `numbers`, whose `_split` is `old`, with what differs in `new`.

    It is made by selection, which XLA does in one kernel, unlike stacking.
    """
    row = tf.range(numbers.shape[0])[:, None]
    before, after = ([number for part in parts for number in part] for parts in (old, new))
    for i, (a, b) in enumerate(zip(before, after)):
        if a is not b:
            numbers = tf.where(row == i, b, numbers)
    return numbers


def cut(vectors, layout):
    """The pieces `(K, n)` of flat `(K, n_parameters)`."""
    return tf.split(vectors, [sum(sizes) for sizes in layout.pieces], axis=1)


def layers_of(pieces, layout):
    """Kernels `(K, fan_in, fan_out)` and biases `(K, 1, fan_out)` of the pieces of the parameters."""
    parts = [
        part for piece, sizes in zip(pieces, layout.pieces) for part in tf.split(piece, sizes, axis=1)
    ]
    depth = len(layout.kernel_shapes)
    return [
        (tf.reshape(kernel, [-1, *shape]), tf.expand_dims(bias, 1))
        for kernel, bias, shape in zip(parts[:depth], parts[depth:], layout.kernel_shapes)
    ]


def _end_of_epoch(progress, hyper, loss, score):
    """MLPClassifier's stopping rule and schedules: the progress after an epoch, and who improved.

    A loss or score that is not a number compares false, so it resets the patience, as there.
    """
    early = hyper.early_stopping > 0
    value = tf.where(early, score, loss)
    no_gain = tf.where(early, score < progress.best + hyper.tol, loss > progress.best - hyper.tol)
    improved = tf.where(early, score > progress.best, loss < progress.best)
    no_improvement = tf.where(no_gain, progress.no_improvement + 1, 0)
    samples_seen = progress.samples_seen + hyper.n_samples
    learning_rate = tf.where(
        hyper.schedule == Schedule.INVSCALING,
        hyper.learning_rate_init / (samples_seen + 1) ** hyper.power_t,
        progress.learning_rate,
    )
    exhausted = no_improvement > hyper.patience
    slower = exhausted & (hyper.schedule == Schedule.ADAPTIVE) & (learning_rate > 1e-6)
    converged = exhausted & ~slower
    epochs = progress.epochs + 1
    after = Progress(
        learning_rate=tf.where(slower, learning_rate / 5, learning_rate),
        step=progress.step,
        best=tf.where(improved, value, progress.best),
        no_improvement=tf.where(~slower, no_improvement, 0),
        samples_seen=samples_seen,
        epochs=epochs,
        active=tf.cast(~converged & (epochs < hyper.max_epochs), tf.float64),
        converged=tf.cast(converged, tf.float64),
    )
    active = progress.active > 0
    after = Progress(*(tf.where(active, new, old) for new, old in zip(after, progress)))
    return after, active & early & improved
