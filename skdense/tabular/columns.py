"""Tables with columns of any type as arrays of numbers.

Each value is read by the kind that its column had in `fit`, whatever the other rows are: as a number, a
date, a category or a string. Numbers are then shifted; transformers that a skrub.TableVectorizer has
fitted write all others, each its own column.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import bdtrc
from scipy.stats import hypergeom
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.compat import without_random_letters
from skdense.fit.callers import warn_at_caller
from skdense.fit.inputs import MatrixLike
from skdense.tabular.steps import WEIGHT_OF_RARE, LevelsEncoder

try:
    import pandas as pd
    import skrub
    from pandas.api.types import infer_dtype
    from skrub.core import RejectColumn, SingleColumnTransformer
except ImportError:
    raise ImportError(
        "models of tables need pandas and skrub, to predict as well: python -m pip install skrub"
    ) from None

__all__ = ["TableEncoder", "Written"]

_SURPRISING = 0.001
"""A prediction tells of values that are unlike those in fit if as many are less probable by chance."""
_RARE_SHARE = 0.05
"""A column of two values is one of a rare level if a smaller share of the rows has one of them."""
_FEW_NUMBERS = 10
"""A column with fewer distinct numbers beside its strings may well have categories."""
_FAR_EXPONENT = 60
"""Differences of 2 to this power, or to minus it, have squares that float32 still knows."""
_YEARS = "%Y"
"""What skrub takes strings of four digits for, which may be any number."""
_WITH_ZONE = r":\d\d\S*\s?(?:Z|[+-]\d\d:?\d\d)$"
"""A pattern of strings that end with a time and its offset from UTC."""

_ADVICE = {
    "strings": "columns are taken as strings, though most of their values are numbers: {}. To use the "
    "numbers, correct the others before, or make them missing by "
    "pandas.to_numeric(column, errors='coerce')",
    "dates": "dates are read with the month first, but as no day is above 12, the day may come first: "
    "{}. If it does, make dates of the column before, by pandas.to_datetime(column, format=...)",
}
"""What to say of columns in doubt, by their kinds."""


# --- how values are read -----------------------------------------------------------------------------


def _numbers(series):
    if infer_dtype(series) == "complex":
        raise ValueError("Complex data not supported")
    return series.to_numpy(np.float64, na_value=np.nan)


def _numbers_of_strings(strings, _):
    return pd.to_numeric(strings, errors="coerce").to_numpy(np.float64)


def _dates(series):
    if isinstance(series.dtype, pd.ArrowDtype):
        series = series.astype(object)
    try:
        return pd.DatetimeIndex(pd.to_datetime(series))
    except ValueError:  # of different UTC offsets
        return pd.DatetimeIndex(pd.to_datetime(series, utc=True))


def _dates_of_strings(strings, form):
    dates = pd.to_datetime(strings, format=form or "ISO8601", errors="coerce", utc=True)
    rest = dates.isna() & strings.notna()
    if rest.any():  # such as "2024-01-05T10:00" where there were seconds in fit
        dates[rest] = pd.to_datetime(strings[rest], format="ISO8601", errors="coerce", utc=True)
    return pd.DatetimeIndex(dates)


def _durations(series):
    if isinstance(series.dtype, pd.ArrowDtype):
        series = series.astype(object)
    return pd.to_timedelta(series).dt.total_seconds().to_numpy(np.float64)


class Kind(NamedTuple):
    """How the values of a kind of column are read."""

    types: tuple[str, ...]
    """pandas' names of the types that make a column one of this kind."""
    also: tuple[str, ...] = ()
    """Other kinds of columns that may be read as this one."""
    read: Callable | None = None
    """Makes an array of a Series of these types; None: the values are strings."""
    parse: Callable | None = None
    """Makes the same of a Series of strings, given their format; what it cannot read is missing."""


