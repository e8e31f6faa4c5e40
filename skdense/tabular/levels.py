"""Columns of levels: which levels and words are written, and whether y depends on them.

A level is a distinct string of a column. Nothing here knows of tables or of how columns are read.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import bdtr, bdtrc, betaincinv, gammaincc, logsumexp, ndtr
from scipy.stats import rankdata
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from skdense import compat

MANY_LEVELS = 40
"""A column of so many levels is also written by words and numbers, if y depends on it."""
_FEWEST_ROWS = 5
"""The fewest rows of a level or word that has a column of its own."""
_MOST_COLUMNS, _MOST_NUMBERS = 150, 2**26
"""The most columns of levels and words together, and the most numbers in them."""
_MOST_FIRST_WORDS = 50
"""The most words that have a column because y depends on them, however rare they are."""
_MANY_OTHERS = 0.1
"""The least share of rows without a column of their level with which numbers are written."""
_LEVEL_OF_TEST = 1e-4
"""Levels have to be more correlated with y than by chance this often."""
_FEW_KNOWN = 0.05
"""If a smaller share of held-out rows has known levels, only words can say something of new ones."""
_STANDARD_ERRORS = 4
"""A column helps others if, without it, losses of held-out rows grow by so many standard errors."""
_MOST_OUTPUTS, _MOST_SPLITS, _MOST_ROWS, _MOST_TREES = 10, 5, 10_000, 600
"""The most outputs, folds, rows to fit to, and trees, by which this is found out."""
TREES = {
    "learning_rate": 0.1,
    "n_jobs": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
    "min_data_in_bin": 1,
}
"""The parameters of all trees, also in `models.py`, by names that LightGBM's estimators have, too."""
SMALL_TREES = {"num_leaves": 16, "min_child_samples": 5, "colsample_bynode": 0.5, "reg_lambda": 1.0}
"""Parameters of regression trees, and of the trees that test columns."""
_TREES = TREES | SMALL_TREES | {"seed": 0, "early_stopping_round": 15}
_MOST_CLASSES = 30
"""Numbers of at most so many different values are tested as classes, too; of more classes, the most
frequent ones are."""


