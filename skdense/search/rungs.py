"""Rungs: after how many epochs candidates are compared, what their scores forecast, and which go on.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

from numbers import Integral

import numpy as np

SHARES, _FIRST = (0.15, 0.25, 0.375, 0.5, 0.75), 3
"""Candidates are compared after these shares of `max_iter` by default, from 3 epochs on."""
_SLOPE, _BACK = 0.6, 0.75
"""A forecast takes this share of the slope since this share of the epochs to go on."""


def rungs_of(rungs, max_iter):
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        rungs = dict.fromkeys(round(share * max_iter) for share in SHARES)
        return [*(rung for rung in rungs if _FIRST <= rung < max_iter), max_iter]
    if not all(isinstance(rung, Integral) and not isinstance(rung, bool) for rung in rungs):
        raise ValueError(f"rung_epochs must be ints, after which to compare, got {rungs!r}")
    if list(rungs) != sorted(set(rungs)) or any(not 1 <= rung <= max_iter for rung in rungs):
        raise ValueError(
            f"rung_epochs must rise, be positive and not exceed max_iter={max_iter}, got {rungs!r}; "
            "() trains all candidates to the end"
        )
    return list(dict.fromkeys([*map(int, rungs), max_iter]))


def looks_of(rungs):
    """For each rung, after how many epochs candidates are scored on the way to it and at it.

    They are scored in between if they have not been scored at about the epochs that its slope needs.
    """
    looks, scored = [], [0]
    for rung in rungs:
        look = round(_BACK * rung)
        is_new = scored[-1] < look < rung < rungs[-1] and scored[-1] < 0.6 * rung
        looks.append([look, rung] if is_new else [rung])
        scored += looks[-1]
    return looks


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
    if len(epochs) < 2 or epochs[-1] == max(ends) or np.nanmin(losses, initial=np.inf) < 0:
        return now
    ratios = np.array(epochs[:-1]) / epochs[-1]
    before = np.argmin(np.abs(np.log(ratios / _BACK)))
    known = (losses[:, [before, -1]] > 0).all(axis=1)  # a loss of 0 stays, and has no logarithm
    losses = np.where(known[:, None], losses, 1)
    slopes = np.log(losses[:, before] / losses[:, -1]) / np.log(ratios[before])
    return np.where(known, best - losses[:, -1] * (ends / epochs[-1]) ** (_SLOPE * slopes), now)


def best_first(scores):
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")
