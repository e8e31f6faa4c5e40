"""A table with columns of any type as an array of numbers.

`TableEncoder.fit` gives each column a kind, which the user says or `readings.py` guesses. By this kind
alone, values are read and encoded (`kinds.py`, `cells.py`), in `fit` and in `transform`, which warns of
differences from the table in `fit`. `levels.py` tests which columns of many levels are related to y.
"""

from functools import partial
from types import SimpleNamespace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skdense import compat
from skdense.base import Saved
from skdense.exceptions import UnlikeDataWarning
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import MatrixLike, shallow_copy
from skdense.frames import table_of
from skdense.tabular import kinds, levels
from skdense.tabular.cells import shown
from skdense.tabular.kinds import Column, Ignored, Levels, Numbers
from skdense.tabular.readings import column_as, entries_by_name, guessed_column, remarks_on_integers

__all__ = ["TableEncoder"]

_ROWS_TO_COMPARE = 10
"""From this number of rows on, each column of numbers is compared with the one in `fit`."""
_DETAILS = ["column", "difference", "count", "n_values", "share", "share_in_fit", "example", "text"]
"""The columns of what `compare` returns."""
_NO_EFFECT = (
    "it is not significantly related to y, also in addition to the other columns; if a part of the "
    "values is informative, extract it to a column, or keep the column with an entry in column_kinds"
)
"""Why a column of many levels is not used."""


