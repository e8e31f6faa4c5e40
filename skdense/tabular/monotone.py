"""Monotonic constraints: what the user passes, checked, and the same for the encoded columns."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np

from skdense.frames import name_of_column

LOSSES = ("squared_error", "poisson", "huber")
"""The losses for which LightGBM has constraints. Leaves that are quantiles of their rows have none."""
_ROLES = ("number", "duration")
"""The roles of encoded columns that are a rising function of a column of the table."""


def constraints_by_name(
    monotonic_cst: Any, columns: Sequence[Any] | None, n_columns: int
) -> dict[str, int]:
    """The constraints that are not 0, -1 or 1, by the names of the columns.

    Parameters
    ----------
    monotonic_cst : dict, array-like or None
        What the user passed: the keys of a dict are names, or positions in an array.
    columns : sequence or None
        The names of the columns; None for an array.
    n_columns : int
        Their number.
    """
    names = [f"x{i}" for i in range(n_columns)] if columns is None else [*map(str, columns)]
    if monotonic_cst is None:
        return {}
    if not isinstance(monotonic_cst, dict):
        if np.shape(monotonic_cst) != (n_columns,):
            raise ValueError(
                "monotonic_cst must be a dict, or have one value for each of the "
                f"{n_columns} columns of X, got shape {np.shape(monotonic_cst)}"
            )
        monotonic_cst = dict(zip(names, monotonic_cst))
    constraints = {}
    for key, sign in monotonic_cst.items():
        name = name_of_column("monotonic_cst", key, names, columns is not None)
        is_sign = isinstance(sign, Integral | float) and sign in (-1, 0, 1)
        if not is_sign:
            raise ValueError(f"monotonic_cst of column {key!r} must be -1, 0 or 1, got {sign!r}")
        if sign:
            constraints[name] = int(sign)
    return constraints


def check_constraints_suit(constraints: dict[str, int], n_classes: int, loss: str | None) -> None:
    """Raise if trees for so many classes, or this loss of a regressor, have no constraints."""
    if constraints and n_classes > 2:
        raise ValueError(
            f"monotonic_cst must be None for more than two classes, got {constraints} and {n_classes} "
            "classes"
        )
    if constraints and loss is not None and loss not in LOSSES:
        raise ValueError(
            f"monotonic_cst must be None with loss={loss!r}, got {constraints}: constraints are "
            f"possible with {', '.join(map(repr, LOSSES))}"
        )


def encoded_constraints(constraints: dict[str, int], encoder: Any) -> list[int]:
    """The constraint of each column of the encoded table; raise if a column cannot have one."""
    for column in encoder._columns:
        if column.name in constraints and column.kind not in ("numbers", "durations"):
            raise ValueError(
                f"monotonic_cst must be for columns of numbers or durations, got {column.name!r}, of "
                f"the kind {column.kind!r} by {column.source}"
            )
    pairs = zip(encoder.output_sources_, encoder.output_roles_)
    return [constraints.get(source, 0) if role in _ROLES else 0 for source, role in pairs]
