"""The kinds of columns: how values are read, compared with those in `fit`, and encoded as numbers.

A kind is a class, and an instance describes one column of the table in `fit`. Its attributes are
builtins and arrays, so a file of a model needs none of these classes. Nothing but `learn` changes it.
How a value is read never depends on the other rows.
"""

import re
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, product
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from scipy.special import bdtrc
from scipy.stats import hypergeom

from skdense.tabular.levels import MANY, chosen_of, probable_share, words_of

_FAR_EXPONENT = 60
"""Differences of 2 to this power, or to minus it, have squares that float32 still knows."""
_SURPRISING = 0.001
"""The level of the tests for differences from the table in `fit`."""
_CHANCE_OF_NEW = 0.003
"""The level of both parts of the test for new levels: that of the estimated share of their rows, and
that of their number in the new rows. There are fewer false alarms, as both parts have to be wrong."""
_MOST_FREQUENT, _SAMPLE = 20, 2000
"""How many frequent values are kept, and in how many new values the most frequent one is looked for."""
_FEW = 20
"""From this number of strings on, pandas reads dates faster than Python."""
_MUCH_MORE = 0.1
"""The smallest increase of the share of one value that is reported."""
_LONGEST_EXAMPLE = 60
"""The number of characters of a value that messages show."""
_MANTISSA = 2**53
"""Integers up to this one are exact as float64."""
# Cells may have any length, and may come from strangers. So the time of each pattern is linear in the
# length of the string: no two neighbouring parts that repeat match the same characters, and `search`
# with a pattern that begins in many places gets strings of limited length.
LONGEST_DATE = 100
"""No longer string is read as a date or a duration. The parsers of pandas are not ours."""
_DATE = re.compile(r"[0-9]{4}|[0-9]\D+[0-9]")
"""What all strings contain that are dates."""
_ZONE = re.compile(r":\d\d\S*\s?(?:Z|[+-]\d\d:?\d\d)$")
"""How strings end that have a time and its offset from UTC."""
NUMBER = re.compile(
    r"\s*[+\u2212-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)\s*", re.I
)
"""Strings that are numbers. U+2212 is the typographic minus sign."""
_CURRENCIES = {"€": "EUR", "$": "USD", "US$": "USD", "£": "GBP", "¥": "JPY", "₩": "KRW", "₹": "INR"}
"""Signs of currencies, and what means the same."""
_CODES_OF_CURRENCIES = (
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN NOK NZD PHP PLN RUB SEK SGD "
    "THB TRY TWD USD ZAR"
)
_UNIT = "|".join(map(re.escape, [*_CURRENCIES, *_CODES_OF_CURRENCIES.split()]))
_UNITS = re.compile(rf"{_UNIT}|%")
_SEPARATORS = "'\u2019 \u00a0\u202f"
"""What may separate thousands, but for the comma and the point."""
_AMOUNT = re.compile(
    rf"([+\u2212-]?)({_UNIT})?\s*([+\u2212-]?)(\.?[0-9][0-9.,{_SEPARATORS}]*+)\s*({_UNIT}|%)?"
)
"""Strings that may be numbers with a unit: sign, unit, sign, digits and separators, unit."""
_DIGITS = {
    decimal: re.compile(
        rf"(?:[1-9][0-9]{{0,2}}([{other}{_SEPARATORS}])[0-9]{{3}}(?:\1[0-9]{{3}})*|[0-9]+)?"
        rf"(?:\{decimal}[0-9]*)?"
    )
    for decimal, other in ((".", ","), (",", "."))
}
"""Digits with separators of thousands, by the mark of decimals."""
IGNORED = "column_kinds says so"
_ALL_MISSING, ALL_EQUAL = "all its values are missing", "all its values are equal"
_ALL_RARE = (
    "hardly one of its values is in five rows, as with IDs; if parts of them say something, make "
    "columns of these parts"
)
"""Why nothing of a column can be used."""
MISSING = frozenset(
    "null|#NA|nan|#N/A N/A|<NA>|n/a|NULL|NA|N/A|#N/A|NaN|-nan|-NaN|1.#QNAN|-1.#QNAN|1.#IND|-1.#IND|"
    "?|...|none|None|".split("|")
)
"""The strings that pandas.read_csv or skrub takes for missing values, and the empty one."""
CONTAINERS = list, tuple, set, frozenset, dict, np.ndarray
"""Values of cells that are no categories."""
_KIND_OF_TYPE = {
    **dict.fromkeys(("floating", "integer", "mixed-integer-float", "boolean", "decimal"), "numbers"),
    **dict.fromkeys(("datetime64", "datetime", "date"), "dates"),
    **dict.fromkeys(("timedelta64", "timedelta"), "durations"),
    "categorical": "categories",
}
"""The kind of a column by pandas' name of the type of its values."""