class TableEncoder(TransformerMixin, Saved):
    """Encode tabular data with columns of mixed types as a float32 array.

    Numbers, booleans, durations, and numbers that are stored as strings are shifted by the median of
    the distinct values. If the differences are far from 1, they are also multiplied by a power of two,
    so that the precision of float32 is sufficient. A date is encoded by the shifted number of seconds,
    by the year, and by sines and cosines of month, day, hour and weekday. Missing values of these types
    are NaN, and a column with missing values in `fit` gets an additional indicator column. For strings
    and categories, each level with at least five rows gets a column, and all other levels share one. If
    a column has 40 or more levels, the words, and the place and the frequency of each level, are
    encoded, too. Up to 50 words that are significantly related to y come first, and then the most
    frequent levels and words, 150 in all. Such a column is dropped if it is not significantly related
    to y, as for IDs; y is used for nothing else. Constant columns are dropped. Warnings name the
    dropped columns, and columns whose type may have been inferred wrongly.

    Parameters
    ----------
    column_kinds : dict, default=None
        The types of columns, by their names, or by their positions if X is an array: "number",
        "category", "text", "date", "duration" or "ignore". A dict with this word as its "kind" may also
        contain the "format" of dates as strings in the codes of ``datetime.strptime``, or a list of
        formats, to which ISO 8601 is added, and the "decimal" mark, "." or ",", and the "unit" of
        amounts, such as ``{"kind": "number", "decimal": ",", "unit": "EUR"}``. They apply to strings,
        also in new data after a fit to numbers or dates. If the column has numbers in `fit` and only
        the unit is set, the mark is ".".
        These types override the inferred ones, and such columns are not tested for a relation to y.
        With "category", the string "NA" is a category; with "text", it is a missing value. Ignored
        columns may be missing in `transform`.

    Attributes
    ----------
    output_sources_ : ndarray of str of shape (n_features_out,)
        The column of the table from which each column of the result is computed.

    output_roles_ : ndarray of str of shape (n_features_out,)
        The role of each column of the result: "number", "duration", "date", "level", "word", "place",
        "frequency" or "missing".

    dropped_ : dict of str to str
        The reason for each column of the table that is not used.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X has names that are all strings.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense.tabular import TableEncoder
    >>> table = pd.DataFrame({"age": [20, None, 60] * 5, "town": ["Cork", "Oslo", "Cork"] * 5})
    >>> columns = TableEncoder().fit(table)
    >>> columns.get_feature_names_out()
    array(['age', 'town=Cork', 'town=Oslo', 'age:missing'], dtype=object)
    >>> columns.transform(table[:2])
    array([[-20.,   1.,   0.,   0.],
           [ nan,   0.,   1.,   1.]], dtype=float32)
    """

    output_sources_: NDArray
    output_roles_: NDArray
    dropped_: dict[str, str]
    n_features_in_: int
    feature_names_in_: NDArray

    def __init__(self, column_kinds: dict | None = None):
        self.column_kinds = column_kinds

    def fit(self, X: MatrixLike, y: NDArray | None = None) -> Self:
        """Learn the encoding of each column.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), default=None
            The targets, classes as integers or real values. They are only used to test which columns
            with many levels, and which words, are related to y. With None, no column is dropped by this
            test.

        Returns
        -------
        self : object
            The fitted transformer. If `fit` raises an error, the previously fitted state is kept.

        Raises
        ------
        ValueError
            If X is neither a data frame nor a 2-D array, has no rows, another number of rows than y or
            two columns of the same name, or if no column can be used.
        TypeError
            If X is sparse.
        """
        self._fit(X, y)
        return self

    def fit_transform(self, X: MatrixLike, y: NDArray | None = None) -> NDArray:
        """Learn the encoding of each column and encode the table.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs), default=None
            The targets, see `fit`.

        Returns
        -------
        numbers : ndarray of shape (n_samples, n_features_out), of float32
            The encoded table; missing values are NaN.
        """
        return self._fit(X, y)

    def _fit(self, X, y, splits=None):
        """Fit and encode; `splits` are the folds of a model, pairs of rows to train and to test on."""
        fitted = shallow_copy(self)  # an error leaves an earlier fit as it was
        encoded = fitted._learn(X, y, splits)
        set_attributes(self, vars(fitted))
        return encoded

    def _learn(self, X, y, splits):
        """Fit and encode. An error leaves this encoder with some attributes of the fit."""
        X = table_of(X)
        series = _columns_of(X)
        validate_data(self, X, skip_check_array=True)
        check_consistent_length(X, y)
        y = None if y is None else np.asarray(y)
        self._has_names, n_rows = hasattr(X, "columns"), len(next(iter(series.values())))
        entries = entries_by_name(self.column_kinds, [*series], self._has_names)
        values_of, reasons, remarks = self._learn_columns(series, entries, y)
        if y is not None:
            guessed = [column for column in self._columns if column.name not in entries]
            reasons |= _unrelated_to_y(self._columns, guessed, values_of, y, splits)
        self.dropped_ = {name: reason for name, reason in reasons.items() if reason}
        self._warn(remarks, n_rows)
        self._arrange()
        columns = self._used.in_order
        outputs = [(column, *column.outputs[place]) for column in columns for place in column.keep]
        outputs += [(column, ":missing", "missing") for column in columns if column.is_marked]
        self.output_sources_ = np.array([column.name for column, _, _ in outputs], object)
        self.output_roles_ = np.array([role for _, _, role in outputs], object)
        self._names = _distinct([column.name + end for column, end, _ in outputs])
        return self._written(values_of)

    def _learn_columns(self, series, entries, y):
        """Set `_columns`; return their values, reasons not to use them, or "", and remarks."""
        self._columns, values_of, reasons, remarks = [], {}, {}, []
        for name, values in series.items():
            if name in entries:
                column = column_as(entries[name], name, values)
                values_of[name], column_remarks = _read_in_fit(column, values, is_given=True)
                reasons[name] = column.learn(values_of[name], y)
            else:
                column, column_remarks, reason = guessed_column(name, values)
                values_of[name], _ = _read_in_fit(column, values, is_given=False)
                reason_of_values = column.learn(values_of[name], y)
                on_integers, reasons[name] = remarks_on_integers(
                    column, values, reason or reason_of_values
                )
                column_remarks += on_integers
            self._columns.append(column)
            remarks += column_remarks
        return values_of, reasons, remarks

    def transform(self, X: MatrixLike) -> NDArray:
        """Encode a table.

        For each column that differs from the training data, a
        :class:`~skdense.exceptions.UnlikeDataWarning` is given.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table. If X is a DataFrame, as in `fit`, columns are matched by name, in any order, and
            other columns are not used.

        Returns
        -------
        numbers : ndarray of shape (n_samples, n_features_out), of float32
            The encoded table; missing values are NaN.

        Raises
        ------
        ValueError
            If X is neither a data frame nor a 2-D array or has no rows, a column is missing, or the
            values of a column have another type than in `fit` and cannot be converted to it.
        TypeError
            If X is sparse.
        """
        return self._written(self._read(X))

    def compare(self, X: MatrixLike) -> pd.DataFrame:
        """Compare a table with the training data, without warnings.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.

        Returns
        -------
        differences : DataFrame
            One row for each difference that `transform` would warn about, with the attributes of the
            :class:`~skdense.exceptions.UnlikeDataWarning`, and its message in the column `text`.
        """
        rows = [vars(warning) | {"text": str(warning)} for warning in self._compared(X)[1]]
        return pd.DataFrame(rows, columns=_DETAILS)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """Get the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : object
            Ignored: the names are based on X in `fit`.

        Returns
        -------
        names : ndarray of shape (n_features_out,)
            Distinct names that begin with the name of the column of X: ``c=red`` is a level, ``c~red``
            is a word, ``c`` is a shifted number, and ``c:missing`` and others contain the role after
            the colon.
        """
        check_is_fitted(self)
        return np.array(self._names, dtype=object)

    def _read(self, X):
        """The values of each column that is used, by its name; warn of differences from `fit`."""
        values_of, differences = self._compared(X)
        for warning in differences:
            compat.warn_at_caller(warning, UnlikeDataWarning)
        return values_of

    def _compared(self, X):
        """The values of each column that is used, by its name, and warnings of differences."""
        check_is_fitted(self)
        X = table_of(X)
        series = _columns_of(X)
        if not (self._has_names and hasattr(X, "columns")):
            validate_data(self, X, skip_check_array=True, reset=False)
            series = dict(zip((column.name for column in self._columns), series.values()))
        needed = [column.name for column in self._columns if not isinstance(column, Ignored)]
        if absent := [name for name in needed if name not in series]:
            raise ValueError(
                f"X lacks columns that it had in fit: {absent}; it has the columns {list(series)}"
            )
        values_of, differences, used = {}, [], self._used
        for column in used.in_order:
            report = partial(_report, differences, column.name)
            values_of[column.name], unread = column.read(series[column.name], report)
            if unread:
                column.compare_unread(unread, report)
        if used.numbers:
            numbers = self._matrix_of_numbers(values_of)
            is_odd = ((numbers < used.low) | (numbers > used.high)).any(axis=0)
            is_odd |= np.isnan(numbers).mean(axis=0) > used.n_missing / used.n_rows
            is_odd |= len(numbers) >= _ROWS_TO_COMPARE
            for place in np.flatnonzero(is_odd):
                column = used.numbers[place]
                column.compare(numbers[:, place], partial(_report, differences, column.name))
        for column in used.others:
            column.compare(values_of[column.name], partial(_report, differences, column.name))
        return values_of, differences

    def _arrange(self):
        """Put the columns that are used in order, and the facts of numbers side by side.

        Files do not contain the result.
        """
        columns = [column for column in self._columns if column.name not in self.dropped_]
        used = self._used = SimpleNamespace()
        used.numbers = [column for column in columns if isinstance(column, Numbers)]
        used.others = [column for column in columns if not isinstance(column, Numbers)]
        used.in_order = used.numbers + used.others
        for fact in ("low", "high", "shift", "scale", "n_missing", "n_rows"):
            setattr(used, fact, np.array([getattr(column, fact) for column in used.numbers]))

    def _matrix_of_numbers(self, values_of):
        """The values of all columns of numbers, side by side."""
        return np.array([values_of[column.name] for column in self._used.numbers]).T

    def _written(self, values_of):
        """All columns of the result."""
        used = self._used
        blocks = [column.encode(values_of[column.name])[:, column.keep] for column in used.others]
        if used.numbers:
            numbers = kinds.shifted(self._matrix_of_numbers(values_of), used.shift, used.scale)
            blocks.insert(0, numbers[:, [bool(column.keep) for column in used.numbers]])
        marked = [column for column in used.in_order if column.is_marked]
        blocks += [np.isnan(values_of[column.name])[:, None] for column in marked]
        return np.concatenate(blocks, axis=1, dtype=np.float32)

    def _warn(self, remarks, n_rows):
        """Warn of unused columns and of how others are read; if none is used, raise."""
        names = {reason: [] for reason in self.dropped_.values()}
        for name, reason in self.dropped_.items():
            names[reason].append(repr(name))
        ignored = names.pop(kinds.IGNORED, [])
        unused = "; ".join(f"{', '.join(alike)}: {reason}" for reason, alike in names.items())
        if ignored and not names and len(ignored) == len(self._columns):
            unused = "column_kinds ignores all of them"
        if len(self.dropped_) == len(self._columns):
            raise ValueError(f"no column of X can be used, with {n_rows} samples. {unused}")
        if unused:
            compat.warn_at_caller(f"columns are not used. {unused}")
        for remark in remarks:
            compat.warn_at_caller(remark)

    def __getstate__(self):
        """Columns as dicts, so that a file has no class that is not public."""
        state = {name: value for name, value in super().__getstate__().items() if name != "_used"}
        if "_columns" in state:
            state["_columns"] = [
                {"class": type(column).__name__, **vars(column)} for column in self._columns
            ]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "_columns" in state:
            self._columns = [Column.of(column) for column in state["_columns"]]
            self._arrange()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _distinct(names):
    """Names, with underscores after those that are there before."""
    distinct = {}
    for name in names:
        while name in distinct:
            name += "_"
        distinct[name] = None
    return list(distinct)


