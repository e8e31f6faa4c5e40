"""The kind of each column: as the user gives it, or guessed by its values.

Strings are read as numbers or dates only if all of them can be, and no other reading is possible, as a
wrong guess does more harm than a question. If nearly all can, a remark says what the user can do.
"""

import re
from collections import Counter
from collections.abc import Callable
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

from skdense.frames import name_of_column
from skdense.tabular.cells import (
    MISSING,
    NUMBER,
    containers_in,
    count_rows,
    factorized,
    infer_kind,
    loses_digits,
    may_be_date,
    parse_amount,
    parse_dates,
    shown,
    to_number_or_text,
    to_text,
)
from skdense.tabular.kinds import Column, Dates, Durations, Ignored, Levels, Numbers

_NEARLY_ALL = 0.9
"""The share of readable values from which a remark says that they could be read."""
_FEW_NUMBERS = 10
"""A column with fewer distinct numbers, and more than a tenth of others, may well have categories."""
_YEARS, _MONTHS = "%Y", "%Y-%m"
"""Formats of years, which skrub finds in any strings of four digits, and of months."""
_CONFIRM = ". An entry in column_kinds confirms or changes this"
"""The end of remarks on how a column is read."""
_MARK = re.compile("[.,]")
"""Marks of decimals or of thousands."""
_INTEGER = re.compile(r"\s*[+\u2212-]?[0-9]+\s*")
"""Strings that are integers."""
_FEWEST_IDS = 20
"""In a column with fewer rows, all integers may differ by chance."""
GIVEN = "column_kinds"
"""The source of the kind of a column that the user gives."""
_CODES = 0.01
"""The share of numbers with leading zeros from which strings of different lengths are codes."""


class Reading(NamedTuple):
    """One way to read the distinct strings of a column.

    Attributes
    ----------
    is_read : ndarray of bool
        The strings that can be read so.
    appearance : str
        What the strings look like, in the words of a remark.
    doubt : str
        Why it is not certain that they are meant so, even if all can be read; or "".
    entry : str, dict or None
        The entry of `column_kinds` that reads them so; None if no single one would be right.
    column : Column
        The column if it is read so.
    remark : str
        The remark if it is read so, or "".
    """

    is_read: np.ndarray
    appearance: str
    doubt: str
    entry: Any
    column: Column
    remark: str


def column_of_strings(name: str, cells: list[float | str], counts: np.ndarray) -> tuple[Column, str]:
    """The kind of a column by its distinct strings and the number of rows of each, and a remark.

    There may be numbers among the strings.
    """
    texts = [*map(to_text, cells)]
    if form := format_of_dates(texts):
        other = _other_order(texts, form)
        entry = {"kind": "date", "format": other}
        return Dates(name, texts, [form]), other and (
            f"column {name!r} has dates such as {texts[0]!r}, which are read with the month first. If "
            f"the day comes first, pass {_parameter(name, entry)}"
        )
    is_number = np.array([NUMBER.fullmatch(text) is not None for text in texts])
    if is_number.all():
        is_code = np.array([re.fullmatch("0[0-9]+", text) is not None for text in texts])
        same_length = len(set(map(len, texts))) == 1
        if is_code.any() and (same_length or is_code @ counts >= _CODES * counts.sum()):
            return Levels(name, "strings"), ""
        return Numbers(name), ""
    reading = (
        _amounts(name, cells, counts, is_number)
        or _dates(name, texts, counts)
        or _numbers(name, counts, is_number)
    )
    if reading is None:
        return Levels(name, "strings"), ""
    return _decided(name, texts, counts, reading)


def _decided(name, texts, counts, reading):
    """The column of a reading if all strings can be read and there is no doubt; else one of levels."""
    doubts = [reading.doubt] if reading.doubt else []
    if not reading.is_read.all():
        n_others, other = counts[~reading.is_read].sum(), texts[np.argmin(reading.is_read)]
        doubts.append(f"{n_others} of {counts.sum()} values are not, for example {shown(other)}")
    if not doubts:
        return reading.column, reading.remark
    remark = (
        f"column {name!r} {reading.appearance}, but {' and '.join(doubts)}, so it is read as categories"
    )
    if reading.entry:
        remark += f". To convert it, pass {_parameter(name, reading.entry)}"
    return Levels(name, "strings"), remark


def _parameter(name, entry):
    return f"column_kinds={ {name: entry}!r}"


