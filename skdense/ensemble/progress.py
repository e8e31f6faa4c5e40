"""What a fit prints, of what it warns, and what stops it: three objects that are passed separately.

The fit of a table contains that of a blend, this contains those of its models, and these contain those
of their members. Some of them may run in other processes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from time import perf_counter

from skdense import compat


def fold_name(number: int, n_members: int) -> str:
    """The name of the fold of this number, from 0, in lines and notes."""
    return f"fold {number + 1} of {n_members}"


def _time(seconds, digits=1):
    """A time, with digits after the point below 10."""
    number, unit = (seconds, "s") if seconds < 100 else (seconds / 60, "min")
    return f"{number:.{0 if number >= 10 else digits}f} {unit}"


class Forecast:
    """About how long the members that are left take, from the time of those that have ended.

    Parameters
    ----------
    costs : dict of str to float
        For each model the time of a member, in any unit.
    n_members : int
        The number of members of each model.
    n_jobs : int
        How many members are fitted at the same time.
    """

    def __init__(self, costs: dict[str, float], n_members: int, n_jobs: int):
        self._costs, self._n_jobs, self._begin = costs, n_jobs, perf_counter()
        self._n_all, self._all = len(costs) * n_members, sum(costs.values()) * n_members
        self._ended: list[float] = []  # in threads, `append` loses none

    def seconds_left(self, name: str) -> float:
        """The seconds that are left after a member of this model has ended."""
        self._ended.append(self._costs[name])
        n_left, left = self._n_all - len(self._ended), self._all - sum(self._ended)
        if n_left <= 0:
            return 0.0
        # Those that run now are half over, on average.
        left -= min(self._n_jobs - 1, n_left) * left / n_left / 2
        return (perf_counter() - self._begin) * left / (self._all - left)


class Progress:
    """The printed lines of a fit, with the time since the outermost fit began.

    Parameters
    ----------
    verbose : bool or int
        Whether results of members and of this fit are printed.
    whole : Progress, default=None
        That of the fit which this one is part of.
    name : str, default=""
        The name of this fit there, with which its lines begin.
    """

    def __init__(self, verbose: bool | int, whole: "Progress | None" = None, name: str = ""):
        self.lines: list[str] = whole.lines if whole else []
        self._begin = whole._begin if whole else perf_counter()
        self._is_elsewhere = whole is not None and whole._is_elsewhere
        self._name, self._forecast = name, whole._forecast if whole else None
        self.prefix = f"{whole.prefix}{name}, " if whole and name else ""
        self.prints_members = bool(verbose)
        self._prints_results = bool(verbose) or (whole is not None and whole._prints_results)

    def __getstate__(self):
        state = {"_is_elsewhere": True, "lines": [], "_forecast": None}  # in another process
        return vars(self) | state

    def expect(self, forecast: Forecast) -> None:
        """From here on, lines of members have the time that is left."""
        self._forecast = forecast

    def print(self, line: str) -> None:
        """Print a line in one piece, as other threads print, too; in another process keep it."""
        if self._is_elsewhere:
            self.lines.append(line)
            return
        print(f"[{_time(perf_counter() - self._begin)}] {line}\n", end="")

    def print_kept_lines(self, lines: list[str]) -> None:
        """Print the lines that a fit in another process has kept."""
        if lines is self.lines:  # a fit in this process has kept them
            return
        for line in lines:
            self.print(line)

    def print_member(self, number: int, n_members: int, outcome: str) -> None:
        """Print the outcome of the member of this number, from 0."""
        seconds_left = self._forecast.seconds_left(self._name) if self._forecast else 0
        if seconds_left:
            outcome += f"; about {_time(max(seconds_left, 1), digits=0)} left"
        if self.prints_members:
            self.print(f"{self.prefix}{fold_name(number, n_members)}: {outcome}")

    def print_result(self, result: str) -> None:
        """Print the result of this fit."""
        if self._prints_results:
            self.print(f"{self.prefix}{result}")


class Warnings:
    """The warnings of a fit and of all fits within it, each once; a call adds one."""

    def __init__(self):
        self.messages: dict[str, None] = {}

    def __call__(self, message: str) -> None:
        self.messages[message] = None

    def update(self, other: "Warnings") -> None:
        """Add the warnings of a fit in another process."""
        self.messages |= other.messages


class Stop(Event):
    """Set when a fit is not to go on: what is running ends soon, and nothing more begins.

    Each inner fit has its own flag. A failing network sets only that of its fit, so that the original
    error is raised before other models stop. Setting the flag of the outer fit sets all inner ones;
    other processes are not told.
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
        """End this fit and its parts, which look at their own flag after each round of boosting."""
        super().set()
        for part in [*self._parts]:
            part.set()

    def check(self) -> None:
        """Raise if it is set. The error ends a thread whose result nobody waits for."""
        if self.is_set():
            raise RuntimeError("the fit that this one is part of has ended")


@contextmanager
def outermost_fit(warn: Warnings, stop: Stop) -> Iterator[None]:
    """Around the outermost fit: whatever ends it stops all fits within; then it warns.

    An error has the warnings that are known here as notes, since they may say why.
    """
    try:
        yield
    except BaseException as error:
        stop.set()
        for message in [*warn.messages]:  # other threads may add some
            error.add_note(f"Before that, the fit would have warned: {message}")
        raise
    for message in warn.messages:
        compat.warn_at_caller(message)
