"""Tables with columns of any type as arrays of numbers.

`fit` gives each column a kind by its values: numbers, durations, dates, categories or strings. By this
kind each value is read, in `fit` and in `predict`, whatever the other rows are. Then it is written:
numbers and durations are shifted, and transformers that a skrub.TableVectorizer has fitted write all
others, each its own column. `predict` warns of values that are unlike those in `fit`.
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from itertools import compress
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import bdtrc
from scipy.stats import hypergeom
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdense import compat
from skdense.fit.inputs import MatrixLike
from skdense.tabular.steps import FACTOR_OF_RARE

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

_FEW_NUMBERS = 10
"""A column with fewer distinct numbers beside its strings may well have categories."""
_WITH_ZONE = r":\d\d\S*\s?(?:Z|[+-]\d\d:?\d\d)$"
"""A pattern of strings that end with a time and its offset from UTC."""
_YEARS = "%Y"
"""The format that skrub finds in strings of four digits, which may be any numbers."""
_FAR_EXPONENT = 60
"""Differences of 2 to this power, or to minus it, have squares that float32 still knows."""
_SURPRISING = 0.001
"""A prediction tells of values that are unlike those in fit if so many are less probable than this."""
_RARE_SHARE = 0.05
"""A column of two values is one of a rare level if a smaller share of the rows has one of them."""


# --- the kinds of columns, and how their values are read ----------------------------------------------


def _numbers(series):
    return series.to_numpy(np.float64, na_value=np.nan)


def _dates(series):
    try:
        return pd.DatetimeIndex(series)
    except ValueError:  # of different UTC offsets
        return pd.DatetimeIndex(pd.to_datetime(series, utc=True))


def _dates_of_strings(strings, form):
    dates = pd.to_datetime(strings, format=form or "ISO8601", errors="coerce", utc=True)
    rest = dates.isna() & strings.notna()
    if rest.any():  # such as "2024-01-05T10:00" where there were seconds in fit
        dates[rest] = pd.to_datetime(strings[rest], format="ISO8601", errors="coerce", utc=True)
    has_zone = strings.dropna().astype(str).str.contains(_WITH_ZONE).any()
    return dates if has_zone else dates.dt.tz_localize(None)


def _durations(series):
    return pd.TimedeltaIndex(series).total_seconds().to_numpy(np.float64)


class Kind(NamedTuple):
    """How the values of a kind of column are read.

    Attributes
    ----------
    types : tuple of str
        pandas' names of the types that make a column one of this kind.
    parse : callable or None
        Makes a Series of these types of strings, given the format of dates; what it cannot read is
        missing. None: the values are strings.
    read : callable or None
        Makes an array of such a Series.
    """

    types: tuple[str, ...]
    parse: Callable | None = None
    read: Callable | None = None


# A date is no number of nanoseconds, nor is a year a date: neither is read as the other. Anything may
# be a category or a string.
KINDS = {
    "numbers": Kind(
        ("floating", "integer", "mixed-integer-float", "boolean", "decimal"),
        lambda strings, _: pd.to_numeric(strings, errors="coerce"),
        _numbers,
    ),
    "dates": Kind(("datetime64", "datetime", "date"), _dates_of_strings, _dates),
    "durations": Kind(
        ("timedelta64", "timedelta"),
        lambda strings, _: pd.to_timedelta(strings, errors="coerce"),
        _durations,
    ),
    "categories": Kind(("categorical",)),
    "strings": Kind(()),
}
"""The kinds of columns."""
_KIND_OF_TYPE = {of_pandas: name for name, kind in KINDS.items() for of_pandas in kind.types}
_SHIFTED = "numbers", "durations"
"""The kinds that are written as one number."""
_OF_STRINGS = "categories", "strings"
"""The kinds whose values are read as strings."""
_MISSING = set(
    "null|#NA|nan|#N/A N/A|<NA>|n/a|NULL|NA|N/A|#N/A|NaN|-nan|-NaN|1.#QNAN|-1.#QNAN|1.#IND|-1.#IND|"
    "?|...|none|None|".split("|")
)
"""The strings that pandas.read_csv or skrub takes for missing values, and the empty one."""
WHITE_SPACE = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"
"""What else is missing, as a pattern of ONNX: strings that are empty or only of white space."""


def _kind_of(series):
    """The kind of a column by its type; that of objects is the one of their values."""
    return _KIND_OF_TYPE.get(infer_dtype(series, skipna=True), "strings")


def string_of(value, missing):
    """A value as a string, or None for one that is missing.

    1, 1.0 and "1.0" are the same, as a missing value makes floats of ints.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()  # as the lists that polars has
    elif isinstance(value, Decimal):
        value = float(value)
    string = str(value)
    if string.endswith(".0") and string[:-2].lstrip("-").isdecimal():
        string = string[:-2]
    return None if string in missing or string.isspace() else string


