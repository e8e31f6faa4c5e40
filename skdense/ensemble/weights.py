"""The weights of a blend's models."""

import numpy as np
from scipy.optimize import minimize

_LEAST_WEIGHT = 0.001
"""A model of less weight than this is left out."""


def best_weights(loss, n_models, pull=0.0):
    """The weights that minimize a convex loss, none of them negative and their sum 1.

    The loss of weights grows by `pull` times their squared distance to equal ones.
    """
    equal = np.full(n_models, 1 / n_models)
    best = minimize(
        lambda weights: loss(weights) + pull * np.sum((weights - equal) ** 2),
        equal,
        method="SLSQP",
        bounds=[(0, 1)] * n_models,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-9},
    ).x
    best[best < _LEAST_WEIGHT] = 0
    return best / best.sum()