def _report(differences, name, difference, text, count, n_values, example=None, share_in_fit=None):
    """Add a warning of a difference from the column in `fit`."""
    facts = name, difference, int(count), int(n_values), example, share_in_fit
    differences.append(UnlikeDataWarning(f"column {name!r} {text}", *facts))


def _read_in_fit(column, values, is_given):
    """The values of a column, and a remark if some are not of the kind that the user gives."""
    values, unread = column.read(values, lambda *difference: None)
    if unread is None:
        return values, []
    column.n_unread = int(unread.count)
    if not is_given:
        return values, []
    counts, example = f"{unread.count} of {unread.n_values} values", shown(unread.example)
    if unread.count >= unread.n_values / 2:
        raise column.not_readable(f"{counts} cannot, such as {example}{column.expected}")
    return values, [
        f"column {column.name!r}: {counts} cannot be read as {column.kind}, for example {example}, and "
        "count as missing"
    ]


def _unrelated_to_y(columns, guessed, values_of, y, splits):
    """The guessed columns of many levels that are not significantly related to y, and the reason."""
    words_by_name, tested = {}, {}
    for column in guessed:
        if isinstance(column, Levels) and column.is_many and column.keep:
            codes, texts = values_of[column.name]
            codes = np.where([text is None for text in texts], -1, np.arange(len(texts)))[codes]
            words = [place for place in column.keep if column.outputs[place][1] == "word"]
            is_new = splits is not None and not levels.levels_recur(codes, splits)
            keep, written = words if is_new else column.keep, column.encode(values_of[column.name])
            is_related = column.related_words or (keep and levels.depends(y, written[:, keep]))
            if not is_related:
                words_by_name[column.name], tested[column.name] = written[:, words], written[:, keep]
    if not words_by_name:
        return {}
    matrix, categories, places = _matrix_of_codes(columns, values_of, words_by_name)
    helpful = levels.helpful_beside_others(matrix, categories, places, y, splits, tested)
    return dict.fromkeys(words_by_name.keys() - helpful, _NO_EFFECT)


