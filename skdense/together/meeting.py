"""Where tasks that run in threads meet, so that the networks they fit train together.

As many tasks compute at a time as there are cores. One that reaches the training of a network gives its
place up and waits, and so does one that runs tasks of its own. When everybody waits, the networks that
have come together are trained together, and each task goes on when its own network is done.
"""

import threading
import time
from collections import deque
from contextvars import copy_context
from warnings import catch_warnings

from joblib import cpu_count, parallel_config

from skdense.core.machine.shapes import n_bytes
from skdense.fit.fitting import this_thread
from skdense.together.groups import train_jobs

_MOST_BYTES = 2**26
"""The bytes of features with which tasks may wait or train; beyond, no further task begins."""

_SETTLE_SECONDS = 0.05
"""How long others wait for a caller that may go on at any moment, before they train without it."""

_JOIN_SECONDS = 0.4
"""How long an abort waits for its threads: what they compute apart from networks may take longer."""


class _ThisThread(threading.local):
    task = None


_here = _ThisThread()


def current_task():
    """The task that this thread is for, or None."""
    return _here.task


class Task:
    """One of the things that a `Call` wants done, in a thread of its own.

    It has a place while it computes. `job` is what it wants to be trained; `error` is what it, or the
    training, has raised.
    """

    def __init__(self, call, function, callback):
        self.call, self.function, self.callback = call, function, callback
        self.context = copy_context()  # with the caller's numpy.errstate
        self.has_place = self.is_over = False
        self.place = threading.Semaphore(0)
        self.job = self.result = self.error = self.traceback = None
        self.thread = threading.Thread(target=self._run, name="skdense task", daemon=True)

    def _run(self):
        _here.task, this_thread.train = self, self._train
        try:
            self.result = self.context.run(self.function)
        except BaseException as error:
            self.error, self.traceback = error, error.__traceback__
        self.function = self.job = None
        try:
            self.call.report(self)
        finally:
            self.call.meeting.leave(self)

    def _train(self, job):
        """Stand in for the training of a fit in this thread."""
        self.job = job
        self.call.meeting.train(self)
        if self.call.is_aborted:
            raise KeyboardInterrupt
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return False


