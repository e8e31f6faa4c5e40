"""Fits within fits: a table's Pipeline fits a blend, and a blend its models.

The outermost fit, maybe that of the table, leaves out the rows of weight zero, and gives the
out-of-fold predictions of all the rows that the user passed. The outermost ensemble, which is the blend
then, says what all within it have to say. An inner fit has to know what it is part of. A context
variable tells it and no argument, as a Pipeline or a TransformedTargetRegressor may stand between the
two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import check_consistent_length

from skdense import compat
from skdense.final_step import final_step

# --- what fits say ------------------------------------------------------------------------------------


class Log:
    """What a fit and all fits within it have to say, with the time; the outermost ensemble prints it.

    In another process, lines are kept for the outermost ensemble, as warnings always are.
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
            seconds = perf_counter() - self._begin
            number, unit = (seconds, "s") if seconds < 100 else (seconds / 60, "min")
            print(f"[{number:.{0 if number >= 10 else 1}f} {unit}] {line}\n", end="")


class FitReport:
    """What an ensemble says of its fit. It is made at the begin of the fit.

    Attributes
    ----------
    log : Log
        Where its lines and warnings go.
    called : str
        What its lines begin with: the names that it has in blends, each with a comma.
    has_lines : bool
        Whether its result is printed, and `has_lines_of_members` those of its members.
    """

    def __init__(self, ensemble, outer):
        self._above = above = outer.report
        self.log = above.log if above else Log()
        self.called = f"{above.called}{outer.name}, " if above else ""
        self.has_lines_of_members = bool(ensemble.verbose)
        self.has_lines = self.has_lines_of_members or (above is not None and above.has_lines)

    def member(self, number, n_members, outcome):
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        if self.has_lines_of_members:
            self.log.say(f"{self.called}fold {number + 1} of {n_members}: {outcome}")

    def end(self, ensemble):
        """Say the results on out-of-fold predictions; the outermost ensemble also warns."""
        what = f"all {ensemble.n_estimators_} folds"
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
                compat.warn_at_caller(message)

    def add_warning(self, message):
        """Let the outermost ensemble warn, once if several fits have the same to say."""
        self.log.warnings[message] = None


# --- what a fit is part of ----------------------------------------------------------------------------


class Outer(NamedTuple):
    """What a fit has to know of the fit of a blend or of a table that it is part of, if it is.

    Attributes
    ----------
    row_of : ndarray of int or None
        For each row that the user passed, which row it is of those that have a weight, and -1 for a row
        of weight zero; None if all have a weight. Folds that are given as numbers of rows count those
        that the user passed; a splitter sees only those that have a weight.
    report : FitReport or None
        That of the blend, if the fit is that of one of its models.
    name : str
        Of the model.
    has_all_cores : bool
        Whether networks use all cores, whatever the share of their model: the models of a blend end at
        different times, and a network needs no copy of the rows.
    """

    row_of: NDArray | None = None
    report: FitReport | None = None
    name: str = ""
    has_all_cores: bool = False


_outer: ContextVar[Outer | None] = ContextVar("outer", default=None)


@contextmanager
def part_of(outer: Outer | None) -> Iterator[None]:
    """Fits of ensembles that begin in this block, in this thread, are part of this one, or of none."""
    token = _outer.set(outer)
    try:
        yield
    finally:
        _outer.reset(token)


def has_all_cores() -> bool:
    """Whether networks that are fitted in this thread use all cores."""
    outer = _outer.get()
    return outer is not None and outer.has_all_cores


def begin_fit(X: Any, y: Any, sample_weight: Any, arguments: dict) -> tuple:
    """The X, y and arguments to fit to, and the `Outer` that the fit is part of.

    The outermost fit is part of none, and gets a new one. It alone leaves out rows, as `row_of` of this
    one tells; for all other fits nothing changes.
    """
    outer = _outer.get()
    if outer is not None or sample_weight is None:
        return X, y, arguments, outer or Outer()
    groups = (value for name, value in arguments.items() if name.split("__")[-1] == "groups")
    check_consistent_length(X, y, *groups)  # others would be left as they are
    has_weight = compat.check_sample_weight(sample_weight, X, ensure_non_negative=True) > 0
    if has_weight.all():
        return X, y, arguments, Outer()
    data = compat.check_method_params(X, {"X": X, "y": y, **arguments}, np.flatnonzero(has_weight))
    row_of = np.where(has_weight, np.cumsum(has_weight) - 1, -1).astype(np.int32)
    return data.pop("X"), data.pop("y"), data, Outer(row_of)


def end_fit(model: Any, outer: Outer) -> None:
    """After the outermost fit, let out-of-fold predictions have all rows that the user passed.

    They are NaN for rows of weight zero.
    """
    row_of = outer.row_of
    if row_of is None or _outer.get() is not None:
        return
    ensemble = final_step(model)
    for name in ("oof_prediction_", "oof_proba_"):
        if name in vars(ensemble):
            found = vars(ensemble)[name][row_of]
            found[row_of < 0] = np.nan
            setattr(ensemble, name, found)
    for each in getattr(ensemble, "named_estimators_", {}).values():
        end_fit(each, outer)
