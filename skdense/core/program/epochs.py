"""The training program: a chunk of minibatch gradient steps of one network, epoch by epoch.

There is one program for each `Spec` and `Shape`. Everything else is an argument. The same in plain
TensorFlow, without weights of samples, and with the names of this file:

    for rows in order:                                              # `_Body.step`
        inputs, targets = tf.gather(X, rows), tf.gather(y, rows)    # `gather` of stores.py
        with tf.GradientTape() as tape:                             # `Objective.gradients`
            logits = layer2(layer1(inputs))                         # `forward`, `Dense.__call__`
            loss = tf.reduce_mean(loss_of(targets, logits))         # losses.py
            loss += alpha * tf.nn.l2_loss(kernels) / len(rows)      # `Objective.penalty`
        for w, gradient in zip(parameters, tape.gradient(loss, parameters)):
            w.assign_sub(learning_rate * gradient)                  # `Chain.update` of optimizers.py
    n_worse = n_worse + 1 if loss > best - tol else 0               # `_Body.end_epoch`, schedules.py
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdense.core.formulas.layers import Drop, dropper, forward
from skdense.core.formulas.losses import LOSSES, NEGATIVE_LOSS
from skdense.core.formulas.optimizers import Chain, allowed_settings
from skdense.core.formulas.schedules import lr_factor, progress_after_epoch, with_schedule_number
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Curves, Hyper, Progress, Settings, Spec, Tensor
from skdense.core.program.layout import Layout
from skdense.core.program.stores import Minibatch, StoreShape, gather, signature


class Shape(NamedTuple):
    """The sizes for which a program is compiled; together with its spec, the key to it.

    `steps` is the most steps of a chunk, and `batch` the number of rows in a minibatch. `block` is the
    number of validation rows that are read at a time, and `n_blocks` the most such blocks that there
    are, both 0 without validation.
    """

    steps: int
    batch: int
    layout: Layout
    training: StoreShape
    validation: StoreShape | None
    block: int
    n_blocks: int


def training_program(spec: Spec, shape: Shape) -> tuple[Callable, tuple]:
    """The function of a program, and the TensorSpecs of its arguments, for `program_of`.

    These are what to train on and what to validate on, each a store, and the rows of it to gather,
    int32 `(steps, batch)` and `(n_blocks, block)`; the seed and the rate of each hidden layer for
    dropout, or (); the constants, see `constants_of`; the `Scalars`; the vectors of the parameters and
    of each of the optimizer's slots; and that of the parameters of the best validation score so far,
    which changes only with early stopping, and is empty without validation.

    It returns the curves `(steps, n_curves)`, the new scalars, the new vectors and the new best vector.
    The curves are the fields of `Curves`, the last two of them NaN without validation.
    """
    vector = tf.TensorSpec([shape.layout.n_parameters], spec.dtype)
    validation_store = signature(shape.validation, spec.dtype) if shape.validation else ()
    arguments = (
        (signature(shape.training, spec.dtype), tf.TensorSpec([shape.steps, shape.batch], tf.int32)),
        (validation_store, tf.TensorSpec([shape.n_blocks, shape.block], tf.int32)),
        tf.TensorSpec([len(shape.layout.layers)], tf.float64) if spec.drops else (),
        tf.TensorSpec([N_NUMBERS + len(setting_names(spec))], tf.float64),
        tf.TensorSpec([N_SCALARS], tf.float64),
        (vector,) * (1 + Chain(spec).n_slots),
        vector if shape.n_blocks else tf.TensorSpec([0], spec.dtype),
    )

    def run(*tensors: Any) -> tuple:
        *unchanged, scalars, vectors, best_vector = tensors
        return _Body(spec, shape, *unchanged).run(scalars, vectors, best_vector)

    return run, arguments


@dataclass
class _Body:
    """The functions of a program, from the whole chunk down to a step, with what they do not change.

    There is an object only while the program is traced. Its loops carry the scalars, the pieces of the
    parameters, and those of each of the slots.
    """

    spec: Spec
    shape: Shape
    to_train: tuple
    to_validate: tuple
    dropout: Any
    constants: Tensor

    def __post_init__(self) -> None:
        self.dtype, self.layout = tf.as_dtype(self.spec.dtype), self.shape.layout
        self.chain, self.objective = Chain(self.spec), Objective(self.spec, self.layout)

    def run(self, scalars: Tensor, vectors: Sequence[Tensor], best_vector: Tensor) -> tuple:
        """Run the steps of a chunk; after each epoch, validate and see whether the network stops."""

        def step_follows(scalars: Tensor, *others: Any) -> Tensor:
            n_steps, hyper, _ = self.constant_values()
            counters = unpack_scalars(scalars).counters
            return (counters.steps < n_steps) & (counters.position < hyper.steps_per_epoch)

        def epoch_follows(scalars: Tensor, *others: Any) -> Tensor:
            n_steps, _, _ = self.constant_values()
            counters, progress, _ = unpack_scalars(scalars)
            return (counters.steps < n_steps) & (progress.active > 0)

        def epoch(scalars: Tensor, all_pieces: tuple, best_pieces: tuple, curves: Tensor) -> tuple:
            number = tf.cast(unpack_scalars(scalars).counters.epochs, tf.int32)
            scalars, all_pieces = tf.while_loop(step_follows, self.step, (scalars, all_pieces))
            pieces, *_ = all_pieces
            scalars, is_best = self.end_epoch(scalars, pieces)
            best_pieces = tuple(tf.where(is_best, new, old) for new, old in zip(pieces, best_pieces))
            return scalars, all_pieces, best_pieces, curves.write(number, scalars[-n_curves:])

        n_curves = len(Curves._fields)
        curves = tf.TensorArray(tf.float64, self.shape.steps, element_shape=[n_curves])
        all_pieces = tuple(tuple(self.layout.cut(vector)) for vector in vectors)
        best_pieces = tuple(self.layout.cut(best_vector)) if self.shape.n_blocks else ()
        variables = scalars, all_pieces, best_pieces, curves
        scalars, all_pieces, best_pieces, curves = tf.while_loop(epoch_follows, epoch, variables)
        vectors = [tf.concat(pieces, axis=0) for pieces in all_pieces]
        if best_pieces:
            best_vector = tf.concat(best_pieces, axis=0)
        return curves.stack(), scalars, vectors, best_vector

    def step(self, scalars: Tensor, all_pieces: tuple) -> tuple:
        """A gradient step on the next minibatch: the scalars and the pieces after it.

        If the minibatch has no weight, the step is not effective: it only counts as passed.
        """
        # Counting and learning rates need float64; what computes with parameters needs their dtype.
        _, hyper, settings = self.constant_values()
        _, hyper_in_dtype, _ = self.constant_values(self.dtype)
        counters, progress, _ = unpack_scalars(scalars)
        store, orders = self.to_train
        rows = tf.gather(orders, tf.cast(counters.steps, tf.int32))
        # The number of rows that are not padding.
        n_real = tf.minimum(hyper.n_samples - counters.position * hyper.batch_size, hyper.batch_size)
        minibatch = gather(store, self.shape.training, rows, n_real)
        pieces, *slots = all_pieces
        drop = dropper(self.dropout, progress.step) if self.spec.drops else None

        sums, gradients = self.objective.gradients(minibatch, pieces, hyper_in_dtype, drop)
        penalty, penalty_gradients = self.objective.penalty(pieces, hyper_in_dtype.alpha)
        effective = sums.weight > 0
        divisor = tf.where(effective, sums.weight, 1)
        mean_over = tf.cast(divisor, self.dtype)
        pairs = zip(gradients, penalty_gradients, strict=True)
        gradients = [(a + b) / mean_over for a, b in pairs]
        rate = progress.learning_rate
        if self.spec.lr_by_step:
            rate *= lr_factor(progress.step, hyper, settings)
        penalized = [*self.layout.penalized(pieces)]
        # XLA copies each array once in a step, as several loops of XLA's code read what one overwrites.
        # This takes about 5 % of a step of (512, 512), and nothing measurable up to (256, 256).
        changes, slots = self.chain.update(
            gradients, slots, penalized, rate, progress.step + 1, settings
        )
        changed = [a + b for a, b in zip(pieces, changes, strict=True)]

        # Multiplying the change by zero would not do: an infinite gradient would become NaN.
        all_pieces = tf.nest.map_structure(
            lambda new, old: tf.where(effective, new, old), (tuple(changed), *slots), all_pieces
        )
        loss = (sums.loss + penalty) / divisor * n_real
        correct = sums.terms[0] if sums.terms else 0.0
        passed = Counters(steps=1.0, position=1.0)
        counted = passed._replace(loss=loss, n_samples=n_real, correct=correct, weight=sums.weight)
        unchanged = Progress(*[0.0] * len(Progress._fields))
        added = packed(counted, unchanged._replace(step=1.0), Curves())
        return scalars + tf.where(effective, added, packed(passed, unchanged, Curves())), all_pieces

    def end_epoch(self, scalars: Tensor, pieces: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The scalars after the epoch, and whether early stopping finds it the best so far.

        The scalars are as they were if the chunk has run only a part of the epoch.
        """
        _, hyper, settings = self.constant_values()
        counters, progress, _ = unpack_scalars(scalars)
        is_over = counters.position == hyper.steps_per_epoch
        loss, accuracy = counters.loss / counters.n_samples, counters.correct / counters.weight
        validation_loss, score = float("nan"), None
        if self.shape.n_blocks:
            validation_loss, score = self.validate(is_over, pieces)
        validation_score = float("nan") if score is None else score
        progress, is_best = progress_after_epoch(progress, hyper, settings, loss, score)
        progress = Progress(*(tf.cast(value, tf.float64) for value in progress))
        point = Curves(loss, accuracy, progress.learning_rate, validation_loss, validation_score)
        counters = Counters(steps=counters.steps, epochs=counters.epochs + 1)
        return tf.where(is_over, packed(counters, progress, point), scalars), is_over & is_best

    def validate(self, is_over: Tensor, pieces: Sequence[Tensor]) -> tuple:
        """The mean loss and the score on the validation rows, if the epoch is over."""
        (store, rows), shape, metric = self.to_validate, self.shape, self.objective.metric
        store_shape: Any = shape.validation  # only programs with validation call this
        shift = tf.gather(store[-1], rows[0, 0])[:-1]  # the last column has the weights

        def add_block(b: Tensor, sums: Tensor) -> tuple:
            _, hyper, _ = self.constant_values()
            _, hyper_in_dtype, _ = self.constant_values(self.dtype)
            n_real = hyper.n_validation - tf.cast(b * shape.block, tf.float64)
            minibatch = gather(store, store_shape, tf.gather(rows, b), n_real)
            return b + 1, sums + self.objective.validation_sums(
                minibatch, pieces, hyper_in_dtype, shift
            )

        n_terms = len(metric.terms(shift[None], shift[None], shift))
        sums = tf.zeros([n_terms + 2], tf.float64)
        if shape.n_blocks == 1:  # no loop is needed; the block is read even if the epoch is not over
            _, sums = add_block(0, sums)
        else:
            n_blocks = tf.where(is_over, -(-self.constant_values()[1].n_validation // shape.block), 0)
            n_blocks = tf.cast(n_blocks, tf.int32)
            _, sums = tf.while_loop(lambda b, sums: b < n_blocks, add_block, (0, sums))
        sums = BatchSums.split(sums)
        return sums.loss / sums.weight, metric.value(sums)

    def constant_values(self, dtype: Any = "float64") -> tuple[Any, Hyper, Settings]:
        """The constants, with the number of steps first, as scalars of this dtype.

        Call this inside the loop body. XLA drops unused values there; a value unpacked before the loop
        becomes a loop variable.
        """
        values = iter(tf.unstack(tf.cast(self.constants, dtype)))
        n_steps, *numbers = islice(values, N_NUMBERS)
        return n_steps, Hyper(*numbers), dict(zip(setting_names(self.spec), values, strict=True))


# --- what training minimizes: the weighted mean of the losses, plus the L2 penalty --------------------


class BatchSums(NamedTuple):
    """Weighted sums over a minibatch, or over all validation rows; scalars, but `terms` is a list."""

    loss: Any
    terms: list
    weight: Any

    @classmethod
    def split(cls, sums: Tensor) -> "BatchSums":
        """Those in a vector of the loss, the terms and the weight."""
        loss, *terms, weight = tf.unstack(sums)
        return cls(loss, terms, weight)


class Objective:
    """The objective of networks with one spec and this layout.

    Parameters come as the pieces of the layout, so that a gradient is one vector for each piece.
    """

    def __init__(self, spec: Spec, layout: Layout):
        self.layout = layout
        self.loss = LOSSES[spec.target_type][spec.loss]
        self.smooths = spec.smooths
        self.metric = NEGATIVE_LOSS if spec.scores_loss else self.loss.metric

    def gradients(
        self, minibatch: Minibatch, pieces: Sequence, hyper: Hyper, drop: Drop | None = None
    ) -> tuple[BatchSums, list]:
        """`BatchSums`, and the gradient of the weighted sum of losses, by piece.

        hyper is in the dtype of the parameters. The sums have one term, the weights of the correct
        predictions, or none for a loss of regression.
        """
        smoothing = [hyper.label_smoothing] if self.smooths else []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(pieces)
            logits, losses = self._losses(minibatch, pieces, hyper, *smoothing, drop=drop)
            total = tf.reduce_sum(minibatch.weights * losses)
        gradients = tape.gradient(total, pieces)
        terms = []
        if self.loss.correct is not None:
            terms = [tf.cast(self.loss.correct(minibatch.targets, logits), losses.dtype)]
        return BatchSums.split(_sums(minibatch, losses, terms)), gradients

    def validation_sums(
        self, minibatch: Minibatch, pieces: Sequence, hyper: Hyper, shift: Tensor
    ) -> Tensor:
        """`BatchSums` with the metric's terms, as one vector that can be added up.

        Dropout, the penalty and smoothed labels are for training alone, so they are left out.
        """
        logits, losses = self._losses(minibatch, pieces, hyper)
        return _sums(minibatch, losses, self.metric.terms(minibatch.targets, logits, shift))

    def _losses(
        self, minibatch: Minibatch, pieces: Sequence, hyper: Hyper, *smoothing: Tensor, drop: Any = None
    ) -> tuple[Tensor, Tensor]:
        """The logits and the losses."""
        parameters = self.layout.layer_parameters(pieces, minibatch.weights.shape[0])
        logits = forward(self.layout.layers, parameters, minibatch.inputs, drop)
        number = [hyper.loss_number] if self.loss.number_name else []
        return logits, self.loss.per_sample(minibatch.targets, logits, *number, *smoothing)

    def penalty(self, pieces: Sequence, alpha: Tensor) -> tuple[Any, list]:
        """The sum of squared penalized parameters times alpha / 2, in float64, and its gradient."""
        value, gradients = 0.0, []
        for penalized in self.layout.penalized(pieces):
            gradients.append(alpha * penalized)
            value += tf.cast(tf.reduce_sum(gradients[-1] * penalized), tf.float64) / 2
        return value, gradients


def _sums(minibatch: Minibatch, losses: Tensor, terms: list) -> Tensor:
    # XLA compiles one product with the weights to one loop, but each reduction to its own.
    summands = tf.stack([losses, *terms, tf.ones_like(losses)], axis=-1)
    weights = tf.reshape(minibatch.weights, [1, -1])
    return tf.cast(tf.squeeze(weights @ summands, axis=0), tf.float64)


# --- the scalars of a training, packed into vectors --------------------------------------------------

# The constants, which are the number of steps to run, `Hyper` and `Settings`, stay as they are in a
# call. `Scalars` change, and a program returns them. Packed, they are changed by one loop, and a
# loop takes about 10 ms to compile; and each argument of a program takes as long as some steps of a
# small network.


class Counters(NamedTuple):
    """The steps and the epochs done in this call, the steps done in this epoch, and sums over them.

    `loss` is the sum of each minibatch's mean loss times its samples.
    """

    steps: Any = 0.0
    epochs: Any = 0.0
    position: Any = 0.0
    loss: Any = 0.0
    n_samples: Any = 0.0
    correct: Any = 0.0
    weight: Any = 0.0


class Scalars(NamedTuple):
    """All that changes, in the order of the vector; `point` is the last epoch's of each curve."""

    counters: Counters
    progress: Progress
    point: Curves


N_NUMBERS = 1 + len(Hyper._fields)
"""How many of the constants are no settings."""
_SCALARS: tuple[Any, ...] = (Counters, Progress, Curves)
N_SCALARS = sum(len(kind._fields) for kind in _SCALARS)


def setting_names(spec: Spec) -> list[str]:
    """The names of the settings in the order of their vector, which has the number of the schedule."""
    return ["schedule_number", *allowed_settings(spec.solver)]


def constants_of(spec: Spec, n_steps: int, hyper: Hyper, settings: Settings) -> NDArray:
    """The vector of the constants."""
    numbers = with_schedule_number(settings)
    return np.array([n_steps, *hyper, *(numbers[name] for name in setting_names(spec))], np.float64)


def split_scalars(values: Sequence) -> Scalars:
    """The scalars from a sequence of them."""
    left = iter(values)
    return Scalars(*(kind(*islice(left, len(kind._fields))) for kind in _SCALARS))


def unpack_scalars(vector: Tensor) -> Scalars:
    """The scalars in a tensor."""
    return split_scalars(tf.unstack(vector))


def packed(*scalars: tuple) -> Tensor:
    """The tensor of `Scalars` from its three records, of scalar tensors and floats.

    XLA makes one loop of this chain of selections. Of `tf.stack` it makes a loop for each scalar
    besides.
    """
    values = [value for record in scalars for value in record]
    floats = [value if isinstance(value, float) else 0.0 for value in values]
    vector = tf.constant(floats, tf.float64)
    for place, value in enumerate(values):
        if not isinstance(value, float):
            vector = tf.where(np.arange(len(values)) == place, value, vector)
    return vector
