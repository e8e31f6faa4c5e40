"""Calls of `joblib.Parallel` and their tasks, each of which runs in a thread of its own."""

import threading
import time
from collections import deque
from contextvars import copy_context
from warnings import catch_warnings

from skdense.fit.trainer import trained_by

_JOIN_SECONDS = 0.4
"""How long an abort waits for its threads: what they compute apart from networks may take longer."""


class _ThisThread(threading.local):
    task = None


_here = _ThisThread()


def current_task():
    """The task that this thread is for, or None."""
    return _here.task


class Task:
    """One of the things that a `Call` wants done, and the trainer of what it fits.

    `error` is what it has raised, with its traceback, which joblib takes off.
    """

    def __init__(self, call, function, callback):
        self.call, self.function, self.callback = call, function, callback
        self.context = copy_context()  # with the caller's numpy.errstate
        self.is_over = False
        self.result = self.error = self.traceback = None
        self.thread = threading.Thread(target=self._run, name="skdense task", daemon=True)

    def _run(self):
        _here.task = self
        try:
            self.result = self.context.run(self._compute)
        except BaseException as error:
            self.error, self.traceback = error, error.__traceback__
        self.function = self.context = None
        # joblib's callback may run the generator of further tasks, which may fit networks itself.
        self.call.meeting.leave(self)
        self.call.report(self)

    def _compute(self):
        with trained_by(self):
            return self.function()

    def hand_over(self):
        """Give joblib the result or the error, once, without keeping what joblib makes of it."""
        with self.call.meeting.lock:
            callback, self.callback = self.callback, None
        if callback is not None:
            callback(self)

    @property
    def stop(self):
        """The event that is set when nobody waits for the task any more."""
        return self.call.stop

    def train(self, jobs, trained=None):
        """Wait until these jobs are trained, together with those of other tasks."""
        self.call.meeting.train(self, jobs, trained)
        return False


class Call:
    """One call of `Parallel`: its tasks, and the task that makes it, or None for a caller outside.

    As a context it is where somebody waits for results; the error of a task gets its traceback back.

    Attributes
    ----------
    pending, running : deque and set of Task
        Those that have not begun, and those that are not over.
    stop : threading.Event
        Set when nobody waits for the results any more, also those of a call that made this one.
    has_own_slot : bool
        Whether a task of it may always be at work, whatever others are.
    """

    def __init__(self, meeting, caller, n_jobs, raise_early_error):
        self.meeting, self.caller, self.n_jobs = meeting, caller, n_jobs
        self.raise_early_error = raise_early_error
        self.depth = 0 if caller is None else caller.call.depth + 1
        self.pending, self.running = deque(), set()
        self.unreported = []  # in the order in which tasks were handed out
        self.stop = threading.Event()
        self.has_failed = self.has_own_slot = False
        self.waiter = None

    def __enter__(self):
        # An error of the generator of tasks, which joblib forgets where all tasks so far are over.
        self.raise_early_error()
        self.waiter = current_task()
        self.meeting.leave(self.waiter)

    def __exit__(self, kind, error, traceback):
        if self.waiter is current_task():  # a generator of results may end in another thread
            self.meeting.come_back(self.waiter)
        if error is None:
            self.raise_early_error()
        task = next((task for task in self.unreported if task.error is error), None)
        if error is not None and task is not None:
            error.__traceback__ = task.traceback

    @property
    def can_start(self):
        """Whether a task may begin. After an error none does, as in sequential execution."""
        return bool(self.pending) and len(self.running) < self.n_jobs and not self.has_failed

    @property
    def is_stuck(self):
        """Whether this is a call within a task of which nothing has begun or all that had is over."""
        return self.caller is not None and self.can_start and not self.running

    def report(self, task):
        """Tell joblib that a task is over, of an error only if no task before it can have one.

        So the error that is raised is the first in order, not in time.
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
        """Let all tasks end at once, those of its tasks too, and wait a little for their threads."""
        unstarted, threads = self.meeting.abort(self)
        for task in unstarted:
            end_unstarted(task)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))


def end_unstarted(task):
    """End a task of an aborted call."""
    task.is_over, task.error = True, KeyboardInterrupt()
    task.hand_over()


class Filters:
    """The filters of warnings, to be put back when the last of concurrent calls ends.

    scikit-learn sets them in every task, which is for all threads.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.n_users = 0

    def keep(self):
        """Remember the filters, if no call has yet."""
        with self.lock:
            if self.n_users == 0:
                self.kept = catch_warnings()
                self.kept.__enter__()
            self.n_users += 1

    def put_back(self):
        """Put the filters back, if this is the last call."""
        with self.lock:
            self.n_users -= 1
            if self.n_users == 0:
                self.kept.__exit__(None, None, None)
