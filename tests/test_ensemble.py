"""Tests of the out-of-fold ensembles."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor

SETTINGS = {"max_iter": 60, "early_stopping": True, "learning_rate_init": 0.03}


@parametrize_with_checks(
    [
        CrossFitClassifier(LowLevelMLPClassifier((8,), **SETTINGS), cv=3),
        CrossFitRegressor(LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS), cv=3),
    ],
)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)
