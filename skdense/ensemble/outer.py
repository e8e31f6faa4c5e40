"""Fits within fits: a table's Pipeline fits a blend, and a blend its models.

The outermost fit leaves out the rows of weight zero, says what all fits have to say, and gives the
out-of-fold predictions of all the rows that the user passed. An inner fit has to know what it is part
of. A context variable tells it and no argument, as a Pipeline or a TransformedTargetRegressor may stand
between the two.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_consistent_length

from skdense.compat import check_method_params, check_sample_weight
from skdense.ensemble.report import FitReport
from skdense.final_step import final_step


class Outer(NamedTuple):
    """The fit of a blend or of a table that another fit is part of.

    Attributes
    ----------
    row_of : ndarray of int or None
        For each row that the user passed, which row it is of those that have a weight, and -1 for a row
        of weight zero; None if all have a weight. The user's folds, given as numbers, count the former.
    report : FitReport or None
        That of the blend, if the fit is that of one of its models.
    name : str
        Of the model.
    """

    row_of: NDArray | None = None
    report: FitReport | None = None
    name: str = ""

    @property
    def is_blend(self) -> bool:
        return self.report is not None


_outer: ContextVar[Outer | None] = ContextVar("outer", default=None)


@contextmanager
def part_of(outer: Outer | None) -> Iterator[None]:
    """Fits of ensembles that begin in this block, in this thread, are part of this one, or of none."""
    token = _outer.set(outer)
    try:
        yield
    finally:
        _outer.reset(token)


def begin_fit(X: Any, y: Any, sample_weight: Any, parameters: dict) -> tuple:
    """The X, y and parameters to fit to, `row_of`, and the `Outer` that the fit is part of, or None.

    The outermost fit alone leaves out rows; for all others nothing changes.
    """
    outer = _outer.get()
    if outer is not None:
        return X, y, parameters, outer.row_of, outer
    if sample_weight is None:
        return X, y, parameters, None, None
    groups = (value for name, value in parameters.items() if name.split("__")[-1] == "groups")
    check_consistent_length(X, y, *groups)  # others would be left as they are
    is_left = check_sample_weight(sample_weight, X, ensure_non_negative=True) > 0
    if is_left.all():
        return X, y, parameters, None, None
    data = check_method_params(X, {"X": X, "y": y, **parameters}, np.flatnonzero(is_left))
    row_of = np.where(is_left, np.cumsum(is_left) - 1, -1).astype(np.int32)
    return data.pop("X"), data.pop("y"), data, row_of, None


def for_all_rows(model: Any, row_of: NDArray | None) -> None:
    """Let out-of-fold predictions have all rows that the user passed, NaN for those of weight zero."""
    if row_of is None:
        return
    ensemble = final_step(model)
    for name in ("oof_prediction_", "oof_probabilities_"):
        if name in vars(ensemble):
            found = vars(ensemble)[name][row_of]
            found[row_of < 0] = np.nan
            setattr(ensemble, name, found)
    for each in getattr(ensemble, "named_estimators_", {}).values():
        for_all_rows(each, row_of)
