"""Who trains the networks of fits: each fit its own, or a trainer that joins those of many fits."""

from contextvars import ContextVar

_trainer = ContextVar("trainer", default=None)


def active_trainer():
    """The trainer of all fits in this context, or None if they train by themselves.

    Its method `train(jobs, trained=None)` returns when the networks of these jobs are trained, and
    calls `trained` with each job as it is. Its event `stop` is set when the fits are to end without a
    result; `train` then raises KeyboardInterrupt.
    """
    return _trainer.get()


def is_stopped():
    """Whether the fits in this context are to end without a result."""
    trainer = active_trainer()
    return trainer is not None and trainer.stop.is_set()


def set_trainer(trainer):
    """Let this trainer train whatever is fitted in this context from now on."""
    _trainer.set(trainer)
