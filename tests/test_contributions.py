"""Contributions of columns obey Shapley's laws."""

import warnings
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from skdense.inspection import contributions


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    towns = pd.Categorical(rng.choice(["Arles", "Cork"], 200))
    X = pd.DataFrame({"noise": rng.normal(size=200), "number": rng.normal(size=200), "town": towns})
    y = X.number + 2 * (X.town == "Cork") + rng.normal(size=200)
    return X.set_index(rng.permutation(200)), y.to_numpy()


def encoded(model):
    towns = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    return make_pipeline(towns, model)


KINDS = {
    "polars": lambda X: polars.DataFrame(X.to_dict("list")),
    "array": pd.DataFrame.to_numpy,
    "lists": lambda X: X.to_numpy().tolist(),
}


class Model(LinearRegression):
    """Reads columns of any kind by their positions."""

    def predict(self, X):
        columns = np.array(X, dtype=object)
        return columns[:, 1].astype(float) + 2 * (columns[:, 2] == "Cork")


@pytest.mark.parametrize("to", KINDS.values(), ids=KINDS)
def test_tables_of_all_kinds_have_the_same_contributions(table, to):
    X = table[0]
    model = Model().fit(np.zeros((2, 3)), [0, 0])
    explained = contributions(model, to(X), to(X[:2]), random_state=0)
    assert_allclose(explained.values, contributions(model, X, X[:2], random_state=0).values)


NUMBERS = np.random.default_rng(0).normal(size=(30, 5)) * [1, 1, 1, 1, 0] + 1
"""Five columns, of which the last is constant."""


class Formula(RegressorMixin, BaseEstimator):
    """Predicts a function of the columns."""

    def __init__(self, formula):
        self.formula = formula

    def fit(self, X, y):
        return self

    def __sklearn_is_fitted__(self):
        return True

    def predict(self, X):
        return self.formula(*np.asarray(X, dtype=float).T)


def shapley_values(model, X, row):
    """The mean change of the mean prediction by each column, over all subsets of the others."""
    n = X.shape[1]
    mean = {
        taken: model.predict(np.where(np.isin(np.arange(n), taken), row, X)).mean()
        for size in range(n + 1)
        for taken in combinations(range(n), size)
    }
    values = np.zeros(n)
    for taken in mean:
        for column in set(range(n)) - set(taken):
            more = tuple(sorted({*taken, column}))
            values[column] += (mean[more] - mean[taken]) / (n * comb(n - 1, len(taken)))
    return values


PAIRS = Formula(lambda a, b, c, d, e: np.exp(a) + a * b - np.sin(b * c) + (d > 1) * c + e)
TRIPLES = Formula(lambda a, b, c, d, e: a * b * c + np.sin(b * c * d) * e)


def test_the_values_of_a_model_of_pairs_are_exact():
    explained = contributions(PAIRS, NUMBERS, NUMBERS[:3], n_samples=len(NUMBERS), random_state=0)
    for row, values in zip(NUMBERS, explained.values):
        assert_allclose(values, shapley_values(PAIRS, NUMBERS, row), atol=1e-12)
    assert explained.base == pytest.approx(PAIRS.predict(NUMBERS).mean())


def test_the_values_of_any_model_are_within_their_standard_errors():
    exact = shapley_values(TRIPLES, NUMBERS, NUMBERS[0])
    runs = [contributions(TRIPLES, NUMBERS, NUMBERS[:1], random_state=seed) for seed in range(20)]
    for run in runs:
        assert (abs(run.values[0] - exact) <= 4 * run.standard_errors[0] + 1e-12).all()
    assert_allclose(np.mean([run.values[0] for run in runs], axis=0), exact, atol=0.1)


def test_standard_errors_are_the_spread_over_samples():
    X = np.random.default_rng(1).normal(size=(5000, 5))
    settings = {"n_samples": 50}
    runs = [contributions(TRIPLES, X, X[:1], random_state=s, **settings) for s in range(100)]
    spread = np.std([run.values[0] for run in runs], axis=0)
    assert_allclose(
        np.sqrt(np.mean([r.standard_errors[0] ** 2 for r in runs], axis=0)), spread, rtol=0.3
    )


@pytest.mark.parametrize("n_samples", [7, 30, 45, 4000])
def test_contributions_and_base_sum_to_the_prediction(n_samples):
    explained = contributions(TRIPLES, NUMBERS, NUMBERS[:2], n_samples=n_samples)
    assert_allclose(explained.base + explained.values.sum(axis=1), explained.predictions)
    assert_allclose(explained.predictions, TRIPLES.predict(NUMBERS[:2]))


def test_equal_columns_share_and_a_constant_one_or_one_that_is_not_used_has_nothing():
    X = NUMBERS.copy()
    X[:, 1] = X[:, 0]
    model = Formula(lambda a, b, c, d, e: (a + b) ** 2 * np.exp(e) + np.abs(d))
    found = contributions(model, X, X[:1], n_samples=30, random_state=0)
    (values,), (errors,) = found.values, found.standard_errors
    assert values[0] == pytest.approx(values[1])
    assert values[0] != 0
    assert_allclose([values[[2, 4]], errors[[2, 4]]], 0, atol=1e-12)