def format_of_dates(texts: list[str]) -> str | None:
    """The format of dates that all strings have, or None."""
    if not all(map(may_be_date, texts)):
        return None
    try:
        from skrub import ToDatetime  # importing it takes as long as fitting a small table
        from skrub.core import RejectColumn
    except ImportError:
        raise ImportError("reading strings as dates needs skrub: python -m pip install skrub") from None

    # pandas 2 has no nanoseconds for years such as 0001.
    usual = [text for text in texts if re.search("(1[7-9]|2[01])[0-9][0-9]", text)]
    try:
        form = ToDatetime().fit(pd.Series(usual or texts, dtype=object)).format_
    except RejectColumn:
        form = _MONTHS  # which pandas 2 does not look for
    return form if form != _YEARS and _are_dates(texts, form) else None


def _are_dates(texts, form):
    return not np.isnat(parse_dates(texts, [form])).any()


def _other_order(texts, form):
    """A format with the day first that strings with the month first could have as well, or ""."""
    other = form.translate(str.maketrans("dm", "md"))
    return other if form.startswith("%m") and _are_dates(texts, other) else ""


def _amounts(name, cells, counts, is_number):
    """Numbers with a currency, a percent sign, or separators."""
    parsed = {mark: [parse_amount(cell, mark) for cell in cells] for mark in ".,"}
    decimal, other = sorted(parsed, key=lambda mark: -sum(compress(counts, parsed[mark])))
    amounts = parsed[decimal]
    is_read = np.array([amount is not None for amount in amounts])
    n_read = is_read @ counts
    if n_read < _NEARLY_ALL * counts.sum() or n_read <= is_number @ counts:
        return None
    units = sorted({amount[1] for amount in amounts if amount})
    doubt = _doubt_of_amounts(cells, amounts, parsed[other], units)
    column = Numbers(name)
    column.decimal, column.unit = decimal, units[0]
    entry = {"kind": "number", "decimal": decimal} | ({"unit": units[0]} if units[0] else {})
    unit = f" with {units[0]!r}" if units[0] else ""
    first = np.argmax(is_read & ~is_number)
    example, (value, _) = shown(cells[first]), amounts[first]
    return Reading(
        is_read,
        appearance=f"looks numeric, for example {example}",
        doubt=doubt,
        entry=entry if len(units) == 1 else None,
        column=column,
        remark=f"column {name!r} is read as numbers{unit}: {example} is {value:.15g}{_CONFIRM}",
    )


def _doubt_of_amounts(cells, amounts, amounts_by_other_mark, units):
    """Why it is not certain which numbers the strings show, or ""."""
    has_spaces = [bool(re.search(r"[0-9][\s'\u2019][0-9]", str(cell))) for cell in cells]
    if len(units) > 1:
        names = ", ".join(repr(unit) if unit else "none" for unit in units)
        return f"the units differ: {names}"
    if _marks_are_uncertain(cells, amounts, amounts_by_other_mark):
        return "the decimal mark is ambiguous"
    if all(has_spaces) and not any(map(_has_mark, cells)) and units == [""]:
        return "they may be codes"
    return ""


def _marks_are_uncertain(cells, amounts, amounts_by_other_mark):
    """Whether there are points or commas, but no string that only one mark of decimals can read."""
    has_mark = [*map(_has_mark, cells)]
    decided = (a and not b and m for a, b, m in zip(amounts, amounts_by_other_mark, has_mark))
    return any(has_mark) and not any(decided)


def _has_mark(cell):
    return isinstance(cell, str) and _MARK.search(cell) is not None


def _dates(name, texts, counts):
    """Dates of one format among other values, or of two formats."""
    texts_by_format = _texts_by_format(texts, counts)
    dates = {text for alike in texts_by_format.values() for text in alike}
    is_read = np.array([text in dates for text in texts])
    if is_read @ counts < _NEARLY_ALL * counts.sum():
        return None
    forms = list(texts_by_format)
    is_unsure = any(_other_order(alike, form) for form, alike in texts_by_format.items())
    return Reading(
        is_read,
        appearance=f"looks like dates, for example {next(iter(texts_by_format.values()))[0]!r}",
        doubt="it is ambiguous whether the day or the month comes first" if is_unsure else "",
        entry={"kind": "date", "format": forms[0] if len(forms) == 1 else forms},
        column=Dates(name, texts, forms),
        remark=f"column {name!r} is read as dates in the formats "
        f"{' and '.join(map(repr, forms))}{_CONFIRM}",
    )


def _texts_by_format(texts, counts):
    """The strings that are dates of at most two formats, by their format."""
    shapes = [re.sub("[0-9]+", "0", re.sub(r"[^\W\d_]+", "a", text)) for text in texts]
    n_rows = Counter()
    for shape, count in zip(shapes, counts):
        if shape.count("0") > 1:
            n_rows[shape] += count
    texts_by_format = {}
    for shape, _ in n_rows.most_common(2):
        alike = [text for text, other in zip(texts, shapes) if other == shape]
        if form := format_of_dates(alike):
            texts_by_format[form] = texts_by_format.get(form, []) + alike
    return texts_by_format


