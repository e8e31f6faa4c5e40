"""What the fit of an ensemble says while it runs: lines, warnings, and tasks of callbacks.

A model of a blend says it through the blend, however many Pipelines are around it: the blend names the
model in a context variable of the thread that fits it. If another process fits it, what it has said
comes back with it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from time import perf_counter
from typing import Any

from sklearn.base import ClassifierMixin

from skdense.compat import callback_context, has_callbacks
from skdense.ensemble.folds import at_once
from skdense.final_step import fit_parameters
from skdense.fit.callers import warn_at_caller


class Lines:
    """The lines of a fit: of each member or model in order, and a last one of all.

    A place in `of_parts` has a line, which may be empty, the `Lines` of a model, or None before that.
    """

    def __init__(self, n_parts: int):
        self.of_parts: list[str | Lines | None] = [None] * (n_parts + 1)
        self._n_given = 0

    def given(self) -> Generator[str, None, bool]:
        """Give the lines that follow those before, up to one that is missing; return if none is."""
        for part in self.of_parts[self._n_given :]:
            if isinstance(part, Lines):
                if not (yield from part.given()):
                    return False
            elif part is None:
                return False
            elif part:
                yield part
            self._n_given += 1
        return True


class Log:
    """What a fit and all fits within it have to say; the outermost fit prints it.

    In another process nothing is printed.
    """

    def __init__(self):
        self._begin, self._lock = perf_counter(), Lock()
        self._lines: Lines | None = None
        self.warnings: dict[str, None] = {}

    def __reduce__(self):
        return Log, ()

    def begin(self, lines: Lines) -> None:
        """Print these lines, which are those of the outermost fit."""
        self._lines = lines

    def print_given(self) -> None:
        """Print the lines whose turn it is, with the time and that of members still to come."""
        if self._lines is None:
            return
        with self._lock:
            for line in self._lines.given():
                print(f"[{self._times(self._lines.of_parts)}] {line}")

    def _times(self, of_parts: list) -> str:
        """How long all has taken, and if there is one kind of members, will take at their pace."""
        elapsed = perf_counter() - self._begin
        members = [isinstance(part, str) for part in of_parts[:-1]]
        left = elapsed / sum(members) * (len(members) - sum(members)) if any(members) else 0
        return f"{_duration(elapsed)}, about {_duration(left)} left" if left else _duration(elapsed)


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
    is_of_model : bool
        Whether the fit is that of a model of a blend.
    has_lines : bool
        Whether its result is printed, and `has_lines_of_members` those of its members.
    """

    def __init__(self, ensemble):
        context = callback_context(ensemble, sequential_subtasks=False)
        self._above, number, name = _part.get()
        _part.set(_NO_PART)  # its members are no models of the blend
        self._tasks = []
        self.is_of_model = self._above is not None
        self.has_lines = self.has_lines_of_members = bool(ensemble.verbose)
        has_own = has_callbacks(ensemble)
        self._context, self._ensemble = (context, ensemble) if has_own else (None, None)
        if self._above is None:
            self.log, self.called = Log(), ""
        else:
            self.log = self._above.log
            self.called = f"{self._above.called}{name}, "
            self.has_lines |= self._above.has_lines
            self._task = name, number

    @contextmanager
    def of(self, n_members, fitted, X, y, sample_weight):
        """Begin the fit of so many members or models; end it, and its tasks, with the block.

        `fitted` is the copy of the ensemble that is fitted.
        """
        self._n_members, self._lines = n_members, Lines(n_members)
        if self._above is None:
            self.log.begin(self._lines)
        else:
            self._above.say(self._task[1], self._lines)
        if self._context is not None:
            self._context.max_subtasks = n_members
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            given = {"estimator": self._ensemble, "X": X, "y": y, "metadata": metadata}
            self._tasks.append((self._context, given))
        for above, given in self._above._tasks if self._above else ():
            task = above.subcontext(*self._task, n_members, sequential_subtasks=False)
            self._tasks.append((task, given))
        attributes = None
        try:
            for task, given in self._tasks:
                task.call_on_fit_task_begin(**given)
            yield
            attributes = dict(vars(fitted))
        finally:
            for task, given in self._tasks:
                own = {"reconstruction_attributes": attributes} if task is self._context else {}
                task.call_on_fit_task_end(**given, **own)

    def member(self, number, outcome):
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        text = f"{self.called}fold {number + 1} of {self._n_members}: {outcome}"
        self.say(number, text if self.has_lines_of_members else "")
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
        self.say(self._n_members, text if self.has_lines else "")
        if self._above is None:
            for message in self.log.warnings:
                warn_at_caller(message)

    def warn(self, message):
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None

    def say(self, number: int, lines: str | Lines) -> None:
        """Say these lines of the member or model of this number, or the line after all of them."""
        self._lines.of_parts[number] = lines
        self.log.print_given()

    def fit_models(self, names, models, X, y, parameters):
        """Fit the models of a blend at the same time; return them, and say what they say."""
        fits = [
            (self, number, name, model, X, y, fit_parameters(model, **parameters))
            for number, (name, model) in enumerate(zip(names, models, strict=True))
        ]
        fitted = []
        for model, lines, warnings in at_once(_fit_model, fits):
            self.log.warnings |= warnings
            self.say(len(fitted), lines)
            fitted.append(model)
        return fitted


_NO_PART = None, 0, ""
_part: ContextVar[Any] = ContextVar("part", default=_NO_PART)
"""The model of a blend that this thread fits next: the blend's FitReport, a number, a name."""


def _fit_model(report, number, name, model, X, y, parameters):
    """Fit a model of a blend; return it and what it has said, also if this is another process."""
    token = _part.set((report, number, name))
    try:
        model = model.fit(X, y, **parameters)
    finally:
        _part.reset(token)
    return model, report._lines.of_parts[number] or "", report.log.warnings
