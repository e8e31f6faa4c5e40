"""Monotonic constraints of tables: predictions never fall along a column, whatever the others are."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from skdense import TabularClassifier, TabularRegressor
from skdense.exceptions import UnlikeDataWarning
from skdense.tabular import TableEncoder, monotone
from skdense.tabular.monotone import constraints_by_name

N = 120
FEW = {"cv": 2, "random_state": 0}


def table(seed, n=N):
    """Numbers that y does not follow, with missing values, and a column of strings."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n)) * 10.0 ** rng.integers(-3, 9, (3, 1))
    a[rng.random(n) < rng.choice([0, 0.2])] = np.nan
    c = np.where(rng.random(n) < 0.3, "?", c.round(3).astype(str))
    return pd.DataFrame({"a": a, "b": b, "c": c, "town": rng.choice(["Cork", "Oslo", "Bern"], n)})


def target(X, seed):
    """It rises and falls along all columns, and depends on what is missing."""
    noise = np.random.default_rng(seed).normal(size=len(X)) / 3
    ranks = X["a"].rank(pct=True).fillna(1.5), X["b"].rank(pct=True)
    return np.sin(5 * ranks[0]) * (X["town"] != "Oslo") + np.cos(7 * ranks[1]) + (X["c"] == "?") + noise


def rises(model, X, name, sign, answer):
    """Whether answers never fall where the values of a column rise and all others stay the same.

    With the sign -1, whether they never rise. Sums of the same terms may differ by rounding.
    """
    values = pd.to_numeric(X[name], errors="coerce")
    grid = np.sort(np.r_[values.dropna().unique()[:40], values.min() - 1, 2 * values.max() + 1, np.inf])
    changes = [
        sign * np.diff(answer(model, X.iloc[[row] * len(grid)].assign(**{name: grid})), axis=0)
        for row in range(6)
    ]
    return np.min(changes) >= -1e-12


def prediction_and_interval(model, X):
    return np.c_[model.predict(X), model.predict_interval(X)]


def probability(model, X):
    return model.predict_proba(X)[:, 1]


SIGNS = st.dictionaries(st.sampled_from("abc"), st.sampled_from([-1, 1]), min_size=1)


@pytest.mark.filterwarnings("ignore:column")
@given(st.integers(0, 10**6), SIGNS, st.sampled_from(monotone.LOSSES))
@settings(max_examples=12)
def test_predictions_and_intervals_never_fall_along_a_constrained_column(seed, signs, loss):
    X = table(seed)
    y = target(X, seed)
    model = TabularRegressor(monotonic_cst=signs, loss=loss, **FEW).fit(X, y - y.min())
    assert all(rises(model, X, name, sign, prediction_and_interval) for name, sign in signs.items())


@pytest.mark.filterwarnings("ignore:column")
@given(st.integers(0, 10**6), SIGNS)
@settings(max_examples=8)
def test_probabilities_never_fall_along_a_constrained_column(seed, signs):
    X = table(seed)
    y = np.where(target(X, seed) > 0.7, "yes", "no")
    model = TabularClassifier(monotonic_cst=signs, class_weight="balanced", **FEW).fit(X, y)
    assert all(rises(model, X, name, sign, probability) for name, sign in signs.items())


@pytest.mark.filterwarnings("ignore:column")
@pytest.mark.parametrize("models", [["trees"], ["deep"], ["trees", "deep"]], ids=str)
def test_members_that_stop_early_and_deep_trees_follow_constraints(models):
    """Without constraints, predictions fall along both columns."""
    X = table(0, 900)
    y = target(X, 0)
    signs = {"a": 1, "b": -1}
    model = TabularRegressor(models=models, **FEW).fit(X, y)
    assert not any(rises(model, X, name, sign, prediction_and_interval) for name, sign in signs.items())
    model.set_params(monotonic_cst=signs).fit(X, y)
    assert all(rises(model, X, name, sign, prediction_and_interval) for name, sign in signs.items())
    assert np.ptp(np.diff(model.predict_interval(X))) < 1e-9


def test_the_models_are_trees_only_and_without_constraints_those_of_always():
    X = table(0)
    y = target(X, 0)
    fitted = TabularRegressor(monotonic_cst={"b": 1}, **FEW).fit(X, y)
    assert [*fitted.ensemble_.named_estimators_] == ["trees"]
    for constraints in ({}, {"town": 0}, [0, 0, 0, 0]):
        model = TabularRegressor(models=["linear", "trees"], monotonic_cst=constraints, **FEW).fit(X, y)
        plain = clone(model).set_params(monotonic_cst=None).fit(X, y)
        assert_array_equal(model.predict(X), plain.predict(X))


# --- the forms of the parameter, for which HistGradientBoostingRegressor is the oracle ----------------

NUMBERS = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)), columns=[*"abc"])
Y = NUMBERS["a"].to_numpy() ** 2


@pytest.mark.parametrize("preset", ["default", "fast"])
def test_trees_follow_constraints_for_any_number_of_columns_of_y(preset):
    """Without constraints, more than ten columns have no trees by default."""
    y = np.column_stack([NUMBERS[name] ** power for name in "abc" for power in (1, 2, 3, 4)])
    model = TabularRegressor(preset=preset, monotonic_cst={"a": 1}, **FEW).fit(NUMBERS, y)
    assert [*model.ensemble_.named_estimators_] == ["trees"]
    assert rises(model, NUMBERS, "a", 1, lambda model, X: model.predict(X))