def _numbers(name, counts, is_number):
    """Numbers among other values."""
    n_read = is_number @ counts
    has_many = n_read > counts.sum() / 2 and is_number.sum() >= _FEW_NUMBERS
    if not (has_many or n_read >= _NEARLY_ALL * counts.sum()):
        return None
    return Reading(is_number, "contains mostly numbers", "", "number", Numbers(name), "")


# --- kinds that are guessed -------------------------------------------------------------------------


def guessed_column(name: str, values: Any) -> tuple[Column, list[str], str]:
    """A column by the type of its values, and of strings by what all of them are.

    Returns
    -------
    column : Column
        The column, which has learned nothing.
    remarks : list of str
        What the user should know of the guess.
    reason : str
        Why the column cannot be used, or "".
    """
    kind = _inferred_kind(name, values)
    if kind == "dates":
        return Dates(name, values), [], ""
    if kind == "durations":
        return Durations(name), [], ""
    if kind == "numbers":
        return Numbers(name), [], ""
    if kind == "categories":
        return Levels(name, kind), [], ""
    remarks, reason = [], ""
    if containers := containers_in(values):
        text = (
            f"{len(containers)} of its {len(values)} values are a {type(containers[0]).__name__}, "
            f"such as {shown(containers[0])}, and count as missing; extract their contents to "
            "columns, for example with column.str.join('|').str.get_dummies() for lists of strings"
        )
        if len(containers) > len(values) / 2:
            reason = text
        else:
            remarks.append(f"column {name!r}: {text}")
    cells, counts = distinct_cells(values, to_number_or_text)
    column = Levels(name, kind)
    if cells:
        column, remark = column_of_strings(name, cells, counts)
        remarks += [remark] if remark else []
    return column, remarks, reason


def _inferred_kind(name, values):
    try:
        return infer_kind(values)
    except ValueError as error:
        raise ValueError(f"{error}: column {name!r} of X") from None


def distinct_cells(values: Any, convert: Callable) -> tuple[list, np.ndarray]:
    """The distinct values after `convert`, without missing ones, and the number of rows of each."""
    codes, cells = factorized(values, MISSING, convert)
    counts = count_rows(codes, cells)
    return [*compress(cells, counts)], counts[counts > 0]


def remarks_on_integers(column: Column, values: Any, reason: str) -> tuple[list[str], str]:
    """Remarks on integers that float64 cannot hold, or that may be an ID.

    `reason` says why a column is not used, or is ""; it is returned, and may have become another one.
    """
    if type(column) is not Numbers or not column.n or not _are_integers(values):
        return [], reason
    name = column.name
    if max(abs(column.low), abs(column.high)) >= 2**53 and loses_digits(values):
        facts = (
            "integers beyond 2**53, of which float64 keeps 15 to 17 digits. If they are codes, pass "
            f"{_parameter(name, 'category')}"
        )
        if reason:
            return [], f"as float64 all values are equal: it has {facts}"
        return [f"column {name!r} has {facts}"], reason
    if column.n_distinct == column.n_rows >= _FEWEST_IDS:
        remark = (
            f"column {name!r} may be an ID, because all of its {column.n} integers differ. If it is "
            f"an ID, pass {_parameter(name, 'ignore')}; {_parameter(name, 'number')} otherwise"
        )
        return [remark], reason
    return [], reason


def _are_integers(values):
    kind = infer_dtype(values, skipna=True)
    return kind == "integer" or (
        kind == "string" and all(map(_INTEGER.fullmatch, pd.Series(values).dropna()))
    )


# --- kinds that the user gives ----------------------------------------------------------------------

KINDS = "number", "category", "text", "date", "duration", "ignore"
"""The kinds that a user may give a column."""
_OPTIONS = {"number": {"decimal", "unit"}, "date": {"format"}}
"""What else a user may say of a column of a kind."""


def entries_by_name(column_kinds: Any, names: list[str], has_names: bool) -> dict[str, dict]:
    """The entries of `column_kinds` as dicts, by the names of the columns.

    Parameters
    ----------
    column_kinds : dict or None
        What the user passed. Keys are names, or positions in an array.
    names : list of str
        The names of all columns, in order.
    has_names : bool
        Whether the table has names, so that keys are no positions.
    """
    if column_kinds is not None and not isinstance(column_kinds, dict):
        raise TypeError(f"column_kinds must be a dict or None, got a {type(column_kinds).__name__}")
    entries = {}
    for key, entry in (column_kinds or {}).items():
        name = name_of_column("column_kinds", key, names, has_names)
        entries[name] = _checked_entry(name, entry)
    return entries


