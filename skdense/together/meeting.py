"""Where tasks that run in threads meet, so that the networks they fit train together.

As many tasks are at work as there are cores. A task that reaches the training of networks waits, and
leaves its core to another task. As soon as a core is idle and nothing has changed for a while, the
networks that wait are trained together. Each task goes on when its own networks are trained.
"""

import threading
import time
from functools import partial
from math import inf

from joblib import cpu_count, parallel_config

from skdense.core.machine.costs import n_bytes
from skdense.together.groups import train_jobs

_MOST_BYTES = 2**26
"""If the features of all running tasks take more bytes than this, no further task begins."""
_MOST_TASKS = 256
"""The most tasks of a meeting that have begun and are not over."""

_ALL_WAIT_SECONDS = 0.05
"""How long nothing must have changed before a training if no task is at work and none trains.

A caller takes about 0.01 s to notice results, after which it may bring new tasks.
"""
_IDLE_CORE_SECONDS = 0.2
"""The same if tasks are at work or train, but a core is idle."""
_STALLED_SECONDS = 1.0
"""The same if no core is idle: a task at work may itself be waiting for one that waits here."""


class _Request:
    """The jobs that a task waits for, and the error of their training, or None."""

    def __init__(self, task, jobs, trained):
        self.task, self.jobs, self.trained = task, jobs, trained
        self.n_untrained = len(jobs)
        self.is_over = threading.Event()
        self.error = None


class _Training:
    """A training of several requests; `requests` maps each untrained job to its request."""

    def __init__(self, requests):
        self.requests = {job: request for request in requests for job in request.jobs}
        self.stop = threading.Event()
        self.thread = None


class Meeting:
    """Which tasks are at work, which wait to be trained, and which are in training.

    A call of `Parallel` from outside of any task makes a meeting, and all calls within share it. The
    state changes only while the lock is held. joblib must not be called while it is held: joblib calls
    this class with its own lock held, so that could deadlock.
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
        """Let a call take part in the meeting."""
        with self.lock:
            if call.caller is not None and call.caller.stop.is_set():
                call.stop.set()
            self.calls.append(call)

    def close(self, call):
        """Remove a call that has ended."""
        with self.lock:
            self.calls.remove(call)
            if not all(task.is_over for task in call.running):  # Ctrl-C came while an error ended it
                self.abort(call)
            self.note_change()

    def take(self, task):
        """Queue a task, to begin when a core is idle; return False if its call has been aborted."""
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
        """Leave a task's core to others, because the task waits or is over."""
        with self.lock:
            self.at_work.discard(task)
            self.note_change()

    def come_back(self, task):
        """Let a task that left its core go on, idle core or not: others may be waiting for the task."""
        with self.lock:
            if task is not None and not task.is_over:
                self.at_work.add(task)

    def train(self, task, jobs, trained):
        """Wait until these jobs of a task are trained; raise what their training raised."""
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
        """Note that something has changed just now, and begin the tasks that can begin."""
        with self.lock:
            self.changed_at = time.monotonic()
            self._begin_tasks()
            self.changed.notify()

    def abort(self, call):
        """Stop a call and all calls within; return their unstarted tasks, and the threads to join."""
        with self.lock:
            aborted = {call, *(other for other in self.calls if call in other.around)}
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
        """Begin what is due because nothing has changed for a while, until no task is left."""
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
        """Begin what is due now; return the seconds until more is due, or None."""
        seconds_of_quiet = time.monotonic() - self.changed_at
        patience = self._patience() if self.waiting else inf
        stuck = [call for call in self.calls if call.is_stuck]
        if seconds_of_quiet >= patience:
            self._begin_training()
        elif stuck and seconds_of_quiet >= _STALLED_SECONDS:
            for call in stuck:
                call.has_own_slot = True
            self.note_change()
        else:
            due = min(patience, _STALLED_SECONDS if stuck else inf)
            return None if due == inf else due - seconds_of_quiet
        return 0

    def _patience(self):
        """How long nothing must have changed before the waiting networks are trained."""
        in_training = [job for training in self.trainings for job in training.requests]
        n_busy = len(self.at_work) + sum(len(job.networks) for job in in_training)
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
        """The call whose task begins next: the innermost one, so that tasks under way end first."""
        n_begun = sum(len(call.running) for call in self.calls)
        is_free = len(self.at_work) < self.n_cores and n_begun < _MOST_TASKS and self._has_memory()
        calls = [
            call
            for call in self.calls
            if call.can_start and (is_free or (call.has_own_slot and call.is_stuck))
        ]
        return max(calls, key=lambda call: len(call.around), default=None)

    def _has_memory(self):
        """Whether the features of one more task probably fit in the bound, or a core has no task."""
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
        """Train by the joblib backend that was active outside; let each task go on when it is done."""
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
