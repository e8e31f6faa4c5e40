"""Views of an encoded table: columns scaled as a model needs them, and ramps."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from polars import DataFrame as PolarsFrame
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from skrub import SquashingScaler

from skdense.ensemble import CrossFitRegressor
from skdense.tabular import TableScaler

SCALINGS = "squash", "standard", None


@parametrize_with_checks([TableScaler(n_ramps=2), TableScaler("standard"), TableScaler(None)])
def test_it_is_an_estimator_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def X():
    """Columns of all sorts: with outliers, missing and infinite values, of few values, constant."""
    rng = np.random.default_rng(0)
    X = np.column_stack(
        [
            rng.standard_t(2, size=400),
            rng.lognormal(sigma=3, size=400),
            rng.normal(5, 1e-3, size=400),
            rng.integers(0, 3, 400),
            np.where(np.arange(400) < 330, 1, rng.normal(size=400)),  # no interquartile range
            rng.random(400) < 0.1,
            np.full(400, 7),
        ]
    ).astype(np.float32)
    X[::9, 0] = np.nan
    X[1::9, 4] = np.nan
    X[0, 1], X[5, 1] = np.inf, -np.inf
    return X


def test_squashed_columns_are_skrubs(X):
    theirs = SquashingScaler(max_absolute_value=3).fit_transform(X)
    assert_allclose(TableScaler().fit_transform(X), np.nan_to_num(theirs), rtol=1e-5, atol=1e-6)


def test_standard_columns_are_scikit_learns_within_a_limit(X):
    wide = X[np.isfinite(X[:, 1]), :4]  # with an interquartile range
    wide[3, 1] = 1e30
    theirs = make_pipeline(
        RobustScaler(),
        FunctionTransformer(np.clip, kw_args={"a_min": -300, "a_max": 300}),
        SimpleImputer(strategy="constant", fill_value=0),
        StandardScaler(),
    ).fit_transform(wide.astype(float))
    assert theirs.max() > 10
    assert_allclose(TableScaler("standard").fit_transform(wide), theirs, rtol=1e-4, atol=1e-4)


def test_a_view_without_scaling_leaves_numbers_and_what_is_missing_as_they_are(X):
    assert_array_equal(TableScaler(None).fit_transform(X), X)


def test_a_view_that_changes_nothing_makes_no_copy(X):
    numbers = np.float32(X)
    assert np.shares_memory(TableScaler(None).fit_transform(numbers), numbers)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_a_value_that_was_never_missing_in_fit_becomes_the_median(scaling, X):
    view = TableScaler(scaling).fit(X)
    medians = np.nanmedian(np.where(np.isfinite(X), X, np.nan), axis=0)
    was_missing = np.isnan(X).any(axis=0) & (scaling is None)
    expected = np.where(was_missing, np.nan, medians)[None]
    assert_allclose(view.transform(np.full((1, 7), np.nan)), view.transform(expected), atol=1e-6)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scaling", SCALINGS)
@given(arrays(np.float32, (6, 2), elements=st.floats(width=32) | st.sampled_from([1, 2])))
def test_any_numbers_have_a_view_and_a_row_does_not_depend_on_others(scaling, X):
    """Missing, infinite and the largest ones, too."""
    view = TableScaler(scaling, n_ramps=3, rare_factor=0.5).fit(X)
    seen = view.transform(X)
    assert_array_equal(np.vstack([view.transform(row[None]) for row in X]), seen)
    if scaling is None:
        assert_array_equal(np.isnan(seen[:, :2]), np.isnan(X))
    else:
        assert np.isfinite(seen).all()
        assert scaling == "standard" or np.abs(seen).max() <= 3
    assert len(view.get_feature_names_out()) == seen.shape[1]


def test_any_function_that_is_linear_between_the_quantiles_is_a_sum_of_ramps():
    x = np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)
    columns = np.hstack([np.ones_like(x), TableScaler(n_ramps=7).fit_transform(x)[:, 1:]])
    scaled = TableScaler().fit_transform(x)
    knots = np.quantile(scaled, np.linspace(0, 1, 8), method="inverted_cdf")
    wanted = np.interp(scaled.ravel(), knots, [0, 3, -1, 2, 2, 0, 5, 1])
    weights = np.linalg.lstsq(columns.astype(float), wanted)[0]
    assert_allclose(columns @ weights, wanted, atol=1e-5)
    # From one quantile to the next, the function rises by the weight of the ramp between them.
    assert_allclose(weights, [0, 3, -4, 3, 0, -2, 5, -4], atol=1e-4)


def test_equal_quantiles_count_once_and_a_column_of_two_has_no_ramp():
    X = np.column_stack([[0, 1] * 20, [0, 1, 2, 2] * 10])
    view = TableScaler(n_ramps=7).fit(X)
    assert_array_equal(view.get_feature_names_out(["a", "b"]), ["a", "b", "b/1", "b/2"])
    assert_array_equal(view.transform([[0, 0], [1, 1], [1, 2]])[:, 2:], [[0, 0], [1, 0], [1, 1]])


@pytest.mark.parametrize(("n_columns", "n_of_each"), [(100, 7), (200, 5), (400, 2), (600, 2)])
def test_there_are_about_a_thousand_ramps_at_most_but_two_of_each_column(n_columns, n_of_each):
    X = np.random.default_rng(0).normal(size=(30, n_columns))
    view = TableScaler(n_ramps=7).fit(X)
    assert_array_equal(np.bincount(view._ramp_sources), n_of_each)


def test_columns_of_rare_levels_are_multiplied_by_their_factor_alone():
    rng = np.random.default_rng(0)
    columns = [rng.random(200) < share for share in (0.03, 0.97, 0.1, 0.5)]
    X = np.column_stack([*columns, rng.normal(size=200), np.arange(200) % 3, columns[0]])
    X[0, -1] = np.nan
    plain, smaller = (TableScaler(rare_factor=factor).fit_transform(X) for factor in (1, 0.3))
    assert_allclose(smaller, plain * np.float32([0.3, 0.3, 1, 1, 1, 1, 1]))


@pytest.mark.parametrize(("output", "frame"), [("pandas", pd.DataFrame), ("polars", PolarsFrame)])
def test_set_output_names_the_columns_and_changes_no_prediction(output, frame):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "a/1"], index=np.arange(60)[::-1])
    y = X["a"] + np.abs(X["b"])
    scaler = TableScaler(n_ramps=2)
    expected = scaler.fit_transform(X)
    transformed = scaler.set_output(transform=output).fit_transform(X)
    assert isinstance(transformed, frame)
    assert list(transformed.columns) == ["a", "b", "a/1", "a/1_", "a/2", "b/1", "b/2", "a/1/1", "a/1/2"]
    assert_array_equal(transformed, expected)
    if output == "pandas":
        assert transformed.index.equals(X.index)
    model = make_pipeline(TableScaler(n_ramps=2), CrossFitRegressor(Ridge(), cv=2, random_state=0))
    expected = model.fit(X, y).predict(X)
    with_frames = model.set_output(transform=output).fit(X, y)
    assert_allclose(with_frames.predict(X), expected, atol=1e-5)


def test_an_error_of_fit_leaves_an_earlier_fit_and_makes_no_first_one():
    frame = pd.DataFrame({"a": [1.0, 2.0, 4.0]})
    no_numbers = pd.DataFrame({"b": ["one", "two", "four"]})
    scaler = TableScaler().fit(frame)
    expected = scaler.transform(frame)
    with pytest.raises(ValueError, match="could not convert"):
        scaler.fit(no_numbers)
    assert_array_equal(scaler.transform(frame), expected)
    first = TableScaler()
    with pytest.raises(ValueError, match="could not convert"):
        first.fit(no_numbers)
    with pytest.raises(NotFittedError):
        first.transform(frame)
