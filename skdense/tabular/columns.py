"""Tables with columns of any type as arrays of numbers."""

import re
from collections import Counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.fit.callers import warn_at_caller
from skdense.fit.inputs import MatrixLike

try:
    import pandas as pd
    import skrub  # noqa: F401  # the steps of a fitted encoder are of its classes
except ImportError:
    raise ImportError(
        "models of tables need pandas and skrub, to predict as well: python -m pip install skrub"
    ) from None

from skdense.tabular.kinds import kind_of, of_polars, written_as

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

    def __init__(self, vectorizer: BaseEstimator | None):
        self.vectorizer = vectorizer

    def __setstate__(self, state):
        """Restore a saved state, but not one of a version that wrote columns in another way."""
        if "numbers_" in state and "_kinds" not in state:
            raise ValueError(
                "skdense 0.2.0 saved this model of a table, and later versions write its columns in "
                "another way: fit it again, or load it with version 0.2.0"
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
        self._names = _names_of(X)
        columns = _columns_of(X, self._names)
        if len(X) < 2 or not columns:
            raise ValueError(
                "X must have at least two rows and one column to learn from, got "
                f"{len(X)} sample(s) and {len(columns)} feature(s)"
            )
        self._kinds = {name: kind_of(column) for name, column in columns.items()}
        self.numbers_ = [name for name, kind in self._kinds.items() if kind == "numbers"]
        self._shifts = [_median(self._written(columns, name)) for name in self.numbers_]
        parts, names, sources = [self._shifted(columns)], list(self.numbers_), list(self.numbers_)
        self.vectorizer_ = None
        if len(self.numbers_) < len(columns):
            self.vectorizer_ = clone(self.vectorizer)
            parts.append(self.vectorizer_.fit_transform(self._others(columns), y))
            names += self.vectorizer_.all_outputs_
            sources += map(self.vectorizer_.output_to_input_.get, self.vectorizer_.all_outputs_)
            for name in self.vectorizer_.kind_to_columns_["datetime"]:
                if self._kinds[name] == "strings":
                    self._kinds[name] = "strings of dates"
            _warn_of_ids(columns, self.vectorizer_.kind_to_columns_["high_cardinality"])
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

    def transform(self, X: MatrixLike) -> NDArray:
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
        columns = _columns_of(X, self._names)
        if len(X) < 1:
            raise ValueError("X must have at least one row to predict, got 0 samples")
        parts = [self._shifted(columns)]
        if self.vectorizer_ is not None:
            parts.append(self.vectorizer_.transform(self._others(columns)))
        return self._without_constants(self._with_missing(_side_by_side(parts)))

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

    def _written(self, columns, name):
        """The values of a column as those in `fit` were written."""
        kind = self._kinds[name]
        try:
            return written_as(kind, columns[name])
        except Exception as error:  # pandas has types of its own
            raise ValueError(
                f"column {name!r} had {kind} in fit, but not all of its values can be read as {kind}: "
                f"{error}"
            ) from error

    def _shifted(self, columns):
        """The columns of numbers, minus their medians in `fit`."""
        n_rows = len(next(iter(columns.values())))
        written = np.empty((n_rows, len(self.numbers_)), np.float32)
        for column, (name, shift) in enumerate(zip(self.numbers_, self._shifts)):
            written[:, column] = self._written(columns, name) - shift
        return written

    def _others(self, columns):
        """The columns that are no numbers, as the vectorizer gets them."""
        others = [name for name, kind in self._kinds.items() if kind != "numbers"]
        return pd.DataFrame({name: self._written(columns, name) for name in others})

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
    if isinstance(X, dict):
        raise TypeError("X must be a DataFrame or a dense array, got a dict; use pandas.DataFrame(X)")
    if issparse(X):
        raise TypeError("X must be a DataFrame or a dense array, got a sparse X; use X.toarray()")
    if hasattr(type(X), "collect"):
        raise TypeError("X must be a DataFrame or a dense array, got a LazyFrame; use X.collect()")
    if not hasattr(X, "columns") and np.ndim(X) != 2:
        raise ValueError(
            f"X must have two dimensions, rows and columns, got {np.ndim(X)}. Reshape your data: one "
            "row of a DataFrame is X[:1], a list of dicts is pandas.DataFrame(X)"
        )


def _names_of(X):
    """The names of the columns as strings; those of an array are x0, x1 and so on."""
    if not hasattr(X, "columns"):
        return [f"x{i}" for i in range(np.shape(X)[1])]
    names = list(map(str, X.columns))
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"columns of X must have distinct names, got {repeated} more than once")
    return names


def _columns_of(X, names):
    """The columns as Series of pandas, by their names."""
    if not hasattr(X, "columns"):
        X = pd.DataFrame(X)
    if isinstance(X, pd.DataFrame):
        columns = [column for _, column in X.items()]
    else:
        columns = map(of_polars, X.get_columns())
    return dict(zip(names, columns, strict=True))


def _distinct(names):
    """The names; one that has come before gets underscores at its end."""
    distinct = {}
    for name in names:
        while name in distinct:
            name += "_"
        distinct[name] = None
    return list(distinct)


def _median(column):
    finite = column[np.isfinite(column)]
    return np.median(finite) if len(finite) else 0.0


def _side_by_side(parts):
    """Arrays and DataFrames as one array of float32; all but the first may have no columns."""
    first, *others = [np.asarray(part, dtype=np.float32) for part in parts]
    others = [part for part in others if part.shape[1]]
    return np.hstack([first, *others]) if others else first


def _warn_of_ids(columns, names):
    """Warn of columns that may only number the rows."""
    ids = [name for name in names if _are_ids([x for x in columns[name] if isinstance(x, str)])]
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