def kind_of(values: Any) -> str:
    """The kind of a Series or array by its type, or by the types of its values if it has objects."""
    if str(values.dtype).startswith("dictionary<"):  # as pyarrow calls categories
        return "categories"
    inferred = infer_dtype(values, skipna=True)
    if inferred == "complex":
        raise ValueError("Complex data not supported")
    return _KIND_OF_TYPE.get(inferred, "strings")


def shown(value: Any) -> str:
    """A value as messages show it: short, and NumPy's scalars as those of Python."""
    if isinstance(value, CONTAINERS):
        text = f"[{', '.join(map(shown, islice(value, 5)))}]"
        if isinstance(value, dict):
            text = ", ".join(f"{shown(key)}: {shown(item)}" for key, item in islice(value.items(), 5))
            text = f"{{{text}}}"
    else:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= _LONGEST_EXAMPLE else f"{text[: _LONGEST_EXAMPLE - 4]}...{text[-1]}"


def containers_in(values: Any) -> list:
    """The lists, sets, dicts and arrays among the values of a column."""
    if getattr(values.dtype, "kind", None) != "O":
        return []
    return [value for value in np.asarray(values, object) if isinstance(value, CONTAINERS)]


def loses_digits(values: Any) -> bool:
    """Whether some of these integers, or strings of integers, are other numbers as float64."""
    ints = (int(x) for x in values if _is_large_int(x))
    return any(int(float(x)) != x for x in ints)


def _is_large_int(value):
    if isinstance(value, str):
        digits = value.strip().lstrip("+-\u2212")
        return 15 < len(digits) < 300 and digits.isascii() and digits.isdecimal()
    return isinstance(value, (int, np.integer)) and _MANTISSA < abs(int(value)) < 10**300


def text_of(value: Any) -> str:
    """A value as a string. 1, 1.0 and "1.0" are the same, as a missing value makes floats of ints."""
    if isinstance(value, CONTAINERS):
        return ""  # missing
    if isinstance(value, Decimal):
        value = float(value)
    text = str(value)
    if text.endswith(".0") and text[:-2].lstrip("-").isdecimal():
        return text[:-2]
    if "e+" in text and NUMBER.fullmatch(text) and np.isfinite(float(text)):
        return str(int(float(text)))  # a float of 1e16 or more
    return text


def number_of(text: str) -> float:
    """The number that a string shows."""
    return float(text.replace("\u2212", "-"))


def amount_of(text: str, decimal: str, unit: str | None = None) -> tuple[float, str] | None:
    """The number in a string such as "-1,234.50 EUR" with this mark of decimals, and its unit.

    Currencies and "%" are always units; `unit` may be another one, such as "kg".
    """
    text, other_unit = text.strip(), ""
    if unit and text.endswith(unit) and _UNITS.fullmatch(unit) is None:
        text, other_unit = text.removesuffix(unit).rstrip(), unit
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    sign, before, other_sign, digits, after = match.groups("")
    digits = digits.rstrip()
    if (sign and other_sign) or (before and after) or not _DIGITS[decimal].fullmatch(digits):
        return None
    number = re.sub(rf"[^0-9{decimal}]", "", digits).replace(",", ".")
    name = before or after
    if name and other_unit:
        return None
    return number_of(f"{sign or other_sign}{number}"), _CURRENCIES.get(name, name) or other_unit


