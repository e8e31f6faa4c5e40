"""Tables with columns of any type as arrays of numbers."""

import re

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data
from skrub import selectors

from skdense.fit.callers import warn_at_caller

__all__ = ["TableEncoder"]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Write a table as an array of float32.

    Columns of numbers and bools are only shifted by their medians, so that float32 is precise enough;
    `vectorizer` writes all others. Missing values become NaN. A column that has any in `fit` gets
    another column, `<name>__missing`, which is 1 where they are. Constant columns are left out, and a
    warning names those columns of the table of which nothing is left. Another names columns of strings
    that look like IDs.

    Parameters
    ----------
    vectorizer : skrub.TableVectorizer
        Writes dates, durations, strings, categories, and numbers that are stored as strings.

    Attributes
    ----------
    numbers_ : list of str
        The columns that are numbers or bools.

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

    def __init__(self, vectorizer):
        self.vectorizer = vectorizer

    def fit(self, X, y=None):
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

    def fit_transform(self, X, y=None):
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
        table = _as_data_frame(X)
        _check_shape(table)
        self._names, self._is_pandas = list(table.columns), isinstance(table, pd.DataFrame)
        self.numbers_ = (selectors.numeric() | selectors.boolean()).expand(table)
        self._shifts = [_median(_as_float(table, name)) for name in self.numbers_]
        parts, names, sources = [self._shifted(table)], list(self.numbers_), list(self.numbers_)
        numbers = set(self.numbers_)
        self._other_dtypes = {name: table[name].dtype for name in self._names if name not in numbers}
        self._fractional = {name for name in self._other_dtypes if _has_fractions(table[name])}
        self.vectorizer_ = None
        if self._other_dtypes:
            self.vectorizer_ = clone(self.vectorizer)
            parts.append(self.vectorizer_.fit_transform(self._others(table), y))
            names += self.vectorizer_.all_outputs_
            sources += map(self.vectorizer_.output_to_input_.get, self.vectorizer_.all_outputs_)
            _warn_of_ids(table, self.vectorizer_.kind_to_columns_["high_cardinality"])
        written = _side_by_side(parts)

        # The columns that are written for a date are missing together, so the first one is enough.
        firsts = sorted(np.unique(sources, return_index=True)[1])
        self._nullable = [column for column in firsts if np.isnan(written[:, column]).any()]
        names += [f"{sources[column]}__missing" for column in self._nullable]
        sources += [sources[column] for column in self._nullable]
        written = self._with_missing(written)

        varies = np.fmax.reduce(written, axis=0) > np.fmin.reduce(written, axis=0)
        self._kept = np.flatnonzero(varies)
        self._names_out = np.array(_distinct(names), dtype=object)[varies]
        _warn_if_unused(self._names, {sources[column] for column in self._kept})
        return self._without_constants(written)

    def transform(self, X):
        """Write a table as numbers.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table, with the columns that it had in `fit`.

        Returns
        -------
        written : ndarray of shape (n_samples, n_features_out), of float32
            With NaN for what is missing.

        Raises
        ------
        ValueError
            If a column is missing or out of order, or has values of a type that cannot be written as
            those in `fit`.
        TypeError
            If X is sparse or a LazyFrame.
        """
        check_is_fitted(self)
        _check_type(X)
        validate_data(self, X, skip_check_array=True, reset=False)
        table = _as_data_frame(X, self._names)
        parts = [self._shifted(table)]
        if self.vectorizer_ is not None:
            if isinstance(table, pd.DataFrame) != self._is_pandas:
                table = _in_other_library(table[list(self._other_dtypes)])
            parts.append(self._vectorized(table))
        return self._without_constants(self._with_missing(_side_by_side(parts)))

    def get_feature_names_out(self, input_features=None):
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

    def _shifted(self, table):
        """The columns of numbers, minus their medians in `fit`."""
        written = np.empty((len(table), len(self.numbers_)), np.float32)
        for column, (name, shift) in enumerate(zip(self.numbers_, self._shifts)):
            written[:, column] = _as_float(table, name) - shift
        return written

    def _vectorized(self, table):
        """What the vectorizer writes for columns that are no numbers."""
        try:
            return self.vectorizer_.transform(self._others(table))
        except Exception as error:  # polars has types of its own
            changed = [
                f"{name!r} ({dtype} in fit, {table[name].dtype} now)"
                for name, dtype in self._other_dtypes.items()
                if table[name].dtype != dtype
            ]
            raise ValueError(
                f"columns cannot be written as in fit: {error}; columns of changed types: {changed}"
            ) from error

    def _others(self, table):
        """The columns that are no numbers, as the vectorizer gets them.

        It writes categories as strings, but 1 and 1.0 are the same category: a missing value makes
        floats of ints. A column that is missing altogether has the dtype that it had in fit.
        """
        make, one = type(table), _of_polars
        if isinstance(table, pd.DataFrame):
            make, one = pd.DataFrame, _of_pandas
        items = self._other_dtypes.items()
        return make({name: one(table[name], dtype, name in self._fractional) for name, dtype in items})

    def _with_missing(self, written):
        if not self._nullable:
            return written
        return _side_by_side([written, np.isnan(written[:, self._nullable])])

    def _without_constants(self, written):
        return written if len(self._kept) == written.shape[1] else written[:, self._kept]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


