"""Transformers of the default for tables: columns of strings, and what each of the models sees."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.preprocessing import StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.machine.blas import one_blas_thread
from skdense.fit.inputs import MatrixLike

__all__ = ["LevelsEncoder", "Ramps"]

_MOST, _MOST_NUMBERS = 1000, 2**26
"""About the most ramps of all columns, and the most numbers in them, or in the levels of a column."""
_BLOCK = 4096
"""Rows at a time: as they stay in the processor's cache, large tables take a quarter of the time."""
_MANY_OTHERS = 0.1
"""The least share of rows without a column of their level with which LevelsEncoder writes numbers."""
NUMBERS_OF_OTHERS = 0.5, 0.0
"""What LevelsEncoder writes as the two numbers of a level that its `numbers_` do not have."""
_CHANCE = 1e-4
"""What is written for strings has to be more correlated with y than by chance this often."""
_MOST_CLASSES = 30
"""A y of at most so many different values is tested as classes, too."""
# The networks with and without ramps are then good at different tables: docs/benchmarks/decisions.md.
FACTOR_OF_RARE = 0.3
"""What columns of two values are multiplied by if one is rare, for all but networks with ramps."""
LEAST = 1e-4
"""Of 1 minus the squared share of the clip, which float32 knows to 0.1 %: values stay below 300."""


