"""The kinds of columns: how values are read, compared with those in `fit`, and encoded as numbers.

A kind is a class, and an instance describes one column of the table in `fit`. Its attributes are
builtins and arrays, so a file of a model needs none of these classes. Nothing but `learn` changes it.
How a value is read never depends on the other rows.
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import bdtrc
from scipy.stats import hypergeom

from skdense.tabular.cells import (
    CURRENCIES,
    LONGEST_DATE,
    MISSING,
    NUMBER,
    containers_in,
    count_rows,
    factorized,
    has_zone,
    in_utc,
    infer_kind,
    parse_amount,
    parse_dates,
    parse_number,
    shown,
    to_number_or_text,
    to_text,
)
from skdense.tabular.levels import (
    MANY_LEVELS,
    medians_of_levels,
    probable_share,
    selected_levels,
    words_by_y,
    words_in,
)

_FAR_EXPONENT = 60
"""Differences of 2 to this power, or to minus it, have squares that float32 still knows."""
_LEVEL_OF_TESTS = 0.001
"""The level of the tests for differences from the table in `fit`."""
_CHANCE_OF_NEW = 0.003
"""The level of both parts of the test for new levels: that of the estimated share of their rows, and
that of their number in the new rows. There are fewer false alarms, as both parts have to be wrong."""
_MOST_FREQUENT, _SAMPLE = 20, 2000
"""How many frequent values are kept, and in how many new values the most frequent one is looked for."""
_MUCH_MORE = 0.1
"""The smallest increase of the share of one value that is reported."""
IGNORED = "column_kinds says so"
_ALL_MISSING, _ALL_EQUAL = "all values are missing", "all values are equal"
_ALL_RARE = (
    "almost all values occur in fewer than five rows, as in IDs; if a part of the values is "
    "informative, extract it to a column"
)
"""Why nothing of a column can be used."""


def shift_and_scale(values: np.ndarray) -> tuple[float, float]:
    """A shift and a factor after which float32 is precise enough for numbers, and they suit it.

    The shift is the median of the distinct values: most rows may have a code such as 0, and the others
    times. The factor is a power of two, which changes no digit; 1 unless they would be far from 1.
    """
    halves = np.unique(values[np.isfinite(values)]) / 2  # whose differences are finite
    if not len(halves):
        return 0.0, 1.0
    middle = np.median(halves)
    _, exponent = np.frexp(np.median(np.abs(halves - middle)))
    is_far = abs(exponent) > _FAR_EXPONENT
    return 2 * float(middle), float(2.0 ** np.clip(-exponent, -1000, 1000)) if is_far else 1.0


def shifted(values: np.ndarray, shift: Any, scale: Any) -> np.ndarray:
    """Numbers after the shift, as float32."""
    with np.errstate(over="ignore"):  # infinity is what is too large
        return ((values - shift) * scale).astype(np.float32)


def _varied(columns):
    """The numbers of the columns that are not constant."""
    return np.flatnonzero(np.fmin.reduce(columns) < np.fmax.reduce(columns)).tolist()


def chance_of_outside(n_outside: int, n_new: int, n_in_fit: int) -> float:
    """The probability that so many of the new values, or more, are outside of the range in `fit`.

    As all orders of the values are equally probable, new values before the lowest and above the highest
    one in `fit` are as many as new values below the second lowest one.
    """
    return hypergeom.cdf(1, n_in_fit + n_new, n_in_fit, n_outside + 1)


def is_unlikely(k: int, n: int, k_in_fit: int, n_in_fit: int, n_tests: int = 1) -> bool:
    """Whether k of n values have what only so many in `fit` had, by more than chance.

    All orders of the old and new values are taken as equally probable. `n_tests` corrects for testing
    that many values (Bonferroni).
    """
    if not k or bdtrc(k - 1, n, (k_in_fit + 1) / (n_in_fit + 2)) * n_tests >= _LEVEL_OF_TESTS:
        return False  # which is known soon
    return hypergeom.sf(k - 1, n_in_fit + n, k_in_fit + k, n) * n_tests < _LEVEL_OF_TESTS


class Unread(NamedTuple):
    """Values that cannot be read as the kind of their column, and count as missing.

    Attributes
    ----------
    count, n_values : int
        Their number, and that of all values.
    example : object
        One of them.
    text : str
        What a warning says of them.
    """

    count: int
    n_values: int
    example: Any
    text: str


class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        What the values are, in the words of messages.
    n, n_missing : int
        The number of values in `fit`, and of missing ones.
    n_unread : int
        How many of the missing ones could not be read.
    frequent, frequencies : ndarray or list
        The most frequent values in `fit`, and the number of rows of each.
    n_distinct : int
        The number of different values in `fit`.
    is_marked : bool
        Whether missing values are marked in a further column.
    outputs : list of (str, str)
        The end of the name, and the role, of each column that it becomes.
    keep : list of int
        The outputs that are used.
    source : str
        What has decided on the kind, in the words of messages.
    expected : str
        What strings have to contain to be read, in the words of messages.
    """

    stored = "f8"
    """The type in which values are kept: dates are integers, which all files know."""
    n, n_unread, is_marked, keep = 0, 0, False, []
    readable = frozenset({"categories", "strings"})
    """Other kinds of values that are read by their strings."""
    source, expected = "its values in fit", ""
    _convert = staticmethod(to_text)
    """The conversion of values, other than strings, before `_parsed` reads them."""

    def __init__(self, name: str):
        self.name = name

    @property
    def n_rows(self) -> int:
        """The number of rows in `fit`."""
        return self.n + self.n_missing

    @staticmethod
    def of(state: dict[str, Any]) -> "Column":
        """A column by what a file has of it."""
        column = object.__new__(KINDS[state["class"]])
        vars(column).update({name: value for name, value in state.items() if name != "class"})
        return column

    def read(self, values: Any, report: Any) -> tuple[Any, Unread | None]:
        """The values, with NaN for missing ones, and those that cannot be read, if there are any.

        `report` is called for each difference from the values in `fit`, with its name, a text, the
        number of values that differ, that of all values, an example, and the share of such values
        in `fit`.
        """
        try:
            kind = infer_kind(values)
            if kind == self.kind:
                return self._read(values, report), None
            if kind in self.readable or (self.kind != "numbers" and pd.isna(values).all()):
                cells = factorized(values, MISSING, self._convert)
                return self._read_cells(*cells, containers_in(values), report)
            raise ValueError(f"they are {kind}, of type {values.dtype}")
        except Exception as error:  # pandas has types of its own
            raise self.not_readable(error) from error

    def not_readable(self, reason: Any) -> ValueError:
        """An error that says why the values cannot be read."""
        return ValueError(
            f"column {self.name!r} has {self.kind}, by {self.source}, but not all of them can be "
            f"read as {self.kind}: {reason}"
        )

    def _read_cells(self, codes, cells, containers, report):
        values = self._parsed(cells, report)
        counts = count_rows(codes, cells)
        is_unread = counts * np.isnan(values)
        n_unread, n = is_unread.sum() + len(containers), counts.sum() + len(containers)
        if not n_unread:
            return values[codes], None
        example = cells[np.argmax(is_unread)] if is_unread.any() else containers[0]
        if n_unread == n > 1:
            # A value with digits says more about its format than a word.
            has_digit = is_unread * [any(map(str.isdigit, cell or "")) for cell in cells]
            example = cells[np.argmax(has_digit)] if has_digit.any() else example
            raise ValueError(f"{n} of {n} values cannot, such as {shown(example)}{self.expected}")
        text = f"has values that cannot be read as {self.kind} and count as missing"
        return values[codes], Unread(n_unread, n, example, text)

    def compare_unread(self, unread: Unread, report: Any) -> None:
        """Report values that cannot be read, if there are more than `fit` and chance explain."""
        count, n = unread.count, unread.n_values
        if not self.n_unread or is_unlikely(count, n, self.n_unread, self.n_rows):
            share_in_fit = self.n_unread / self.n_rows if self.n_unread else 0.0
            report("unreadable", unread.text, count, n, unread.example, share_in_fit)

    def learn(self, values: Any, y: np.ndarray | None = None) -> str:
        """Learn from the values in `fit` that were read; why nothing of them can be used, or "".

        Only words are chosen by y.
        """
        present = values[~np.isnan(values)].view(self.stored)
        self.n, self.n_missing = len(present), len(values) - len(present)
        if not self.n:
            return _ALL_MISSING
        self.is_marked = self.n_missing > 0
        distinct, counts = np.unique(present, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
        self.frequent, self.frequencies, self.n_distinct = distinct[most], counts[most], len(distinct)
        self.low, self.high = present.min().item(), present.max().item()
        self._learn(values)
        self.keep = _varied(self.encode(values))
        return "" if self.keep or self.is_marked else _ALL_EQUAL

    def compare(self, values: Any, report: Any) -> None:
        """Tell of values outside the range in `fit`, and of larger shares than chance explains."""
        present = values[~np.isnan(values)].view(self.stored)
        n = len(present)
        distinct, counts = np.unique(present[:: n // _SAMPLE + 1], return_counts=True)
        most = distinct[np.argmax(counts)] if n else np.nan
        self._compare_shares(n, len(values), most, np.count_nonzero(present == most), report)
        is_outside = (present < self.low) | (present > self.high)
        n_outside = np.count_nonzero(is_outside)
        if n_outside and chance_of_outside(n_outside, len(present), self.n) < _LEVEL_OF_TESTS:
            outside, counts = np.unique(present[is_outside], return_counts=True)
            low, high, example = map(self._shown, (self.low, self.high, outside[np.argmax(counts)]))
            if self.kind == "dates" and outside[0] > self.high:
                report(
                    "later", f"has dates after the last one in fit, {high}", n_outside, n, example, 0.0
                )
            else:
                text = f"has values outside the range in fit, {low} to {high}"
                report("range", text, n_outside, n, example, 0.0)

    def _compare_shares(self, n_present, n_rows, most, n_most, report):
        """Tell of more missing values, and of more of the most frequent one, than by chance."""
        n_missing = n_rows - n_present
        if is_unlikely(n_missing, n_rows, self.n_missing, self.n_rows):
            text = f"has more missing values than in fit, where {self.n_missing} of {self.n_rows} were"
            report("missing", text, n_missing, n_rows, None, self.n_missing / self.n_rows)
        n_of_others = self.frequencies[-1] if self.n_distinct > _MOST_FREQUENT else 0  # at most
        n_in_fit = dict(zip(self.frequent, self.frequencies)).get(most, n_of_others)
        share_in_fit = n_in_fit / self.n if self.n else 0.0
        if n_most >= (share_in_fit + _MUCH_MORE) * n_present:
            if is_unlikely(n_most, n_present, n_in_fit, self.n, self.n_distinct):
                text = "has one value in a larger share of the rows than in fit"
                report("one value", text, n_most, n_present, self._shown(most), share_in_fit)

    def _shown(self, value):
        return value if isinstance(value, str) else float(value)


class Numbers(Column):
    """Numbers and bools: shifted.

    Attributes
    ----------
    low, high : float
        The range in `fit`, if there were numbers.
    shift, scale : float
        See `shift_and_scale`.
    decimal, unit : str
        The mark of decimals and the unit of strings that are no plain numbers.
    """

    kind, outputs = "numbers", [("", "number")]
    decimal = unit = ""
    _convert = staticmethod(to_number_or_text)

    @property
    def expected(self) -> str:
        """What strings of numbers have to contain, as messages end with it."""
        if not self.decimal:
            return "; if they are amounts, column_kinds may have their 'decimal' mark and 'unit'"
        unit = f" and the unit {self.unit!r}" if self.unit else ""
        return f"; values must have the decimal mark {self.decimal!r}{unit}"

    def _read(self, values, report):
        if values.dtype.kind in "fiub" and isinstance(values.dtype, np.dtype):
            return np.asarray(values, np.float64)
        return pd.Series(values).to_numpy(np.float64, na_value=np.nan)

    def _parsed(self, cells, report):
        return np.array([np.nan if cell is None else self._number(cell) for cell in cells])

    def _number(self, cell):
        if not isinstance(cell, str):
            return cell
        if self.decimal:
            number, unit = parse_amount(cell, self.decimal, self.unit) or (np.nan, "")
            return number if unit in ("", CURRENCIES.get(self.unit, self.unit)) else np.nan
        return parse_number(cell) if NUMBER.fullmatch(cell) else np.nan

    def _learn(self, values):
        self.shift, self.scale = shift_and_scale(values)

    def encode(self, values: Any) -> np.ndarray:
        """One column."""
        return shifted(values, self.shift, self.scale)[:, None]


class Durations(Numbers):
    """Durations: their seconds, shifted."""

    kind, outputs, expected = "durations", [("", "duration")], ""
    _convert = staticmethod(to_text)

    def _read(self, values, report):
        return pd.TimedeltaIndex(values).to_numpy() / np.timedelta64(1, "s")

    def _parsed(self, texts, report):
        # pandas takes a number for nanoseconds.
        texts = [text if _may_be_duration(text) else None for text in texts]
        return self._read(pd.to_timedelta(pd.Series(texts, dtype=object), errors="coerce"), report)


def _may_be_duration(text):
    return text is not None and len(text) <= LONGEST_DATE and not NUMBER.fullmatch(text)


class Dates(Column):
    """Dates: their seconds, shifted, the year, and periodic functions of month, day, hour and weekday.

    None is beyond what it was in `fit`, as nobody knows how y goes on.

    Attributes
    ----------
    formats : list of str
        Those of strings, which are tried one after the other.
    zone : str or None
        The time zone of the values in `fit`; None if they had none.
    low, high : int
        The range in `fit`, in microseconds since 1970, if there were dates.
    limits : ndarray of shape (2, n_outputs)
        The lowest and the highest that is written.
    shift, scale : float
        Of the seconds, see `shift_and_scale`.
    """

    kind, stored, zone = "dates", "i8", None

    @property
    def readable(self):
        """Numbers such as 20240105 are dates only with a format that the user gives."""
        return super().readable | ({"numbers"} if self.source != Column.source else set())

    outputs = [
        (f":{part}", "date")
        for part in "year seconds month_sin month_cos day_sin day_cos hour_sin hour_cos "
        "weekday_sin weekday_cos".split()
    ]

    def __init__(self, name: str, values: Any, formats: Any = ()):
        super().__init__(name)
        self.formats = [*formats]
        if not formats:
            _, self.zone = in_utc(values)
        elif any(map(has_zone, values)):
            self.zone = "UTC"

    def _read(self, values, report):
        return self._compare_zones(*in_utc(values), report)

    def _parsed(self, texts, report):
        """By any format, such as "2024-01-05T10:00" where there were seconds in `fit`."""
        zone = "UTC" if any(has_zone(text) for text in texts if text is not None) else None
        return self._compare_zones(parse_dates(texts, [*self.formats, "ISO8601"]), zone, report)

    def _compare_zones(self, dates, zone, report):
        """The dates; report if they have a time zone and those in `fit` do not, or the reverse."""
        n = np.count_nonzero(~np.isnat(dates))
        if n and (zone is None) != (self.zone is None):
            text = f"has dates with {'a' if zone else 'no'} time zone, unlike in fit; those without "
            report("time zone", f"{text}a time zone are read as UTC", n, n)
        return dates

    def _learn(self, values):
        parts = self._parts(values)
        self.limits = np.array([np.fmin.reduce(parts), np.fmax.reduce(parts)])
        self.shift, self.scale = shift_and_scale(parts[:, 1])

    def _shown(self, value):
        local = self._local(np.array([value]).view("M8[us]"))
        return str(local[0].astype("M8[s]")).replace("T", " ")

    def _local(self, dates):
        """Dates as clocks in the time zone show them."""
        if self.zone in (None, "UTC"):
            return dates
        there = pd.DatetimeIndex(dates, tz="UTC").tz_convert(self.zone)
        return there.tz_localize(None).to_numpy("M8[us]")

    def _parts(self, dates):
        local = self._local(dates)
        days, months = local.astype("M8[D]"), local.astype("M8[M]")
        years = local.astype("M8[Y]").astype(np.int64) + 1970
        columns = [years, dates.astype(np.int64) / 1e6]
        for number, period in (
            (months.astype(np.int64) % 12 + 1, 12),
            ((days - months.astype("M8[D]")).astype(np.int64) + 1, 30),
            ((local - days).astype("m8[h]").astype(np.int64), 24),
            ((days.astype(np.int64) + 3) % 7 + 1, 7),
        ):
            turns = number / period * 2 * np.pi
            columns += [np.sin(turns), np.cos(turns)]
        parts = np.column_stack(columns)
        parts[np.isnat(dates)] = np.nan
        return parts

    def encode(self, values: Any) -> np.ndarray:
        """Ten columns."""
        parts = np.clip(self._parts(values), *self.limits)
        parts[:, 1] = (parts[:, 1] - self.shift) * self.scale
        return parts.astype(np.float32)


class Ignored(Column):
    """A column that the user wants to be ignored. It may be missing in new data."""

    kind, outputs, source = "ignored", [], "column_kinds"

    def read(self, values: Any, report: Any) -> tuple[Any, Unread | None]:
        """Nothing."""
        return None, None

    def learn(self, values: Any, y: np.ndarray | None = None) -> str:
        """Why nothing of the values is used."""
        return IGNORED


class Levels(Column):
    """Categories and strings: columns of levels and words, and two numbers, by `selected_levels`.

    Attributes
    ----------
    kind : "categories" or "strings"
        Strings such as "NA" are missing only in the second.
    levels : list of str or None
        Those with a column. All other levels share one.
    words : list of str
        Those with a column.
    related_words : list of str
        Those to which y is related, the most significant first, if the column has 40 levels or more.
    numbers : dict of str to (float, float)
        Place and logarithm of the frequency.
    known : list of str, or None
        All levels in `fit`, if there are less than 40; else those with a column.
    probable_share : float
        The largest share of rows of other levels that is probable by chance.
    share_of_others : float
        The estimate of this share.
    """

    known, probable_share, share_of_others = None, 1.0, 0.0  # in files of 0.6

    def __init__(self, name: str, kind: str):
        super().__init__(name)
        self.kind = kind

    def read(self, values: Any, report: Any) -> tuple[Any, Unread | None]:
        """Numbers of levels, and the levels; and containers, which are no levels."""
        unread = None
        if containers := containers_in(values):
            text = "has lists, sets, dicts or arrays, which count as missing"
            unread = Unread(len(containers), len(values), containers[0], text)
        return factorized(values, MISSING if self.kind == "strings" else {""}), unread

    def learn(self, values: Any, y: np.ndarray | None = None) -> str:
        """Choose what is written; why nothing of the values can be used, or ""."""
        codes, levels = values
        counts = np.bincount(codes, minlength=len(levels)).tolist()
        n_rows = Counter({x: count for x, count in zip(levels, counts) if x is not None})
        self.is_many = len(n_rows) >= MANY_LEVELS
        self.related_words = []
        if y is not None and self.is_many:
            self.related_words = words_by_y(levels, medians_of_levels(y, codes, len(levels)))
        self.levels, self.words, self.numbers = selected_levels(levels, counts, self.related_words)
        self.n, self.n_distinct = n_rows.total(), len(n_rows)
        self.n_missing = len(codes) - self.n
        most = n_rows.most_common(_MOST_FREQUENT)
        self.frequent, self.frequencies = [x for x, _ in most], [count for _, count in most]
        written = {level for level in self.levels if level is not None}
        self.known = [level for level in n_rows if level in written or not self.is_many]
        known = set(self.known)
        least = min((n_rows[level] for level in known), default=0) if self.is_many else 1
        # Levels that are as frequent as the rarest known one may be unknown, as columns are limited.
        least += any(n == least and level not in known for level, n in n_rows.items())
        counts_of_levels = [*n_rows.values()]
        shares = probable_share(counts_of_levels, least, _CHANCE_OF_NEW)
        self.share_of_others, self.probable_share = shares
        ends = [":missing" if level is None else f"={level}" for level in self.levels]
        self.outputs = [(end, "level") for end in [*ends, ":rare"]]
        self.outputs += [(f"~{word}", "word") for word in self.words]
        if self.numbers:
            self.outputs += [(":place", "place"), (":frequency", "frequency")]
        self.keep = _varied(self.encode(values))
        if self.keep:
            return ""
        return _ALL_RARE if len(levels) > 1 else _ALL_EQUAL if self.n else _ALL_MISSING

    def encode(self, values: Any) -> np.ndarray:
        """A column for each level, for all others, for each word, and for place and frequency."""
        codes, levels = values
        level_index = {level: place for place, level in enumerate(self.levels)}
        n_levels = len(level_index)
        word_index = {word: n_levels + 1 + place for place, word in enumerate(self.words)}
        written = np.zeros((len(levels), len(self.outputs)), np.float32)
        written[np.arange(len(levels)), [level_index.get(level, n_levels) for level in levels]] = 1
        for row, level in enumerate(levels if word_index else ()):
            for word in words_in(level) & word_index.keys():
                written[row, word_index[word]] = 1
        if self.numbers:
            written[:, -2:] = [self.numbers.get(level, (0.5, 0.0)) for level in levels]
        return written[codes]

    def compare(self, values: Any, report: Any) -> None:
        """Tell of new categories and of larger shares of values than chance explains."""
        codes, levels = values
        counts = count_rows(codes, levels)
        n = counts.sum()
        self._compare_shares(n, len(codes), levels[np.argmax(counts)], counts.max(), report)
        if self.known is None:
            return
        known = set(self.known)
        counts *= [level not in known for level in levels]
        n_new = counts.sum()
        if n_new and bdtrc(n_new - 1, n, self.probable_share) < _CHANCE_OF_NEW:
            text = "has categories that were not in fit"
            if self.is_many:
                text = "has more rows of new or rare categories than in fit"
            example = levels[np.argmax(counts)]
            report("new categories", text, n_new, n, example, self.share_of_others)


KINDS = {kind.__name__: kind for kind in (Numbers, Durations, Dates, Levels, Ignored)}
"""The kinds by the names of their classes, which files of models have."""