def _check_type(X):
    if issparse(X):
        raise TypeError("X must be a DataFrame or a dense array, got a sparse X; use X.toarray()")
    if hasattr(type(X), "collect"):
        raise TypeError("X must be a DataFrame or a dense array, got a LazyFrame; use X.collect()")


def _as_data_frame(X, names=None):
    """X as a DataFrame whose columns have strings as names; one of polars stays one of polars."""
    if not hasattr(X, "columns"):
        if np.ndim(X) != 2:
            raise ValueError(f"X must have two dimensions, rows and columns, got {np.ndim(X)}")
        X = pd.DataFrame(X).rename(columns="x{}".format)
    names = list(map(str, X.columns)) if names is None else names
    return X.set_axis(names, axis=1) if isinstance(X, pd.DataFrame) else X


def _check_shape(table):
    n_rows, n_columns = table.shape
    if n_rows < 2 or n_columns < 1:
        raise ValueError(
            f"X must have at least two rows and one column to learn from, got {n_rows} sample(s) and "
            f"{n_columns} feature(s)"
        )


def _in_other_library(table):
    """A DataFrame of pandas as one of polars, or the other way round."""
    if not isinstance(table, pd.DataFrame):
        return pd.DataFrame({name: table[name].to_list() for name in table.columns})
    from polars import DataFrame

    known = table.astype(object).where(table.notna(), None)
    return DataFrame({name: known[name].tolist() for name in table.columns}, strict=False)


def _has_fractions(column):
    """Whether a column in fit has a category such as 2.5 or "1.0", so that 1 is to be written 1.0."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.categories
    elif isinstance(column, pd.Series):
        column = column if column.dtype.kind == "O" else []
    for x in column:
        if isinstance(x, float | np.floating) and not (x != x or _is_whole(x)):
            return True
        if isinstance(x, str) and x.endswith(".0") and x[:-2].lstrip("-").isdecimal():
            return True
    return False


def _of_pandas(column, dtype, is_fractional):
    if column.isna().all():
        return pd.Series([None] * len(column), index=column.index, dtype=dtype)
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    values = column.cat.categories if is_category else column.dropna()
    if is_fractional and values.dtype.kind in "iu":
        to = "Float64"
    elif not is_fractional and values.dtype.kind == "f" and all(map(_is_whole, values)):
        to = "Int64"
    else:
        return column
    if is_category:
        return column.cat.rename_categories(values.astype(to.lower()))
    return column.astype(to)


def _of_polars(column, dtype, is_fractional):
    from polars import Float64, Int64, Series

    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.null_count() == len(column):
        return Series(column.name, [None] * len(column), dtype)
    if is_fractional and column.dtype.is_integer():
        return column.cast(Float64)
    if not is_fractional and column.dtype.is_float() and all(map(_is_whole, column.drop_nulls())):
        return column.cast(Int64)
    return column


def _is_whole(x):
    """Whether a float is a whole number, and not so large that others round to it."""
    return x % 1 == 0 and abs(x) < 2**53


def _distinct(names):
    """The names; one that has come before gets underscores at its end."""
    distinct = {}
    for name in names:
        while name in distinct:
            name += "_"
        distinct[name] = None
    return list(distinct)


def _as_float(table, name):
    """A column of numbers as an array of float64."""
    if np.iscomplexobj(table[name]):
        raise ValueError(f"Complex data not supported: column {name!r} has dtype {table[name].dtype}")
    try:
        return np.asarray(table[name], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"column {name!r} had numbers in fit, but has other values now: {error}"
        ) from None


def _median(column):
    finite = column[np.isfinite(column)]
    return np.median(finite) if len(finite) else 0.0


def _side_by_side(parts):
    """Arrays and DataFrames as one array of float32; all but the first may have no columns."""
    first, *others = [np.asarray(part, dtype=np.float32) for part in parts]
    others = [part for part in others if part.shape[1]]
    return np.hstack([first, *others]) if others else first


def _warn_of_ids(table, names):
    """Warn of columns that may only number the rows."""
    ids = [name for name in names if _are_ids([x for x in table[name] if isinstance(x, str)])]
    if ids:
        warn_at_caller(
            f"columns look like IDs, as nearly all their strings are distinct: {ids}. They are used; "
            "leave out those that only number the rows.",
        )


def _are_ids(strings):
    """Whether nearly all are distinct, and each has a digit and no space."""
    distinct = len(set(strings)) > 0.95 * len(strings)
    return distinct and all(re.fullmatch(r"\S*\d\S*", x) for x in strings)


def _warn_if_unused(names, used):
    unused = [name for name in names if name not in used]
    if len(unused) == len(names):
        raise ValueError(
            f"no column of X can be used, as all their values are equal, missing or rare: {unused}"
        )
    if unused:
        warn_at_caller(
            f"columns are not used, as all their values are equal, missing or rare: {unused}",
        )