def strings_of(string):
    """The strings that are read as this one."""
    return [string, f"{string}.0"] if string.lstrip("-").isdecimal() else [string]


# --- how values are written --------------------------------------------------------------------------


class Shifted:
    """Writes numbers such that float32 is precise enough and they are not too large or small for it.

    Attributes
    ----------
    shift : float
        The median of the distinct values: most rows may have a code such as 0, and the others times.
    scale : float
        A power of two, which changes no digit; 1 unless the values would be far from 1.
    """

    n_columns = 1

    def __init__(self, values):
        """Learn from the values in `fit`."""
        self.shift, self.scale = 0.0, 1.0
        halves = np.unique(values[np.isfinite(values)]) / 2  # whose differences are finite
        if len(halves):
            middle = np.median(halves)
            _, exponent = np.frexp(np.median(np.abs(halves - middle)))
            self.shift = 2 * middle
            if abs(exponent) > _FAR_EXPONENT:
                self.scale = 2.0 ** np.clip(-exponent, -1000, 1000)

    def write(self, values):
        """One column."""
        with np.errstate(over="ignore"):  # infinity will be clipped as other outliers are
            return ((values - self.shift) * self.scale).astype(np.float32)[:, None]


class OneHot:
    """Writes a category by looking it up, as the OneHotEncoder of a column would write it.

    Attributes
    ----------
    rows : ndarray
        What is written for each known category, and in the last rows for missing and for others.
    places : dict
        The row of each known category, which is a string, and of None.
    """

    def __init__(self, encoder, name):
        """Ask the fitted encoder what it writes for the column of this name."""
        (categories,) = encoder.categories_
        known = [each for each in categories if isinstance(each, str)]
        unknown = "".join(known) + "?"
        missing = [each for each in categories if not isinstance(each, str)] or [unknown]
        values = pd.Series([*known, *missing, unknown], dtype=object)
        with config_context(transform_output="default"):
            self.rows = np.asarray(encoder.transform(pd.DataFrame({name: values})), np.float32)
        self.places = {each: place for place, each in enumerate([*known, None])}

    @property
    def n_columns(self):
        """How many columns it writes."""
        return self.rows.shape[1]

    def write(self, strings):
        """A column for each category."""
        return self.rows[[self.places.get(x, -1) for x in strings]]


class Encoded:
    """Writes what a fitted transformer of skrub or scikit-learn makes of a column.

    Attributes
    ----------
    transformer : estimator
        The transformer.
    n_columns : int
        How many columns it writes.
    limits : tuple or None
        Of dates, the lowest and highest values that it wrote in `fit`: nobody knows how y goes on
        beyond them. `docs/benchmarks/decisions.md` has what this changes.
    """

    def __init__(self, transformer, n_columns, limits):
        self.transformer, self.n_columns, self.limits = transformer, n_columns, limits

    def write(self, series):
        """The columns of the transformer."""
        takes_series = isinstance(self.transformer, SingleColumnTransformer)
        with config_context(transform_output="default"):
            columns = self.transformer.transform(series if takes_series else series.to_frame())
        columns = np.asarray(columns, np.float32).reshape(len(series), -1)
        return columns if self.limits is None else np.clip(columns, *self.limits)


# --- one column --------------------------------------------------------------------------------------


