"""What the fit of an ensemble says: lines while it runs, warnings at its end.

A model of a blend says them through the blend.
"""

from time import perf_counter

from sklearn.base import ClassifierMixin

from skdense.compat import warn_at_caller


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
    has_lines : bool
        Whether its result is printed, and `has_lines_of_members` those of its members.
    """

    def __init__(self, ensemble, outer):
        above = outer.report if outer else None
        self.has_lines = self.has_lines_of_members = bool(ensemble.verbose)
        self._is_outermost = above is None
        if above is None:
            self.log, self.called = Log(), ""
        else:
            self.log, self.called = above.log, f"{above.called}{outer.name}, "
            self.has_lines |= above.has_lines

    def member(self, number, n_members, outcome):
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        if self.has_lines_of_members:
            self.log.say(f"{self.called}fold {number + 1} of {n_members}: {outcome}")

    def end(self, ensemble):
        """Say the results on out-of-fold predictions; the outermost fit also warns."""
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
        if self._is_outermost:
            for message in self.log.warnings:
                warn_at_caller(message)

    def add_warning(self, message):
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None