def has_zone(text: str) -> bool:
    """Whether a string ends with a time and its offset from UTC."""
    return _ZONE.search(text[-LONGEST_DATE:]) is not None


def texts_of(text: str) -> list[str]:
    """The strings that are read as this one."""
    texts = [text, f"{text}.0", str(number_of(text)) if NUMBER.fullmatch(text) else text]
    return [other for other in dict.fromkeys(texts) if text_of(other) == text]


def coded(values: Any, missing: Any) -> tuple[np.ndarray, list[str | None]]:
    """Values as numbers of distinct strings, and these, with None for missing ones."""
    if values.dtype.kind in "mM":
        values = pd.Series(values)
    values = np.asarray(values, dtype=object)
    texts: dict[str, int] = {}
    codes = [
        texts.setdefault("" if is_missing else x if type(x) is str else text_of(x), len(texts))
        for x, is_missing in zip(values, pd.isna(values))
    ]
    levels: dict[str | None, int] = {}
    places = [
        levels.setdefault(None if x in missing or x.isspace() else x, len(levels))
        for x in map(text_of, texts)
    ]
    return np.array(places, np.intp)[codes], list(levels)


def counted(codes: np.ndarray, texts: list[str | None]) -> np.ndarray:
    """The number of rows of each distinct string, 0 for missing ones."""
    return np.bincount(codes, minlength=len(texts)) * [text is not None for text in texts]


def shift_of(values: np.ndarray) -> tuple[float, float]:
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