class Column:
    """How one column is read, compared and written.

    Attributes
    ----------
    name, kind : str
        Its name and one of `KINDS`.
    format : str or None
        That of dates that are stored as strings.
    missing : set of str
        The strings that are missing values.
    doubt : str
        A sentence for the user about strings of which most are numbers, or dates with two readings.
    has_zone, zone, unit : bool, tzinfo or str, and str
        Of dates: whether they have a time zone in `fit`, and the zone and the unit of the values that
        are read.
    range : tuple or None
        The lowest and the highest number or date in `fit`, and how many there were.
    writer : Shifted, OneHot, Encoded or None
        What writes the column, unless it is left out.
    known : tuple or None
        If it is a OneHot: the categories in `fit`, and the probability that a row has a new one.
    """

    format = unit = range = writer = known = None

    def __init__(self, name, series, vectorizer):
        """Find the kind by the type, and of strings by what all of them are."""
        self.name, self.kind, self.doubt = name, _kind_of(series), ""
        more = vectorizer.null_strings or ()
        words = _MISSING.union([more] if isinstance(more, str) else more)
        self.missing = {""} if self.kind == "categories" else words
        if self.kind == "strings":
            strings = self._strings(series).dropna()
            if len(strings):
                self._look_at(strings, vectorizer.datetime_format)

    def _look_at(self, strings, form):
        """Make the kind dates or numbers if all strings are such; `form` is the user's format."""
        try:
            self.format = skrub.ToDatetime(format=form).fit(strings).format_
        except RejectColumn:
            pass
        if self.format is not None and (form or self.format != _YEARS):
            self.kind = "dates"
            day_first = self.format.translate(str.maketrans("dm", "md"))
            if not form and self.format.startswith("%m"):
                if pd.to_datetime(strings, format=day_first, errors="coerce").notna().all():
                    self.doubt = (
                        f"column {self.name!r} has dates such as {strings.iloc[0]!r}, read with the "
                        "month first. If the day comes first, make dates of it before, by "
                        f"pandas.to_datetime(column, format={day_first!r})"
                    )
            return
        numbers = pd.to_numeric(strings, errors="coerce")
        others = strings[numbers.isna()]
        if others.empty:
            self.kind = "numbers"
        elif len(others) < len(strings) / 2 and numbers.nunique() >= _FEW_NUMBERS:
            self.doubt = (
                f"column {self.name!r} is taken as strings, though most of its values are numbers: "
                f"{len(others)} of {len(strings)} are none, such as {others.iloc[0]!r}. To use the "
                "numbers, correct the others before, or make them missing by "
                "pandas.to_numeric(column, errors='coerce')"
            )

    def learn(self, series):
        """Read the values in `fit`, and learn their range."""
        values = self.read(series, [])
        if self.kind not in _OF_STRINGS:
            present = values[~pd.isna(values)]
            self.range = (present.min(), present.max(), len(present)) if len(present) else None
        return values

    def read(self, series, unlike):
        """The values as an array of float64, of dates, or of strings, with None for missing ones.

        What is unlike the values in `fit`, but can be read, is added to the list `unlike` in words.
        """
        try:
            return self._as_kind(series, unlike)
        except Exception as error:  # pandas has types of its own
            raise ValueError(
                f"column {self.name!r} has {self.kind}, by its values in fit, but not all of them can "
                f"be read as {self.kind}: {error}"
            ) from error

    def _as_kind(self, series, unlike):
        kind, now = KINDS[self.kind], _kind_of(series)
        if self.kind in _OF_STRINGS:
            return self._strings(series).to_numpy()
        if now == self.kind:
            values = kind.read(series)
        elif now in _OF_STRINGS or (self.kind != "numbers" and series.isna().all()):
            values = kind.read(self._parsed(self._strings(series), unlike))
        else:
            raise ValueError(f"they are {now}, of type {series.dtype}")
        return self._as_in_fit(values, unlike) if self.kind == "dates" else values

    def _as_in_fit(self, dates, unlike):
        """Dates in the time zone and the unit of those in `fit`, which come here first."""
        has_zone = dates.tz is not None
        if self.unit is None:
            self.has_zone, self.unit = has_zone, dates.unit
            self.zone = "UTC" if self.format else dates.tz
        elif has_zone != self.has_zone and not dates.isna().all():
            unlike.append(
                f"column {self.name!r}: dates have {'a' if has_zone else 'no'} time zone, unlike those "
                "in fit, so times without one are taken as UTC"
            )
        dates = dates if has_zone else dates.tz_localize("UTC")
        return dates.tz_convert(self.zone).as_unit(self.unit)

    def _parsed(self, strings, unlike):
        values = KINDS[self.kind].parse(strings, self.format)
        unread = strings[values.isna() & strings.notna()]
        if len(unread):
            share = f"{len(unread)} of {strings.count()} values"
            if len(unread) == strings.count() > 1:
                raise ValueError(f"{share} cannot, such as {unread.iloc[0]!r}")
            unlike.append(
                f"column {self.name!r}: {share} could not be read as {self.kind}, such as "
                f"{unread.iloc[0]!r}, and are taken as missing"
            )
        return values

    def _strings(self, series):
        """The values as a Series of strings, with None for missing ones."""
        values = zip(series.astype(object), series.isna(), strict=True)
        strings = [None if is_missing else string_of(x, self.missing) for x, is_missing in values]
        return pd.Series(strings, dtype=object)

    def learn_writer(self, vectorizer, values, block):
        """Learn to write as a fitted TableVectorizer, which made this block of the values."""
        transformer = vectorizer.transformers_.get(self.name)
        is_one_hot = type(transformer) is OneHotEncoder and transformer.handle_unknown != "error"
        if is_one_hot and self.kind in _OF_STRINGS:
            self.writer = OneHot(transformer, self.name)
            counts = Counter(each for each in values if each is not None)
            # Good and Turing: a new row has a new category as often as a known row is alone in its own.
            n_alone = sum(count == 1 for count in counts.values())
            self.known = set(counts), (n_alone + 1) / (counts.total() + 1)
        elif block.size:
            limits = np.fmin.reduce(block), np.fmax.reduce(block)
            limits = limits if self.kind == "dates" else None
            self.writer = Encoded(transformer, block.shape[1], limits)

    def write(self, values):
        """The columns that are written for values that were read."""
        return self.writer.write(self.series(values) if type(self.writer) is Encoded else values)

    def series(self, values):
        """Values that were read, as a Series for skrub."""
        values = pd.Categorical(values) if self.kind == "categories" else values
        return pd.Series(values, name=self.name)

    def compare(self, values, unlike):
        """Tell of new categories or of values outside of the range in `fit`, if more than by chance."""
        found, n = (), np.count_nonzero(~pd.isna(values))
        if self.known is not None:
            categories, chance_of_new = self.known
            found = [each for each in values if each is not None and each not in categories]
            what = "categories that were not there in fit"
            chance = bdtrc(len(found) - 1, n, chance_of_new)
        elif self.range is not None:
            low, high, n_in_fit = self.range
            found = values[(values < low) | (values > high)]
            what = f"outside of the range in fit, {low} to {high}"
            chance = chance_of_outside(len(found), n, n_in_fit)
        if len(found) and chance < _SURPRISING:
            [(example, _)] = Counter(found).most_common(1)
            example = repr(example) if isinstance(example, str) else example
            unlike.append(
                f"column {self.name!r}: {len(found)} of {n} values are {what}, such as {example}"
            )