KINDS = {
    "numbers": Kind(
        ("floating", "integer", "mixed-integer-float", "boolean", "decimal", "complex"),
        ("categories", "strings"),
        _numbers,
        _numbers_of_strings,
    ),
    "dates": Kind(
        ("datetime64", "datetime", "date"), ("categories", "strings"), _dates, _dates_of_strings
    ),
    "durations": Kind(("timedelta64", "timedelta"), (), _durations),
    "categories": Kind(("categorical",)),
    "strings": Kind(()),
}
"""The kinds of columns.

A date is no number of nanoseconds, nor is a year a date. Where there were strings in `fit`, such as
"20240105", numbers are read as strings. Anything may be a category or a string.
"""
_KIND_OF_TYPE = {name: kind for kind, its in KINDS.items() for name in its.types}
AS_NUMBERS = "numbers", "durations"
"""The kinds that are written as one number."""
_MISSING = set(
    "null|#NA|nan|#N/A N/A|<NA>|n/a|NULL|NA|N/A|#N/A|NaN|-nan|-NaN|1.#QNAN|-1.#QNAN|1.#IND|-1.#IND|"
    "?|...|none|None|".split("|")
)
"""The strings that pandas.read_csv or skrub takes for missing values, and the empty one."""
WHITE_SPACE = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"
"""What else is missing, as a pattern of ONNX: strings that are empty or only of white space."""


def string_of(x, missing):
    """A value as a string; 1, 1.0 and "1.0" are the same: a missing value makes floats of ints."""
    if isinstance(x, str):
        x = x[:-2] if x.endswith(".0") and x[:-2].lstrip("-").isdecimal() else x
        return None if x in missing or x.isspace() else x
    if isinstance(x, np.ndarray):
        x = x.tolist()  # as the lists that polars has
    elif isinstance(x, (float, np.floating, Decimal)):
        if float(x) % 1 == 0 and abs(x) < 2**53:  # floats above may be rounded
            x = int(x)
        elif isinstance(x, Decimal):
            x = float(x)
    return str(x)


def strings_of(string):
    """The strings that are read as this one."""
    return [string, f"{string}.0"] if string.lstrip("-").isdecimal() else [string]


# --- how they are written ----------------------------------------------------------------------------


@dataclass
class Shifted:
    """Writes numbers such that float32 is precise enough and they are not too large or small for it."""

    shift: float
    """The median of the distinct values: most of them may be a code such as 0, the others times."""
    scale: float
    """A power of two, which changes no digit; 1 unless the values would be far from 1."""
    given_as = "numbers"
    n_columns = 1

    @classmethod
    def of(cls, values):
        """The one for these values."""
        halves = np.unique(values[np.isfinite(values)]) / 2  # whose differences are finite
        if not len(halves):
            return cls(0.0, 1.0)
        middle = np.median(halves)
        _, exponent = np.frexp(np.median(np.abs(halves - middle)))
        far = abs(exponent) > _FAR_EXPONENT
        return cls(2 * middle, 2.0 ** np.clip(-exponent, -1000, 1000) if far else 1.0)

    def write(self, values):
        """One column."""
        with np.errstate(over="ignore"):  # infinity will be clipped as other outliers are
            return ((values - self.shift) * self.scale).astype(np.float32)[:, None]


@dataclass
class OneHot:
    """Writes a category by looking it up, as the OneHotEncoder of a column would write it."""

    rows: NDArray
    """What is written for each known category, and in the last rows for missing and for others."""
    places: dict
    """The row of each known category, which is a string, and of None."""
    given_as = "strings"

    @property
    def n_columns(self):
        """How many columns it writes."""
        return self.rows.shape[1]

    @classmethod
    def of(cls, encoder, name):
        """The one that writes what the fitted encoder does for the column of this name."""
        (categories,) = encoder.categories_
        known = [each for each in categories if isinstance(each, str)]
        unknown = "".join(known) + "?"
        missing = [each for each in categories if not isinstance(each, str)] or [unknown]
        values = pd.Series([*known, *missing, unknown], dtype=object)
        with config_context(transform_output="default"):
            rows = np.asarray(encoder.transform(pd.DataFrame({name: values})), np.float32)
        return cls(rows, {each: place for place, each in enumerate([*known, None])})

    def write(self, strings):
        """A column for each category."""
        return self.rows[[self.places.get(x, -1) for x in strings]]


