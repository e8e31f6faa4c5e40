"""Blocks of time, as groups of rows."""

from numbers import Integral

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.utils import check_scalar, column_or_1d

__all__ = ["time_blocks"]


def time_blocks(dates: ArrayLike, n_blocks: int = 8) -> NDArray:
    """Divide rows into blocks of time, as `groups` for `fit`.

    Rows of one time resemble each other, and so do those of the days around it. If no block is in two
    folds, out-of-fold scores and intervals are those of other times, and yet most members are fitted to
    the newest rows.

    Parameters
    ----------
    dates : array-like of shape (n_samples,)
        The date or time of each row, as dates or numbers that can be sorted. Rows need no order.
    n_blocks : int, default=8
        How many blocks, of about equally many rows. There are fewer if so many rows share a time.

    Returns
    -------
    blocks : ndarray of int, of shape (n_samples,)
        The number of each row's block, from 0 for the earliest. Rows of the same time are in one block.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense.tabular import time_blocks
    >>> days = pd.to_datetime(["2025-03-01", "2025-01-01", "2025-01-01", "2025-02-01"])
    >>> time_blocks(days, n_blocks=2)
    array([1, 0, 0, 1])
    """
    check_scalar(n_blocks, "n_blocks", Integral, min_val=1)
    dates = column_or_1d(dates)
    if dates.dtype.kind in "US" or isinstance(next(iter(dates), None), str):
        raise ValueError("dates must be dates or numbers, got strings: use pandas.to_datetime")
    missing = np.array([date is None or date != date for date in dates.tolist()])
    if missing.any():
        raise ValueError(
            f"dates must have a value in each row, got {missing.sum()} missing values, the first in "
            f"row {missing.argmax()}"
        )
    middle = rankdata(dates) - 0.5  # equal times have the average of their ranks
    blocks = (middle * n_blocks / len(dates)).astype(int)
    return np.unique(blocks, return_inverse=True)[1]