def selected_levels(
    levels: list[str | None], counts: list[int], first_words: Iterable[str] = ()
) -> tuple[list[str | None], list[str], dict[str, tuple[float, float]]]:
    """Which of the levels of a column have a column of their own, which words, and which numbers.

    The most frequent levels and words get a column each, after up to 50 words that are given, as texts
    may have thousands of words. The missing value is a level as well. A word
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
    first_words : iterable of str, default=()
        Words that matter, in order.

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
    are_many = sum(level is not None for level in levels) >= MANY_LEVELS
    for level, count in zip(levels if are_many else (), counts):
        words_of_level = words_in(level)
        words.update(dict.fromkeys(words_of_level, count))
        n_levels.update(words_of_level)
    many = {word for word, n in n_levels.items() if n > 1 and words[word] <= n_rows - _FEWEST_ROWS}
    candidates = [(-count, "level", level or "", level) for level, count in zip(levels, counts)]
    candidates += [(-words[word], "word", word, word) for word in many]
    most = min(_MOST_COLUMNS, _MOST_NUMBERS // n_rows)
    candidates = sorted(candidate for candidate in candidates if candidate[0] <= -_FEWEST_ROWS)
    first = {*islice(first_words, _MOST_FIRST_WORDS)}
    candidates.sort(key=lambda candidate: candidate[1] != "word" or candidate[3] not in first)
    chosen = candidates[:most]
    chosen_levels = [level for _, role, _, level in chosen if role == "level"]
    in_order = sorted((level, n) for level, n in zip(levels, counts) if n > 1 and level is not None)
    n_written = sum(-count for count, role, *_ in chosen if role == "level")
    if not are_many or n_rows - n_written < _MANY_OTHERS * n_rows:
        in_order = []
    return (
        sorted(chosen_levels, key=lambda level: (level is None, level)),
        sorted(word for _, role, _, word in chosen if role == "word"),
        {level: ((i + 0.5) / len(in_order), float(np.log(n))) for i, (level, n) in enumerate(in_order)},
    )


def probable_share(counts: list[int], least: int, chance: float) -> tuple[float, float]:
    """The share of rows of rare or new levels that new data of the same kind have.

    Levels are known if at least `least` rows in `fit` have them. The share of rows of all other levels
    is estimated as by Good and Turing [1]_, who asked for levels of no row in `fit`: it is the share of
    rows in `fit` whose level would not be known without them, as at most `least` rows have it. The
    variance follows from independent Poisson counts; with ``least=1`` it is that of [2]_, N_1 + 2 N_2
    over the squared number of rows, where N_k levels have k rows.

    Parameters
    ----------
    counts : list of int
        The number of rows of each level in `fit`.
    least : int
        The fewest rows of a known level; 0 if none is known.
    chance : float
        How probable it is that the share is larger than the upper limit.

    Returns
    -------
    share, upper_limit : float
        The estimate and its upper limit, a quantile of a beta distribution.

    References
    ----------
    .. [1] Good (1953), "The Population Frequencies of Species and the Estimation of Population
       Parameters", Biometrika 40.
    .. [2] Robbins (1968), "Estimating the Total Probability of the Unobserved Outcomes of an
       Experiment", Annals of Mathematical Statistics 39.
    """
    n_rows = np.asarray(counts)
    if not least or not len(n_rows):
        return 1.0, 1.0
    n, n_rare = n_rows.sum(), n_rows[n_rows <= least].sum()
    n_levels_above = np.count_nonzero(n_rows == least + 1)
    variance = n_rare + least * (least + 1) * n_levels_above
    share, weight = (n_rare + 1) / (n + 1), (n_rare + 1) / (variance + 1)
    if share >= 1:
        return 1.0, 1.0
    limit = betaincinv(share * n * weight, (1 - share) * n * weight, 1 - chance)
    return float(share), float(limit)


def words_in(level: str | None) -> set[str]:
    """The words of a string in lower case; of a missing one there are none.

    Each letter has its lower case whatever stands around it: `to_onnx` asks for that. Python's `lower`
    makes two letters of one, and its small sigma depends on the place in the word.
    """
    lower = (level or "").replace("İ", "i").lower().replace("ς", "\u03c3")
    return set(re.findall(r"[^\W_]+", lower))


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
    # For a y with NaN there is no probability; what is fitted to it will raise an error.
    return any(not p >= _LEVEL_OF_TEST for p in global_test(columns, _targets(y)))


def _targets(y):
    """The ranks of numbers, and the indicators of classes, of which numbers may have a few as well."""
    targets, n_rows = [], len(y)
    if y.dtype.kind == "f":
        targets.append(rankdata(y, axis=0).reshape(n_rows, -1))
    if y.size == n_rows:
        classes, counts = np.unique(y, return_counts=True)
        if y.dtype.kind != "f" or len(classes) <= _MOST_CLASSES:
            most = classes[np.argsort(-counts, kind="stable")[:_MOST_CLASSES]]
            targets.append(y.reshape(n_rows, 1) == most)
    return targets


def medians_of_levels(y: NDArray, codes: NDArray, n_levels: int) -> NDArray:
    """The lower median of y of the rows of each level, whatever the order of the rows.

    Parameters
    ----------
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Classes, if they are integers, or numbers.
    codes : ndarray of int, of shape (n_samples,)
        The levels of the rows.
    n_levels : int
        The number of levels; each has a row.

    Returns
    -------
    y_of_levels : ndarray of shape (n_levels,) or (n_levels, n_outputs)
        One target for each level.
    """
    counts = np.bincount(codes, minlength=n_levels)
    middle = np.cumsum(counts) - counts + (counts - 1) // 2
    columns = []
    for column in y.reshape(len(y), -1).T:
        order = np.lexsort([np.unique(column, return_inverse=True)[1], codes])
        columns.append(column[order][middle])
    return np.stack(columns, axis=1).reshape(n_levels, *y.shape[1:])


def words_by_y(texts: list[str | None], y: NDArray) -> list[str]:
    """The words on which y depends by themselves, those with the lowest probabilities first.

    Each text counts once, as rows of the same text may be alike in other ways. A word must be in at
    least five texts, and absent in five. If y depended on none, one would be found by chance once in
    10,000 tables (Bonferroni).

    Parameters
    ----------
    texts : list of str or None
        Distinct texts.
    y : ndarray of shape (n_texts,) or (n_texts, n_outputs)
        Classes, if they are integers, or numbers, of which the ranks are tested.

    Returns
    -------
    words : list of str
        In lower case.
    """
    index, ends, words_of_texts = {}, [0], []
    for text in texts:
        words_of_texts += [index.setdefault(word, len(index)) for word in words_in(text)]
        ends.append(len(words_of_texts))
    n_texts, targets = len(texts), _targets(y)
    words, counts = np.array([*index]), np.bincount(np.array(words_of_texts, int))
    is_tested = (counts >= _FEWEST_ROWS) & (counts <= n_texts - _FEWEST_ROWS)
    if not (is_tested.any() and targets):
        return []
    has_word = csr_array((np.ones(ends[-1], np.float32), words_of_texts, ends), (n_texts, len(index)))
    words, counts, chances = words[is_tested], counts[is_tested][:, None], []
    for target in targets:
        sums = (has_word.T @ target.astype(float))[is_tested]
        if target.dtype == bool:  # normal approximations do not suit rare classes
            shares = target.mean(axis=0)
            chances.append(2 * np.minimum(bdtr(sums, counts, shares), bdtrc(sums - 1, counts, shares)))
        else:
            variances = counts * (1 - counts / n_texts) * target.var(axis=0, ddof=1)
            deviations = sums - counts * target.mean(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):  # of equal numbers
                chances.append(2 * ndtr(-np.abs(deviations) / np.sqrt(variances)))
    all_chances = np.concatenate(chances, axis=1)
    lowest = np.fmin.reduce(all_chances, axis=1)
    order = np.lexsort([words, lowest])
    return words[order][lowest[order] * all_chances.size < _LEVEL_OF_TEST].tolist()


def global_test(columns: NDArray, targets: Iterable[NDArray]) -> Iterator[float]:
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
    for target in targets:
        centered = (target - target.mean(axis=0)).astype(columns.dtype)
        target_cov, covariances = centered.T @ centered / n_rows, columns.T @ centered / n_rows
        mean = correlations.trace() * target_cov.trace() / (n_rows - 1)
        variance = 2 * np.sum(correlations**2) * np.sum(target_cov**2) / (n_rows - 1) ** 2
        rate = mean / variance if variance > 0 else np.nan
        yield float(gammaincc(mean * rate, np.sum(covariances**2) * rate))


def levels_recur(codes: NDArray, splits: list) -> bool:
    """Whether rows that are held out have levels that are there in the rows to fit to; -1 is missing.

    That of a customer is not, if folds are by customers.
    """
    is_known = [np.isin(codes[test], codes[train])[codes[test] >= 0] for train, test in splits]
    return sum(map(np.sum, is_known)) > _FEW_KNOWN * sum(map(len, is_known))


def helpful_beside_others(
    columns: NDArray,
    categories: list[int],
    candidates: dict[str, list[int]],
    y: NDArray,
    splits: Any,
    error_columns: dict[str, NDArray] | None = None,
) -> set[str]:
    """Which of some columns help boosted trees that have all others as well.

    Trees are fitted to all columns without each fold. A candidate helps if their losses in the fold
    grow when its values are permuted [1]_. Nothing but the number of trees is chosen by the rows of the
    fold, so a column that is independent of y, given all others, makes about as many losses smaller as
    larger. In regression, a column also helps if the sizes of errors depend on it, as intervals follow
    them.

    Parameters
    ----------
    columns : ndarray of shape (n_samples, n_columns)
        All columns of the table as numbers.
    categories : list of int
        The columns that are codes of levels.
    candidates : dict of str to list of int
        The columns that are tested together, by a name.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Classes, if they are integers, or numbers, of which the ranks are predicted.
    splits : list of (train, test), or None
        The rows of folds; None: four folds.
    error_columns : dict of str to ndarray of shape (n_samples, n_columns), default=None
        By the same names, columns of which it is tested whether the sizes of errors depend on them.

    Returns
    -------
    names : set of str
        Those that help with any output.

    References
    ----------
    .. [1] Breiman (2001), "Random Forests", Machine Learning 45, section 10.
    """
    lightgbm, random = compat.import_lightgbm(), np.random.RandomState(0)
    splits = [*KFold(4, shuffle=True, random_state=0).split(columns)] if splits is None else splits
    splits = [split for split in splits if all(map(len, split))][:_MOST_SPLITS]
    splits = [[random.permutation(rows)[:_MOST_ROWS] for rows in split] for split in splits]
    helpful, settings = set(), {"categorical_feature": categories, "params": _TREES}
    for target in y.reshape(len(y), -1).T[:_MOST_OUTPUTS]:
        objective, target, loss_of = _task(target)
        growths = {name: [] for name in candidates if name not in helpful}
        errors = np.full(len(y), np.nan)
        for train, test in splits:
            fitted = lightgbm.Dataset(columns[train], target[train], **settings)
            held_out = lightgbm.Dataset(columns[test], target[test], reference=fitted)
            n_trees = _MOST_TREES // objective.get("num_class", 2)
            trees = lightgbm.train(_TREES | objective, fitted, n_trees, valid_sets=[held_out])
            predicted = trees.predict(columns[test], raw_score=True, num_threads=1)
            loss = errors[test] = loss_of(predicted, target[test])
            for name, growth in growths.items():
                mixed = columns[test]
                mixed[:, candidates[name]] = mixed[random.permutation(len(test))][:, candidates[name]]
                growth.append(
                    loss_of(trees.predict(mixed, raw_score=True, num_threads=1), target[test]) - loss
                )
        for name, growth in growths.items():
            growth = np.concatenate([*growth, [0.0]])  # there may be no fold
            if growth.mean() > _STANDARD_ERRORS * growth.std() / len(growth) ** 0.5:
                helpful.add(name)
        if objective["objective"] == "l2":
            rows = np.flatnonzero(~np.isnan(errors))
            sizes = rankdata(errors[rows])[:, None]
            for name, tested in (error_columns or {}).items():
                if len(rows) and tested.size:
                    (chance,) = global_test(tested[rows], [sizes])
                    helpful |= {name} if chance < _LEVEL_OF_TEST else set()
    return helpful


def _task(target):
    """Parameters of trees for an output, what they predict, and the loss of each row."""
    if target.dtype.kind == "f":
        ranks = rankdata(target) / len(target)
        return {"objective": "l2"}, ranks, lambda raw, target: (raw - target) ** 2
    classes, target, counts = np.unique(target, return_inverse=True, return_counts=True)
    order = np.argsort(np.argsort(-counts, kind="stable"))
    target = np.minimum(order[target], _MOST_CLASSES)  # rare classes are one
    objective = {"objective": "multiclass", "num_class": min(max(len(classes), 2), _MOST_CLASSES + 1)}

    def log_loss(raw, target):
        return logsumexp(raw, axis=1) - raw[np.arange(len(target)), target]

    return objective, target, log_loss
