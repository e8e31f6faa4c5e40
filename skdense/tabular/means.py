"""Means of y by level: a number for each column of many levels, learned from the rows of a member."""

from collections import defaultdict
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import LabelBinarizer, OneHotEncoder

from skdense.base import Saved

_ALPHAS = (0.1, 1.0, 10.0, 100.0)
"""Strengths of the penalty. With one column, the mean of all rows counts as so many rows of a level."""
_FOLDS = 5
"""The means of a row of the fit are learned from the rows of other folds."""
OTHER = -1.0
"""The place of a level that the table does not tell apart from others."""
_FEWEST_LEVELS = 20
"""Columns with fewer indicators have no means: a few splits of a tree tell these levels apart."""


class LevelMeans(TransformerMixin, Saved):
    """Append the means of y by level to the columns of an encoded table.

    A ridge regression on indicators of the levels of all columns estimates the means. Therefore the
    mean of a level is adjusted for the levels of the other columns, and the fewer rows a level has, the
    closer its mean is to the mean of all rows. In `fit_transform`, the means of a row are learned from
    other rows, and held-out rows choose the strength of the penalty. Sample weights are not used.

    Parameters
    ----------
    columns : list of tuples and lists of int, default=()
        For each column of the table with many levels, the encoded columns that identify the level. A
        tuple contains the column with the place of the level, and the column with the logarithm of its
        number of rows, which is 0 for new levels and levels of one row, or None if all levels have
        equally many rows. A list contains the columns with the indicators of the levels.

    target_type : {"continuous", "binary", "multiclass"}, default="continuous"
        What y is.

    random_state : int, RandomState instance or None, default=None
        Draws the rows from which the means of others are learned.
    """

    def __init__(
        self,
        columns: list[tuple[int, int | None] | list[int]] | tuple = (),
        *,
        target_type: Literal["continuous", "binary", "multiclass"] = "continuous",
        random_state: int | RandomState | None = None,
    ):
        self.columns = columns
        self.target_type = target_type
        self.random_state = random_state

    def fit(self, X: NDArray, y: NDArray) -> Self:
        """Learn the means of the levels."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: NDArray, y: Any = None) -> NDArray:
        """Learn the means of the levels, and append those that are learned from other rows."""
        encoder = OneHotEncoder()
        indicators = encoder.fit_transform(self._places(X))  # sparse, (n_samples, n_levels)
        # y, or for each class, but for the first of two, whether it is this one: (n_samples, n_means)
        is_number = self.target_type == "continuous"
        targets = np.reshape(y, (-1, 1)) if is_number else LabelBinarizer().fit_transform(y)
        mean_of_all = targets.mean(axis=0)
        splitter = KFold if is_number else StratifiedKFold
        cv = splitter(_FOLDS, shuffle=True, random_state=self.random_state)
        effects, alpha = _held_out_effects(indicators, targets, [*cv.split(indicators, y)])
        _, level_effects = _ridge(indicators, targets, alpha)
        self._levels = encoder.categories_
        ends = np.cumsum([len(levels) for levels in self._levels])
        self._means = [
            np.float32([*(mean_of_all + column_effects), mean_of_all])
            for column_effects in np.split(level_effects, ends[:-1])
        ]
        return np.hstack([X, np.float32(mean_of_all + effects).reshape(len(X), -1)])

    def transform(self, X: NDArray) -> NDArray:
        """Append the means of the levels. Encoders of scikit-learn take milliseconds for a row."""
        blocks = [X]
        for places, levels, means in zip(self._places(X).T, self._levels, self._means, strict=True):
            rows = np.minimum(np.searchsorted(levels, places), len(levels) - 1)
            blocks.append(means[np.where(levels[rows] == places, rows, -1)])
        return np.hstack(blocks)

    def _places(self, X):
        """The places of levels, or the numbers of their indicators: (n_samples, n_columns)."""
        places = []
        for columns in self.columns:
            if isinstance(columns, list):
                places.append(X[:, columns] @ level_numbers(columns))
            else:
                place, rows = columns
                places.append(
                    X[:, place] if rows is None else np.where(X[:, rows] > 0, X[:, place], OTHER)
                )
        return np.column_stack(places)


def level_numbers(indicators: list[int]) -> NDArray:
    """The numbers 1, 2, ... of the levels with indicators; 0 is left for all other levels."""
    return np.arange(1, len(indicators) + 1, dtype=np.float32)


def _ridge(indicators, targets, alpha):
    """The intercepts and the effects of levels on the targets: (n_means,) and (n_levels, n_means)."""
    ridge = Ridge(alpha, solver="sparse_cg", tol=0.0001).fit(indicators, targets)
    return ridge.intercept_, np.atleast_2d(ridge.coef_).T


def _held_out_effects(indicators, targets, splits):
    """The effects of the levels of each row, learned from other rows, and the best strength for this.

    The effects have the shape (n_samples, n_columns, n_means).
    """
    levels = indicators.indices.reshape(len(targets), -1)  # in each row, one of each column
    chosen, lowest = None, np.inf
    for alpha in _ALPHAS:
        effects, loss = np.empty((*levels.shape, targets.shape[1])), 0.0
        for train, test in splits:
            intercepts, level_effects = _ridge(indicators[train], targets[train], alpha)
            effects[test] = level_effects[levels[test]]
            loss += np.sum((targets[test] - intercepts - effects[test].sum(axis=1)) ** 2)
        if loss < lowest:
            chosen, lowest = (effects, alpha), loss
    return chosen


def level_columns(roles: NDArray, sources: NDArray) -> list[tuple[int, int | None] | list[int]]:
    """The `columns` of :class:`LevelMeans` by the roles and sources of those of an encoded table."""
    by_source = defaultdict(lambda: defaultdict(list))
    for column, (source, role) in enumerate(zip(sources, roles, strict=True)):
        by_source[source][role].append(column)
    columns = []
    for by_role in by_source.values():
        if "place" in by_role:
            [place] = by_role["place"]
            columns.append((place, next(iter(by_role["frequency"]), None)))
        elif len(by_role["level"]) >= _FEWEST_LEVELS:
            columns.append(by_role["level"])
    return columns
