"""Tables with columns of any type as arrays of numbers.

Each value is read by the kind that its column had in `fit`, whatever the other rows are: as a number, a
date, a category or a string. skrub then writes all that are no numbers.
"""

import re
from collections import Counter
from decimal import Decimal
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import bdtrc
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.fit.callers import warn_at_caller
from skdense.fit.inputs import MatrixLike

try:
    import pandas as pd
    import skrub
    from pandas.api.types import infer_dtype
    from skrub.core import RejectColumn
except ImportError:
    raise ImportError(
        "models of tables need pandas and skrub, to predict as well: python -m pip install skrub"
    ) from None

__all__ = ["TableEncoder"]

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
    "dates": ("dates", "categories", "strings"),
    "durations": ("durations",),
}
"""What may be read as a kind: a date is no number of nanoseconds, nor is a year a date.

Where there were strings in `fit`, such as "20240105", numbers are read as strings. Anything may be a
string.
"""
_MISSING = set(
    "null|#NA|nan|#N/A N/A|<NA>|n/a|NULL|NA|N/A|#N/A|NaN|-nan|-NaN|1.#QNAN|-1.#QNAN|1.#IND|-1.#IND|"
    "?|...|none|None|".split("|")
)
"""The strings that pandas.read_csv or skrub takes for missing values, and the empty one."""
_SURPRISING = 0.001
"""A prediction tells of new categories if as many were less probable than this by chance."""
_FEW_NUMBERS = 10
"""A column with fewer distinct numbers beside its strings may well have categories."""


