"""Columns of levels: which levels and words are written, and whether y depends on them.

A level is a distinct string of a column. Nothing here knows of tables or of how columns are read.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc
from scipy.stats import rankdata
from sklearn.preprocessing import StandardScaler

__all__ = ["chances_of", "chosen", "depends", "words_of"]

MANY = 40
"""A column of so many levels is also written by words and numbers, if y depends on it."""
_LEAST = 5
"""The fewest rows of a level or word that has a column of its own."""
_MOST, _MOST_NUMBERS = 150, 2**26
"""The most columns of levels and words together, and the most numbers in them."""
_MANY_OTHERS = 0.1
"""The least share of rows without a column of their level with which numbers are written."""
_CHANCE = 1e-4
"""Levels have to be more correlated with y than by chance this often."""
_MOST_CLASSES = 30
"""Numbers of at most so many different values are tested as classes, too; of more classes, the most
frequent ones are."""


def chosen(
    levels: list[str | None], counts: list[int]
) -> tuple[list[str | None], list[str], dict[str, tuple[float, float]]]:
    """Which of the levels of a column have a column of their own, which words, and which numbers.

    The most frequent levels and words get a column each. The missing value is a level as well. A word
    is a run of letters and digits that several levels have, and at least five rows lack; its case does
    not matter. So a code that few rows have, such as an ID, has no column of its own, and a text has
    those of its words. Numbers are the place of a level in the order of all levels that at least two
    rows have, between 0 and 1, and the logarithm of the number of its rows: by these, boosted trees
    tell levels apart that have no column.

    Parameters
    ----------
    levels : list of str or None
        The distinct values.
    counts : list of int
        The number of rows of each.

    Returns
    -------
    levels : list of str or None
        Those with a column, in order, at last None.
    words : list of str
        Those with a column, in lower case. There are none if there are less than 40 levels.
    numbers : dict of str to (float, float)
        Place and logarithm of the levels of two rows or more. Empty if there are less than 40 levels or
        less than a tenth of the rows have levels without a column.
    """
    n_rows, words, n_levels = sum(counts), Counter(), Counter()
    are_many = sum(level is not None for level in levels) >= MANY
    for level, count in zip(levels if are_many else (), counts):
        its_words = words_of(level)
        words.update(dict.fromkeys(its_words, count))
        n_levels.update(its_words)
    many = {word for word, n in n_levels.items() if n > 1 and words[word] <= n_rows - _LEAST}
    candidates = [(-count, "level", level or "", level) for level, count in zip(levels, counts)]
    candidates += [(-words[word], "word", word, word) for word in many]
    most = min(_MOST, _MOST_NUMBERS // n_rows)
    taken = sorted(each for each in candidates if each[0] <= -_LEAST)[:most]
    of_levels = [level for _, what, _, level in taken if what == "level"]
    in_order = sorted(level for level, n in zip(levels, counts) if n > 1 and level is not None)
    numbers = {level: (i + 0.5) / len(in_order) for i, level in enumerate(in_order)}
    n_written = sum(-count for count, what, *_ in taken if what == "level")
    if not are_many or n_rows - n_written < _MANY_OTHERS * n_rows:
        numbers = {}
    count_of = dict(zip(levels, counts))
    return (
        sorted(of_levels, key=lambda level: (level is None, level)),
        sorted(word for _, what, _, word in taken if what == "word"),
        {level: (place, float(np.log(count_of[level]))) for level, place in numbers.items()},
    )


def words_of(level: str | None) -> set[str]:
    """The words of a string; of a missing one there are none."""
    return set(re.findall(r"[^\W_]+", lower(level))) if level else set()


def lower(value: str) -> str:
    """A string in lower case, which each letter has whatever stands around it: `to_onnx` asks for that.

    Python's `lower` makes two letters of one, and its small sigma depends on the place in the word.
    """
    return value.replace("İ", "i").lower().replace("ς", "\u03c3")


def depends(y: NDArray, columns: NDArray) -> bool:
    """Whether y is more correlated with columns than it would be by chance once in 10,000 tables.

    Numbers are tested by their ranks, and as classes, if there are few different ones.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Classes, if they are integers, or numbers.
    columns : ndarray of shape (n_samples, n_columns)
        Numbers, mostly 0 and 1.
    """
    targets, n_rows = [], len(columns)
    if y.dtype.kind == "f":
        targets.append(rankdata(y, axis=0).reshape(n_rows, -1))
    if y.size == n_rows:
        classes, counts = np.unique(y, return_counts=True)
        if y.dtype.kind != "f" or len(classes) <= _MOST_CLASSES:
            most = classes[np.argsort(-counts, kind="stable")[:_MOST_CLASSES]]
            targets.append(y.reshape(n_rows, 1) == most)
    # For a y with NaN there is no probability; what is fitted to it will raise an error.
    return any(not p >= _CHANCE for p in chances_of(columns, targets))


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