def chance_of_outside(n_outside, n_new, n_in_fit):
    """The probability that so many of the new values, or more, are outside of the range in `fit`.

    As all orders of the values are equally probable, new values before the lowest and above the highest
    one in `fit` are as many as new values below the second lowest one.
    """
    return hypergeom.cdf(1, n_in_fit + n_new, n_in_fit, n_outside + 1) if n_outside else 1.0


# --- all columns of a table --------------------------------------------------------------------------


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
    position : int
        Its number among the columns that its source becomes, before constant ones are left out; 0 for
        one that marks missing values.
    """

    name: str
    source: str
    kind: str
    position: int


class TableEncoder(TransformerMixin, BaseEstimator):
    """Write a table as an array of float32.

    Columns of numbers, bools, durations, and numbers that are stored as strings are shifted by the
    median of their distinct values, and those far from 1 are multiplied by a power of two, so that
    float32 is precise enough. `vectorizer` decides how all others are written. Missing numbers,
    durations and dates become NaN, and a column of them that has any in `fit` gets another column,
    `<name>__missing`, which is 1 where they are. Constant columns are left out, and a warning names
    those columns of the table of which nothing is left, such as IDs. Other warnings name columns of
    strings of which most are numbers, or which are dates that may have the day or the month first.

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
        The one that was fitted to the columns of dates, strings and categories, if there are any.

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
            If X has no rows, another number of them than y, or two columns of the same name; or if
            nothing is left of any column.
        TypeError
            If X is no table, sparse or a LazyFrame, or `vectorizer` is no TableVectorizer.
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
        numbers : ndarray of shape (n_samples, n_features_out), of float32
            With NaN for what is missing.
        """
        if not isinstance(self.vectorizer, skrub.TableVectorizer):
            raise TypeError(f"vectorizer must be a skrub.TableVectorizer, got {self.vectorizer!r}")
        series = _series_of(X)
        validate_data(self, X, skip_check_array=True)
        check_consistent_length(X, y)
        self._has_names = hasattr(X, "columns")
        self._columns = {name: Column(name, each, self.vectorizer) for name, each in series.items()}
        read = {name: column.learn(series[name]) for name, column in self._columns.items()}
        written, blocks = self._learn_writers(read, y)
        written += [
            Written(f"{each.source}__missing", each.source, "missing", 0)
            for each in written
            if each.position == 0 and each.kind not in _OF_STRINGS
        ]
        values = _values_of(written, read, blocks)
        is_varied = [np.fmin.reduce(each) < np.fmax.reduce(each) for each in values]
        self.written_ = [*compress(written, is_varied)]
        self._warn()
        return np.column_stack([*compress(values, is_varied)]).astype(np.float32, copy=False)

    def transform(self, X: MatrixLike) -> NDArray:
        """Write a table as numbers.

        A warning names the columns with strings that cannot be read as those in `fit`, with dates that
        have a time zone if those had none, or none if those had one, and with more new categories, or
        more values outside of the range in `fit`, than chance explains.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table. If it is a DataFrame, and that in `fit` was one, columns are taken by the names
            that they had there, whatever their order is, and others are not used.

        Returns
        -------
        numbers : ndarray of shape (n_samples, n_features_out), of float32
            With NaN for what is missing.

        Raises
        ------
        ValueError
            If X has no rows, or a column is missing, or has values of a type that cannot be written as
            those in `fit`.
        TypeError
            If X is no table, sparse or a LazyFrame.
        """
        read = self._read(X)
        sources = dict.fromkeys(each.source for each in self.written_ if each.kind != "missing")
        blocks = {name: self._columns[name].write(read[name]) for name in sources}
        values = _values_of(self.written_, read, blocks)
        return np.column_stack(values).astype(np.float32, copy=False)

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
        series = _series_of(X)
        if not (self._has_names and hasattr(X, "columns")):
            validate_data(self, X, skip_check_array=True, reset=False)
            series = dict(zip(self._columns, series.values(), strict=True))
        absent = [name for name in self._columns if name not in series]
        if absent:
            raise ValueError(f"X lacks columns that it had in fit: {absent}; it has {list(series)}")
        read, unlike = {}, []
        for name, column in self._columns.items():
            read[name] = column.read(series[name], unlike)
            column.compare(read[name], unlike)
        if unlike:
            compat.warn_at_caller(f"the data are unlike those in fit: {'; '.join(unlike)}")
        return read

    def _learn_writers(self, read, y):
        """Learn how each column is written; a Written for each of its columns, and a block of all."""
        written, blocks, others = [], {}, []
        for name, column in self._columns.items():
            if column.kind in _SHIFTED:
                column.writer = Shifted(read[name])
                written.append(Written(name, name, column.kind, 0))
                blocks[name] = column.write(read[name])
            else:
                others.append(column)
        self.vectorizer_ = clone(self.vectorizer) if others else None
        if not others:
            return written, blocks
        table = pd.DataFrame({column.name: column.series(read[column.name]) for column in others})
        with config_context(transform_output="default"):
            outputs = np.asarray(self.vectorizer_.fit_transform(table, y), dtype=np.float32)
        outputs = pd.DataFrame(outputs, columns=self.vectorizer_.all_outputs_)
        for column in others:
            # Columns that the vectorizer leaves out are named there as well.
            names = self.vectorizer_.input_to_outputs_[column.name]
            names = [each for each in names if each in outputs]
            for position, name in enumerate(names):
                name = compat.without_random_letters(name)
                written.append(Written(name, column.name, column.kind, position))
            blocks[column.name] = outputs[names].to_numpy()
            column.learn_writer(self.vectorizer_, read[column.name], blocks[column.name])
        return written, blocks

    def _warn(self):
        """Warn of columns that are not used, such as IDs, or have doubts; if none is used, raise."""
        used = {each.source for each in self.written_}
        unused = [name for name in self._columns if name not in used]
        why = "as all their values are equal, missing or rare, or explain no more of y than chance"
        if not used:
            raise ValueError(f"no column of X can be used, {why}: {unused}")
        if unused:
            compat.warn_at_caller(f"columns are not used, {why}: {unused}")
        for column in self._columns.values():
            if column.doubt:
                compat.warn_at_caller(column.doubt)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _values_of(written, read, blocks):
    """The values of columns, from those that were read and from what is written for their sources."""
    return [
        pd.isna(read[source]) if kind == "missing" else blocks[source][:, position]
        for _, source, kind, position in written
    ]


def _series_of(X):
    """The columns as Series of pandas, by their names, which are strings."""
    is_frame = hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "iter_columns"))
    if not is_frame and (hasattr(X, "columns") or issparse(X) or np.ndim(X) != 2):
        raise TypeError(
            "X must be a DataFrame of pandas or polars, or a dense array of rows and columns, got a "
            f"{type(X).__name__}; X[:1] is one row of a DataFrame, and pandas.DataFrame(X), "
            "X.toarray(), X.collect() or X.to_pandas() makes a table of what is none"
        )
    X = X if is_frame else pd.DataFrame(X).add_prefix("x")
    if len(X) < 1:
        raise ValueError("X must have at least one row, got 0 samples")
    names = pd.Index(map(str, X.columns))
    if names.has_duplicates:
        repeated = [*names[names.duplicated()].unique()]
        raise ValueError(f"columns of X must have distinct names, got {repeated} more than once")
    if hasattr(X, "iloc"):
        return {name: X.iloc[:, i] for i, name in enumerate(names)}
    return dict(zip(names, map(_of_polars, X.iter_columns()), strict=True))


def _of_polars(column):
    """A Series of polars as one of pandas."""
    from polars import Categorical, Enum, Float64

    dtype = column.dtype
    if dtype.is_numeric():
        return pd.Series(column.cast(Float64).to_numpy())
    if dtype.is_temporal() and getattr(dtype, "time_zone", None) is None:
        return pd.Series(column.to_numpy())
    return pd.Series(column.to_list(), dtype="category" if dtype in (Categorical, Enum) else object)


# --- the next step of a table's Pipeline -------------------------------------------------------------


class SquashingScaler(skrub.SquashingScaler):
    """skrub's, which makes columns of rare levels smaller.

    Those have two values, of which less than one row in twenty has one, and none missing. By itself,
    skrub's fails if scikit-learn is set to return DataFrames.

    Attributes
    ----------
    factors_ : ndarray of shape (n_features,)
        What each column is multiplied by after it is scaled.
    """

    def fit_transform(self, X: MatrixLike, y: Any = None) -> NDArray:
        """Fit to X and scale it."""
        with config_context(transform_output="default"):
            scaled = super().fit_transform(X, y)
        counts = [(scaled == end).sum(axis=0) for end in (scaled.min(axis=0), scaled.max(axis=0))]
        is_rare = np.sum(counts, axis=0) == len(scaled)
        is_rare &= np.min(counts, axis=0) < _RARE_SHARE * len(scaled)
        self.factors_ = np.where(is_rare, FACTOR_OF_RARE, 1).astype(scaled.dtype)
        return scaled * self.factors_

    def transform(self, X: MatrixLike) -> NDArray:
        """Scale X."""
        with config_context(transform_output="default"):
            return super().transform(X) * self.factors_
