"""What a fit is told by the fit that it is part of, and what both of them say.

A table's fit has a blend's, a blend's has those of its models, and a model's has those of its members.
"""

from collections.abc import Callable
from contextlib import contextmanager
from threading import Event
from time import perf_counter
from typing import Any

from sklearn.base import ClassifierMixin

from skdense import compat


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
            seconds = perf_counter() - self._begin
            number, unit = (seconds, "s") if seconds < 100 else (seconds / 60, "min")
            print(f"[{number:.{0 if number >= 10 else 1}f} {unit}] {line}\n", end="")


class Stop(Event):
    """Set when a fit is not to go on: what is running ends soon, and nothing more begins.

    A fit that is part of another one has its own, which networks set when one of them fails, so that
    the error arrives before other models end by it. The whole's ends all parts. Another process is not
    told.
    """

    def __init__(self, whole: "Stop | None" = None):
        super().__init__()
        self._parts: list[Stop] = []
        if whole is not None:
            whole._parts.append(self)
            if whole.is_set():
                self.set()

    def __reduce__(self):
        return Stop, ()

    def set(self) -> None:
        """End this fit and its parts."""
        super().set()
        for part in [*self._parts]:
            part.set()

    def check(self) -> None:
        """Raise if it is set. The error ends a thread whose result nobody waits for."""
        if self.is_set():
            raise RuntimeError("the fit that this one is part of has ended")


class Context:
    """What an ensemble is told by the fit that it is part of, or what the outermost fit begins with.

    Parameters
    ----------
    verbose : bool or int
        That of the ensemble: whether the results of its members are printed.
    above : Context, default=None
        That of the fit which it is part of.
    name : str, default=""
        The ensemble's name there.
    callbacks : dict of str to callable, default=None
        For each model whose members take callbacks, a function that makes them for a member. None:
        those of the context above.

    Attributes
    ----------
    log : Log
        Where lines and warnings go.
    stop : Stop
        What ends all fits within the outermost one.
    make_callback : callable or None
        What makes the callbacks of this model.
    all_cores : bool
        Whether networks use all cores, whatever the share of their model: the models of a blend end at
        different times, and a network needs no copy of the rows.
    has_lines_of_members : bool
        Whether a line is printed for each member.
    """

    def __init__(
        self,
        verbose: bool | int,
        above: "Context | None" = None,
        name: str = "",
        callbacks: dict[str, Callable] | None = None,
    ):
        self.log = above.log if above else Log()
        self.stop = Stop(above.stop) if above else Stop()
        self._callbacks: dict[str, Callable] = callbacks or (above._callbacks if above else {})
        self.make_callback = self._callbacks.get(name)
        self.all_cores = above.all_cores if above else compat.joblibs_n_jobs() == -1
        self._called = f"{above._called}{name}, " if above and name else ""
        self.has_lines_of_members = bool(verbose)
        self._has_lines = bool(verbose) or (above is not None and above._has_lines)

    def say_member(self, number: int, n_members: int, outcome: str) -> None:
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        if self.has_lines_of_members:
            self.log.say(f"{self._called}fold {number + 1} of {n_members}: {outcome}")

    def say_result(self, ensemble: Any) -> None:
        """Say the results on out-of-fold predictions."""
        if not self._has_lines:
            return
        is_blend = hasattr(ensemble, "named_estimators_")
        of_classes = isinstance(ensemble, ClassifierMixin)
        score = f"{'accuracy' if of_classes else 'R2'} {ensemble.oof_score_:f}"
        if is_blend or of_classes or not self._called:  # a blend has its own losses of numbers
            score = f"loss {ensemble.oof_loss_:.6g}, {score}"
        what = f"all {getattr(ensemble, 'n_estimators_', 0)} folds"
        if is_blend:
            weights = zip(ensemble.weights_, ensemble.named_estimators_, strict=True)
            what = "blend of " + ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
        if hasattr(ensemble, "temperature_"):
            score += f", temperature {ensemble.temperature_:.3g}"
        self.log.say(f"{self._called}{what}: out-of-fold {score}")

    def add_warning(self, message: str) -> None:
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None

    @contextmanager
    def outermost(self):
        """Around the outermost fit: whatever ends it ends all fits within; then it warns."""
        try:
            yield
        except BaseException:
            self.stop.set()
            raise
        for message in self.log.warnings:
            compat.warn_at_caller(message)