@dataclass
class Encoded:
    """Writes what a fitted transformer of skrub or scikit-learn makes of a column."""

    transformer: BaseEstimator
    n_columns: int
    limits: tuple | None
    """Of dates, the lowest and highest values in `fit`: nobody knows how y goes on beyond them.

    `docs/benchmarks/decisions.md` has what this changes.
    """

    @property
    def given_as(self):
        """Words and levels can be found by ONNX."""
        return "strings" if type(self.transformer) is LevelsEncoder else "written"

    def write(self, series):
        """As many columns as the transformer has."""
        single = isinstance(self.transformer, SingleColumnTransformer)
        with config_context(transform_output="default"):
            columns = self.transformer.transform(series if single else series.to_frame())
        columns = np.asarray(columns, np.float32).reshape(len(series), -1)
        return columns if self.limits is None else np.clip(columns, *self.limits)


class Written(NamedTuple):
    """A column that TableEncoder writes.

    Attributes
    ----------
    name : str
        Its name.
    source : str
        The name of the table's column.
    kind : str
        What the source has: "numbers", "durations", "dates", "categories" or "strings"; or "missing",
        for a column that marks missing values.
    place : int
        Which of all the columns that are written for its source it is, or marks what is missing in.
    """

    name: str
    source: str
    kind: str
    place: int

    def of(self, block):
        """Its values, given all the columns that are written for its source."""
        column = block[:, self.place]
        return np.isnan(column).astype(np.float32) if self.kind == "missing" else column