class TableEncoder(TransformerMixin, BaseEstimator):
    """Write a table as an array of float32.

    Columns of numbers, bools, durations, and numbers that are stored as strings are shifted by their
    medians, so that float32 is precise enough; `vectorizer` writes all others. Missing values become
    NaN. A column that has any in `fit` gets another column, `<name>__missing`, which is 1 where they
    are. Constant columns are left out, and a warning names those columns of the table of which nothing
    is left, such as IDs. Another names columns of strings of which most are numbers.

    Parameters
    ----------
    vectorizer : skrub.TableVectorizer
        Writes dates, strings and categories.

    Attributes
    ----------
    numbers_ : list of str
        The columns that are read as numbers.

    vectorizer_ : skrub.TableVectorizer or None
        The one that was fitted to the other columns, if there are any.

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
    >>> TableEncoder(TableVectorizer()).fit(table).get_feature_names_out()
    array(['age', 'town_Oslo', 'age__missing'], dtype=object)
    """

    def __init__(self, vectorizer: BaseEstimator | None):
        self.vectorizer = vectorizer

    def __setstate__(self, state):
        """Restore a saved state, but not one of a version that wrote columns in another way."""
        if "numbers_" in state and "_columns" not in state:
            raise ValueError(
                "skdense 0.3.0 or an earlier version saved this model of a table, and later versions "
                "write its columns in another way: fit it again, or load it with that version"
            )
        super().__setstate__(state)

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
            If X is sparse or a LazyFrame.
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
        validate_data(self, X, skip_check_array=True)
        self._has_names = hasattr(X, "columns")
        series = _series_of(X)
        if len(X) < 2 or not series:
            raise ValueError(
                "X must have at least two rows and one column to learn from, got "
                f"{len(X)} sample(s) and {len(series)} feature(s)"
            )
        self._columns = {name: _Column(name, each, self.vectorizer) for name, each in series.items()}
        numbers = "numbers", "durations"
        self.numbers_ = [name for name, its in self._columns.items() if its.kind in numbers]
        read = {name: its.read(series[name], []) for name, its in self._columns.items()}
        finite = (read[name][np.isfinite(read[name])] for name in self.numbers_)
        self._shifts = [np.median(values) if len(values) else 0.0 for values in finite]
        self.vectorizer_ = clone(self.vectorizer) if len(self.numbers_) < len(series) else None
        values = self._values(read, lambda others: self.vectorizer_.fit_transform(others, y))
        names, sources, kinds = list(self.numbers_), list(self.numbers_), {}
        if self.vectorizer_ is not None:
            written = self.vectorizer_.all_outputs_
            # skrub makes names distinct by random letters.
            names += [re.sub("__skrub_[0-9a-f]+__$", "", name) for name in written]
            sources += [self.vectorizer_.output_to_input_[name] for name in written]
            kinds = self.vectorizer_.kind_to_columns_

        # The columns that are written for a date are missing together, so the first one is enough.
        firsts = [i for i, source in enumerate(sources) if source not in sources[:i]]
        self._nullable = [i for i in firsts if np.isnan(values[i]).any()]
        values += [np.isnan(values[i]).astype(np.float32) for i in self._nullable]
        names += [f"{sources[i]}__missing" for i in self._nullable]
        sources += [sources[i] for i in self._nullable]
        self._kept = [i for i, x in enumerate(values) if np.fmin.reduce(x) < np.fmax.reduce(x)]
        self._names_out = np.array(_distinct(names), object)[self._kept]

        for name in kinds.get("low_cardinality", ()):
            self._columns[name].learn_categories(read[name])
        self._warn({sources[i] for i in self._kept})
        return np.column_stack([values[i] for i in self._kept])

    def transform(self, X: MatrixLike) -> NDArray:
        """Write a table as numbers.

        A warning names the columns with strings that cannot be read as those in `fit`, and those with
        more new categories than chance explains.

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
        values = self._values(self._read(X), lambda others: self.vectorizer_.transform(others))
        values += [np.isnan(values[i]).astype(np.float32) for i in self._nullable]
        return np.column_stack([values[i] for i in self._kept])

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
        return self._names_out

    def _read(self, X):
        """The values of each column of a table to predict, by its name in `fit`."""
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

    def _values(self, read, vectorize):
        """The columns that are written for what was read: those of numbers, and those of all others."""
        shifts = zip(self.numbers_, self._shifts)
        values = [(read[name] - shift).astype(np.float32) for name, shift in shifts]
        if self.vectorizer_ is not None:
            others = pd.DataFrame({name: x for name, x in read.items() if name not in self.numbers_})
            with config_context(transform_output="default"):
                values += [*np.asarray(vectorize(others), dtype=np.float32).T]
        return values

    def _warn(self, used):
        """Warn of columns that are not used, such as IDs, or not as numbers."""
        unused = [name for name in self._columns if name not in used]
        why = "as all their values are equal, missing or rare"
        if not used:
            raise ValueError(f"no column of X can be used, {why}: {unused}")
        if unused:
            warn_at_caller(f"columns are not used, {why}: {unused}")
        mostly = [its.mostly_numbers for its in self._columns.values() if its.mostly_numbers]
        if mostly:
            warn_at_caller(
                f"columns are taken as strings, though most of their values are numbers: "
                f"{'; '.join(mostly)}. To use the numbers, correct the others before, or make them "
                "missing by pandas.to_numeric(column, errors='coerce')"
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


class _Column:
    """How the values of one column are read; a string may be a number or a date, if all others are."""

    mostly_numbers = ""
    """A word for the user about a column of strings of which most are numbers."""
    known = None
    """The categories in `fit` and the probability that a row has a new one, if each has a column."""

    def __init__(self, name, series, vectorizer):
        self.name, self.kind, self.format = name, _kind_of(series), None
        self.from_strings = self.kind == "strings"
        more = getattr(vectorizer, "null_strings", None) or ()
        words = _MISSING.union([more] if isinstance(more, str) else more)
        self.missing = {""} if self.kind == "categories" else words
        if not self.from_strings:
            return
        strings = self._strings(series).dropna()
        if strings.empty:
            return
        try:
            to_datetime = skrub.ToDatetime(format=getattr(vectorizer, "datetime_format", None))
            to_datetime.fit(strings)
            self.kind, self.format = "dates", to_datetime.format_
        except RejectColumn:
            numbers = pd.to_numeric(strings, errors="coerce").astype(np.float64)
            others = strings[numbers.isna()]
            if others.empty:
                self.kind = "numbers"
            elif len(others) < len(strings) / 2 and numbers.nunique() >= _FEW_NUMBERS:
                self.mostly_numbers = (
                    f"column {name!r}, where {len(others)} of {len(strings)} values are none, such as "
                    f"{others.iloc[0]!r}"
                )

    def learn_categories(self, values):
        """Learn which categories there are, and how often rows to predict may have others."""
        counts = Counter(values[~pd.isna(values)])
        # Good and Turing: a new row is of a new category as often as a known row is alone in its own.
        n_alone = sum(count == 1 for count in counts.values())
        self.known = list(counts), (n_alone + 1) / (counts.total() + 1)

    def read(self, series, unlike):
        """The values as float64, datetimes, strings or categories.

        Strings that could not be read, and more new categories than there are by chance, are added to
        the list `unlike`, in words.
        """
        try:
            return self._as_kind(series, unlike)
        except Exception as error:  # pandas has types of its own
            raise ValueError(
                f"column {self.name!r} has {self.kind}, by its values in fit, but not all of them can "
                f"be read as {self.kind}: {error}"
            ) from error

    def _as_kind(self, series, unlike):
        now = _kind_of(series)
        # Only for numbers NaT is an error, too: it is the missing value of dates and durations.
        readable = now in _READ_AS.get(self.kind, now) or (now == "numbers" and self.from_strings)
        if not readable and (self.kind == "numbers" or series.notna().any()):
            raise ValueError(f"they are {now}, of type {series.dtype}")
        if isinstance(series.dtype, pd.ArrowDtype) and now in ("dates", "durations"):
            series = series.astype(object)  # skrub does not know the types of pyarrow
        if self.kind == "durations":
            return pd.to_timedelta(series).dt.total_seconds().to_numpy(np.float64)
        if self.kind == now == "numbers":
            if infer_dtype(series) == "complex":
                raise ValueError("Complex data not supported")
            return series.to_numpy(np.float64, na_value=np.nan)
        if self.kind == now == "dates":
            try:
                return pd.to_datetime(series).array
            except ValueError:  # of different UTC offsets
                return pd.to_datetime(series, utc=True).array
        strings = self._strings(series)
        if self.kind in ("strings", "categories"):
            self._compare(strings, unlike)
            return pd.Categorical(strings) if self.kind == "categories" else strings.array
        values = self._parsed(strings)
        unread = strings[values.isna() & strings.notna()]
        if len(unread):
            share = f"{len(unread)} of {strings.count()} values"
            if not self.from_strings or len(unread) == strings.count() > 1:
                raise ValueError(f"{share} cannot, such as {unread.iloc[0]!r}")
            unlike.append(
                f"column {self.name!r}: {share} could not be read as {self.kind}, such as "
                f"{unread.iloc[0]!r}, and are taken as missing"
            )
        return values.array if self.kind == "dates" else values.to_numpy(np.float64)

    def _parsed(self, strings):
        """Strings as numbers or as dates; those that are none become NaN or NaT."""
        if self.kind == "numbers":
            return pd.to_numeric(strings, errors="coerce")
        dates = pd.to_datetime(strings, format=self.format or "ISO8601", errors="coerce", utc=True)
        rest = dates.isna() & strings.notna()
        if rest.any():  # such as "2024-01-05T10:00" where there were seconds in fit
            dates[rest] = pd.to_datetime(strings[rest], format="ISO8601", errors="coerce", utc=True)
        return dates

    def _compare(self, strings, unlike):
        """Tell of new categories, if there are more than by chance."""
        if self.known is None:
            return
        known, chance = self.known
        new = set(strings).difference(known, [None])
        if not new:
            return
        counts, n = Counter(each for each in strings if each in new), strings.count()
        if bdtrc(counts.total() - 1, n, chance) < _SURPRISING:
            unlike.append(
                f"column {self.name!r}: {counts.total()} of {n} values are categories that were not "
                f"there in fit, such as {counts.most_common(1)[0][0]!r}"
            )

    def _strings(self, series):
        """The values as strings, with None for missing ones."""
        strings = series.map(self._string, na_action="ignore").astype(object)
        return strings.where(strings.notna(), None).reset_index(drop=True)

    def _string(self, x):
        """A value as a string; 1, 1.0 and "1.0" are the same: a missing value makes floats of ints."""
        if isinstance(x, str):
            x = x[:-2] if x.endswith(".0") and x[:-2].lstrip("-").isdecimal() else x
            return None if x in self.missing or x.isspace() else x
        if isinstance(x, np.ndarray):
            x = x.tolist()  # as the lists that polars has
        elif isinstance(x, (float, np.floating, Decimal)):
            if float(x) % 1 == 0 and abs(x) < 2**53:  # floats above may be rounded
                x = int(x)
            elif isinstance(x, Decimal):
                x = float(x)
        return str(x)


class SquashingScaler(skrub.SquashingScaler):
    """skrub's, which by itself fails where scikit-learn is set to return DataFrames."""

    def fit_transform(self, X: MatrixLike, y: Any = None) -> NDArray:
        """Fit to X and scale it, as skrub's does."""
        with config_context(transform_output="default"):
            return super().fit_transform(X, y)

    def transform(self, X: MatrixLike) -> NDArray:
        """Scale X, as skrub's does."""
        with config_context(transform_output="default"):
            return super().transform(X)


def _kind_of(series):
    """The kind of a column; that of objects is the one of their values."""
    return _KINDS.get(infer_dtype(series, skipna=True), "strings")


def _check_type(X):
    for refused, what, cure in (
        (isinstance(X, dict), "a dict", "pandas.DataFrame(X)"),
        (issparse(X), "a sparse X", "X.toarray()"),
        (hasattr(type(X), "collect"), "a LazyFrame", "X.collect()"),
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
