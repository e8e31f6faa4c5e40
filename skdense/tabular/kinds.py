"""What kind of values a column has, and how each value is written, whatever the other rows are."""

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype

_NAMES = {
    "numbers": ("floating", "integer", "mixed-integer-float", "boolean", "decimal", "complex"),
    "dates": ("datetime64", "datetime", "date"),
    "durations": ("timedelta64", "timedelta"),
    "categories": ("categorical",),
}
"""The kinds of columns, and pandas' names of them; the values of all other columns are strings."""
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names}
_READ_AS = {
    "numbers": ("numbers", "categories", "strings"),
    "dates": ("dates", "categories", "strings", "numbers"),
    "durations": ("durations",),
}
"""What may be read as a kind: a date is no number of nanoseconds. Anything may be a string."""


def kind_of(column: pd.Series) -> str:
    """The kind of a column; that of objects is the one of their values."""
    return _KINDS.get(infer_dtype(column, skipna=True), "strings")


def written_as(kind: str, column: pd.Series):
    """The values of a column as numbers, datetimes, timedeltas, categories or strings."""
    now = kind_of(column)
    # Only for numbers NaT is an error, too: it is the missing value of dates and durations.
    readable = now in _READ_AS.get(kind, now)
    if not readable and (kind == "numbers" or column.notna().any()):
        raise ValueError(f"they are {now}, of type {column.dtype}")
    return _WRITE[kind](column)


def of_polars(column) -> pd.Series:
    """A Series of polars as one of pandas."""
    from polars import Categorical, Enum, Float64

    dtype = column.dtype
    if dtype.is_numeric():
        return pd.Series(column.cast(Float64).to_numpy())
    if dtype.is_temporal() and getattr(dtype, "time_zone", None) is None:
        return pd.Series(column.to_numpy())
    return pd.Series(column.to_list(), dtype="category" if dtype in (Categorical, Enum) else object)


def _numbers(column):
    if infer_dtype(column) == "complex":
        raise ValueError("Complex data not supported")
    return column.to_numpy(np.float64, na_value=np.nan)


def _dates(column):
    if kind_of(column) == "dates":
        return pd.to_datetime(_of_numpy(column)).array
    # Without a format, pandas takes that of all strings from the first one.
    return pd.to_datetime(pd.Series(_strings(column)), format="ISO8601", utc=True).array


def _durations(column):
    return pd.to_timedelta(_of_numpy(column)).array


def _of_numpy(column):
    """The column, but objects in the place of the types of pyarrow, which skrub does not know."""
    return column.astype(object) if isinstance(column.dtype, pd.ArrowDtype) else column


def _categories(column):
    return pd.Categorical(_strings(column))


def _strings(column):
    strings = column.map(_string, na_action="ignore").astype(object)
    return strings.where(strings.notna(), None).array


def _strings_of_dates(column):
    """Strings, whose format the vectorizer knows, or dates, which have none."""
    return _dates(column) if kind_of(column) == "dates" else _strings(column)


def _string(x):
    """A value as a string; 1, 1.0 and "1.0" are the same, as a missing value makes floats of ints."""
    if isinstance(x, str):
        return x[:-2] if x.endswith(".0") and x[:-2].lstrip("-").isdecimal() else x
    if isinstance(x, float) and x % 1 == 0 and abs(x) < 2**53:  # floats above may be rounded
        x = int(x)
    return str(x)


_WRITE = {
    "numbers": _numbers,
    "dates": _dates,
    "durations": _durations,
    "categories": _categories,
    "strings": _strings,
    "strings of dates": _strings_of_dates,
}