class LevelsEncoder(TransformerMixin, BaseEstimator):
    """Write a column of strings by its levels, their words, their order and their frequency.

    The most frequent levels and words get a column each. The missing value is a level as well. A word
    is a run of letters and digits that several levels have, and at least `min_frequency` rows lack; its
    case does not matter. All rows of other levels share a column. So a code that few rows have, such as
    an ID, has no column of its own, and a text has those of its words. Two more columns have the place
    of the level in the order of all levels that at least two rows have, and the logarithm of the number
    of its rows: by these, boosted trees tell levels apart that have no column. Where few rows have such
    levels, both are constant.
    All columns are constant if they are not more correlated with y than they would be by chance once in
    10,000 tables.

    Parameters
    ----------
    min_frequency : int, default=5
        The fewest rows of a level or word that has a column.

    max_columns : int, default=150
        The most columns of levels and words together. There are fewer where they would take more than
        256 MB.

    Attributes
    ----------
    levels_ : list of str or None
        The levels with a column.

    words_ : list of str
        The words with a column, in lower case.

    numbers_ : dict of str or None to (float, float)
        For each level of at least two rows its place, between 0 and 1, and the logarithm of the number
        of its rows. The place of missing and of all other values is 0.5, and the logarithm of others 0.
        Empty if less than a tenth of the rows have levels without a column, or y does not depend on X.

    n_features_in_ : int
        One.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense.tabular.steps import LevelsEncoder
    >>> titles = np.array([["clerk"], ["clerk"], ["Chief pilot"], ["pilot"]], dtype=object)
    >>> encoder = LevelsEncoder(min_frequency=2).fit(titles)
    >>> encoder.get_feature_names_out(["title"])
    array(['title_clerk', 'title_rare', 'title_pilot', 'title__place',
           'title__rows'], dtype=object)
    """

    def __init__(self, min_frequency: int = 5, max_columns: int = 150):
        self.min_frequency = min_frequency
        self.max_columns = max_columns

    def fit(self, X: Any, y: Any = None) -> Self:
        """Count levels and words.

        Parameters
        ----------
        X : array-like of shape (n_samples, 1)
            Strings, with None or NaN for missing ones.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            What to predict, for a test whether it depends on X. None: it is taken to do so.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        values = self._values(X, reset=True)
        least, most = self.min_frequency, min(self.max_columns, _MOST_NUMBERS // len(values))
        levels, words, n_levels = Counter(values), Counter(), Counter()
        for level, count in levels.items():
            its_words = _words(level)
            words.update(dict.fromkeys(its_words, count))
            n_levels.update(its_words)
        many = {word for word, n in n_levels.items() if n > 1 and words[word] <= len(values) - least}
        counts = {("level", level): count for level, count in levels.items()}
        counts |= {("word", word): words[word] for word in many}
        enough = [each for each, count in counts.items() if count >= least]
        enough.sort(key=lambda each: (-counts[each], each[0], each[1] or ""))
        self.levels_ = [level for kind, level in enough[:most] if kind == "level"]
        self.words_ = [word for kind, word in enough[:most] if kind == "word"]
        n_others = len(values) - sum(levels[level] for level in self.levels_)
        are_many = n_others >= _MANY_OTHERS * len(values)
        repeated = {level: np.log(n) for level, n in levels.items() if n > 1 and are_many}
        in_order = sorted(level for level in repeated if level is not None)
        places = {level: (i + 0.5) / len(in_order) for i, level in enumerate(in_order)}
        self.numbers_ = {level: (places.get(level, 0.5), log) for level, log in repeated.items()}
        if y is not None and not _depends(y, self._write(values)):
            self.levels_, self.words_, self.numbers_ = [], [], {}
        return self

    def transform(self, X: Any) -> NDArray:
        """Write levels, words and numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, 1)
            Strings, with None or NaN for missing ones.

        Returns
        -------
        columns : ndarray of shape (n_samples, n_levels + 1 + n_words + 2), of float32
            0 and 1, then the numbers. All levels without a column, also those that were not there in
            `fit`, have 1 in the column after those of levels.
        """
        check_is_fitted(self)
        return self._write(self._values(X, reset=False))

    def _write(self, values):
        places = {}
        of_levels = {level: place for place, level in enumerate(self.levels_)}
        n_levels = len(of_levels)
        of_words = {word: n_levels + 1 + place for place, word in enumerate(self.words_)}
        written = np.zeros((len(values), n_levels + 1 + len(of_words) + 2), np.float32)
        for row, value in enumerate(values):
            if value not in places:
                found = [of_words[word] for word in _words(value) if word in of_words]
                places[value] = [of_levels.get(value, n_levels), *found]
            written[row, places[value]] = 1
        written[:, -2:] = [self.numbers_.get(value, NUMBERS_OF_OTHERS) for value in values]
        return written

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """The names of the columns: that of the column of strings, and the level or word.

        Parameters
        ----------
        input_features : array-like of str of shape (1,), default=None
            The name of the column; by default the one that it had in `fit`, or `x0`.

        Returns
        -------
        names : ndarray of shape (n_levels + 1 + n_words + 2,)
            In the order of `transform`.
        """
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", ["x0"])
        (name,) = input_features
        columns = [f"{name}_{each}" for each in (*self.levels_, "rare", *self.words_)]
        return np.array([*columns, f"{name}__place", f"{name}__rows"], object)

    def _values(self, X, reset):
        validate_data(self, X, skip_check_array=True, reset=reset)
        values = np.asarray(X, dtype=object)[:, 0]
        return [value if isinstance(value, str) else None for value in values]


def _depends(y, columns):
    """Whether y depends on columns, as numbers, by their ranks, or as classes, if there are few."""
    y, n_rows, targets = np.asarray(y), len(columns), []
    if y.dtype.kind in "biuf":
        targets.append(rankdata(y, axis=0).reshape(n_rows, -1))
    if y.size == n_rows and len(classes := set(y.ravel().tolist())) <= _MOST_CLASSES:
        targets.append(y.reshape(n_rows, 1) == np.array([*classes], y.dtype))
    # For a y with NaN there is no probability; what is fitted to it will raise an error.
    return not targets or any(not p >= _CHANCE for p in chances_of(columns, targets))


def chances_of(columns: NDArray, targets: Iterable[NDArray]) -> Iterator[float]:
    """The probabilities that columns are as correlated with independent targets as with each of these.

    It is that of the global test [1]_, by the sum of all squared covariances of targets and columns,
    which are divided by their deviations. If each order of the targets is equally probable, this sum
    has about a gamma distribution.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, n_columns)
        Numbers, mostly 0 and 1. Constant columns do not matter.
    targets : iterable of ndarray of shape (n_samples, n_targets)
        Numbers or bools.

    Yields
    ------
    probability : float
        NaN if all targets are equal.

    References
    ----------
    .. [1] Goeman, van de Geer, de Kort and van Houwelingen (2004), "A Global Test for Groups of Genes:
       Testing Association with a Clinical Outcome", Bioinformatics 20.
    """
    n_rows, columns = len(columns), np.asarray(StandardScaler().fit_transform(columns))
    correlations = columns.T @ columns / n_rows
    for each in targets:
        centered = (each - each.mean(axis=0)).astype(columns.dtype)
        of_targets, covariances = centered.T @ centered / n_rows, columns.T @ centered / n_rows
        mean = correlations.trace() * of_targets.trace() / (n_rows - 1)
        variance = 2 * np.sum(correlations**2) * np.sum(of_targets**2) / (n_rows - 1) ** 2
        rate = mean / variance if variance > 0 else np.nan
        yield float(gammaincc(mean * rate, np.sum(covariances**2) * rate))


def _words(value):
    """The words of a string; of a missing one there are none."""
    return set(re.findall(r"[^\W_]+", lower(value))) if value else ()


def lower(value: str) -> str:
    """A string in lower case, which each letter has whatever stands around it: `to_onnx` asks for that.

    Python's `lower` makes two letters of one, and its small sigma depends on the place in the word.
    """
    return value.replace("İ", "i").lower().replace("ς", "\u03c3")


class Ramps(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Add ramps to each column that has more than two values, and undo the factors of rare levels.

    A ramp is 0 below one quantile of the column and 1 above the next; between them it is linear. Every
    function that is linear between neighbouring quantiles is a weighted sum of the ramps and a constant
    [1]_. Equal quantiles count once.

    Parameters
    ----------
    n_ramps : int, default=7
        The most ramps of a column. Each has fewer, but at least two, where there would be more than
        1,000 in all, or where they would take more than 256 MB.

    Attributes
    ----------
    knots_ : list of ndarray
        For each column the quantiles between which it has ramps, sorted; one if it has none.

    factors_ : ndarray of shape (n_features,), of float32
        What each column is multiplied by: more than 1 if it has two values that are near each other, as
        those have that the default for tables makes smaller.

    n_features_in_ : int
        Number of columns seen during fit.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> from skdense.tabular.steps import Ramps
    >>> Ramps(n_ramps=2).fit_transform([[0], [1], [3]])
    array([[0., 0., 0.],
           [1., 1., 0.],
           [3., 1., 1.]], dtype=float32)
    """

    def __init__(self, n_ramps: int = 7):
        self.n_ramps = n_ramps

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Find the quantiles of each column.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.
        y : object
            Not used.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = validate_data(self, X, dtype=np.float32)
        self.knots_ = _knots(X, self.n_ramps)
        low, high = X.min(axis=0), X.max(axis=0)
        is_small = ((X == low) | (X == high)).all(axis=0) & (high - low <= 2 * FACTOR_OF_RARE)
        self.factors_ = np.where(is_small, 1 / FACTOR_OF_RARE, 1).astype(np.float32)
        most = min(_MOST, _MOST_NUMBERS // len(X))
        if sum(self._counts()) > most:
            n_with_ramps = np.count_nonzero(self._counts())
            self.knots_ = _knots(X, max(most // n_with_ramps, 2))
        return self

    def transform(self, X: MatrixLike) -> NDArray:
        """Append the ramps to the columns.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features + n_ramps_of_all), of float32
            The columns, multiplied by `factors_`, and then the ramps of each.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        n_features = X.shape[1]
        written = np.empty((len(X), n_features + sum(self._counts())), np.float32)
        written[:, :n_features] = X
        for rows in gen_batches(len(X), _BLOCK):
            block = written[rows]
            block[:, :n_features] *= self.factors_  # a column with ramps has the factor 1
            column = n_features
            for x, knots in zip(block[:, :n_features].T, self.knots_):
                for low, high in pairwise(knots):
                    np.clip((x - low) / (high - low), 0, 1, out=block[:, column])
                    column += 1
        return written

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray:
        """The names of the columns and of their ramps, which end with `__ramp<number>`.

        Parameters
        ----------
        input_features : array-like of str of shape (n_features,), default=None
            The names of the columns; by default `x0`, `x1` and so on.

        Returns
        -------
        names : ndarray of shape (n_features + n_ramps_of_all,)
            In the order of `transform`.
        """
        names = super().get_feature_names_out(input_features)
        ramps = [
            f"{name}__ramp{ramp}" for name, count in zip(names, self._counts()) for ramp in range(count)
        ]
        return np.array([*names, *ramps], dtype=object)

    def _counts(self):
        """How many ramps each column has."""
        return [len(knots) - 1 for knots in self.knots_]


def _knots(X, n_ramps):
    """The distinct quantiles of each column.

    A column with two of them keeps one, and so has no ramp, which would only repeat the column.
    """
    shares = np.linspace(0, 1, n_ramps + 1)
    knots = [np.unique(np.quantile(x, shares, method="inverted_cdf")) for x in X.T]
    return [column if len(column) > 2 else column[:1] for column in knots]


class Landmarks(Nystroem):
    """scikit-learn's Nystroem in float64, silent if all rows of a small table are landmarks.

    A ridge regression on its columns is a kernel ridge regression, exactly so if all rows of the
    training set are landmarks.

    Parameters
    ----------
    n_components : int, default=600
        How many rows of the training set, drawn with the seed 0, are landmarks; all if there are fewer.
    """

    def __init__(self, n_components: int = 600):
        super().__init__("laplacian", n_components=n_components, random_state=0)

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Draw the landmarks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.
        y : object
            Not used.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        X = np.asarray(X, np.float64)
        n_components = min(self.n_components, len(X))
        with one_blas_thread():  # the last digits depend on their number, which other members change
            fitted = Nystroem(self.kernel, n_components=n_components, random_state=0).fit(X)
        vars(self).update(vars(fitted) | {"n_components": self.n_components})
        return self

    def transform(self, X: MatrixLike) -> NDArray:
        """Write rows by their kernels with the landmarks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, none missing.

        Returns
        -------
        columns : ndarray of shape (n_samples, n_components), of float64
            As many columns as landmarks.
        """
        with one_blas_thread():  # as in `fit`
            return super().transform(np.asarray(X, np.float64))


class Unclip(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Columns as SquashingScaler centred and scaled them, before it clipped them.

    A linear function of a column with outliers is no linear function of the clipped column. Values
    beyond 100 times the clip become this number.

    Parameters
    ----------
    clip : float or None, default=None
        What the scaler keeps all absolute values below. None says that it did not clip.
    """

    def __init__(self, clip: float | None = None):
        self.clip = clip

    def fit(self, X: MatrixLike, y: Any = None) -> Self:
        """Learn the number of columns."""
        validate_data(self, X, skip_check_array=True)
        return self

    def transform(self, X: MatrixLike) -> NDArray:
        """Undo the clip, in float64."""
        X = np.asarray(X, dtype=np.float64)
        return X if self.clip is None else X / np.sqrt(np.maximum(1 - (X / self.clip) ** 2, LEAST))
