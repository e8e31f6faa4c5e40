"""What the fit of an ensemble says while it runs: lines, warnings, and tasks of callbacks.

A model of a blend says it through the blend, however many Pipelines are around it: the blend names the
model in a context variable of the thread that fits it. If another process fits it, what it has said
comes back with it.
"""

from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from skdense.compat import callback_context, check_method_params, check_sample_weight, has_callbacks
from skdense.ensemble.folds import at_once
from skdense.final_step import fit_parameters
from skdense.fit.callers import warn_at_caller


class Log:
    """What a fit and all fits within it have to say, with the time; the outermost fit prints it.

    In another process, lines are kept for the outermost fit, as warnings always are.
    """

    def __init__(self, is_elsewhere: bool = False):
        self._begin, self._is_elsewhere = perf_counter(), is_elsewhere
        self.lines: list[str] = []
        self.warnings: dict[str, None] = {}

    def __reduce__(self):
        return Log, (True,)

    def say(self, line: str) -> None:
        """Print a line, in one piece, as other threads print, too."""
        if self._is_elsewhere:
            self.lines.append(line)
        else:
            print(f"[{_duration(perf_counter() - self._begin)}] {line}\n", end="")


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
    numbers : ndarray of int or None
        What `with_weight` yields in the outermost fit.
    """

    def __init__(self, ensemble):
        context = callback_context(ensemble, sequential_subtasks=False)
        self._above, number, name = _model.get()
        self.numbers = self._above.numbers if self._above else _numbers.get()
        _model.set(_ALONE)  # its members are no models of the blend
        _numbers.set(None)
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
        self._n_members = n_members
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
        if self.has_lines_of_members:
            self.log.say(f"{self.called}fold {number + 1} of {self._n_members}: {outcome}")
        for above, given in self._tasks:
            task = above.subcontext("member", number)
            task.call_on_fit_task_begin(**given)
            task.call_on_fit_task_end(**given)

    def end(self, ensemble):
        """Say the results on out-of-fold predictions; the outermost fit also warns."""
        what = f"all {self._n_members} folds"
        if hasattr(ensemble, "named_estimators_"):
            weights = zip(ensemble.weights_, ensemble.named_estimators_, strict=True)
            what = "blend of " + ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
        score = "accuracy" if isinstance(ensemble, ClassifierMixin) else "R2"
        score = f"out-of-fold {score} {ensemble.oof_score_:f}"
        if hasattr(ensemble, "temperature_"):
            score += f", temperature {ensemble.temperature_:.3g}"
        if self.has_lines:
            self.log.say(f"{self.called}{what}: {score}")
        if self._above is None:
            for message in self.log.warnings:
                warn_at_caller(message)

    def warn(self, message):
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None

    def fit_models(self, names, models, X, y, parameters):
        """Fit the models of a blend at the same time; return them, and say what they say."""
        fits = [
            (self, number, name, model, X, y, fit_parameters(model, **parameters))
            for number, (name, model) in enumerate(zip(names, models, strict=True))
        ]
        fitted = []
        for model, lines, warnings in at_once(_fit_model, fits):
            for line in lines:
                self.log.say(line)
            self.log.warnings |= warnings
            fitted.append(model)
        return fitted


_ALONE = None, 0, ""
_model: ContextVar[Any] = ContextVar("model", default=_ALONE)
"""The model of a blend that this thread fits next: the blend's FitReport, a number, a name."""


_numbers: ContextVar[Any] = ContextVar("numbers", default=None)
"""What `with_weight` yields, for the ensemble that this thread fits next."""


@contextmanager
def with_weight(X, y, sample_weight, parameters):
    """Yield X, y and parameters of a fit without the rows of weight zero, and numbers of rows.

    The numbers say for each row of X which one it is of those that are left, and -1 if it is none. They
    are None if all are left, as for a model of a blend, which is given no others.
    """
    numbers = None
    if sample_weight is not None and _model.get()[0] is None:
        left = check_sample_weight(sample_weight, X, ensure_non_negative=True) > 0
        if not left.all():
            numbers = np.where(left, np.cumsum(left) - 1, -1).astype(np.int32)
            data = {"X": X, "y": y, **parameters}
            data = check_method_params(X, data, np.flatnonzero(left))
            X, y, parameters = data.pop("X"), data.pop("y"), data
    token = _numbers.set(_numbers.get() if numbers is None else numbers)
    try:
        yield X, y, parameters, numbers
    finally:
        _numbers.reset(token)


def _fit_model(report, number, name, model, X, y, parameters):
    """Fit a model of a blend; return it and what it has said, also if this is another process."""
    token = _model.set((report, number, name))
    try:
        model = model.fit(X, y, **parameters)
    finally:
        _model.reset(token)
    lines, report.log.lines = report.log.lines, []  # models in one process may share the log
    return model, lines, report.log.warnings
