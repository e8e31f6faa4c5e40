"""Where tasks that run in threads meet, so that the networks they fit train together.

As many tasks begin at a time as there are cores. One that reaches the training of networks waits there,
and leaves its core to the next. When a core stays idle and nothing changes any more, the networks that
have come together are trained together, and each task goes on as soon as its own are done.
"""

import threading
import time
from functools import partial
from math import inf

from joblib import cpu_count, parallel_config

from skdense.core.machine.shapes import n_bytes
from skdense.together.groups import train_jobs

_MOST_BYTES = 2**26
"""The bytes of features with which tasks wait, train or work before no further task begins."""
_MOST_TASKS = 256
"""The tasks of a meeting that have begun and are not over, before no further one begins."""

_ALL_WAIT_SECONDS = 0.05
"""How long nothing must have changed where nobody is at work: a caller sees its results in 0.01 s."""
_IDLE_CORE_SECONDS = 0.2
"""The same where a core is idle while others are at work."""
_STALLED_SECONDS = 1.0
"""The same where no core is idle: who is at work may be waiting for one whose networks wait."""


class _Request:
    """What a task wants trained; `error` is what the training has raised."""

    def __init__(self, task, jobs, trained):
        self.task, self.jobs, self.trained = task, jobs, trained
        self.n_untrained = len(jobs)
        self.is_over = threading.Event()
        self.error = None


class _Training:
    """Requests that are trained together, by their jobs that are not trained yet."""

    def __init__(self, requests):
        self.requests = {job: request for request in requests for job in request.jobs}
        self.stop = threading.Event()
        self.thread = None

    @property
    def n_networks(self):
        return sum(len(job.networks) for job in self.requests)


