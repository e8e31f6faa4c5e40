"""What the fit of an ensemble says while it runs: lines, warnings, and tasks of callbacks.

A model of a blend says it through the blend, however many Pipelines are around it: the blend names the
model in a context variable of the thread that fits it.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from time import perf_counter
from typing import Any

from sklearn.base import ClassifierMixin

from skdense.compat import callback_context, has_callbacks
from skdense.fit.callers import warn_at_caller


class Log:
    """The lines of a fit and of all fits within it, in order and with times, and their warnings.

    A line has a place, a tuple of numbers: those of the models that it is about, from the outermost
    blend on, and of the member. It is printed as soon as all lines before it are. Other processes have
    logs of their own.
    """

    def __init__(self):
        self._begin, self.lock = perf_counter(), Lock()
        self.expected, self._lines = set(), {}
        self.fits = {}  # by its place: when a fit began, how many members it has, and has fitted
        self.warnings = {}

    def __reduce__(self):
        return Log, ()

    def add(self, place, text):
        """What has been fitted at a place has this line, or none if it is empty."""
        with self.lock:
            fit = self.fits[place[:-1]]
            fit["fitted"] += place[-1] < fit["members"]
            self._lines[place] = text
            while self.expected and (first := min(self.expected)) in self._lines:
                self.expected.remove(first)
                if line := self._lines.pop(first):
                    print(f"[{self._times()}] {line}")

    def _times(self):
        """How long all has taken, and will take if members take as long as those before them."""
        now = perf_counter()
        left = [
            (now - fit["begin"]) / fit["fitted"] * (fit["members"] - fit["fitted"])
            for fit in self.fits.values()
            if fit["fitted"]  # a blend has none itself
        ]
        elapsed = _duration(now - self._begin)
        return f"{elapsed}, about {_duration(max(left))} left" if any(left) else elapsed


def _duration(seconds):
    number, unit = (seconds, "s") if seconds < 100 else (seconds / 60, "min")
    return f"{number:.{0 if number >= 10 else 1}f} {unit}"


class FitReport:
    """What one ensemble or blend says of its fit. It is made at the begin of the fit.

    Attributes
    ----------
    log : Log
        Where its lines and warnings go.
    called : str
        What its lines begin with: the names that it has in blends, each with a comma.
    has_lines : bool
        Whether its result is printed, and `has_lines_of_members` those of its members.
    """

    def __init__(self, ensemble):
        context = callback_context(ensemble, sequential_subtasks=False)
        part = _part.get()
        _part.set(None)  # its members are no models of the blend
        self._tasks, self._tasks_above = [], []
        self.has_lines = self.has_lines_of_members = bool(ensemble.verbose)
        self._context = context if has_callbacks(ensemble) else None
        if part is None:
            self.log, self._place, self.called = Log(), (), ""
        else:
            above, number, name = part
            self.log, self._place = above.log, (*above._place, number)
            self.called = f"{above.called}{name}, "
            self.has_lines |= above.has_lines
            self._tasks_above, self._task = above._tasks, (name, number)

    @contextmanager
    def of(self, n_members, estimator, X, y, sample_weight):
        """Begin the fit of so many members or models; end it, and its tasks, with the block."""
        self._n_members = n_members
        with self.log.lock:
            self.log.fits[self._place] = {"begin": perf_counter(), "fitted": 0, "members": n_members}
            self.log.expected.discard(self._place)
            self.log.expected |= {(*self._place, number) for number in range(n_members + 1)}
        if self._context is not None:
            self._context.max_subtasks = n_members
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            given = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
            self._tasks.append((self._context, given))
        for above, given in self._tasks_above:
            task = above.subcontext(*self._task, n_members, sequential_subtasks=False)
            self._tasks.append((task, given))
        attributes = None
        try:
            for task, given in self._tasks:
                task.call_on_fit_task_begin(**given)
            yield
            attributes = dict(vars(estimator))
        finally:
            for task, given in self._tasks:
                own = {"reconstruction_attributes": attributes} if task is self._context else {}
                task.call_on_fit_task_end(**given, **own)

    def member(self, number, outcome):
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        text = f"{self.called}fold {number + 1} of {self._n_members}: {outcome}"
        self.log.add((*self._place, number), text if self.has_lines_of_members else "")
        for above, given in self._tasks:
            task = above.subcontext("member", number)
            task.call_on_fit_task_begin(**given)
            task.call_on_fit_task_end(**given)

    def end(self, ensemble):
        """Say the results on out-of-fold predictions; the outermost fit also warns."""
        text = f"all {self._n_members} folds"
        if hasattr(ensemble, "named_estimators_"):
            weights = zip(ensemble.weights_, ensemble.named_estimators_, strict=True)
            text = "blend of " + ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
        score = "accuracy" if isinstance(ensemble, ClassifierMixin) else "R2"
        text = f"{self.called}{text}: out-of-fold {score} {ensemble.oof_score_:f}"
        if hasattr(ensemble, "temperature_"):
            text += f", temperature {ensemble.temperature_:.3g}"
        self.log.add((*self._place, self._n_members), text if self.has_lines else "")
        if not self._place:
            for message in self.log.warnings:
                warn_at_caller(message)

    def warn(self, message):
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None


_part: ContextVar[Any] = ContextVar("part", default=None)
"""The model of a blend that this thread fits next, or None: the blend's FitReport, a number, a name."""


def fit_part(progress, number, name, model, X, y, parameters):
    """Fit a model of a blend."""
    token = _part.set((progress, number, name))
    try:
        return model.fit(X, y, **parameters)
    finally:
        _part.reset(token)
