"""The rows that members are trained on, and the folds that they hold out."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import column_or_1d

from skdense import compat


def checked_groups(groups: ArrayLike | None) -> NDArray | None:
    """Groups as one column. Those that are objects become texts, since None cannot be sorted."""
    if groups is None:
        return None
    groups = column_or_1d(groups)
    return groups.astype(str) if groups.dtype == object else groups


def draw_splits(
    cv: Any,
    X: Any,
    y: NDArray,
    row_weights: NDArray,
    groups: ArrayLike | None,
    random_state: RandomState,
    of_classes: bool,
    warn: Callable[[str], None],
) -> list[tuple[NDArray, NDArray]]:
    """For each member the rows to train on, sorted, and those of its fold, as arrays of ints.

    Rows of weight zero are in none of them. An int draws folds of the other rows, stratified if y has
    classes, and of whole groups if there are some. A splitter sees the other rows only, an iterable or
    a PredefinedSplit has numbers of all rows.
    """
    has_weight = row_weights > 0
    numbers_all = np.iterable(cv) or isinstance(cv, PredefinedSplit)
    rows = np.arange(len(y)) if numbers_all else np.flatnonzero(has_weight)
    X = X if len(rows) == len(y) else compat.safe_indexing(X, rows)
    groups_of_rows = None if groups is None else groups[rows]
    strata = y_of_rows = y[rows]
    if draws_folds := isinstance(cv, Integral):
        kinds = (KFold, GroupKFold), (StratifiedKFold, StratifiedGroupKFold)
        splitter = kinds[of_classes][groups is not None]
        cv = splitter(cv, shuffle=True, random_state=random_state.randint(2**31))
        if of_classes:
            strata = _strata(y_of_rows, cv.n_splits, warn)
    splitter = check_cv(cv, y_of_rows, classifier=of_classes)
    given = [(rows[train], rows[fold]) for train, fold in splitter.split(X, strata, groups_of_rows)]
    if draws_folds and groups is not None:  # stratified folds of few groups may be empty
        given = [split for split in given if all(map(len, split))]
    splits = [(np.sort(train[has_weight[train]]), fold[has_weight[fold]]) for train, fold in given]
    _check(splits, given)
    if groups is not None and of_classes:
        _warn_of_lacking_classes(y, np.unique(y[has_weight]), splits, warn)
    return splits


def _strata(y, n_folds, warn):
    """What stratified folds have the same shares of: classes, but those too rare may be in any fold."""
    classes, label, sizes = np.unique(y, return_inverse=True, return_counts=True)
    rare = sizes < n_folds
    if rare.any() and not rare.all():  # if all are, no stratified folds are possible
        warn(
            f"y has fewer samples than the {n_folds} folds of the classes "
            f"{classes[rare].tolist()[:9]}: some members may be trained without them"
        )
        label[rare[label]] = sizes.argmax()
    return label


def _check(splits, given):
    """Raise if a member has no rows. Those held out may have no weight, but not in all folds."""
    for i, ((trained_on, _), (_, fold)) in enumerate(zip(splits, given, strict=True)):
        for name, part in {"to train on": trained_on, "that are held out": fold}.items():
            if not len(part):
                raise ValueError(
                    f"cv must give every fold samples {name}, got none in fold {i}; samples of "
                    "weight zero do not count"
                )
    if not any(len(fold) for _, fold in splits):
        raise ValueError("cv must hold out samples of positive weight, got none")


def _warn_of_lacking_classes(y, classes, splits, warn):
    lacking = [found for each, _ in splits if len(found := np.setdiff1d(classes, y[each]))]
    if lacking:
        lacked = np.unique(np.concatenate(lacking)).tolist()
        warn(
            f"{len(lacking)} of {len(splits)} members are trained without the classes "
            f"{lacked[:9]}, since all groups with them are held out. Classes should be in "
            "several groups, and y must not be the groups"
        )