class Meeting:
    """Who is at work, who waits to be trained, and who is in training.

    There is one for each call from outside, shared by all calls within. Everything here changes with
    the lock held. joblib is not called meanwhile, because it holds its own lock when it calls.
    """

    def __init__(self, outside):
        self.outside = outside
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.changed_at = time.monotonic()
        self.n_cores = cpu_count()
        self.calls = []
        self.at_work = set()
        self.waiting, self.trainings = [], []
        self.unstartable = []
        self.watcher = None

    def open(self, call):
        """Let a call take part."""
        with self.lock:
            if call.caller is not None and call.caller.stop.is_set():
                call.stop.set()
            self.calls.append(call)

    def close(self, call):
        """Let a call go."""
        with self.lock:
            self.calls.remove(call)
            if not all(task.is_over for task in call.running):  # Ctrl-C came while an error ended it
                self.abort(call)
            self.note_change()

    def take(self, task):
        """Let a task begin as soon as it may; return whether it can, which it cannot after an abort."""
        with self.lock:
            if task.call.stop.is_set():
                return False
            if self.watcher is None:
                watcher = threading.Thread(target=self._watch, name="skdense meeting", daemon=True)
                watcher.start()
                self.watcher = watcher
            task.call.unreported.append(task)
            task.call.pending.append(task)
            self.note_change()
            return True

    def leave(self, task):
        """Leave a task's core to others, while it waits or since it is over."""
        with self.lock:
            self.at_work.discard(task)
            self.note_change()

    def come_back(self, task):
        """Let a task go on that had left its core: at once, as others may be waiting for it."""
        with self.lock:
            if task is not None and not task.is_over:
                self.at_work.add(task)

    def train(self, task, jobs, trained):
        """Wait until the networks of a task's jobs are trained."""
        request = _Request(task, jobs, trained)
        with self.lock:
            if task.stop.is_set():
                raise KeyboardInterrupt
            self.waiting.append(request)
            self.leave(task)
        request.is_over.wait()
        if task.stop.is_set():
            raise KeyboardInterrupt
        if request.error is not None:
            raise request.error

    def note_change(self):
        """Start the time anew for which nothing has changed, and begin what can begin now."""
        with self.lock:
            self.changed_at = time.monotonic()
            self._begin_tasks()
            self.changed.notify()

    def abort(self, call):
        """Stop a call and all calls within; return the tasks that had not begun, and the threads."""
        with self.lock:
            aborted = {call, *(other for other in self.calls if _is_within(other, call))}
            unstarted = [task for other in aborted for task in other.pending]
            threads = [
                task.thread for other in aborted for task in other.running if task.thread.is_alive()
            ]
            for other in aborted:
                other.stop.set()
                other.pending.clear()
            for request in self.waiting:
                if request.task.stop.is_set():
                    self._end(request)
            self.waiting = [request for request in self.waiting if not request.task.stop.is_set()]
            for training in self.trainings:
                for job, request in list(training.requests.items()):
                    if request.task.stop.is_set():
                        del training.requests[job]
                        self._end(request)
                if not training.requests:
                    training.stop.set()
                    threads.append(training.thread)
            self.note_change()
        return unstarted, threads

    def _watch(self):
        """Begin what time alone makes due, until all tasks are over or stopped."""
        while True:
            with self.lock:
                calls = [call for call in self.calls if not call.stop.is_set()]
                if not any(call.pending or call.running for call in calls):
                    self.watcher = None
                    return
                seconds = self._begin_what_is_due()
                unstartable, self.unstartable = self.unstartable, []
                if not unstartable:
                    self.changed.wait(seconds)
            for task in unstartable:
                task.call.report(task)

    def _begin_what_is_due(self):
        """Train and begin tasks as far as it is time; return the seconds until more is due, or None."""
        seconds_of_quiet = time.monotonic() - self.changed_at
        dues = []
        if self.waiting:
            dues.append(self._patience())
            if seconds_of_quiet >= dues[-1]:
                self._begin_training()
                return 0
        stuck = [call for call in self.calls if call.is_stuck]
        if stuck:
            dues.append(_STALLED_SECONDS)
            if seconds_of_quiet >= _STALLED_SECONDS:
                for call in stuck:
                    call.has_own_slot = True
                self.note_change()
                return 0
        due = min(dues, default=inf)
        return None if due == inf else max(0, due - seconds_of_quiet)

    def _patience(self):
        """For how long nothing must have changed before those who wait are trained."""
        n_busy = len(self.at_work) + sum(training.n_networks for training in self.trainings)
        if not n_busy:
            return _ALL_WAIT_SECONDS
        if n_busy < self.n_cores:
            return _IDLE_CORE_SECONDS
        return inf if self.trainings else _STALLED_SECONDS

    def _begin_tasks(self):
        while (call := self._next_call()) is not None:
            task = call.pending.popleft()
            call.running.add(task)
            self.at_work.add(task)
            try:
                task.thread.start()
            except RuntimeError as error:  # the system has no thread left
                self.at_work.discard(task)
                call.has_failed = True
                task.error = error
                self.unstartable.append(task)

    def _next_call(self):
        """The innermost call of which a task may begin: what has begun is to end first."""
        n_begun = sum(len(call.running) for call in self.calls)
        is_free = len(self.at_work) < self.n_cores and n_begun < _MOST_TASKS and self._has_memory()
        calls = [
            call
            for call in self.calls
            if call.can_start and (is_free or (call.has_own_slot and call.is_stuck))
        ]
        return max(calls, key=lambda call: call.depth, default=None)

    def _has_memory(self):
        """Whether a further task will probably keep the bytes in bounds, or a core lacks a network."""
        in_training = {request for each in self.trainings for request in each.requests.values()}
        requests = [*self.waiting, *in_training]
        if len(requests) + len(self.at_work) < self.n_cores:
            return True
        features = [job.networks[0].data.X for request in requests for job in request.jobs]
        held = sum({id(X): n_bytes(X) for X in features}.values())
        typical = held / max(1, len(requests))
        return held + typical * (len(self.at_work) + 1) <= _MOST_BYTES

    def _begin_training(self):
        training = _Training(self.waiting)
        self.waiting = []
        training.thread = threading.Thread(
            target=self._train, args=[training], name="skdense training", daemon=True
        )
        self.trainings.append(training)
        try:
            training.thread.start()
        except RuntimeError as error:  # the system has no thread left
            self._end_training(training, error)

    def _train(self, training):
        """Train where the configuration outside says; let each task go on when its jobs are done."""
        error = None
        backend, n_jobs = self.outside
        try:
            with parallel_config(backend, n_jobs=n_jobs):
                jobs = list(training.requests)
                train_jobs(jobs, trained=partial(self._end_job, training), stop=training.stop)
        except BaseException as raised:
            error = raised
        self._end_training(training, error)

    def _end_training(self, training, error):
        with self.lock:
            self.trainings.remove(training)
            for request in training.requests.values():
                request.error = error
                self._end(request)
            self.note_change()

    def _end_job(self, training, job):
        with self.lock:
            request = training.requests.pop(job, None)
        if request is None:  # an abort has ended it
            return
        if request.trained is not None:
            request.trained(job)
        with self.lock:
            request.n_untrained -= 1
            if not request.n_untrained:
                self._end(request)
                self.note_change()

    def _end(self, request):
        self.come_back(request.task)
        request.is_over.set()


def _is_within(call, outer):
    """Whether a call was made in a task of another, or in one of that task's tasks."""
    while call.caller is not None:
        call = call.caller.call
        if call is outer:
            return True
    return False
