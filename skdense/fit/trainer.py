"""Who trains the networks of fits: each fit itself, or a trainer that joins them with others."""

from contextlib import contextmanager
from contextvars import ContextVar

_trainer = ContextVar("trainer", default=None)

interrupts_raise = ContextVar("interrupts_raise", default=False)
"""Whether Ctrl-C during a training raises, instead of keeping what was reached."""


def active_trainer():
    """The trainer of all fits in this context, or None if they train by themselves.

    Its method `train(jobs, trained=None)` returns when the networks of these jobs are trained, and
    calls `trained` with each job as it is. Its event `stop` is set when the fits are to end without a
    result; `train` then raises KeyboardInterrupt.
    """
    return _trainer.get()


@contextmanager
def trained_by(trainer):
    """Let this trainer train whatever is fitted in the block."""
    token = _trainer.set(trainer)
    try:
        yield
    finally:
        _trainer.reset(token)
