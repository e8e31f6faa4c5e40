"""The end of an epoch: MLPClassifier's stopping rule, and the learning rate of the next epoch."""

from skdense.core.formulas.schedules import SCHEDULES, SLOWDOWN, SMALLEST_RATE
from skdense.core.machine.runtime import tf
from skdense.core.network import Progress


def end_epoch(now, loss, score):
    """The progress after an epoch with this loss and validation score, and which scores are the best.

    `now` has the numbers of `Progress` and of `Hyper` as attributes. A loss or score that is NaN resets
    the count of epochs without improvement, as in MLPClassifier, because comparisons with it are false.
    """
    early = now.early_stopping > 0
    value = tf.where(early, score, loss)
    no_gain = tf.where(early, score < now.best + now.tol, loss > now.best - now.tol)
    improved = tf.where(early, score > now.best, loss < now.best)
    no_improvement = tf.where(no_gain, now.no_improvement + 1, 0)
    samples_seen = now.samples_seen + now.n_samples
    learning_rate, slows_down = _scheduled(now, samples_seen)
    exhausted = no_improvement > now.patience
    slower = exhausted & slows_down & (learning_rate > SMALLEST_RATE)
    converged = exhausted & ~slower
    epochs = now.epochs + 1
    after = Progress(
        learning_rate=tf.where(slower, learning_rate / SLOWDOWN, learning_rate),
        step=now.step,
        best=tf.where(improved, value, now.best),
        no_improvement=tf.where(~slower, no_improvement, 0),
        samples_seen=samples_seen,
        epochs=epochs,
        active=tf.cast(~converged & (epochs < now.max_epochs), tf.float64),
        converged=tf.cast(converged, tf.float64),
    )
    active = now.active > 0
    after = {name: tf.where(active, new, getattr(now, name)) for name, new in after._asdict().items()}
    return Progress(**after), active & early & improved


def _scheduled(now, samples_seen):
    """The rate by each network's schedule, and whether that one slows down at a plateau."""
    scheduled = now.learning_rate
    slows_down = tf.zeros_like(scheduled, tf.bool)
    for schedule in SCHEDULES.values():
        chosen = now.schedule == schedule.number
        if schedule.after_epoch is not None:
            scheduled = tf.where(chosen, schedule.after_epoch(samples_seen, now), scheduled)
        if schedule.slows_down:
            slows_down |= chosen
    return scheduled, slows_down