class _Filters:
    """The filters of warnings, to be put back when the last of concurrent calls ends.

    scikit-learn sets them in every task, which is for all threads.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.n_users = 0

    def keep(self):
        with self.lock:
            if self.n_users == 0:
                self.kept = catch_warnings()
                self.kept.__enter__()
            self.n_users += 1

    def put_back(self):
        with self.lock:
            self.n_users -= 1
            if self.n_users == 0:
                self.kept.__exit__(None, None, None)


_filters = _Filters()


class Call:
    """One call of `Parallel`: its tasks, and the task that makes it, or None for a caller outside.

    It is also the context in which the caller waits, where the error of a task gets back the traceback
    that joblib has taken off.
    """

    def __init__(self, meeting, caller, n_jobs):
        self.meeting, self.caller, self.n_jobs = meeting, caller, n_jobs
        self.depth = 0 if caller is None else caller.call.depth + 1
        self.pending, self.running = deque(), set()
        self.unreported = []  # in the order in which tasks were handed out
        self.aborted = self.has_failed = False
        self.expect_caller()

    def expect_caller(self):
        """Let others wait for the caller: it hands out the next task, or reads the last result."""
        self.settled_at = time.monotonic() + _SETTLE_SECONDS

    def begin(self):
        if self.caller is None:
            _filters.keep()
        self.meeting.open(self)

    def stop(self):
        self.meeting.close(self)
        if self.caller is None:
            _filters.put_back()

    def __enter__(self):
        self.settled_at = 0.0
        self.meeting.look()

    def __exit__(self, kind, error, traceback):
        task = next((task for task in self.unreported if task.error is error), None)
        if error is not None and task is not None:
            error.__traceback__ = task.traceback

    @property
    def is_aborted(self):
        """Whether nobody waits for the results any more."""
        return self.aborted or (self.caller is not None and self.caller.call.is_aborted)

    @property
    def can_start(self):
        """Whether a task may begin; after an error none does, as if they ran one after the other."""
        return bool(self.pending) and len(self.running) < self.n_jobs and not self.has_failed

    def report(self, task):
        """Tell joblib that a task is over, of an error only if no task before it can have one.

        So the error that is raised is the first in order, not in time.
        """
        with self.meeting.lock:
            task.is_over = True
            self.running.discard(task)
            self.has_failed |= task.error is not None
            over = [task] if task.error is None or self.is_aborted else []
            self.unreported = [other for other in self.unreported if other not in over]
            if self.unreported and self.unreported[0].is_over:
                over.append(self.unreported[0])
        for task in over:
            task.callback(task)
        with self.meeting.lock:
            if not self.running and not self.pending:
                self.expect_caller()

    def abort(self):
        """Let all tasks end at once, those of its tasks too, and wait a little for their threads."""
        threads = self.meeting.abort(self)
        deadline = time.monotonic() + _JOIN_SECONDS
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))


class Meeting:
    """Who is at work, who waits for a place, and whose networks wait to be trained.

    There is one for each call from outside, shared by all calls within. Everything here changes with
    the lock held, and none calls joblib while it holds it, since joblib holds its own when it calls.
    """

    def __init__(self, outside):
        self.outside = outside
        self.lock = threading.RLock()
        self.calls = []
        self.n_places = cpu_count()
        self.n_at_work = 0
        self.ready = deque()
        self.waiting = []
        self.training = {}  # tasks by their jobs
        self.is_full = False
        self.stop = self.training_thread = None
        self.timer = None

    def open(self, call):
        with self.lock:
            self.calls.append(call)
            if call.caller is not None:
                self.leave(call.caller)

    def close(self, call):
        with self.lock:
            self.calls.remove(call)
        if call.caller is not None:
            self.come_back(call.caller)

    def take(self, task):
        """Let a task begin as soon as it may."""
        call = task.call
        with self.lock:
            if not call.is_aborted:
                call.unreported.append(task)
                call.pending.append(task)
                if call.settled_at:
                    call.expect_caller()
                self.look()
                return
        _end_unstarted(task)

    def leave(self, task):
        """Give a task's place up."""
        with self.lock:
            self.n_at_work -= task.has_place
            task.has_place = False
            self.look()

    def come_back(self, task):
        """Wait for a place again."""
        with self.lock:
            if task.has_place:
                return
            self._want_place(task)
            self.look()
        task.place.acquire()

    def train(self, task):
        """Wait until a task's networks are trained and it has a place again."""
        with self.lock:
            self.waiting.append(task)
            self._weigh()
            self.leave(task)
        task.place.acquire()

    def look(self):
        """Give places to those who wait for one, and train if nobody can do anything else."""
        with self.lock:
            while self.n_at_work < self.n_places:
                if self.ready:
                    self._give_place(self.ready.popleft())
                elif (call := self._next_call()) is not None:
                    task = call.pending.popleft()
                    call.running.add(task)
                    task.has_place = True
                    self.n_at_work += 1
                    task.thread.start()
                else:
                    break
            if self.waiting and not self.training:
                if self.is_full:
                    self._start_training()
                elif self.n_at_work == 0:
                    self._train_when_settled()

    def _next_call(self):
        """The innermost call that has a task to start: what has begun is to end."""
        calls = [call for call in self.calls if call.can_start]
        return None if not calls or self.is_full else max(calls, key=lambda call: call.depth)

    def _weigh(self):
        """Find out whether those who wait or train hold as much as they may."""
        features = {}
        for task in (*self.waiting, *self.training.values()):
            X = task.job.networks[0].data.X
            features[id(X)] = n_bytes(X)
        self.is_full = sum(features.values()) >= _MOST_BYTES

    def _want_place(self, task):
        if task.call.is_aborted:
            self._give_place(task)
        else:
            self.ready.append(task)

    def _give_place(self, task):
        task.has_place = True
        self.n_at_work += 1
        task.place.release()

    def _train_when_settled(self):
        seconds = max(call.settled_at for call in self.calls) - time.monotonic()
        if seconds <= 0:
            self._start_training()
        elif self.timer is None:
            self.timer = threading.Timer(seconds, self._time_is_up)
            self.timer.daemon = True
            self.timer.start()

    def _time_is_up(self):
        with self.lock:
            self.timer = None
            self.look()

    def _start_training(self):
        self.training = {task.job: task for task in self.waiting}
        self.waiting = []
        self.stop = threading.Event()
        arguments = self.training, self.stop
        self.training_thread = threading.Thread(
            target=self._train, args=arguments, name="skdense training", daemon=True
        )
        self.training_thread.start()

    def _train(self, tasks, stop):
        """Train the jobs of tasks where the configuration outside says; let each task go on."""

        def go_on(job):
            with self.lock:
                task = tasks.pop(job, None)  # an abort may have taken it out
                if task is not None:
                    self._weigh()
                    self._want_place(task)
                    self.look()

        error = None
        backend, n_jobs = self.outside
        try:
            with parallel_config(backend, n_jobs=n_jobs):
                train_jobs(list(tasks), trained=go_on, stop=stop)
        except BaseException as raised:
            error = raised
        for job, task in list(tasks.items()):
            task.error = error
            go_on(job)

    def abort(self, call):
        """End the tasks of a call and of all calls within; return their threads."""
        with self.lock:
            call.aborted = True
            aborted = [other for other in {call, *self.calls} if other.is_aborted]
            unstarted = [task for other in aborted for task in other.pending]
            threads = [task.thread for other in aborted for task in other.running]
            for other in aborted:
                other.pending.clear()
            for task in (*self.waiting, *self.training.values(), *self.ready):
                if task.call.is_aborted:
                    self._give_place(task)
                    self.training.pop(task.job, None)
            self.waiting = [task for task in self.waiting if not task.call.is_aborted]
            self.ready = deque(task for task in self.ready if not task.call.is_aborted)
            if call.caller is None and self.stop is not None:
                self.stop.set()
                threads.append(self.training_thread)
            self._weigh()
            self.look()
        for task in unstarted:
            _end_unstarted(task)
        return threads


def _end_unstarted(task):
    """End a task of an aborted call."""
    task.is_over, task.error = True, KeyboardInterrupt()
    task.callback(task)
