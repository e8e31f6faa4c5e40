"""Coverage is counted by hand, and its ranges of chance are those of the binomial distribution."""

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.inspection import CoverageDisplay

pytestmark = pytest.mark.usefixtures("pyplot")
draw = CoverageDisplay.from_estimator


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2)).round(2)
    y = X[:, 0] + rng.normal(size=600)
    model = CrossFitRegressor(LinearRegression(), cv=3, random_state=0).fit(X[:300], y[:300])
    return make_pipeline("passthrough", model), X[300:], y[300:]


@pytest.mark.parametrize("confidence_level", [0.5, 0.9])
def test_coverage_is_counted_in_parts_of_a_column(numbers, confidence_level):
    model, X, y = numbers
    low, high = model.predict(X, quantiles=[(1 - confidence_level) / 2, (1 + confidence_level) / 2]).T
    inside = (low <= y) & (y <= high)
    display = draw(model, X, y, by=1, confidence_level=confidence_level, n_bins=4)
    part = np.searchsorted(np.sort(X[:, 1])[[75, 150, 225]], X[:, 1], side="right")
    assert_allclose(display.coverage, [inside[part == i].mean() for i in range(4)])
    assert_array_equal(display.counts, np.bincount(part))
    assert display.names[0].startswith(f"{X[:, 1].min():.4g} to ")
    assert display.ax_.get_ylabel() == "column 1"
    assert_allclose(display.points_.get_xdata(), display.coverage)
    low, high = binom.ppf([[0.025], [0.975]], display.counts, confidence_level) / display.counts
    assert_allclose([bar.get_x() for bar in display.chance_bars_], low)
    assert_allclose([bar.get_x() + bar.get_width() for bar in display.chance_bars_], high)


def test_parts_are_predictions_groups_words_dates_or_missing(numbers):
    model, X, y = numbers
    assert draw(model, X, y).ax_.get_ylabel() == "prediction"
    assert draw(model, X, y, n_bins=1).counts.tolist() == [300]
    words = np.where(X[:, 0] > 0, "up", "down").astype(object)
    words[:7] = None
    display = draw(model, X, y, by=words)
    assert display.names == ["down", "up", "missing"]
    assert display.counts[2] == 7
    for dtype, missing in ((object, np.nan), ("string", pd.NA), ("category", None)):
        again = draw(model, X, y, by=pd.Series([missing] * 7 + [*words[7:]], dtype=dtype))
        assert (again.names, [*again.counts]) == (display.names, [*display.counts])
    integers = pd.Series([None] * 9 + [*range(9, 300)], dtype="Int64")
    assert draw(model, X, y, by=integers, n_bins=2).names == ["9 to 153", "154 to 299", "missing"]
    days = pd.date_range("2025-01-01", periods=300)
    for by in (days, days.to_numpy("datetime64[D]")):
        assert draw(model, X, y, by=by, n_bins=2).names[0] == "2025-01-01 to 2025-05-30"
    groups = np.repeat(np.arange(60), 5).astype(str)
    assert len(draw(model, X, y, by=groups).points_.get_xdata()) == 30
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        draw(model, X, y, by=words[1:])


def test_names_of_parts_are_no_formulas(numbers):
    model, X, y = numbers
    display = draw(model, X, y, by=np.where(X[:, 0] > 0, "a $x_{ $", "b"))
    display.figure_.canvas.draw()
    assert display.ax_.get_yticklabels()[0].get_text().startswith("a $x_{ $ (")


@pytest.mark.parametrize("frame", [pd.DataFrame, polars.DataFrame])
def test_a_column_of_a_frame_is_named(frame):
    rng = np.random.default_rng(0)
    table = frame({"a": rng.normal(size=100), "b": [1.0, 2.0] * 50})
    model = CrossFitRegressor(LinearRegression(), cv=3).fit(table, rng.normal(size=100))
    display = draw(model, table, rng.normal(size=100), by="b")
    assert display.names == ["1", "2"]
    assert display.counts.tolist() == [50, 50]


def test_sets_are_counted_by_their_true_class_also_of_unknown_ones():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b", "c"])[rng.integers(0, 3, 600)]
    X = rng.normal(size=(600, 2)) + np.column_stack([y == "a", y == "b"])
    ensemble = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)
    model = make_pipeline(StandardScaler(), ensemble).fit(X, y)
    y[:10] = "d"
    display = draw(model, X, y)
    sets = ensemble.predict_set(model[:-1].transform(X))
    assert display.names == ["a", "b", "c", "d"]
    assert_allclose(display.coverage, [*(sets[y == "abc"[i], i].mean() for i in range(3)), 0])
    again = CoverageDisplay(display.coverage, display.counts, display.names).plot(display.ax_)
    assert again.ax_ is display.ax_


def test_weights_count_rows_as_often_as_their_copies(numbers):
    model, X, y = numbers
    weight = np.random.default_rng(0).integers(0, 4, 300)
    rows, by = np.repeat(np.arange(300), weight), np.where(X[:, 0] > 0, "up", "down")
    weighted = draw(model, X, y, by=by, sample_weight=weight)
    copies = draw(model, X[rows], y[rows], by=by[rows])
    assert_allclose(weighted.coverage, copies.coverage)
    of_parts = [weight[by == name] for name in weighted.names]
    assert_array_equal(weighted.counts, [round(w.sum() ** 2 / (w**2).sum()) for w in of_parts])
    again = draw(model, X, y, by=by, sample_weight=0.01 * weight)
    assert_array_equal(again.counts, weighted.counts)
    only_up = draw(model, X, y, by=by, sample_weight=by == "up")
    assert_array_equal((only_up.names, only_up.counts), (["up"], [np.sum(by == "up")]))


def test_a_confidence_level_that_is_no_share_is_refused(numbers):
    with pytest.raises(ValueError, match=r"confidence_level must be .* got 90"):
        draw(*numbers, confidence_level=90)