class TableEncoder(TransformerMixin, BaseEstimator):
    """Write a table as an array of float32.

    Columns of numbers, bools, durations, and numbers that are stored as strings are shifted by the
    median of their distinct values, and those far from 1 are multiplied by a power of two, so that
    float32 is precise enough. `vectorizer` decides how all others are written. Missing
    values become NaN. A column that has any in `fit` gets another column, `<name>__missing`, which is 1
    where they are. Constant columns are left out, and a warning names those columns of the table of
    which nothing is left, such as IDs. Another names columns of strings of which most are numbers.

    Parameters
    ----------
    vectorizer : skrub.TableVectorizer
        Writes dates, strings and categories.

    Attributes
    ----------
    written_ : list of Written
        What is written, in the order of the columns: each has a `name`, the `source`, which is the name
        of the table's column, and a `kind`, what that has, or "missing".

    vectorizer_ : skrub.TableVectorizer or None
        The one that was fitted to the columns that are no numbers, if there are any.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, where X has names that are all strings.

    Examples
    --------
    >>> import pandas as pd
    >>> from skrub import TableVectorizer
    >>> from skdense.tabular.columns import TableEncoder
    >>> table = pd.DataFrame({"age": [20, None, 60], "town": ["Cork", "Oslo", "Cork"]})
    >>> columns = TableEncoder(TableVectorizer()).fit(table)
    >>> [(each.name, each.source, each.kind) for each in columns.written_]
    [('age', 'age', 'numbers'), ('town_Oslo', 'town', 'strings'), ('age__missing', 'age', 'missing')]
    """

    def __init__(self, vectorizer: BaseEstimator):
        self.vectorizer = vectorizer

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Learn how to write each column.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What to predict, for a vectorizer that makes use of it.

        Returns
        -------
        self : object
            The fitted transformer.

        Raises
        ------
        ValueError
            If two columns have the same name, there are fewer than two rows, or all values of each
            column are equal, missing or rare.
        TypeError
            If X is sparse or a LazyFrame, or `vectorizer` is no TableVectorizer.
        """
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: MatrixLike, y: Any = None) -> NDArray:
        """Learn how to write each column, and write the table.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What to predict, for a vectorizer that makes use of it.

        Returns
        -------
        written : ndarray of shape (n_samples, n_features_out), of float32
            With NaN for what is missing.
        """
        _check_type(X)
        if not isinstance(self.vectorizer, skrub.TableVectorizer):
            raise TypeError(f"vectorizer must be a skrub.TableVectorizer, got {self.vectorizer!r}")
        validate_data(self, X, skip_check_array=True)
        self._has_names = hasattr(X, "columns")
        series = _series_of(X)
        if len(X) < 2 or not series:
            raise ValueError(
                "X must have at least two rows and one column to learn from, got "
                f"{len(X)} sample(s) and {len(series)} feature(s)"
            )
        self._columns = {name: Column(name, each, self.vectorizer) for name, each in series.items()}
        read = {name: column.learn(series[name]) for name, column in self._columns.items()}
        written = self._write_numbers(read) + self._write_others(read, y)
        # The columns that are written for a date are missing together, so the first one is enough.
        firsts = [(each, values) for each, values in written if each.place == 0]
        marked = [each for each, values in firsts if np.isnan(values).any()]
        marks = [Written(f"{each.source}__missing", each.source, "missing", 0) for each in marked]
        first = {each.source: values[:, None] for each, values in firsts}
        written += [(each, each.of(first[each.source])) for each in marks]
        names = _distinct([each.name for each, _ in written])
        kept = [
            (each._replace(name=name), values)
            for name, (each, values) in zip(names, written, strict=True)
            if np.fmin.reduce(values) < np.fmax.reduce(values)
        ]
        self.written_ = [each for each, _ in kept]
        self._warn()
        return np.column_stack([values for _, values in kept])

    def transform(self, X: MatrixLike) -> NDArray:
        """Write a table as numbers.

        A warning names the columns with strings that cannot be read as those in `fit`, with dates that
        have a time zone unlike these, and with more new categories, or more numbers and dates outside
        of the range in `fit`, than chance explains.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table. The columns of a DataFrame are taken by the names that they had in `fit`,
            whatever their order is, and others are not used.

        Returns
        -------
        written : ndarray of shape (n_samples, n_features_out), of float32
            With NaN for what is missing.

        Raises
        ------
        ValueError
            If a column is missing, or has values of a type that cannot be written as those in `fit`.
        TypeError
            If X is sparse or a LazyFrame.
        """
        read = self._read(X)
        sources = dict.fromkeys(each.source for each in self.written_)
        blocks = {name: self._columns[name].write(read[name]) for name in sources}
        return np.column_stack([each.of(blocks[each.source]) for each in self.written_])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """The names of the columns of what `transform` returns.

        Parameters
        ----------
        input_features : object
            Not used: the names are those of the table that was given to `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
            Each begins with the name of the table's column.
        """
        check_is_fitted(self)
        return np.array([each.name for each in self.written_], dtype=object)

    def _read(self, X):
        """The values of each column of a table to predict, by its name in `fit`; warnings are given."""
        check_is_fitted(self)
        _check_type(X)
        by_name = self._has_names and hasattr(X, "columns")
        if not by_name:
            validate_data(self, X, skip_check_array=True, reset=False)
        series = _series_of(X)
        if not by_name:
            series = dict(zip(self._columns, series.values(), strict=True))
        absent = [name for name in self._columns if name not in series]
        if absent:
            raise ValueError(f"X lacks columns that it had in fit: {absent}; it has {list(series)}")
        if len(X) < 1:
            raise ValueError("X must have at least one row to predict, got 0 samples")
        unlike = []
        read = {name: its.read(series[name], unlike) for name, its in self._columns.items()}
        if unlike:
            warn_at_caller(f"the data are unlike those in fit: {'; '.join(unlike)}")
        return read

    def _write_numbers(self, read):
        """Learn how columns of numbers are written; a Written and the values of each."""
        columns = [column for column in self._columns.values() if column.kind in AS_NUMBERS]
        for column in columns:
            column.writer = Shifted.of(read[column.name])
        return [
            (Written(each.name, each.name, each.kind, 0), each.write(read[each.name])[:, 0])
            for each in columns
        ]

    def _write_others(self, read, y):
        """Let the vectorizer learn how all other columns are written; a Written and values of each."""
        columns = [column for column in self._columns.values() if column.kind not in AS_NUMBERS]
        self.vectorizer_ = clone(self.vectorizer) if columns else None
        if not columns:
            return []
        table = pd.DataFrame({each.name: each.series(read[each.name]) for each in columns})
        with config_context(transform_output="default"):
            values = np.asarray(self.vectorizer_.fit_transform(table, y), dtype=np.float32).T
        outputs = {column.name: {} for column in columns}
        for name, its in zip(self.vectorizer_.all_outputs_, values, strict=True):
            outputs[self.vectorizer_.output_to_input_[name]][name] = its
        written = []
        for column in columns:
            of_column = outputs[column.name]
            column.learn_writer(self.vectorizer_, read[column.name], [*of_column.values()])
            for place, (name, its) in enumerate(of_column.items()):
                name = without_random_letters(name)
                written.append((Written(name, column.name, column.kind, place), its))
        return written

    def _warn(self):
        """Warn of columns that are not used, such as IDs, or not as numbers."""
        columns, used = self._columns.values(), {each.source for each in self.written_}
        unused = [name for name in self._columns if name not in used]
        why = "as all their values are equal, missing or rare"
        if not used:
            raise ValueError(f"no column of X can be used, {why}: {unused}")
        if unused:
            warn_at_caller(f"columns are not used, {why}: {unused}")
        for kind, advice in _ADVICE.items():
            doubts = [column.doubt for column in columns if column.kind == kind and column.doubt]
            if doubts:
                warn_at_caller(advice.format("; ".join(doubts)))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


class Column:
    """How one column is read and written; a string may be a number or a date, if all others are."""

    writer: Shifted | OneHot | Encoded | None = None
    """What writes the column, unless it is left out."""
    doubt = ""
    """A word for the user about strings of which most are numbers, or dates that have two readings."""
    known = None
    """The categories in `fit` and the probability that a row has a new one, if each has a column."""
    range = None
    """The lowest and the highest number or date in `fit`, and how many there were."""
    zone, unit, has_zone = None, None, None
    """How dates are stored, as in `fit`, and whether they had a time zone there."""

    def __init__(self, name, series, vectorizer):
        self.name, self.format = name, None
        self.kind = _kind_of(series)
        self.from_strings = self.kind == "strings"
        more = vectorizer.null_strings or ()
        words = _MISSING.union([more] if isinstance(more, str) else more)
        self.missing = {""} if self.kind == "categories" else words
        strings = self._strings(series).dropna() if self.from_strings else ()
        if not len(strings):
            return
        form = vectorizer.datetime_format
        try:
            self.format = skrub.ToDatetime(format=form).fit(strings).format_
        except RejectColumn:
            pass
        if self.format is not None and (form or self.format != _YEARS):
            self.kind = "dates"
            if not form:
                self._read_twice(strings)
            return
        numbers = pd.to_numeric(strings, errors="coerce").astype(np.float64)
        others = strings[numbers.isna()]
        if others.empty:
            self.kind = "numbers"
        elif len(others) < len(strings) / 2 and numbers.nunique() >= _FEW_NUMBERS:
            self.doubt = (
                f"column {name!r}, where {len(others)} of {len(strings)} values are none, such as "
                f"{others.iloc[0]!r}"
            )

    def _read_twice(self, strings):
        """Look whether dates with the month first could have the day first as well."""
        swapped = self.format.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        if (
            self.format.startswith("%m")
            and pd.to_datetime(strings, format=swapped, errors="coerce").notna().all()
        ):
            self.doubt = f"column {self.name!r}, such as {strings.iloc[0]!r} ({swapped!r})"

    def learn(self, series):
        """The values in `fit`, as `read` returns them, of which the range is learned."""
        values = self.read(series, [])
        if self.kind == "dates":
            self.zone, self.unit = values.tz, values.unit
        if KINDS[self.kind].read is not None:
            present = values[~pd.isna(values)]
            self.range = (present.min(), present.max(), len(present)) if len(present) else None
        return values

    def read(self, series, unlike):
        """The values as an array of float64, of dates, or of strings, with None for missing ones.

        What is unlike the values in `fit`, by more than chance, is added to the list `unlike` in words.
        """
        try:
            values = self._as_kind(series, unlike)
        except Exception as error:  # pandas has types of its own
            raise ValueError(
                f"column {self.name!r} has {self.kind}, by its values in fit, but not all of them can "
                f"be read as {self.kind}: {error}"
            ) from error
        self._compare(values, unlike)
        return values

    def _as_kind(self, series, unlike):
        kind, now = KINDS[self.kind], _kind_of(series)
        if kind.read is None:
            return self._strings(series).to_numpy()
        readable = now in (self.kind, *kind.also) or (now == "numbers" and self.from_strings)
        # Only for numbers NaT is an error, too: it is the missing value of dates and durations.
        if not readable and (self.kind == "numbers" or series.notna().any()):
            raise ValueError(f"they are {now}, of type {series.dtype}")
        if kind.parse is None or now == self.kind:
            values = kind.read(series)
            return self._in_zone(values, values.tz is not None, unlike) if now == "dates" else values
        strings = self._strings(series)
        values = kind.parse(strings, self.format)
        unread = strings[pd.isna(values) & strings.notna()]
        if len(unread):
            share = f"{len(unread)} of {strings.count()} values"
            if not self.from_strings or len(unread) == strings.count() > 1:
                raise ValueError(f"{share} cannot, such as {unread.iloc[0]!r}")
            unlike.append(
                f"column {self.name!r}: {share} could not be read as {self.kind}, such as "
                f"{unread.iloc[0]!r}, and are taken as missing"
            )
        if self.kind == "dates":
            has_zone = strings.dropna().str.contains(_WITH_ZONE, regex=True).any()
            return self._in_zone(values, has_zone, unlike)
        return values

    def _in_zone(self, dates, has_zone, unlike):
        """Dates as they are stored in `fit`: those without a time zone are in UTC."""
        if dates.isna().all():
            has_zone = self.has_zone
        elif self.has_zone is None:
            self.has_zone = bool(has_zone)
        elif has_zone != self.has_zone:
            unlike.append(
                f"column {self.name!r}: dates have {'a' if has_zone else 'no'} time zone, unlike those "
                "in fit, so times without one are taken as UTC"
            )
        if self.unit is None:
            return dates
        dates = dates if dates.tz is not None else dates.tz_localize("UTC")
        return dates.tz_convert(self.zone).as_unit(self.unit)

    def _compare(self, values, unlike):
        """Tell of new categories or of values outside of the range in `fit`, if more than by chance."""
        found = ()
        if self.known is not None:
            new = set(values).difference(self.known[0], [None])
            found, what = (
                [each for each in values if each in new],
                "categories that were not there in fit",
            )
        elif self.range is not None:
            low, high, n_known = self.range
            found = values[(values < low) | (values > high)]
            what = f"outside of the range in fit, {low} to {high}"
        if not len(found):
            return
        n = np.count_nonzero(~pd.isna(values))
        if self.known is not None:
            chance = bdtrc(len(found) - 1, n, self.known[1])
        else:
            chance = chance_of_outside(len(found), n, n_known)
        if chance < _SURPRISING:
            [(example, _)] = Counter(found).most_common(1)
            example = repr(example) if isinstance(example, str) else example
            unlike.append(
                f"column {self.name!r}: {len(found)} of {n} values are {what}, such as {example}"
            )

    def _strings(self, series):
        """The values as a Series of strings, with None for missing ones."""
        values = zip(series.astype(object), series.isna(), strict=True)
        strings = [None if is_missing else string_of(x, self.missing) for x, is_missing in values]
        return pd.Series(strings, dtype=object)

    def learn_writer(self, vectorizer, values, written):
        """Learn how a fitted TableVectorizer writes these values, and which categories there are."""
        transformer = vectorizer.transformers_.get(self.name)
        if vectorizer.column_to_kind_.get(self.name) == "low_cardinality":
            counts = Counter(x for x in values if x is not None)
            # Good and Turing: a new row has a new category as often as a known row is alone in its own.
            n_alone = sum(count == 1 for count in counts.values())
            self.known = list(counts), (n_alone + 1) / (counts.total() + 1)
        if type(transformer) is OneHotEncoder and transformer.handle_unknown != "error":
            self.writer = OneHot.of(transformer, self.name)
        elif written:
            limits = np.fmin.reduce(written, axis=1), np.fmax.reduce(written, axis=1)
            self.writer = Encoded(transformer, len(written), limits if self.kind == "dates" else None)

    @property
    def given_as(self):
        """What ONNX gets: "numbers", "strings", or what is "written"; and in how many columns."""
        kind = "strings" if self.writer is None else self.writer.given_as
        return kind, self.writer.n_columns if kind == "written" else 1

    def write(self, values):
        """The columns that are written for values that were read."""
        return self.writer.write(self.series(values) if type(self.writer) is Encoded else values)

    def series(self, values):
        """Values that were read, as a Series for skrub."""
        values = pd.Categorical(values) if self.kind == "categories" else values
        return pd.Series(values, name=self.name)


def chance_of_outside(n_outside, n_new, n_known):
    """The probability that so many of the new values, or more, are outside of the range of known ones.

    As all orders of the values are equally probable, new values before the lowest and above the highest
    known one are as many as new values below the second known one.
    """
    return hypergeom.cdf(1, n_known + n_new, n_known, n_outside + 1)


class SquashingScaler(skrub.SquashingScaler):
    """skrub's, which makes columns of rare levels smaller.

    Those have two values, of which less than one row in twenty has one. By itself, skrub's fails if
    scikit-learn is set to return DataFrames.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,)
        What each column is multiplied by after it is scaled.
    """

    def fit_transform(self, X: MatrixLike, y: Any = None) -> NDArray:
        """Fit to X and scale it."""
        with config_context(transform_output="default"):
            scaled = super().fit_transform(X, y)
        counts = [(scaled == end).sum(axis=0) for end in (scaled.min(axis=0), scaled.max(axis=0))]
        is_rare = np.sum(counts, axis=0) == len(scaled)
        is_rare &= np.min(counts, axis=0) < _RARE_SHARE * len(scaled)
        self.weights_ = np.where(is_rare, WEIGHT_OF_RARE, 1).astype(scaled.dtype)
        return scaled * self.weights_

    def transform(self, X: MatrixLike) -> NDArray:
        """Scale X."""
        with config_context(transform_output="default"):
            return super().transform(X) * self.weights_


def _kind_of(series):
    """The kind of a column; that of objects is the one of their values."""
    return _KIND_OF_TYPE.get(infer_dtype(series, skipna=True), "strings")


def _check_type(X):
    for refused, what, cure in (
        (isinstance(X, dict), "a dict", "pandas.DataFrame(X)"),
        (issparse(X), "a sparse X", "X.toarray()"),
        (hasattr(type(X), "collect"), "a LazyFrame", "X.collect()"),
        (type(X).__module__.startswith("pyarrow"), "a table of pyarrow", "X.to_pandas()"),
    ):
        if refused:
            raise TypeError(f"X must be a DataFrame or a dense array, got {what}; use {cure}")
    if not hasattr(X, "columns") and np.ndim(X) != 2:
        raise ValueError(
            f"X must have two dimensions, rows and columns, got {np.ndim(X)}. Reshape your data: one "
            "row of a DataFrame is X[:1], a list of dicts is pandas.DataFrame(X)"
        )


def _series_of(X):
    """The columns as Series of pandas, by their names, which are strings."""
    if not hasattr(X, "columns"):
        X = pd.DataFrame(X).add_prefix("x")
    names = list(map(str, X.columns))
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"columns of X must have distinct names, got {repeated} more than once")
    if isinstance(X, pd.DataFrame):
        columns = [X.iloc[:, i] for i in range(len(names))]
    else:
        columns = map(_of_polars, X.iter_columns())
    return dict(zip(names, columns, strict=True))


def _of_polars(column):
    """A Series of polars as one of pandas."""
    from polars import Categorical, Enum, Float64

    dtype = column.dtype
    if dtype.is_numeric():
        return pd.Series(column.cast(Float64).to_numpy())
    if dtype.is_temporal() and getattr(dtype, "time_zone", None) is None:
        return pd.Series(column.to_numpy())
    return pd.Series(column.to_list(), dtype="category" if dtype in (Categorical, Enum) else object)


def _distinct(names):
    """The names; one that has come before gets underscores at its end."""
    distinct = {}
    for name in names:
        while name in distinct:
            name += "_"
        distinct[name] = None
    return list(distinct)


def __getattr__(name):
    """Raise an error that says what to do about a table of an earlier version."""
    if name == "_Column":  # in files of such tables
        raise ValueError(
            "skdense 0.4.0 saved this model of a table, and later versions write columns in another "
            "way: fit it again, or load it with that version"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