def test_a_linear_model_has_its_coefficients_times_the_distance_from_the_mean():
    X = pd.DataFrame(NUMBERS, columns=list("abcde"))
    y = NUMBERS @ np.arange(10).reshape(5, 2)
    model = LinearRegression().fit(X, y)
    for target in (0, 1):
        explained = contributions(model, X, X[:4], target=target, n_samples=len(X))
        expected = model.coef_[target] * (X[:4] - X.mean())
        assert_allclose(explained.values, expected, atol=1e-12)
    (value,) = contributions(LinearRegression().fit(X[["a"]], y[:, 0]), X[["a"]], X[["a"]][:1]).values
    assert value.shape == (1,)


def test_the_contributions_to_all_classes_cancel():
    X = NUMBERS[:, :4]
    names = np.array(["high", "low", "middle"])
    y = names[np.digitize(X.sum(axis=1), [3, 5])]
    model = LogisticRegression().fit(X, y)
    by_class = [contributions(model, X, X[:2], target=t, random_state=0) for t in model.classes_]
    assert_allclose(sum(explained.values for explained in by_class), 0, atol=1e-12)
    assert_allclose(sum(explained.base for explained in by_class), 1)
    assert_allclose(by_class[1].predictions, model.predict_proba(X[:2])[:, 1])
    binary = LogisticRegression().fit(X, y == "low")
    second = contributions(binary, X, X[:2], target=True, random_state=0)
    assert_allclose(contributions(binary, X, X[:2], random_state=0).values, second.values)
    with pytest.raises(ValueError, match=r"target must be one of \['high', 'low', 'middle'\]"):
        contributions(model, X, X[:1])


def test_a_model_is_given_tables_with_the_columns_types_and_no_new_values(table):
    days = pd.date_range("2024-01-01", periods=40).to_series(index=range(40))
    X = table[0][:40].reset_index(drop=True).assign(day=days.where(days.index > 5), text="a b")
    X["town"] = X["town"].where(X.index != 3)

    class Strict(Formula):
        def predict(self, mixed):
            pd.testing.assert_series_equal(mixed.dtypes, X.dtypes)
            for name in X:
                assert mixed[name].isin(X[name]).all()
            return mixed["number"] + mixed["day"].dt.day.fillna(0) + (mixed["town"] == "Cork")

    explained = contributions(Strict(None), X, X[:2], random_state=0)
    assert_allclose(explained.base + explained.values.sum(axis=1), explained.predictions)
    assert_allclose(explained.values[:, [0, 4]], 0, atol=1e-12)


@pytest.mark.parametrize("n_columns", [1, 3])
def test_each_row_is_predicted_once_and_each_sample_in_two_orders(n_columns):
    n_predicted = []

    class Counting(LinearRegression):
        def predict(self, X):
            n_predicted.append(len(X))
            return super().predict(X)

    X = NUMBERS[:, :n_columns]
    contributions(Counting().fit(X, NUMBERS[:, 0]), X, X[:3], n_samples=10)
    assert sum(n_predicted) == 3 + 10 + 3 * 10 * (2 * n_columns - 2)


def test_a_new_category_in_the_row_is_no_warning(table):
    class Wary(Formula):
        def predict(self, mixed):
            if mixed["note"].eq("new").sum() > 1:
                warnings.warn("the data are unlike those in fit", stacklevel=1)
            return mixed["number"].to_numpy()

    X = table[0].assign(note="known")
    with warnings.catch_warnings(action="error"):
        contributions(Wary(None), X, X[:1].assign(note="new"), random_state=0)


def test_bad_rows_and_models_are_refused(table):
    X, y = table[0][:50], table[1][:50]
    model = encoded(LinearRegression()).fit(X, y)
    for rows in (X[:1].astype({"town": str}), X[["town", "noise", "number"]][:1], X[:1].to_numpy()):
        with pytest.raises(ValueError, match="rows must be a DataFrame with the columns and types"):
            contributions(model, X, rows)
    two, one = X[["number", "noise"]].to_numpy(), X[["number"]].to_numpy()
    with pytest.raises(ValueError, match="rows must have the 2 columns of X, got 1"):
        contributions(LinearRegression().fit(two, y), two, one)
    with pytest.raises(ValueError, match="rows must have at least one row"):
        contributions(model, X, X[:0])
    with pytest.raises(ValueError, match="n_samples == 1, must be >= 2"):
        contributions(model, X, X[:1], n_samples=1)
    with pytest.raises(ValueError, match=r"target must be one of \[0\], got 'yes'"):
        contributions(model, X, X[:1], target="yes")
    words = encoded(LinearSVC()).fit(X, np.where(y > 0, "yes", "no"))
    with pytest.raises(ValueError, match="estimator must have numeric predictions, or predict_proba"):
        contributions(words, X, X[:1])
    with pytest.raises(NotFittedError):
        contributions(LinearRegression(), X, X[:1])
