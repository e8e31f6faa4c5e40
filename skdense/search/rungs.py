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


def forecasts(epochs, scores, ends):
    """What the scores of candidates will be when their training ends.

    A loss falls by about the same factor whenever the epochs double. So the logarithm of a loss is
    taken to go on along a straight line over the logarithm of the epochs, with a share of its slope.

    Parameters
    ----------
    epochs : list of int
        After how many epochs the candidates were scored, of which the last is now.
    scores : ndarray of shape (n_candidates, n_scores)
        If all are negative they are minus a loss. If none exceeds 1 they are 1 minus a loss, such as R2
        and accuracy. Forecasts of other scores are the scores of now.
    ends : ndarray of shape (n_candidates,)
        The epochs after which training ends, for candidates that have already ended those of now.
    """
    now, best = scores[:, -1], 0 if np.nanmax(scores, initial=-np.inf) < 0 else 1
    losses = best - scores
    if len(epochs) < 2 or epochs[-1] == max(ends) or np.nanmin(losses, initial=np.inf) <= 0:
        return now
    slopes = np.log(losses[:, -1] / losses[:, -2]) / np.log(epochs[-1] / epochs[-2])
    return best - losses[:, -1] * (ends / epochs[-1]) ** (_SLOPE * slopes)


def best_first(scores):
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")


def share_trained(n_candidates, rungs, factor):
    """About which share of all epochs the candidates train, if most of them end by themselves."""
    ends = [min(rung, SHARE_TRAINED * rungs[-1]) for rung in rungs]
    return epochs_at_rungs(n_candidates, ends, factor).sum() / (n_candidates * rungs[-1])
