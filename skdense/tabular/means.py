"""Means of y by level: a number for each column of many levels, learned from the rows of a member."""

from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from skdense.base import Saved

_SMOOTH = 10.0
"""The mean of all rows counts as so many rows of each level."""
_FOLDS = 5
"""The means of a row of the fit are learned from the rows of other folds."""
OTHER = -1.0
"""The place of a level that the table does not tell apart from others."""


class LevelMeans(TransformerMixin, Saved):
    """Append the means of y by level to the columns of an encoded table.

    In `fit_transform` the means of a row are those of other rows, as in
    :class:`~sklearn.preprocessing.TargetEncoder`, which does not use sample weights.

    Parameters
    ----------
    columns : list of (int, int or None), default=()
        For each column of the table with many levels, the encoded columns with the place of the level
        and with the logarithm of its rows. The latter is None if all levels have equally many rows, and
        0 for levels of one row and new ones.

    target_type : {"continuous", "binary", "multiclass"}, default="continuous"
        What y is.

    random_state : int, RandomState instance or None, default=None
        Draws the rows from which the means of others are learned.
    """

    def __init__(
        self,
        columns: list[tuple[int, int | None]] | tuple = (),
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
        splitter = KFold if self.target_type == "continuous" else StratifiedKFold
        cv = splitter(_FOLDS, shuffle=True, random_state=self.random_state)
        encoder = TargetEncoder(target_type=self.target_type, smooth=_SMOOTH, cv=cv)
        means = encoder.fit_transform(self._places(X), y)
        mean_of_all = np.atleast_1d(encoder.target_mean_)  # (n_means,)
        self._levels, self._means, n_means = encoder.categories_, [], len(mean_of_all)
        for start in range(0, len(encoder.encodings_), n_means):
            means_of_levels = np.column_stack(encoder.encodings_[start : start + n_means])
            self._means.append(np.float32([*means_of_levels, mean_of_all]))
        return np.hstack([X, np.float32(means)])

    def transform(self, X: NDArray) -> NDArray:
        """Append the means of the levels. `TargetEncoder.transform` takes milliseconds for a row."""
        blocks = [X]
        for places, levels, means in zip(self._places(X).T, self._levels, self._means, strict=True):
            rows = np.minimum(np.searchsorted(levels, places), len(levels) - 1)
            blocks.append(means[np.where(levels[rows] == places, rows, -1)])
        return np.hstack(blocks)

    def _places(self, X):
        """The places of levels, by which they are told apart: (n_samples, n_columns)."""
        places = [
            X[:, place] if rows is None else np.where(X[:, rows] > 0, X[:, place], OTHER)
            for place, rows in self.columns
        ]
        return np.column_stack(places)


def level_columns(roles: NDArray) -> list[tuple[int, int | None]]:
    """The `columns` of :class:`LevelMeans` by the roles of the columns of an encoded table."""
    after = [*roles[1:], ""]  # the frequency of levels follows their place
    return [
        (place, place + 1 if after[place] == "frequency" else None)
        for place in map(int, np.flatnonzero(roles == "place"))
    ]
