"""The table of a search's scores, in the form of scikit-learn's `cv_results_`."""

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata


class Row(NamedTuple):
    """A candidate at a rung: seconds and scores, each with one value for each split."""

    iteration: int
    n_resources: int
    params: dict
    fit_time: Any
    score_time: Any
    scores: Any


def cv_results(rows):
    """The table as a dict of columns."""
    results = {
        "iter": np.array([row.iteration for row in rows]),
        "n_resources": np.array([row.n_resources for row in rows]),
    }
    for name in ("fit_time", "score_time"):
        seconds = np.array([getattr(row, name) for row in rows])
        results |= {f"mean_{name}": seconds.mean(axis=1), f"std_{name}": seconds.std(axis=1)}
    params = [row.params for row in rows]
    results |= _parameter_columns(params) | {"params": params}
    scores = np.array([row.scores for row in rows], dtype=float)
    results |= {f"split{i}_test_score": column for i, column in enumerate(scores.T)}
    means = scores.mean(axis=1)
    worst = np.nanmin(means, initial=0) - 1
    ranks = rankdata(-np.where(np.isnan(means), worst, means), method="min").astype(np.int32)
    return results | {
        "mean_test_score": means,
        "std_test_score": scores.std(axis=1),
        "rank_test_score": ranks,
    }


def _parameter_columns(params):
    """A masked column for each parameter; what a candidate does not set is masked."""
    columns = {}
    for name in dict.fromkeys(name for candidate in params for name in candidate):
        values = {i: candidate[name] for i, candidate in enumerate(params) if name in candidate}
        column = np.ma.MaskedArray(np.empty(len(params), _dtype(list(values.values()))), mask=True)
        for i, value in values.items():
            column[i] = value
        columns[f"param_{name}"] = column
    return columns


def _dtype(values):
    """A dtype that holds each value as it is: numbers keep theirs, all else are objects."""
    try:
        array = np.array(values)
    except ValueError:  # sequences of different lengths
        return object
    return array.dtype if array.ndim == 1 and array.dtype.kind in "biufc" else object
