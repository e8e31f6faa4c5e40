"""How strings are read: as numbers, dates or levels, and what is said where there is a doubt.

A wrong guess costs more than a question: strings are read as numbers or dates only if all of them can
be, and no other reading of them is possible. If nearly all can, the user is told what would do.
"""

import re
from collections import Counter

import numpy as np
import pandas as pd

from skdense.tabular.kinds import NUMBER, Column, Dates, Levels, Numbers, amount_of, dates_of

try:
    import skrub
    from skrub.core import RejectColumn
except ImportError:
    raise ImportError("models of tables are fitted with skrub: python -m pip install skrub") from None

_NEARLY = 0.9
"""The share of values from which it is told that they could be read."""
_FEW_NUMBERS = 10
"""A column with fewer distinct numbers, and more than a tenth of others, may well have categories."""
_YEARS, _MONTHS = "%Y", "%Y-%m"
"""Formats of years, which skrub finds in any strings of four digits, and of months."""
_CODES = 0.01
"""The share of numbers with leading zeros from which strings of different lengths are codes."""


def column_of_strings(name: str, texts: list[str], counts: np.ndarray) -> tuple[Column, str]:
    """The kind of a column by its distinct strings and the number of rows of each, and a remark."""
    if form := _format_of(texts):
        return Dates(name, texts, [form]), _doubt_of_order(name, texts, form)
    is_number = np.array([NUMBER.fullmatch(text) is not None for text in texts])
    if is_number.all():
        is_code = np.array([re.fullmatch("0[0-9]+", text) is not None for text in texts])
        same_length = len(set(map(len, texts))) == 1
        if is_code.any() and (same_length or is_code @ counts >= _CODES * counts.sum()):
            return Levels(name, "strings"), ""
        return Numbers(name), ""
    for of_kind in (_of_amounts, _of_dates, _of_numbers):
        if found := of_kind(name, texts, counts, is_number):
            return found
    return Levels(name, "strings"), ""


def _format_of(texts):
    """The format of dates that all strings have, or None."""
    usual = [text for text in texts if re.search("(19|20)[0-9][0-9]", text)]  # no year such as 0001
    try:
        form = skrub.ToDatetime().fit(pd.Series(usual or texts, dtype=object)).format_
    except RejectColumn:
        form = _MONTHS  # which pandas 2 does not look for
    return form if form != _YEARS and _are_dates(texts, form) else None


def _are_dates(texts, form):
    return not np.isnat(dates_of(texts, form)).any()


def _other_order(texts, form):
    """A format with the day first that strings with the month first could have as well, or ""."""
    other = form.translate(str.maketrans("dm", "md"))
    if not form.startswith("%m"):
        return ""
    return other if _are_dates(texts, other) else ""


def _doubt_of_order(name, texts, form):
    other = _other_order(texts, form)
    return other and (
        f"column {name!r} has dates such as {texts[0]!r}, read with the month first. If the day comes "
        f"first, make dates of it before, by pandas.to_datetime(column, format={other!r})"
    )


def _as_strings(name, looks, why, line):
    return Levels(name, "strings"), (
        f"column {name!r} {looks}, but {why}, so it is taken as strings. To use it, write {line}"
    )


def _of_amounts(name, texts, counts, is_number):
    """Numbers with a currency, a percent sign, or separators."""
    found = {mark: [amount_of(text, mark) for text in texts] for mark in ".,"}
    n_read = {mark: counts[[each is not None for each in its]].sum() for mark, its in found.items()}
    decimal = max(n_read, key=n_read.get)
    n_others = counts.sum() - n_read[decimal]
    if n_others > (1 - _NEARLY) * counts.sum() or n_read[decimal] <= counts[is_number].sum():
        return None
    ours, theirs = found[decimal], found["," if decimal == "." else "."]
    units = sorted({each[1] for each in ours if each})
    has_mark = [bool(re.search("[.,]", text)) for text in texts]
    is_certain = any(a and not b and mark for a, b, mark in zip(ours, theirs, has_mark))
    has_spaces = [bool(re.search(r"[0-9][\s'\u2019][0-9]", text)) for text in texts]
    example = next(text for text, number in zip(texts, ours) if number and not NUMBER.fullmatch(text))
    line = f"column.str.replace(r'[^0-9{decimal}-]', '', regex=True)"
    line += ".str.replace(',', '.')" if decimal == "," else ""
    line = f"pandas.to_numeric({line}, errors='coerce')"
    if n_others:
        other = next(text for text, number in zip(texts, ours) if number is None)
        why = f"{n_others} of {counts.sum()} are none, such as {other!r}"
    elif len(units) > 1:
        shown = ", ".join(repr(unit) if unit else "none" for unit in units)
        why = f"they have different units: {shown}"
    elif any(has_mark) and not is_certain:
        why = "it is not sure whether their mark is one of decimals or of thousands"
    elif all(has_spaces) and not any(has_mark) and units == [""]:
        why = "they may be codes"
    else:
        column = Numbers(name)
        column.decimal, column.unit = decimal, units[0]
        unit = f" with {units[0]!r}" if units[0] else ""
        value = ours[texts.index(example)][0]
        return column, f"column {name!r} is read as numbers{unit}: {example!r} is {value:.15g}"
    return _as_strings(name, f"looks like numbers, such as {example!r}", why, line)


def _of_dates(name, texts, counts, is_number):
    """Dates of one format with other values between, or of two formats."""
    shapes = [re.sub("[0-9]+", "0", re.sub(r"[^\W\d_]+", "a", text)) for text in texts]
    n_rows = Counter()
    for shape, count in zip(shapes, counts):
        if shape.count("0") > 1:
            n_rows[shape] += count
    forms, n_read = {}, 0
    for shape, n in n_rows.most_common(2):
        its = [text for text, each in zip(texts, shapes) if each == shape]
        if form := _format_of(its):
            forms[form] = forms.get(form, []) + its
            n_read += n
    if n_read < _NEARLY * counts.sum():
        return None
    calls = [f"pandas.to_datetime(column, format={form!r}, errors='coerce')" for form in forms]
    line = calls[0] + "".join(f".fillna({call})" for call in calls[1:])
    n_others, example = counts.sum() - n_read, next(iter(forms.values()))[0]
    if n_others:
        read = {text for its in forms.values() for text in its}
        other = next(text for text in texts if text not in read)
        why = f"{n_others} of {counts.sum()} are none, such as {other!r}"
    elif any(_other_order(its, form) for form, its in forms.items()):
        why = "it is not sure whether the day or the month comes first"
    else:
        return Dates(name, texts, list(forms)), (
            f"column {name!r} is read as dates of the formats {' and '.join(map(repr, forms))}"
        )
    return _as_strings(name, f"looks like dates, such as {example!r}", why, line)


def _of_numbers(name, texts, counts, is_number):
    """Numbers with other values between."""
    n_others = counts[~is_number].sum()
    has_many = n_others < counts.sum() / 2 and is_number.sum() >= _FEW_NUMBERS
    if not (has_many or n_others <= (1 - _NEARLY) * counts.sum()):
        return None
    other, line = texts[np.argmin(is_number)], "pandas.to_numeric(column, errors='coerce')"
    why = f"{n_others} of {counts.sum()} are none, such as {other!r}"
    return _as_strings(name, "has mostly numbers", why, line)