def _checked_entry(name, entry):
    """An entry as a dict, or an error that names the column."""
    entry = {"kind": entry} if isinstance(entry, str) else entry
    kind = entry.get("kind") if isinstance(entry, dict) else None
    beginning = f"column_kinds of column {name!r}"
    if kind not in KINDS:
        raise ValueError(
            f"{beginning} must be one of {', '.join(map(repr, KINDS))}, or a dict such as "
            f"{{'kind': 'date', 'format': '%d/%m/%Y'}}, got {entry!r}"
        )
    options = _OPTIONS.get(kind, set())
    if unknown := sorted(entry.keys() - {"kind"} - options):
        allowed = " and ".join(map(repr, sorted(options))) or "no other key"
        raise ValueError(
            f"{beginning}: with kind {kind!r} the allowed keys are {allowed}, got {unknown}"
        )
    if entry.get("decimal", ".") not in (".", ","):
        raise ValueError(f"{beginning}: decimal must be '.' or ',', got {entry['decimal']!r}")
    if not isinstance(entry.get("unit", ""), str):
        raise ValueError(f"{beginning}: unit must be a str, got {entry['unit']!r}")
    formats = entry.get("format", "")
    if not isinstance(formats, str) and not (
        isinstance(formats, (list, tuple)) and all(isinstance(form, str) for form in formats)
    ):
        raise ValueError(f"{beginning}: format must be a str or a list of str, got {formats!r}")
    return entry


def column_as(entry: dict, name: str, values: Any) -> Column:
    """The column of the kind that the user gives it, which has learned nothing."""
    kind = entry["kind"]
    if kind == "ignore":
        return Ignored(name)
    if kind == "number":
        column = _numbers_as(entry, name, values)
    elif kind == "date":
        column = _dates_as(entry, name, values)
    elif kind == "duration":
        column = Durations(name)
    else:
        column = Levels(name, "categories" if kind == "category" else "strings")
    column.source = GIVEN
    return column


def _numbers_as(entry, name, values):
    column = Numbers(name)
    cells, counts = [], np.zeros(0, int)
    if _inferred_kind(name, values) in ("categories", "strings"):
        cells, counts = distinct_cells(values, to_number_or_text)
    marks = [entry["decimal"]] if "decimal" in entry else [".", ","]
    unit = entry.get("unit")
    parsed = {mark: [parse_amount(cell, mark, unit) for cell in cells] for mark in marks}
    n_read = {mark: sum(compress(counts, amounts)) for mark, amounts in parsed.items()}
    n_numbers = sum(count for cell, count in zip(cells, counts) if NUMBER.fullmatch(to_text(cell)))
    best = max(marks, key=n_read.get)
    if not entry.keys() & {"decimal", "unit"} and n_numbers >= n_read[best]:
        return column  # plain numbers, which may have an exponent
    units = {amount[1] for amount in parsed[best] if amount}
    others = [mark for mark in marks if mark != best]
    if unit is None and len(units) > 1:
        listed = ", ".join(map(repr, sorted(units)))
        raise ValueError(
            f"column {name!r} has amounts in different units, {listed}: pass one of them, for example "
            f"{_parameter(name, entry | {'unit': max(units)})}; the other units then count as missing"
        )
    if others and n_read[best] and _marks_are_uncertain(cells, parsed[best], parsed[others[0]]):
        raise ValueError(
            f"column {name!r} has amounts such as {shown(cells[0])}, with an ambiguous decimal mark: "
            f"pass {_parameter(name, entry | {'decimal': '.'})}, or ',' as decimal"
        )
    column.decimal, column.unit = best, unit or max(units, default="")
    return column


def _dates_as(entry, name, values):
    forms = entry.get("format", [])
    forms = [forms] if isinstance(forms, str) else [*forms]
    if _inferred_kind(name, values) == "dates":
        column = Dates(name, values)
        column.formats = forms  # of strings in new tables
        return column
    texts, counts = distinct_cells(values, to_text)
    if not forms and texts:
        form = format_of_dates(texts)
        forms = [form] if form else [*_texts_by_format(texts, counts)]
    if not forms:
        example = shown(texts[0]) if texts else "missing ones"
        raise ValueError(
            f"column {name!r} cannot be read as dates: no format suits its values, such as {example}; "
            f"pass one, as in {_parameter(name, entry | {'format': '%d/%m/%Y'})}"
        )
    return Dates(name, texts, forms)
