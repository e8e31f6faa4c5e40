"""The compiled training program: epochs of minibatch gradient steps of a stack of networks.

There is one program for each `Spec` and `Shape`, shared by the whole process. TensorFlow never frees a
compiled program, so both are made of few values: everything else is an argument.
"""

import threading
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from skdense.core.activations import tensor_activation
from skdense.core.layers import forward
from skdense.core.losses import LOSSES
from skdense.core.optimizers import OPTIMIZERS
from skdense.core.runtime import tf
from skdense.core.stack import Curves, Hyper, Layout, Progress, Schedule
from skdense.core.tables import minibatch, signature

_lock = threading.Lock()


class Clock(NamedTuple):
    """Where a call begins: how many steps to run, and the place in the epoch, int32."""

    n_steps: Any
    steps_per_epoch: Any
    position: Any
    n_blocks: Any


class Sums(NamedTuple):
    """What adds up over an epoch's minibatches, float64 `(K,)`: losses count by rows."""

    loss: Any
    rows: Any
    correct: Any
    weight: Any


class State(NamedTuple):
    """What goes into a call and comes out of it.

    progress `(n_fields, K)`, sums `(n_fields, K)`, parameters `(K, n_parameters)`, slots a tuple of
    such arrays, and best, the parameters of the best validation score or a `(K, 0)` array.
    """

    progress: Any
    sums: Any
    parameters: Any
    slots: tuple
    best: Any


def compiled(spec, shape):
    """The program of this spec and shape, compiled at its first call.

    It is called with a clock, the table, the orders, the validation table and its orders, the shifts
    of both tables, the hypers and a `State`; it returns the place in the epoch, the curves and the new
    state. Orders are row numbers `(steps, K, batch)`, curves `(steps, n_fields, K)`.
    """
    with _lock:
        return _compiled(spec, shape)


def n_compiled():
    """How many programs this process has compiled."""
    return _compiled.cache_info().misses


@cache
def _compiled(spec, shape):
    dtype = tf.as_dtype(spec.dtype)
    height, layout = shape.height, Layout(shape.layer_sizes)
    n_best = layout.n_parameters if shape.n_blocks else 0
    arguments = [
        tf.TensorSpec([len(Clock._fields)], tf.int32),
        signature(shape.table, dtype),
        tf.TensorSpec([shape.steps, height, shape.batch], tf.int32),
        signature(shape.validation, dtype) if shape.validation else (),
        tf.TensorSpec([shape.n_blocks, height, shape.batch], tf.int32),
        tf.TensorSpec([2, height], tf.int32),
        tf.TensorSpec([len(Hyper._fields), height], tf.float64),
        State(
            progress=tf.TensorSpec([len(Progress._fields), height], tf.float64),
            sums=tf.TensorSpec([len(Sums._fields), height], tf.float64),
            parameters=tf.TensorSpec([height, layout.n_parameters], dtype),
            slots=(tf.TensorSpec([height, layout.n_parameters], dtype),)
            * OPTIMIZERS[spec.optimizer].n_slots,
            best=tf.TensorSpec([height, n_best], dtype),
        ),
    ]
    program = tf.function(_training_program(spec, shape), arguments, autograph=False, jit_compile=True)
    return program.get_concrete_function()