@pytest.mark.parametrize(
    ("X", "constraints"),
    [
        (NUMBERS, {"a": 1, "c": -1}),
        (NUMBERS, {"c": np.int8(-1), "b": 0, "a": 1.0}),
        (NUMBERS, [1, 0, -1]),
        (NUMBERS, np.array([1, 0, -1])),
        (NUMBERS.to_numpy(), (1, 0, -1)),
    ],
    ids=str,
)
def test_every_form_of_histogram_boosting_is_taken(X, constraints):
    HistGradientBoostingRegressor(max_iter=1, monotonic_cst=constraints).fit(X, Y)
    names = getattr(X, "columns", None)
    assert sorted(constraints_by_name(constraints, names, 3).values()) == [-1, 1]
    model = TabularRegressor(monotonic_cst=constraints, **FEW).fit(X, Y)
    expected = TabularRegressor(monotonic_cst={"a": 1, "c": -1}, **FEW).fit(NUMBERS, Y)
    assert_array_equal(model.predict(X), expected.predict(NUMBERS))
    assert_array_equal(clone(model).fit(X, Y).predict(X), expected.predict(NUMBERS))


def test_keys_of_a_dict_are_positions_in_an_array():
    model = TabularRegressor(monotonic_cst={0: 1, np.int64(2): -1}, **FEW).fit(NUMBERS.to_numpy(), Y)
    expected = TabularRegressor(monotonic_cst=[1, 0, -1], **FEW).fit(NUMBERS.to_numpy(), Y)
    assert_array_equal(model.predict(NUMBERS.to_numpy()), expected.predict(NUMBERS.to_numpy()))


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"aa": 1}, r"monotonic_cst has a column 'aa', but X has \['a', .*; did you mean 'a'\?"),
        ({"a": 2}, "monotonic_cst of column 'a' must be -1, 0 or 1, got 2"),
        ({"a": "up"}, "monotonic_cst of column 'a' must be -1, 0 or 1, got 'up'"),
        ({"a": None}, "monotonic_cst of column 'a' must be -1, 0 or 1, got None"),
        ({0: 1}, r"monotonic_cst has a column 0, but X has \['a', 'b', 'c'\]"),
        ([1, 0], r"one value for each of the 3 columns of X, got shape \(2,\)"),
        ([[1, 0, 0]], r"monotonic_cst must be .* got shape \(1, 3\)"),
        ([1, 0, 5], "monotonic_cst of column 'c' must be -1, 0 or 1, got 5"),
        ("a", "'monotonic_cst' parameter of TabularRegressor must be an instance of 'dict'"),
    ],
    ids=str,
)
def test_what_is_no_constraint_is_an_error_as_in_histogram_boosting(constraints, message):
    with pytest.raises((ValueError, TypeError)):
        HistGradientBoostingRegressor(max_iter=1, monotonic_cst=constraints).fit(NUMBERS, Y)
    with pytest.raises(ValueError, match=message):
        TabularRegressor(monotonic_cst=constraints, **FEW).fit(NUMBERS, Y)


@pytest.mark.parametrize(
    ("column", "kinds", "message"),
    [
        (["x", "y"] * (N // 2), None, "got 'd', of the kind 'strings' by its values in fit"),
        (pd.date_range("2024-01-01", periods=N), None, "got 'd', of the kind 'dates'"),
        (np.arange(N) % 9, {"d": "category"}, "got 'd', of the kind 'categories' by column_kinds"),
        (np.arange(N) % 9, {"d": "ignore"}, "got 'd', of the kind 'ignored' by column_kinds"),
    ],
)
def test_a_column_that_is_no_number_is_an_error(column, kinds, message):
    model = TabularRegressor(monotonic_cst={"d": 1}, column_kinds=kinds, **FEW)
    with pytest.raises(ValueError, match=f"for columns of numbers or durations, {message}"):
        model.fit(NUMBERS.assign(d=column), Y)


@pytest.mark.filterwarnings("ignore:column")
def test_numbers_in_strings_durations_and_constant_columns_may_have_constraints():
    X = NUMBERS.assign(
        d=pd.to_timedelta(np.arange(N) % 40, "h"), e=[f"{i % 30} %" for i in range(N)], f=1.0
    )
    model = TabularRegressor(monotonic_cst={"d": 1, "e": 1, "f": 1}, **FEW)
    model.fit(X, np.sin(np.arange(N) % 40 / 5) - np.arange(N) % 30 / 9)
    hours = X.iloc[[0] * 60].assign(d=pd.to_timedelta(np.arange(60), "h"))
    percent = X.iloc[[0] * 60].assign(e=[f"{i} %" for i in range(60)])
    with pytest.warns(UnlikeDataWarning):
        assert np.diff(model.predict(hours)).min() >= -1e-12
    with pytest.warns(UnlikeDataWarning):
        assert np.diff(model.predict(percent)).min() >= -1e-12


@pytest.mark.parametrize(
    ("model", "y", "message"),
    [
        (TabularClassifier(), np.arange(N) % 3, "more than two classes, got {'a': 1} and 3 classes"),
        (TabularRegressor(loss="quantile"), Y, "must be None with loss='quantile', got {'a': 1}"),
        (TabularRegressor(loss="absolute_error"), Y, "must be None with loss='absolute_error'"),
        (TabularRegressor(models=["trees", "linear"]), Y, "'linear': it cannot follow monotonic_cst"),
        (TabularRegressor(models=[("trees", Ridge())]), Y, r"names from \['trees', 'deep'\] with mono"),
    ],
    ids=str,
)
def test_what_cannot_follow_constraints_is_an_error_before_the_table_is_read(
    model, y, message, monkeypatch
):
    monkeypatch.setattr(TableEncoder, "_fit", None)
    with pytest.raises(ValueError, match=message):
        clone(model).set_params(monotonic_cst={"a": 1}, **FEW).fit(NUMBERS, y)
