"""Rungs: after how many epochs candidates are compared, what their scores forecast, and which go on."""

import math
from numbers import Integral

import numpy as np

from skdense.core.machine.costs import SHARE_TRAINED

_RUNGS = 1 / 6, 1 / 3, 2 / 3
"""The default rungs, as shares of `max_iter`."""
_LOOK = 0.6
"""Candidates are scored at this share of a rung's epochs, too, so that a slope is known there."""
_SLOPE = 0.75
"""The share of the slope that a forecast takes to go on."""


def rungs_of(rungs, max_iter):
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        rungs = [round(share * max_iter) for share in _RUNGS]
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


def looks_of(rungs):
    """For each rung, after how many epochs candidates are scored on the way to it and at it."""
    looks = []
    for before, rung in zip([0, *rungs], rungs):
        look = round(_LOOK * rung)
        looks.append([look, rung] if before < look < rung < rungs[-1] else [rung])
    return looks


def n_that_go_on(n_candidates, factor):
    """How many candidates go on from a rung."""
    return math.ceil(n_candidates / factor)


def epochs_at_rungs(n_candidates, rungs, factor):
    """How many epochs the candidates train to each rung together, from the rung before."""
    n_epochs = []
    for before, rung in zip([0, *rungs[:-1]], rungs, strict=True):
        n_epochs.append(n_candidates * (rung - before))
        n_candidates = n_that_go_on(n_candidates, factor)
    return np.array(n_epochs)


def forecasts(epochs, scores, max_iter):
    """What scores will be after `max_iter` epochs.

    A loss falls by about the same factor whenever the epochs double. So the logarithm of a loss is
    taken to go on along a straight line over the logarithm of the epochs, with a share of its slope.
    Scores that are all negative are minus a loss; others that do not exceed 1 are 1 minus a loss, such
    as R2, or an error rate, such as accuracy. Scores of another kind are taken to stay.

    Parameters
    ----------
    epochs : list of int
        When the candidates were scored.
    scores : ndarray of shape (n_candidates, n_epochs)
    max_iter : int

    Returns
    -------
    forecasts : ndarray of shape (n_candidates,)
    """
    now = scores[:, -1]
    best = 0 if np.nanmax(scores, initial=-np.inf) < 0 else 1
    if len(epochs) < 2 or epochs[-1] == max_iter or np.nanmax(scores, initial=-np.inf) >= best:
        return now
    losses = np.log(best - scores)
    slopes = (losses[:, -1] - losses[:, -2]) / math.log(epochs[-1] / epochs[-2])
    return best - np.exp(losses[:, -1] + _SLOPE * slopes * math.log(max_iter / epochs[-1]))


def best_first(scores):
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")


def share_trained(n_candidates, rungs, factor):
    """About which share of all epochs the candidates train, if most of them end by themselves."""
    ends = [min(rung, SHARE_TRAINED * rungs[-1]) for rung in rungs]
    return epochs_at_rungs(n_candidates, ends, factor).sum() / (n_candidates * rungs[-1])
