"""How strings are read: as numbers, dates or levels, and what is said where there is a doubt.

A wrong guess costs more than a question: strings are read as numbers or dates only if all of them can
be, and no other reading of them is possible. If nearly all can, the user is told what would do.
"""

import re
from collections import Counter
from itertools import compress

import numpy as np
import pandas as pd

from skdense.tabular.kinds import (
    LONGEST_DATE,
    NUMBER,
    Column,
    Dates,
    Levels,
    Numbers,
    amount_of,
    dates_of,
)

_NEARLY = 0.9
"""The share of values from which it is told that they could be read."""
_FEW_NUMBERS = 10
"""A column with fewer distinct numbers, and more than a tenth of others, may well have categories."""
_YEARS, _MONTHS = "%Y", "%Y-%m"
"""Formats of years, which skrub finds in any strings of four digits, and of months."""
_MAY_BE_DATE = re.compile(r"\d{4}|\d\D+\d")
"""What is in all strings that are dates. Importing skrub takes as long as fitting a small table."""
_CODES = 0.01
"""The share of numbers with leading zeros from which strings of different lengths are codes."""


def column_of_strings(name: str, texts: list[str], counts: np.ndarray) -> tuple[Column, str]:
    """The kind of a column by its distinct strings and the number of rows of each, and a remark."""
    if form := _format_of(texts):
        other = _other_order(texts, form)
        return Dates(name, texts, [form]), other and (
            f"column {name!r} has dates such as {texts[0]!r}, read with the month first. If the day "
            f"comes first, make dates of it before, by pandas.to_datetime(column, format={other!r})"
        )
    is_number = np.array([NUMBER.fullmatch(text) is not None for text in texts])
    if is_number.all():
        is_code = np.array([re.fullmatch("0[0-9]+", text) is not None for text in texts])
        same_length = len(set(map(len, texts))) == 1
        if is_code.any() and (same_length or is_code @ counts >= _CODES * counts.sum()):
            return Levels(name, "strings"), ""
        return Numbers(name), ""
    for reading in (_amounts, _dates, _numbers):
        if found := reading(name, texts, counts, is_number):
            is_read, looks, doubt, line, column, remark = found
            if not is_read.all():
                n_others, other = counts[~is_read].sum(), texts[np.argmin(is_read)]
                doubt = f"{n_others} of {counts.sum()} are none, such as {other!r}"
            if doubt:
                column = Levels(name, "strings")
                remark = (
                    f"column {name!r} {looks}, but {doubt}, so it is taken as strings. To use it, "
                    f"write {line}"
                )
            return column, remark
    return Levels(name, "strings"), ""


def _format_of(texts):
    """The format of dates that all strings have, or None."""
    if not all(len(text) <= LONGEST_DATE and _MAY_BE_DATE.search(text) for text in texts):
        return None
    try:
        from skrub import ToDatetime
        from skrub.core import RejectColumn
    except ImportError:
        raise ImportError("strings are read as dates by skrub: python -m pip install skrub") from None

    usual = [text for text in texts if re.search("(19|20)[0-9][0-9]", text)]  # no year such as 0001
    try:
        form = ToDatetime().fit(pd.Series(usual or texts, dtype=object)).format_
    except RejectColumn:
        form = _MONTHS  # which pandas 2 does not look for
    return form if form != _YEARS and _are_dates(texts, form) else None


def _are_dates(texts, form):
    return not np.isnat(dates_of(texts, [form])).any()


def _other_order(texts, form):
    """A format with the day first that strings with the month first could have as well, or ""."""
    other = form.translate(str.maketrans("dm", "md"))
    return other if form.startswith("%m") and _are_dates(texts, other) else ""


# Each reading is None, or which of the strings it can read, how they look, why it is in doubt even if
# it can read all of them, a line that converts the column, the column, and the remark on it.


def _amounts(name, texts, counts, is_number):
    """Numbers with a currency, a percent sign, or separators."""
    found = {mark: [amount_of(text, mark) for text in texts] for mark in ".,"}
    decimal, other = sorted(found, key=lambda mark: -sum(compress(counts, found[mark])))
    ours, theirs = found[decimal], found[other]
    is_read = np.array([each is not None for each in ours])
    n_read = is_read @ counts
    if n_read < _NEARLY * counts.sum() or n_read <= is_number @ counts:
        return None
    units = sorted({each[1] for each in ours if each})
    has_mark = [bool(re.search("[.,]", text)) for text in texts]
    is_certain = any(a and not b and mark for a, b, mark in zip(ours, theirs, has_mark))
    has_spaces = [bool(re.search(r"[0-9][\s'\u2019][0-9]", text)) for text in texts]
    doubt = ""
    if len(units) > 1:
        shown = ", ".join(repr(unit) if unit else "none" for unit in units)
        doubt = f"they have different units: {shown}"
    elif any(has_mark) and not is_certain:
        doubt = "it is not sure whether their mark is one of decimals or of thousands"
    elif all(has_spaces) and not any(has_mark) and units == [""]:
        doubt = "they may be codes"
    line = f"column.str.replace(r'[^0-9{decimal}-]', '', regex=True)"
    line += ".str.replace(',', '.')" if decimal == "," else ""
    line = f"pandas.to_numeric({line}, errors='coerce')"
    column = Numbers(name)
    column.decimal, column.unit = decimal, units[0]
    unit = f" with {units[0]!r}" if units[0] else ""
    first = np.argmax(is_read & ~is_number)
    example, (value, _) = texts[first], ours[first]
    remark = f"column {name!r} is read as numbers{unit}: {example!r} is {value:.15g}"
    return is_read, f"looks like numbers, such as {example!r}", doubt, line, column, remark


def _dates(name, texts, counts, is_number):
    """Dates of one format with other values between, or of two formats."""
    shapes = [re.sub("[0-9]+", "0", re.sub(r"[^\W\d_]+", "a", text)) for text in texts]
    n_rows = Counter()
    for shape, count in zip(shapes, counts):
        if shape.count("0") > 1:
            n_rows[shape] += count
    forms = {}
    for shape, _ in n_rows.most_common(2):
        its = [text for text, each in zip(texts, shapes) if each == shape]
        if form := _format_of(its):
            forms[form] = forms.get(form, []) + its
    read = {text for its in forms.values() for text in its}
    is_read = np.array([text in read for text in texts])
    if is_read @ counts < _NEARLY * counts.sum():
        return None
    is_unsure = any(_other_order(its, form) for form, its in forms.items())
    doubt = "it is not sure whether the day or the month comes first" if is_unsure else ""
    calls = [f"pandas.to_datetime(column, format={form!r}, errors='coerce')" for form in forms]
    line = calls[0] + "".join(f".fillna({call})" for call in calls[1:])
    looks = f"looks like dates, such as {next(iter(forms.values()))[0]!r}"
    remark = f"column {name!r} is read as dates of the formats {' and '.join(map(repr, forms))}"
    return is_read, looks, doubt, line, Dates(name, texts, list(forms)), remark


def _numbers(name, texts, counts, is_number):
    """Numbers with other values between."""
    n_read = is_number @ counts
    has_many = n_read > counts.sum() / 2 and is_number.sum() >= _FEW_NUMBERS
    if not (has_many or n_read >= _NEARLY * counts.sum()):
        return None
    line = "pandas.to_numeric(column, errors='coerce')"
    return is_number, "has mostly numbers", "", line, Numbers(name), ""