def is_surprising(k: int, n: int, k_in_fit: int, n_in_fit: int, of: int = 1) -> bool:
    """Whether k of n values have what only so many in `fit` had, by more than chance.

    It is that of any of so many things, if all orders of the old and new values are equally probable.
    """
    if not k or bdtrc(k - 1, n, (k_in_fit + 1) / (n_in_fit + 2)) * of >= _SURPRISING:
        return False  # which is known soon
    return hypergeom.sf(k - 1, n_in_fit + n, k_in_fit + k, n) * of < _SURPRISING


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
    """

    stored = "f8"
    """The type in which values are kept: dates are integers, which all files know."""
    n, n_unread, is_marked, keep = 0, 0, False, []
    readable = frozenset({"categories", "strings"})
    """Other kinds of values that are read by their strings."""
    source = "its values in fit"

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

    def read(self, values: Any, tell: Any) -> Any:
        """The values, with NaN for missing ones.

        `tell` reports differences from the values in `fit`: their kind, a text that says what they are,
        the number of values that differ, that of all values, an example, and their share in `fit`.
        """
        try:
            kind = kind_of(values)
            if kind == self.kind:
                return self._read(values, tell)
            if kind in self.readable or (self.kind != "numbers" and pd.isna(values).all()):
                return self._read_texts(*coded(values, MISSING), containers_in(values), tell)
            raise ValueError(f"they are {kind}, of type {values.dtype}")
        except Exception as error:  # pandas has types of its own
            raise ValueError(
                f"column {self.name!r} has {self.kind}, by {self.source}, but not all of them can be "
                f"read as {self.kind}: {error}"
            ) from error

    def _read_texts(self, codes, texts, containers, tell):
        values = self._parsed(texts, tell)
        counts = counted(codes, texts)
        unread = counts * np.isnan(values)
        if n_unread := unread.sum() + len(containers):
            n = counts.sum() + len(containers)
            example = texts[np.argmax(unread)] if unread.any() else containers[0]
            if n_unread == n > 1:
                raise ValueError(f"{n} of {n} values cannot, such as {shown(example)}")
            text = f"has values that cannot be read as {self.kind} and are taken as missing"
            self._tell_unread(text, n_unread, n, example, tell)
        return values[codes]

    def _tell_unread(self, text, n_unread, n, example, tell):
        """Tell of values that cannot be read, if there are more than `fit` and chance explain."""
        if not self.n_unread or is_surprising(n_unread, n, self.n_unread, self.n_rows):
            share_in_fit = self.n_unread / self.n_rows if self.n_unread else 0.0
            tell("unreadable", text, n_unread, n, example, share_in_fit)

    def learn(self, values: Any) -> str:
        """Learn from the values in `fit` that were read; why nothing of them can be used, or ""."""
        present = values[~np.isnan(values)].view(self.stored)
        self.n, self.n_missing = len(present), len(values) - len(present)
        if not self.n:
            return _ALL_MISSING
        self.is_marked = self.n_missing > 0
        found, counts = np.unique(present, return_counts=True)
        most = np.argsort(-counts, kind="stable")[:_MOST_FREQUENT]
        self.frequent, self.frequencies, self.n_distinct = found[most], counts[most], len(found)
        self.low, self.high = present.min().item(), present.max().item()
        self._learn(values)
        self.keep = _varied(self.encode(values))
        return "" if self.keep or self.is_marked else ALL_EQUAL

    def compare(self, values: Any, tell: Any) -> None:
        """Tell of values outside the range in `fit`, and of larger shares than chance explains."""
        present = values[~np.isnan(values)].view(self.stored)
        n = len(present)
        found, counts = np.unique(present[:: n // _SAMPLE + 1], return_counts=True)
        most = found[np.argmax(counts)] if n else np.nan
        self._compare_shares(n, len(values), most, np.count_nonzero(present == most), tell)
        is_outside = (present < self.low) | (present > self.high)
        n_outside = np.count_nonzero(is_outside)
        if n_outside and chance_of_outside(n_outside, len(present), self.n) < _SURPRISING:
            found, counts = np.unique(present[is_outside], return_counts=True)
            low, high, example = map(self._shown, (self.low, self.high, found[np.argmax(counts)]))
            if self.kind == "dates" and found[0] > self.high:
                tell(
                    "later", f"has dates after the last one in fit, {high}", n_outside, n, example, 0.0
                )
            else:
                text = f"has values outside the range in fit, {low} to {high}"
                tell("range", text, n_outside, n, example, 0.0)

    def _compare_shares(self, n_present, n_rows, most, n_most, tell):
        """Tell of more missing values, and of more of the most frequent one, than by chance."""
        n_missing = n_rows - n_present
        if n_missing == n_rows > 1 or is_surprising(n_missing, n_rows, self.n_missing, self.n_rows):
            text = f"has more missing values than in fit, where {self.n_missing} of {self.n_rows} were"
            tell("missing", text, n_missing, n_rows, None, self.n_missing / self.n_rows)
        n_of_others = self.frequencies[-1] if self.n_distinct > _MOST_FREQUENT else 0  # at most
        n_in_fit = dict(zip(self.frequent, self.frequencies)).get(most, n_of_others)
        share_in_fit = n_in_fit / self.n if self.n else 0.0
        if n_most >= (share_in_fit + _MUCH_MORE) * n_present:
            if is_surprising(n_most, n_present, n_in_fit, self.n, self.n_distinct):
                text = "has one value in a larger share of the rows than in fit"
                tell("one value", text, n_most, n_present, self._shown(most), share_in_fit)

    def _shown(self, value):
        return value if isinstance(value, str) else float(value)


class Numbers(Column):
    """Numbers and bools: shifted.

    Attributes
    ----------
    low, high : float
        The range in `fit`, if there were numbers.
    shift, scale : float
        See `shift_of`.
    decimal, unit : str
        The mark of decimals and the unit of strings that are no plain numbers.
    """

    kind, outputs = "numbers", [("", "number")]
    decimal = unit = ""

    def _read(self, values, tell):
        if values.dtype.kind in "fiub" and isinstance(values.dtype, np.dtype):
            return np.asarray(values, np.float64)
        return pd.Series(values).to_numpy(np.float64, na_value=np.nan)

    def _parsed(self, texts, tell):
        return np.array([np.nan if text is None else self._number(text) for text in texts])

    def _number(self, text):
        if self.decimal:
            number, unit = amount_of(text, self.decimal, self.unit) or (np.nan, "")
            return number if unit in ("", _CURRENCIES.get(self.unit, self.unit)) else np.nan
        return number_of(text) if NUMBER.fullmatch(text) else np.nan

    def _learn(self, values):
        self.shift, self.scale = shift_of(values)

    def encode(self, values: Any) -> np.ndarray:
        """One column."""
        return shifted(values, self.shift, self.scale)[:, None]


class Durations(Numbers):
    """Durations: their seconds, shifted."""

    kind, outputs = "durations", [("", "duration")]

    def _read(self, values, tell):
        return pd.TimedeltaIndex(values).to_numpy() / np.timedelta64(1, "s")

    def _parsed(self, texts, tell):
        # pandas takes a number for nanoseconds.
        texts = [text if _may_be_duration(text) else None for text in texts]
        return self._read(pd.to_timedelta(pd.Series(texts, dtype=object), errors="coerce"), tell)


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
        Of the seconds, see `shift_of`.
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
            _, self.zone = _in_utc(values)
        elif any(map(has_zone, values)):
            self.zone = "UTC"

    def _read(self, values, tell):
        return self._compare_zones(*_in_utc(values), tell)

    def _parsed(self, texts, tell):
        """By any format, such as "2024-01-05T10:00" where there were seconds in `fit`."""
        zone = "UTC" if any(has_zone(text) for text in texts if text is not None) else None
        return self._compare_zones(dates_of(texts, [*self.formats, "ISO8601"]), zone, tell)

    def _compare_zones(self, dates, zone, tell):
        """The dates; tell if either they or those in `fit` have a time zone, and the others do not."""
        n = np.count_nonzero(~np.isnat(dates))
        if n and (zone is None) != (self.zone is None):
            text = f"has dates with {'a' if zone else 'no'} time zone, unlike in fit; those without "
            tell("time zone", f"{text}one are taken as UTC", n, n)
        return dates

    def _learn(self, values):
        parts = self._parts(values)
        self.limits = np.array([np.fmin.reduce(parts), np.fmax.reduce(parts)])
        self.shift, self.scale = shift_of(parts[:, 1])

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


def may_be_date(text: str) -> bool:
    """Whether a string may be a date, unlike "now" and "today", which pandas reads by the clock."""
    return len(text) <= LONGEST_DATE and _DATE.search(text) is not None


def dates_of(texts: list[str | None], forms: list[str]) -> np.ndarray:
    """Dates of any of these formats as an array of microseconds in UTC, and NaT for all other strings.

    pandas is quick for many, Python for few, and it reads what pandas 2 takes for too far from 1970.
    """
    dates = np.full(len(texts), "NaT", "M8[us]")
    is_known = np.array([text is not None and may_be_date(text) for text in texts], bool)
    ways = [_by_python, _by_pandas] if len(texts) < _FEW else [_by_pandas, _by_python]
    for form, way in product(forms, ways):
        if (rest := np.flatnonzero(np.isnat(dates) & is_known)).size:
            dates[rest] = way([texts[place] for place in rest], form)
    return dates


def _by_pandas(texts, form):
    return pd.to_datetime(texts, format=form, errors="coerce", utc=True).to_numpy("M8[us]")


def _by_python(texts, form):
    dates = []
    for text in texts:
        try:
            date = datetime.fromisoformat(text) if form == "ISO8601" else datetime.strptime(text, form)
            dates.append(date.astimezone(UTC).replace(tzinfo=None) if date.tzinfo else date)
        except (ValueError, OverflowError):
            dates.append(None)
    return np.array(dates, "M8[us]")


def _in_utc(values):
    """Dates as an array of microseconds in UTC, and the name of their time zone or None."""
    try:
        dates = pd.DatetimeIndex(values)
    except ValueError:
        try:  # of different UTC offsets
            dates = pd.DatetimeIndex(pd.to_datetime(values, utc=True))
        except ValueError:  # far from 1970, in pandas 2
            return np.array(pd.Series(values).where(pd.notna(values), None), "M8[us]"), None
    return dates.to_numpy("M8[us]"), None if dates.tz is None else _name(dates.tz)


def _name(zone):
    """The name of a time zone, or "UTC" if pandas does not know it by its name."""
    try:
        pd.DatetimeIndex([]).tz_localize(str(zone))
    except Exception:  # of whatever package knows zones
        return "UTC"
    return str(zone)


class Ignored(Column):
    """A column that the user wants to be ignored. It may be missing in new data."""

    kind, outputs = "ignored", []

    def read(self, values: Any, tell: Any) -> Any:
        """Nothing."""

    def learn(self, values: Any) -> str:
        """Why nothing of the values is used."""
        return IGNORED


class Levels(Column):
    """Categories and strings: columns of levels and words, and two numbers; `chosen_of` has which.

    Attributes
    ----------
    kind : "categories" or "strings"
        Strings such as "NA" are missing only in the second.
    levels : list of str or None
        Those with a column. All other levels share one.
    words : list of str
        Those with a column.
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

    def read(self, values: Any, tell: Any) -> Any:
        """Numbers of levels, and the levels."""
        if containers := containers_in(values):
            text = "has lists, sets, dicts or arrays, which are taken as missing"
            self._tell_unread(text, len(containers), len(values), containers[0], tell)
        return coded(values, MISSING if self.kind == "strings" else {""})

    def learn(self, values: Any) -> str:
        """Choose what is written; why nothing of the values can be used, or ""."""
        codes, levels = values
        counts = np.bincount(codes, minlength=len(levels)).tolist()
        self.levels, self.words, self.numbers = chosen_of(levels, counts)
        n_rows = Counter({x: count for x, count in zip(levels, counts) if x is not None})
        self.n, self.n_distinct = n_rows.total(), len(n_rows)
        self.n_missing = len(codes) - self.n
        most = n_rows.most_common(_MOST_FREQUENT)
        self.frequent, self.frequencies = [x for x, _ in most], [count for _, count in most]
        self.is_many = len(n_rows) >= MANY
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
        return _ALL_RARE if len(levels) > 1 else ALL_EQUAL if self.n else _ALL_MISSING

    def encode(self, values: Any) -> np.ndarray:
        """A column for each level, for all others, for each word, and for place and frequency."""
        codes, levels = values
        of_level = {level: place for place, level in enumerate(self.levels)}
        n_levels = len(of_level)
        of_word = {word: n_levels + 1 + place for place, word in enumerate(self.words)}
        written = np.zeros((len(levels), len(self.outputs)), np.float32)
        written[np.arange(len(levels)), [of_level.get(level, n_levels) for level in levels]] = 1
        for row, level in enumerate(levels if of_word else ()):
            for word in words_of(level) & of_word.keys():
                written[row, of_word[word]] = 1
        if self.numbers:
            written[:, -2:] = [self.numbers.get(level, (0.5, 0.0)) for level in levels]
        return written[codes]

    def compare(self, values: Any, tell: Any) -> None:
        """Tell of new categories and of larger shares of values than chance explains."""
        codes, levels = values
        counts = counted(codes, levels)
        n = counts.sum()
        self._compare_shares(n, len(codes), levels[np.argmax(counts)], counts.max(), tell)
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
            tell("new categories", text, n_new, n, example, self.share_of_others)


KINDS = {each.__name__: each for each in (Numbers, Durations, Dates, Levels, Ignored)}
"""The kinds by the names of their classes, which files of models have."""
