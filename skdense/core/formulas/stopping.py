"""The end of an epoch: MLPClassifier's stopping rule, and the learning rate of the next epoch."""

from skdense.core.formulas.schedules import SCHEDULES, SLOWDOWN, SMALLEST_RATE
from skdense.core.machine.tensorflow import tf
from skdense.core.numbers import Hyper, Progress, Tensor


def end_epoch(
    now: Progress, hyper: Hyper, optimizer: str, loss: Tensor, score: Tensor | None
) -> tuple[Progress, Tensor]:
    """The progress after an epoch, and whether its validation score is the best so far.

    The score is None where there is no validation. A loss or score that is NaN resets the count of
    epochs without improvement, as in MLPClassifier, because comparisons with it are false.
    """
    value, no_gain, improved = loss, loss > now.best - hyper.tol, loss < now.best
    early = tf.constant(False)
    if score is not None:
        early = hyper.early_stopping > 0
        value = tf.where(early, score, value)
        no_gain = tf.where(early, score < now.best + hyper.tol, no_gain)
        improved = tf.where(early, score > now.best, improved)
    no_improvement = tf.where(no_gain, now.no_improvement + 1, 0)
    samples_seen = now.samples_seen + hyper.n_samples
    learning_rate, slows_down = _scheduled(now, hyper, optimizer, samples_seen)
    exhausted = no_improvement > hyper.patience
    slower = slows_down & exhausted & (learning_rate > SMALLEST_RATE)
    converged = exhausted & ~slower
    epochs = now.epochs + 1
    after = Progress(
        learning_rate=tf.where(slower, learning_rate / SLOWDOWN, learning_rate),
        step=now.step,
        best=tf.where(improved, value, now.best),
        no_improvement=tf.where(~slower, no_improvement, 0),
        samples_seen=samples_seen,
        epochs=epochs,
        active=tf.cast(~converged & (epochs < hyper.max_epochs), tf.float64),
        converged=tf.cast(converged, tf.float64),
    )
    return after, early & improved


def _scheduled(
    now: Progress, hyper: Hyper, optimizer: str, samples_seen: Tensor
) -> tuple[Tensor, Tensor]:
    """The rate by the network's schedule, and whether that one slows down at a plateau."""
    scheduled, slows_down = now.learning_rate, tf.constant(False)
    for schedule in SCHEDULES.values():
        if optimizer in schedule.ignored_by:
            continue
        chosen = hyper.schedule == schedule.number
        if schedule.after_epoch is not None:
            scheduled = tf.where(chosen, schedule.after_epoch(samples_seen, hyper), scheduled)
        if schedule.slows_down:
            slows_down |= chosen
    return scheduled, slows_down
