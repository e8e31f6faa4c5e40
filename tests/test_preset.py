"""The preset of tables: what it sets, and that the user's own settings come first."""

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers import run_python
from skdense import TabularClassifier, TabularRegressor
from skdense.core.formulas.losses import LOSSES
from skdense.tabular.models import Task
from skdense.tabular.models import models_of as chosen_models

pytestmark = pytest.mark.usefixtures("coarse_buckets")

N = 66
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.choice(["red", "blue"], N)})
NUMBERS = X["a"].to_numpy() + (X["b"] == "red")


def fast(cls, y, **parameters):
    return cls(preset="fast", random_state=0, **parameters).fit(X, y)


def models_of(fitted):
    return " ".join(fitted.ensemble_.named_estimators_)


@pytest.mark.parametrize(
    ("cls", "y", "parameters", "models", "n_folds"),
    [
        (TabularRegressor, NUMBERS, {}, "trees linear constant", 3),
        (TabularRegressor, np.c_[NUMBERS, X["a"]], {}, "trees linear constant", 3),
        (TabularRegressor, NUMBERS, {"loss": "huber"}, "trees", 3),
        (TabularRegressor, NUMBERS, {"monotonic_cst": {"a": 1}}, "trees", 3),
        (TabularRegressor, np.tile(NUMBERS, (11, 1)).T, {}, "plain linear constant", 4),
        (TabularClassifier, NUMBERS > 0, {}, "trees linear constant", 3),
        (TabularClassifier, pd.Series(NUMBERS > 0).map(str), {}, "trees linear constant", 3),
        (TabularClassifier, pd.Categorical(NUMBERS > 0), {}, "trees linear constant", 3),
        (TabularClassifier, np.arange(N) % 10, {}, "trees linear constant", 3),
        (TabularClassifier, np.arange(N) % 11, {}, "plain linear constant", 4),
    ],
)
def test_the_fast_preset_has_trees_where_they_suit_and_few_folds(cls, y, parameters, models, n_folds):
    fitted = fast(cls, y, network_params={"max_iter": 2}, **parameters)
    assert models_of(fitted) == models
    assert {*fitted.summary()["n_members"][:-1]} == {n_folds}
    assert fitted.predict(X).shape == np.shape(y)


def test_what_the_user_sets_comes_before_the_preset():
    fitted = fast(TabularRegressor, NUMBERS, models=["linear"])
    assert models_of(fitted) == "linear"
    assert fitted.summary().loc["linear", "n_members"] == 3
    fitted = fast(TabularRegressor, NUMBERS, cv=2)
    assert models_of(fitted) == "trees linear constant"
    assert fitted.summary().loc["linear", "n_members"] == 2


def test_two_groups_have_two_folds():
    fitted = TabularRegressor(preset="fast", random_state=0).fit(X, NUMBERS, groups=np.arange(N) % 2)
    assert {*fitted.summary()["n_members"][:-1]} == {2}


def test_another_preset_is_an_error():
    with pytest.raises(ValueError, match="'preset' parameter of TabularClassifier must be a str among"):
        TabularClassifier(preset="best").fit(X, NUMBERS > 0)


def test_the_fast_preset_imports_no_tensorflow():
    """So its first fit compiles nothing."""
    code = """
import sys
import itertools

import numpy as np
from skdense import TabularRegressor

X = np.random.default_rng(0).normal(size=(60, 2))
TabularRegressor(preset="fast").fit(X, X[:, 0]).predict(X)
assert "tensorflow" not in sys.modules
"""
    run_python(code)


def test_the_fast_preset_has_a_model_for_every_table():
    task = Task(100, 90, 0, 5, 0, 1, {"loss": "squared_error"}, {}, is_fast=True)
    choices = itertools.product(
        [10, 1_000, 9_999, 10_000, 10**6], [0, 2, 3, 10, 11, 40], [1, 2, 10, 11], LOSSES["regression"]
    )
    for n_rows, n_classes, n_outputs, loss in choices:
        table = task._replace(
            n_rows=n_rows,
            n_trained_on=n_rows,
            n_classes=n_classes,
            n_outputs=1 if n_classes else n_outputs,
            loss_params={} if n_classes else {"loss": loss, "quantile": 0.5, "delta": 1.0},
        )
        models, _ = chosen_models(None, table, 3, np.random.RandomState(0), False)
        names = [name for name, _ in models]
        assert 1 <= len(names) <= 3
        assert names[0] in ("trees", "plain", "ramps")
