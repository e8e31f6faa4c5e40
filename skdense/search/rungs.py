"""Rungs: after how many epochs candidates are compared, and which of them go on."""

import math
from numbers import Integral

import numpy as np

from skdense.core.machine.costs import TRAINED

_EARLIEST = 10
"""The default rungs begin at a tenth of `max_iter`: the scores of fewer epochs say too little."""


def rungs_of(rungs, factor, max_iter):
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        n_rungs = max(1, math.floor(math.log(_EARLIEST, factor)))
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
        last = min(rung, TRAINED * rungs[-1])
        n_epochs += n_going * (last - before)
        n_going, before = n_that_go_on(n_going, factor), last
    return n_epochs / (n_candidates * rungs[-1])