def _training_program(spec, shape):
    layout = Layout(shape.layer_sizes)
    activation = tensor_activation(spec.activation)
    loss = LOSSES[spec.loss]
    optimizer = OPTIMIZERS[spec.optimizer]
    dtype = tf.as_dtype(spec.dtype)

    def weighted_sums(weights, losses, correct):
        """Sums over the batch `(K, 3)` in float64: losses, correct predictions, weights."""
        columns = tf.stack([losses, tf.cast(correct, dtype), tf.ones_like(losses)], axis=-1)
        return tf.cast((weights[:, None, :] @ columns)[:, 0], tf.float64)

    def gradient_step(batch, n_real, active, progress, sums, parameters, slots, hyper, columns):
        inputs, targets, weights = batch
        layers = layers_of(parameters, layout)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(layers)
            logits = forward(inputs, layers, activation)
            losses = loss.per_example(targets, logits)
            total = tf.reduce_sum(weights * losses, axis=1)
        gradient = flat(tape.gradient(total, layers))
        loss_sum, correct, weight = tf.unstack(
            weighted_sums(weights, losses, loss.correct(targets, logits)), axis=1
        )
        # The L2 penalty is alpha / 2 times the sum of squared kernels; biases are free.
        is_kernel = tf.range(layout.n_parameters) < layout.n_kernel_entries
        decayed = tf.where(is_kernel, columns.alpha * parameters, 0)
        penalty = tf.cast(tf.reduce_sum(decayed * parameters, axis=1), tf.float64) / 2

        effective = active & (weight > 0)
        divisor = tf.where(effective, weight, 1)
        gradient = (gradient + decayed) / tf.cast(divisor, dtype)[:, None]
        step = progress.step + tf.cast(effective, tf.float64)
        step_size = optimizer.step_size(progress.learning_rate, step, hyper)
        change, new_slots = optimizer.update(
            gradient, slots, tf.cast(step_size, dtype)[:, None], columns
        )
        # A network that has stopped, or whose batch weighs nothing, is left as it was by selection:
        # multiplying the change by zero would turn an infinite gradient into NaN.
        keep = effective[:, None]
        parameters = tf.where(keep, parameters + change, parameters)
        slots = tuple(tf.where(keep, new, old) for new, old in zip(new_slots, slots))
        n_rows = tf.cast(n_real, tf.float64)
        batch_sums = tf.stack([(loss_sum + penalty) / divisor * n_rows, n_rows, correct, weight])
        sums += tf.where(effective, batch_sums, 0)
        return progress._replace(step=step), sums, parameters, slots

    def validate(table, orders, shift, n_blocks, parameters, hyper):
        """The mean loss and accuracy `(K,)` on the validation rows."""
        layers = layers_of(parameters, layout)
        n_left = tf.cast(hyper.n_validation, tf.int32)

        def block(b, sums):
            n_real = n_left - b * shape.batch
            inputs, targets, weights = minibatch(table, shape.validation, orders[b], shift, n_real)
            logits = forward(inputs, layers, activation)
            losses = loss.per_example(targets, logits)
            return b + 1, sums + weighted_sums(weights, losses, loss.correct(targets, logits))

        start = tf.zeros([shape.height, 3], tf.float64)
        _, sums = tf.while_loop(lambda b, sums: b < n_blocks, block, (0, start))
        return sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2]

    def program(clock, table, orders, validation_table, validation_orders, shifts, hyper, state):
        clock = Clock(*tf.unstack(clock))
        hyper = Hyper(*tf.unstack(hyper))
        progress, sums, parameters, slots, best = state
        progress = Progress(*tf.unstack(progress))
        columns = Hyper(*(tf.cast(number, dtype)[:, None] for number in hyper))
        n_samples = tf.cast(hyper.n_samples, tf.int32)
        batch_size = tf.cast(hyper.batch_size, tf.int32)

        def step(s, position, progress, sums, parameters, slots):
            n_real = tf.clip_by_value(n_samples - position * batch_size, 0, batch_size)
            batch = minibatch(table, shape.table, orders[s], shifts[0], n_real)
            active = progress.active > 0
            new = gradient_step(
                batch, n_real, active, progress, sums, parameters, slots, hyper, columns
            )
            return s + 1, position + 1, *new

        def epoch(s, e, position, progress, sums, parameters, slots, best, curves):
            s, position, progress, sums, parameters, slots = tf.while_loop(
                lambda s, position, *_: (s < clock.n_steps) & (position < clock.steps_per_epoch),
                step,
                (s, position, progress, sums, parameters, slots),
            )
            complete = position == clock.steps_per_epoch
            means = Sums(*tf.unstack(sums))
            loss_mean = means.loss / means.rows
            validation_loss = score = tf.fill([shape.height], tf.constant(np.nan, tf.float64))
            if shape.n_blocks:
                n_blocks = tf.where(complete, clock.n_blocks, 0)
                validation_loss, score = validate(
                    validation_table, validation_orders, shifts[1], n_blocks, parameters, hyper
                )
            after, improved = _end_of_epoch(progress, hyper, loss_mean, score)
            if shape.n_blocks:
                best = tf.where((complete & improved)[:, None], parameters, best)
            row = Curves(
                loss_mean, means.correct / means.weight, after.learning_rate, validation_loss, score
            )
            curves = tf.tensor_scatter_nd_update(curves, [[e]], [tf.stack(row)])
            progress = Progress(*(tf.where(complete, a, b) for a, b in zip(after, progress)))
            sums = tf.where(complete, tf.zeros_like(sums), sums)
            position = tf.where(complete, tf.zeros_like(position), position)
            e += tf.cast(complete, tf.int32)
            return s, e, position, progress, sums, parameters, slots, best, curves

        curves = tf.zeros([shape.steps, len(Curves._fields), shape.height], tf.float64)
        _, _, position, progress, sums, parameters, slots, best, curves = tf.while_loop(
            lambda s, e, position, progress, *_: (
                (s < clock.n_steps) & tf.reduce_any(progress.active > 0)
            ),
            epoch,
            (0, 0, clock.position, progress, sums, parameters, slots, best, curves),
        )
        return position, curves, State(tf.stack(progress), sums, parameters, slots, best)

    return program


def layers_of(parameters, layout):
    """Kernels `(K, fan_in, fan_out)` and biases `(K, 1, fan_out)` of flat `(K, n_parameters)`."""
    parts = tf.split(parameters, layout.sizes, axis=1)
    depth = len(layout.kernel_shapes)
    return [
        (tf.reshape(kernel, [-1, *shape]), bias[:, None, :])
        for kernel, bias, shape in zip(parts[:depth], parts[depth:], layout.kernel_shapes)
    ]


def flat(layers):
    """The inverse of `layers_of`."""
    kernels, biases = zip(*layers)
    height = kernels[0].shape[0]
    return tf.concat([tf.reshape(part, [height, -1]) for part in kernels + biases], axis=1)


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
