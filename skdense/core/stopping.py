"""The end of an epoch: MLPClassifier's stopping rule, and the learning rate of the next epoch."""

from skdense.core.network import Progress
from skdense.core.runtime import tf
from skdense.core.schedules import SCHEDULES, SLOWDOWN, SMALLEST_RATE


def end_epoch(progress, hyper, loss, score):
    """The progress after an epoch of this loss and validation score, and whose best score it is.

    A loss or score that is not a number compares false, so it resets the patience, as there.
    """
    early = hyper.early_stopping > 0
    value = tf.where(early, score, loss)
    no_gain = tf.where(early, score < progress.best + hyper.tol, loss > progress.best - hyper.tol)
    improved = tf.where(early, score > progress.best, loss < progress.best)
    no_improvement = tf.where(no_gain, progress.no_improvement + 1, 0)
    samples_seen = progress.samples_seen + hyper.n_samples
    learning_rate, slows_down = _scheduled(progress.learning_rate, samples_seen, hyper)
    exhausted = no_improvement > hyper.patience
    slower = exhausted & slows_down & (learning_rate > SMALLEST_RATE)
    converged = exhausted & ~slower
    epochs = progress.epochs + 1
    after = Progress(
        learning_rate=tf.where(slower, learning_rate / SLOWDOWN, learning_rate),
        step=progress.step,
        best=tf.where(improved, value, progress.best),
        no_improvement=tf.where(~slower, no_improvement, 0),
        samples_seen=samples_seen,
        epochs=epochs,
        active=tf.cast(~converged & (epochs < hyper.max_epochs), tf.float64),
        converged=tf.cast(converged, tf.float64),
    )
    active = progress.active > 0
    after = Progress(*(tf.where(active, new, before) for new, before in zip(after, progress)))
    return after, active & early & improved


def _scheduled(rate, samples_seen, hyper):
    """The rate that each network's schedule gives, and whether it slows down at a plateau."""
    scheduled, slows_down = rate, tf.zeros_like(rate, tf.bool)
    for schedule in SCHEDULES.values():
        chosen = hyper.schedule == schedule.number
        if schedule.after_epoch is not None:
            scheduled = tf.where(chosen, schedule.after_epoch(samples_seen, hyper), scheduled)
        if schedule.slows_down:
            slows_down |= chosen
    return scheduled, slows_down
