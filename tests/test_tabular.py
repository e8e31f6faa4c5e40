"""Tests of the default for tables."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skdense import make_tabular_classifier, make_tabular_regressor
from skdense.tabular import numbers_of, soft_clip

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "batch_size": 64, "learning_rate_init": 0.02}


def small(model, path):
    return model.set_params(**{f"{path}__{name}": value for name, value in SMALL.items()})


def classifier():
    return small(make_tabular_classifier(random_state=0, cv=2), "ensemble__estimator")


def regressor():
    return small(make_tabular_regressor(random_state=0, cv=2), "ensemble__regressor__estimator")


@pytest.fixture(scope="module")
def table():
    """Numbers, one with missing values, and categories; y depends on both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "income": rng.lognormal(size=300),
            "age": rng.integers(18, 90, 300),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], 300)),
            "code": pd.Categorical(rng.integers(0, 4, 300)),
            "is_new": rng.random(300) < 0.5,
            "name": ["ann", "bob", None] * 100,
        }
    )
    score = X.age / 40 + (X.colour == "red") - 1.5 * X.is_new
    X.loc[rng.random(300) < 0.2, "income"] = np.nan
    return X, score.to_numpy()


@pytest.fixture(scope="module")
def transformer(table):
    X, _ = table
    return classifier()[:-1].fit(X)


def test_a_table_is_learned_as_it_is(table):
    X, score = table
    label = np.where(score > np.median(score), "high", "low")
    model = classifier().fit(X, label)
    assert model.score(X, label) > 0.85
    assert model.predict_proba(X.head()).dtype.kind == "f"
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert_array_equal(clone(model).fit(X, label).predict_proba(X), model.predict_proba(X))


def test_an_array_gives_the_model_of_its_data_frame(table):
    X, score = table
    frame = X[["income", "age", "colour", "name"]].astype({"colour": object})
    array = frame.to_numpy(dtype=object)
    ours, its = (regressor().fit(given, score).predict(given) for given in (array, frame))
    assert_allclose(ours, its, rtol=1e-5)


def test_predictions_follow_the_scale_of_the_target(table):
    X, score = table
    once, scaled = (regressor().fit(X, y).predict(X) for y in (score, 1000 * score - 7))
    assert_allclose(scaled, 1000 * once - 7, rtol=1e-3, atol=1)


def test_columns_of_numbers_are_told_from_categories(table):
    X, _ = table
    assert list(X.columns[numbers_of(X)]) == ["income", "age"]
    mixed = np.array([[1, "a", None], [2.5, "b", 3], [np.nan, 4, True]], dtype=object)
    assert_array_equal(numbers_of(mixed), [True, False, True])
    assert_array_equal(numbers_of(np.zeros((2, 3))), [True, True, True])
    assert_array_equal(numbers_of(np.array([["a", "b"]])), [False, False])


def test_every_dtype_of_pandas_may_have_missing_values():
    missing = {
        "Int64": [1, 2, 3, None],
        "float64": [1.5, 2, 3, None],
        "string": ["a", "b", "a", None],
        "category": ["a", "b", "a", None],
        "boolean": [True, False, True, None],
        "object": ["a", "b", "a", None],
    }
    X = pd.DataFrame({dtype: pd.Series(values * 10, dtype=dtype) for dtype, values in missing.items()})
    columns = classifier()[:-1]
    transformed = columns.fit_transform(X)
    assert np.isfinite(transformed).all()
    assert len(columns.get_feature_names_out()) == transformed.shape[1]


def test_unknown_and_rare_categories_share_a_column():
    X = pd.DataFrame({"city": ["Rome"] * 10 + ["Oslo"] * 10 + ["Bonn", "Kiel"]})
    columns = classifier()[:-1].fit(X)
    rare, known, unknown = columns.transform(pd.DataFrame({"city": ["Bonn", "Rome", "Lima"]}))
    assert_array_equal(unknown, rare)
    assert not np.array_equal(unknown, known)


def test_what_is_missing_has_a_column(table, transformer):
    X, _ = table
    transformed = transformer.transform(X)
    missing = np.isnan(X.income).to_numpy(float)
    assert any(np.array_equal(column, missing) for column in transformed.T)
    assert np.isfinite(transformed).all()


def test_no_column_is_constant_and_no_outlier_is_far(table, transformer):
    X, _ = table
    assert np.ptp(transformer.transform(X), axis=0).min() > 0
    X = X.assign(income=1e9)
    assert np.abs(transformer.transform(X)).max() <= 3
    assert_allclose(soft_clip(np.array([-1e-3, 1e-3])), [-1e-3, 1e-3], rtol=1e-6)


def test_any_function_that_is_linear_between_the_quantiles_is_a_sum_of_columns():
    x = np.random.default_rng(0).normal(size=(400, 1))
    columns = classifier()[:-1].fit_transform(x)
    knots = np.quantile(x, np.linspace(0, 1, 8), method="inverted_cdf")
    wanted = np.interp(x.ravel(), knots, [0, 3, -1, 2, 2, 0, 5, 1])
    fitted = columns @ np.linalg.lstsq(columns, wanted)[0]
    assert_allclose(fitted, wanted, atol=1e-6)