def _matrix_of_codes(columns, values_of, words_by_name):
    """All columns of the table as numbers, with one code for the level of a category.

    Also the places of codes, and by name those of the code and the words of the columns to judge.
    """
    blocks, categories, places, place = [], [], {}, 0
    for column in columns:
        if isinstance(column, Levels):
            codes, _ = values_of[column.name]
            block = np.where(np.bincount(codes) > 1, np.arange(codes.max() + 1), np.nan)[codes, None]
            categories.append(place)
            if column.name in words_by_name:
                block = np.hstack([block, words_by_name[column.name]])
                places[column.name] = [*range(place, place + block.shape[1])]
        elif column.keep:  # which the ignored ones lack
            block = column.encode(values_of[column.name])[:, column.keep]
        else:
            continue
        blocks.append(block.astype(np.float32, copy=False))
        place += block.shape[1]
    return np.hstack(blocks), categories, places


def _columns_of(X):
    """The columns as arrays or Series of pandas, by their names, which are strings."""
    if isinstance(X, np.ndarray):
        return {f"x{i}": values for i, values in enumerate(X.T)}
    for what, size in zip(("sample(s)", "feature(s)"), X.shape):
        if not size:
            raise ValueError(
                f"Found a table with 0 {what} (shape={X.shape}) while a minimum of 1 is required."
            )
    names = [*map(str, X.columns)]
    if len(set(names)) < len(names):
        repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        raise ValueError(f"columns of X must have distinct names, got {repeated} more than once")
    if hasattr(X, "iloc"):
        return {name: values for name, (_, values) in zip(names, X.items())}
    return dict(zip(names, map(_from_polars, X.iter_columns())))


def _from_polars(column):
    """A Series of polars as an array or a Series of pandas."""
    from polars import Categorical, Enum, Float64

    dtype = column.dtype
    if dtype.is_integer() and "128" not in str(dtype):  # arrays of integers keep all digits
        if column.null_count() == 0:
            return column.to_numpy()
        present, is_missing = column.fill_null(0).to_numpy(), column.is_null().to_numpy()
        return pd.Series(pd.arrays.IntegerArray(present, is_missing))
    if dtype.is_numeric():
        return column.cast(Float64).to_numpy()
    if dtype.is_temporal() and getattr(dtype, "time_zone", None) is None:
        return column.to_numpy()
    return pd.Series(column.to_list(), dtype="category" if dtype in (Categorical, Enum) else object)
