"""Rungs: after how many epochs candidates are compared, and which of them go on."""

import math
from numbers import Integral

import numpy as np

from skdense.core.machine.costs import SHARE_TRAINED

_EARLIEST_SHARE, _EARLIEST_EPOCHS = 0.1, 7
"""The default rungs begin at a tenth of `max_iter` or at 7 epochs, whichever is earlier.

The scores of fewer epochs say too little. Of eight searches of 64 candidates, with 200 epochs and early
stopping, these rungs found the candidate with the least log-loss, and lost so much of it:

    22, 67        7 of 8    1.0 %, at most 7.7 %
    7, 22, 67     6 of 8    1.1 %, at most 8.6 %
    4, 12         5 of 8    3.4 %, at most 18.6 %
"""


def rungs_of(rungs, factor, max_iter):
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        earliest = min(_EARLIEST_SHARE * max_iter, _EARLIEST_EPOCHS)
        n_rungs = max(1, math.floor(math.log(max_iter / earliest, factor)))
        rungs = [round(max_iter / factor**k) for k in range(n_rungs, 0, -1)]
        rungs = [rung for rung in dict.fromkeys(rungs) if 1 <= rung < max_iter]
    given, rungs = rungs, list(rungs)
    if not all(isinstance(rung, Integral) and not isinstance(rung, bool) for rung in rungs):
        raise ValueError(f"rungs must be ints, the epochs after which to compare, got {given!r}")
    rungs = [int(rung) for rung in rungs]
    if rungs != sorted(set(rungs)) or any(not 1 <= rung <= max_iter for rung in rungs):
        raise ValueError(
            f"rungs must rise, be positive and not exceed max_iter={max_iter}, got {given!r}; "
            "() trains all candidates to the end"
        )
    return rungs if rungs[-1:] == [max_iter] else [*rungs, max_iter]


def best_first(scores):
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")


def n_that_go_on(n_candidates, factor):
    """How many candidates go on from a rung."""
    return math.ceil(n_candidates / factor)


def share_trained(n_candidates, rungs, factor):
    """About which share of all epochs the candidates train, if most of them end by themselves."""
    n_going, n_epochs, before = n_candidates, 0, 0
    for rung in rungs:
        last = min(rung, SHARE_TRAINED * rungs[-1])
        n_epochs += n_going * (last - before)
        n_going, before = n_that_go_on(n_going, factor), last
    return n_epochs / (n_candidates * rungs[-1])
