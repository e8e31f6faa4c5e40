"""The samples that ensembles are fitted to, and the folds that their members hold out."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn import model_selection
from sklearn.base import is_regressor
from sklearn.utils import check_array, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from skdense import compat
from skdense.ensemble.calibration import rescaled_weights
from skdense.fit.inputs import hinted, one_column, times_class_weight


class Samples(NamedTuple):
    """What an ensemble is fitted to. All of it has one numbering of rows.

    What is learned follows `weights`; what is told, as out-of-fold losses and scores, intervals and
    sets, follows `own_weights`. Regressors have no weights of classes, so theirs are the same.

    Attributes
    ----------
    X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
        The table, or what a model sees of it.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        What to predict.
    own_weights : ndarray of shape (n_samples,)
        The `sample_weight` of the user, of mean 1 at least, or ones.
    weights : ndarray of shape (n_samples,)
        The same times the weights of classes.
    is_weighted : bool
        Whether the user gave weights of samples or of classes.
    groups : ndarray of shape (n_samples,) or None
        The group of each sample.
    splits : list or None
        For each member the rows to train on, and those of its fold; None if each model draws its own.
    """

    X: Any
    y: NDArray
    own_weights: NDArray
    weights: NDArray
    is_weighted: bool
    groups: NDArray | None
    splits: list[tuple[NDArray, NDArray]] | None = None

    @property
    def sample_weight(self) -> NDArray | None:
        """What members are given."""
        return self.weights if self.is_weighted else None

    def with_class_weight(self, estimator: Any) -> "Samples":
        """The same, with weights times those that an estimator has for its classes, if it has some."""
        class_weight = getattr(estimator, "class_weight", None)
        if class_weight is None:
            return self
        weights = times_class_weight(self.weights, self.y, class_weight, estimator.classes_)
        return self._replace(weights=rescaled_weights(weights), is_weighted=True)

    def take_rows(self, rows: NDArray) -> "Samples":
        """Some of the rows, in numbers of their own. None of the others may be in a split."""
        if len(rows) == len(self.y):
            return self
        splits = [tuple(np.searchsorted(rows, part) for part in split) for split in self.splits or ()]
        return self._replace(
            X=compat.safe_indexing(self.X, rows),
            y=self.y[rows],
            own_weights=self.own_weights[rows],
            weights=self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
            splits=splits or None,
        )


_ANY_DTYPE: Any = None
"""The `dtype` of `check_array` that leaves labels as they are. Its annotation allows strings only."""


def checked_samples(
    estimator: Any, X: Any, y: Any, sample_weight: ArrayLike | None, groups: Any
) -> Samples:
    """The samples that `fit` of an estimator was given; it gets the number and names of the columns.

    Of X only the length is checked. A row of weight zero may have any y, and gets that of another.
    """
    validate_data(estimator, X, y, skip_check_array=True)
    check_consistent_length(X, y, sample_weight)
    n_samples = (
        X.shape[0] if hasattr(X, "shape") else len(X if hasattr(X, "__len__") else np.asarray(X))
    )
    if n_samples == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    groups = None if groups is None else _checked_groups(groups, n_samples)
    user_weights = compat.check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    weights = rescaled_weights(user_weights)
    if np.iscomplexobj(np.asarray(y)):
        raise ValueError("Complex data not supported: y has complex numbers")
    with hinted():
        if not user_weights.all():
            rows = np.where(user_weights > 0, np.arange(len(user_weights)), user_weights.argmax())
            y = compat.safe_indexing(y, rows)
        y = one_column(check_array(y, input_name="y", ensure_2d=False, dtype=_ANY_DTYPE))
        y = _checked_labels(estimator, y)
    return Samples(X, y, weights, weights, sample_weight is not None, groups)


def _checked_groups(groups, n_samples):
    """The group of each sample as an array that can be sorted."""
    if len(groups) != n_samples:
        raise ValueError(
            "groups must have one value for each sample. Found input variables with inconsistent "
            f"numbers of samples: {[n_samples, len(groups)]}"
        )
    shape = np.shape(groups)
    if len(shape) != 1 and shape[1:] != (1,):
        raise ValueError(f"groups must have one value for each sample, got shape {shape}")
    groups = column_or_1d(groups, input_name="groups")
    if groups.dtype.kind in "OfmM":
        if missing := [row for row, group in enumerate(groups) if _is_missing(group)]:
            raise ValueError(
                f"groups must not be missing, but {len(missing)} are, the first in row {missing[0]}; "
                "assign a separate group to each sample without a group"
            )
    if groups.dtype == object:  # 1 and 1.0 are the same group
        groups = np.array([str(int(g)) if _is_whole(g) else str(g) for g in groups])
    return groups


def _checked_labels(estimator, y):
    """y; an error if labels are missing. A regressor refuses strings whatever their container is."""
    if y.dtype.kind == "O" and y.ndim == 1:
        if missing := [row for row, label in enumerate(y) if _is_missing(label)]:
            raise ValueError(
                f"Input y contains missing values, such as {y[missing[0]]!r} in row {missing[0]}; "
                "leave these rows out, or give them weight 0"
            )
    if (
        is_regressor(estimator)
        and y.dtype == object
        and all(isinstance(label, str) for label in y.flat)
    ):
        return y.astype(str)  # as a list of strings is read
    return y


def _is_missing(value):
    return value is None or str(value == value) != "True"  # NaN, NaT and pandas.NA


def _is_whole(value):
    return isinstance(value, float) and value.is_integer()


def draw_splits(
    cv: Any,
    samples: Samples,
    random_state: RandomState,
    is_classification: bool,
    warn: Callable[[str], None],
) -> list[tuple[NDArray, NDArray]]:
    """For each member the rows to train on, sorted, and those of its fold, as arrays of ints.

    Rows of weight zero are in none of them. An int draws folds of the other rows, stratified if y has
    classes, and of whole groups if there are some. A splitter sees the other rows only, an iterable or
    a PredefinedSplit has numbers of all rows.
    """
    has_weight = samples.weights > 0
    cv_numbers_all_rows = np.iterable(cv) or isinstance(cv, model_selection.PredefinedSplit)
    rows = np.arange(len(has_weight)) if cv_numbers_all_rows else np.flatnonzero(has_weight)
    usable = samples.take_rows(rows)
    strata = usable.y
    draws_folds = isinstance(cv, Integral)
    if draws_folds:
        kinds = (
            (model_selection.KFold, model_selection.GroupKFold),
            (model_selection.StratifiedKFold, model_selection.StratifiedGroupKFold),
        )
        kind = kinds[is_classification][usable.groups is not None]
        n_folds: Any = cv
        cv = kind(n_folds, shuffle=True, random_state=random_state.randint(2**31))
        if is_classification:
            strata = _strata(usable.y, cv.n_splits, warn)
    cv_object: Any = cv  # a type checker knows the default of `check_cv` only, an int
    splitter: Any = model_selection.check_cv(cv_object, usable.y, classifier=is_classification)
    parts = [*splitter.split(usable.X, strata, usable.groups)]
    try:
        drawn = [(rows[train], rows[fold]) for train, fold in parts]
    except IndexError as error:
        raise ValueError(f"cv must give numbers of the {len(rows)} samples: {error}") from error
    if draws_folds and usable.groups is not None:  # stratified folds of few groups may be empty
        drawn = [split for split in drawn if all(map(len, split))]
    splits = [(np.sort(train[has_weight[train]]), fold[has_weight[fold]]) for train, fold in drawn]
    _check(splits, drawn)
    if is_classification and (usable.groups is not None or not draws_folds):
        _warn_of_lacking_classes(samples.y, np.unique(samples.y[has_weight]), splits, warn)
    return splits


def _strata(y, n_folds, warn):
    """What stratified folds have the same shares of: classes, but those too rare may be in any fold."""
    classes, label, sizes = np.unique(y, return_inverse=True, return_counts=True)
    rare = sizes < n_folds
    if rare.any() and not rare.all():  # if all are, no stratified folds are possible
        warn(
            f"the classes {classes[rare].tolist()[:9]} have fewer samples than the {n_folds} folds: "
            "some members may be trained without them"
        )
        label[rare[label]] = sizes.argmax()
    return label


def _check(splits, drawn):
    """Raise if a member has no rows, or is trained on its fold.

    The rows held out may have no weight, but not in all folds.
    """
    for i, ((trained_on, held_out), (_, fold)) in enumerate(zip(splits, drawn, strict=True)):
        for name, part in {"to train on": trained_on, "that are held out": fold}.items():
            if not len(part):
                raise ValueError(
                    f"cv must give every fold samples {name}, got none in fold {i + 1}; samples of "
                    "weight zero are ignored"
                )
        if len(common := np.intersect1d(trained_on, held_out)):
            raise ValueError(
                "cv must hold out other samples than those to train on, but in fold "
                f"{i + 1} both have {len(common)} of them, such as sample {common[0]}"
            )
    if not any(len(fold) for _, fold in splits):
        raise ValueError("cv must hold out samples of positive weight, got none")


def _warn_of_lacking_classes(y, classes, splits, warn):
    lacking = [np.setdiff1d(classes, y[train]) for train, _ in splits]
    lacking = [labels for labels in lacking if len(labels)]
    if lacking:
        lacked = np.unique(np.concatenate(lacking)).tolist()
        warn(
            f"{len(lacking)} of {len(splits)} members are trained without the classes {lacked[:9]}, "
            "because all of their rows are held out, or excluded by cv. Each class should be in "
            "several folds and groups, and the groups must not be y"
        )
