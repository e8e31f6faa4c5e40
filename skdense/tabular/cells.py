"""Single cells: how their types and strings are read, and how messages show them.

Nothing here knows of columns. Cells may have any length, and may come from strangers, so the time of
each pattern is linear in the length of the string: no two neighbouring parts that repeat match the same
characters, and `search` with a pattern that begins in many places gets strings of limited length.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice, product
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

_FEW_STRINGS = 20
"""From this number of strings on, pandas reads dates faster than Python."""
_LONGEST_EXAMPLE = 60
"""The number of characters of a value that messages show."""
_MANTISSA = 2**53
"""Integers up to this one are exact as float64."""
LONGEST_DATE = 100
"""No longer string is read as a date or a duration. The parsers of pandas are not ours."""
_DATE = re.compile(r"[0-9]{4}|[0-9]\D+[0-9]")
"""What all strings contain that are dates."""
_ZONE = re.compile(r":\d\d[\d.,]*(?:\s?[ap]m)?\s?(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.I)
"""How strings end that have a time and its offset from UTC."""
NUMBER = re.compile(
    r"\s*[+\u2212-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)\s*", re.I
)
"""Strings that are numbers. U+2212 is the typographic minus sign."""
CURRENCIES = {"€": "EUR", "$": "USD", "US$": "USD", "£": "GBP", "¥": "JPY", "₩": "KRW", "₹": "INR"}
"""Signs of currencies, and what means the same."""
_CODES_OF_CURRENCIES = (
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN NOK NZD PHP PLN RUB SEK SGD "
    "THB TRY TWD USD ZAR"
)
_UNIT = "|".join(map(re.escape, [*CURRENCIES, *_CODES_OF_CURRENCIES.split()]))
_UNITS = re.compile(rf"{_UNIT}|%")
_SEPARATORS = "'\u2019 \u00a0\u202f"
"""What may separate thousands, but for the comma and the point."""
_AMOUNT = re.compile(
    rf"([+\u2212-]?)({_UNIT})?\s*([+\u2212-]?)(\.?[0-9][0-9.,{_SEPARATORS}]*+)\s*({_UNIT}|%)?"
)
"""Strings that may be numbers with a unit: sign, unit, sign, digits and separators, unit."""
_DIGIT_GROUPS = {
    decimal: re.compile(
        rf"(?:[1-9][0-9]{{0,2}}([{other}{_SEPARATORS}])[0-9]{{3}}(?:\1[0-9]{{3}})*|[0-9]+)?"
        rf"(?:\{decimal}[0-9]*)?"
    )
    for decimal, other in ((".", ","), (",", "."))
}
"""Digits with separators of thousands, by the mark of decimals."""
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


def infer_kind(values: Any) -> str:
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
    if getattr(values.dtype, "kind", None) != "O" or isinstance(values.dtype, pd.StringDtype):
        return []
    return [value for value in np.asarray(values, object) if isinstance(value, CONTAINERS)]


def loses_digits(values: Any) -> bool:
    """Whether some of these integers, or strings of integers, are other numbers as float64."""
    ints = (int(x) for x in values if _is_large_integer(x))
    return any(int(float(x)) != x for x in ints)


def _is_large_integer(value):
    if isinstance(value, str):
        digits = value.strip().lstrip("+-\u2212")
        return 15 < len(digits) < 300 and digits.isascii() and digits.isdecimal()
    return isinstance(value, (int, np.integer)) and _MANTISSA < abs(int(value)) < 10**300


def to_text(value: Any) -> str:
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


def to_number_or_text(value: Any) -> float | str:
    """A number or bool as a float, which needs no decimal mark; anything else as a string."""
    return float(value) if isinstance(value, (Real, np.bool_, Decimal)) else to_text(value)


def parse_number(text: str) -> float:
    """The number that a string shows."""
    return float(text.replace("\u2212", "-"))


def parse_amount(value: float | str, decimal: str, unit: str | None = None) -> tuple[float, str] | None:
    """The number in a string such as "-1,234.50 EUR" with this mark of decimals, and its unit.

    Currencies and "%" are always units; `unit` may be another one, such as "kg". A number has no unit.
    """
    if not isinstance(value, str):
        return value, ""
    text, other_unit = value.strip(), ""
    if unit and _UNITS.fullmatch(unit) is None:
        if text.endswith(unit):
            text, other_unit = text.removesuffix(unit).rstrip(), unit
        elif text.startswith(unit):
            text, other_unit = text.removeprefix(unit).lstrip(), unit
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return None
    sign, before, other_sign, digits, after = match.groups("")
    digits = digits.rstrip()
    if (sign and other_sign) or (before and after) or not _DIGIT_GROUPS[decimal].fullmatch(digits):
        return None
    number = re.sub(rf"[^0-9{decimal}]", "", digits).replace(",", ".")
    name = before or after
    if name and other_unit:
        return None
    return parse_number(f"{sign or other_sign}{number}"), CURRENCIES.get(name, name) or other_unit


def has_zone(text: str) -> bool:
    """Whether a string ends with a time and its offset from UTC."""
    return _ZONE.search(text[-LONGEST_DATE:]) is not None


def spellings(text: str) -> list[str]:
    """The strings that are read as this one."""
    texts = [text, f"{text}.0", str(parse_number(text)) if NUMBER.fullmatch(text) else text]
    return [other for other in dict.fromkeys(texts) if to_text(other) == text]


def factorized(values: Any, missing: Any, convert: Callable = to_text) -> tuple[np.ndarray, list]:
    """Values as numbers of distinct ones after `convert`, and these, with None for missing ones."""
    if values.dtype.kind in "mM":
        values = pd.Series(values)
    values = np.asarray(values, dtype=object)
    distinct: dict[Any, int] = {}
    codes = [
        distinct.setdefault("" if is_missing else x if type(x) is str else convert(x), len(distinct))
        for x, is_missing in zip(values, pd.isna(values))
    ]
    levels: dict[Any, int] = {}
    places = [
        levels.setdefault(None if x in missing or str(x).isspace() else x, len(levels))
        for x in map(convert, distinct)
    ]
    return np.array(places, np.intp)[codes], list(levels)


def count_rows(codes: np.ndarray, levels: list) -> np.ndarray:
    """The number of rows of each distinct value, 0 for missing ones."""
    return np.bincount(codes, minlength=len(levels)) * [level is not None for level in levels]


def may_be_date(text: str) -> bool:
    """Whether a string may be a date, unlike "now" and "today", which pandas reads by the clock."""
    return len(text) <= LONGEST_DATE and _DATE.search(text) is not None


def parse_dates(texts: list[str | None], forms: list[str]) -> np.ndarray:
    """Dates of any of these formats as an array of microseconds in UTC, and NaT for all other strings.

    pandas is faster for many strings, and Python for few. Python also reads dates that are out of the
    range of pandas 2. Names of time zones are read by pandas only, because Python knows only those of
    the machine and ignores their offset.
    """
    dates = np.full(len(texts), "NaT", "M8[us]")
    is_known = np.array([text is not None and may_be_date(text) for text in texts], bool)
    ways = [_by_python, _by_pandas] if len(texts) < _FEW_STRINGS else [_by_pandas, _by_python]
    for form, way in product(forms, ways):
        if way is _by_python and "%Z" in form:
            continue
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


def in_utc(values):
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
