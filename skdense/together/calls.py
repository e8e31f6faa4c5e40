"""Calls of `joblib.Parallel` and their tasks, each of which runs in a thread of its own."""

import threading
import time
from collections import deque
from contextvars import copy_context
from warnings import catch_warnings

from skdense.fit.trainer import set_trainer

_JOIN_SECONDS = 0.4
"""How long an abort waits for its threads, which cannot be stopped outside of the training."""


_here = threading.local()


def current_task():
    """The task that runs in this thread, or None."""
    return getattr(_here, "task", None)


class Task:
    """A function that a `Call` runs in a thread, and the trainer of all that the function fits.

    `error` is what the function has raised. joblib removes the traceback of an error, so `traceback`
    keeps it.
    """

    def __init__(self, call, function, callback):
        self.call, self.function, self.callback = call, function, callback
        self.context = copy_context()  # with the caller's numpy.errstate
        self.stop = call.stop  # the event that is set when nobody waits for this task any more
        self.is_over = False
        self.result = self.error = self.traceback = None
        self.thread = threading.Thread(target=self._run, name="skdense task", daemon=True)

    def _run(self):
        _here.task = self
        try:
            self.context.run(set_trainer, self)
            self.result = self.context.run(self.function)
        except BaseException as error:
            self.error, self.traceback = error, error.__traceback__
        self.function = self.context = None
        # The core is free before joblib's callback runs the generator of tasks, which may itself fit.
        self.call.meeting.leave(self)
        self.call.report(self)

    def hand_over(self):
        """Call joblib's callback, once, and keep no reference to it."""
        with self.call.meeting.lock:
            callback, self.callback = self.callback, None
        if callback is not None:
            callback(self)

    def train(self, jobs, trained=None):
        """Wait until these jobs are trained, together with those of other tasks."""
        self.call.meeting.train(self, jobs, trained)
        return False


class Call:
    """One call of `Parallel`, and its tasks.

    `caller` is the task that makes the call, or None outside of any task. The call is a context: joblib
    waits for results in it, and when it ends, the error of a task gets its traceback back.

    Attributes
    ----------
    around : tuple of Call
        The calls within whose tasks this one is made, from the outermost in.
    pending, running : deque and set of Task
        The tasks that have not begun, and those that have begun and are not over.
    stop : threading.Event
        Set when nobody waits for the results any more, of this call or of one around it.
    has_own_slot : bool
        Whether one of its tasks may begin even if no core is idle. Set once the call has been stuck.
    """

    def __init__(self, meeting, caller, n_jobs, raise_early_error):
        self.meeting, self.caller, self.n_jobs = meeting, caller, n_jobs
        self.raise_early_error = raise_early_error
        self.around = () if caller is None else (*caller.call.around, caller.call)
        self.pending, self.running = deque(), set()
        self.unreported = []  # in the order in which tasks were handed out
        self.stop = threading.Event()
        self.has_failed = self.has_own_slot = False
        self.waiter = None

    def __enter__(self):
        # joblib would lose an error of the generator of tasks if all earlier tasks were over.
        try:
            self.raise_early_error()
        except BaseException as error:
            raise error.with_traceback(self._traceback_of(error)) from None
        self.waiter = current_task()
        self.meeting.leave(self.waiter)

    def __exit__(self, kind, error, traceback):
        if self.waiter is current_task():  # a generator of results may end in another thread
            self.meeting.come_back(self.waiter)
        if error is None:
            self.raise_early_error()
        else:
            error.__traceback__ = self._traceback_of(error)

    def _traceback_of(self, error):
        """The traceback of an error, or that which a task of this call had when it raised it."""
        task = next((task for task in self.unreported if task.error is error), None)
        return error.__traceback__ if task is None else task.traceback

    @property
    def can_start(self):
        """Whether a task may begin. After an error none does, as in sequential execution."""
        return bool(self.pending) and len(self.running) < self.n_jobs and not self.has_failed

    @property
    def is_stuck(self):
        """Whether a call within a task has tasks to begin, but none that is running."""
        return self.caller is not None and self.can_start and not self.running

    def report(self, task):
        """Tell joblib that a task is over.

        An error is reported only when all tasks before it are over without one. So the error that is
        raised is the first in the order of the tasks, not in time.
        """
        with self.meeting.lock:
            task.is_over = True
            self.has_failed |= task.error is not None
            over = [task] if task.error is None or self.stop.is_set() else []
            self.unreported = [other for other in self.unreported if other not in over]
            if self.unreported and self.unreported[0].is_over:
                over.append(self.unreported[0])
        for each in over:
            each.hand_over()
        with self.meeting.lock:
            self.running.discard(task)
            self.meeting.note_change()

    def abort(self):
        """Stop all tasks, those of calls within included, and wait a little for their threads."""
        unstarted, threads = self.meeting.abort(self)
        for task in unstarted:
            end_unstarted(task)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))


def end_unstarted(task):
    """End a task that will not begin, because its call was aborted."""
    task.is_over, task.error = True, KeyboardInterrupt()
    task.hand_over()


class Filters:
    """Keeps the filters of warnings while calls are running, and restores them after the last.

    scikit-learn sets the filters in every task, and Python has one list of them for all threads.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.n_users = 0

    def keep(self):
        """Remember the filters if no other call is running."""
        with self.lock:
            if self.n_users == 0:
                self.kept = catch_warnings()
                self.kept.__enter__()
            self.n_users += 1

    def put_back(self):
        """Restore the filters if no other call is running."""
        with self.lock:
            self.n_users -= 1
            if self.n_users == 0:
                self.kept.__exit__(None, None, None)
