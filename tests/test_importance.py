"""What the columns of a table are worth: the numbers are those of scikit-learn."""

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose
from scipy.sparse import csr_array
from sklearn.compose import make_column_transformer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import make_scorer, median_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skdense.inspection import ColumnImportanceDisplay

N = 50_000
"""So many rows that the importances of two shuffles hardly differ."""


@pytest.fixture(autouse=True)
def pyplot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "noise": rng.normal(size=N),
            "number": rng.normal(size=N),
            "town": pd.Categorical(rng.choice(["Arles", "Cork"], N)),
        }
    )
    score = X.number + 2 * (X.town == "Cork") + rng.normal(size=N)
    return X.set_index(rng.permutation(N)), score.to_numpy()


def encoded(model):
    towns = make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough")
    return make_pipeline(towns, model)


SCORINGS = ["neg_log_loss", "roc_auc", None]


@pytest.mark.parametrize("scoring", SCORINGS)
def test_the_importances_are_those_of_scikit_learn(table, scoring):
    X, y = table
    model = encoded(LogisticRegression()).fit(X, y > 1)
    display = ColumnImportanceDisplay.from_estimator(
        model, X, y > 1, scoring=scoring, n_repeats=2, random_state=0
    )
    theirs = permutation_importance(model, X, y > 1, scoring=scoring, n_repeats=1, random_state=1)
    assert display.importances.shape == (3, 2)
    assert_allclose(display.importances[:, [0]], theirs.importances, atol=0.01)
    assert display.importances[1:].min() > 10 * abs(display.importances[0]).max()


def test_a_regressor_is_judged_by_r2_or_any_scorer(table):
    X, y = table
    model = encoded(LinearRegression()).fit(X, y)
    display = ColumnImportanceDisplay.from_estimator(model, X, y, n_repeats=1, random_state=0)
    # A shuffled column adds twice its variance to the squared error.
    worth = [0, 2 * np.var(X.number) / np.var(y), 2 * np.var(2.0 * (X.town == "Cork")) / np.var(y)]
    assert_allclose(display.importances.ravel(), worth, atol=0.02)
    scorer = make_scorer(median_absolute_error, greater_is_better=False)
    assert (
        ColumnImportanceDisplay.from_estimator(model, X, y, scoring=scorer).importances[1].min() > 0.1
    )


@pytest.mark.parametrize(
    "to",
    [
        lambda X: polars.DataFrame(X.to_dict("list")),
        pd.DataFrame.to_numpy,
        lambda X: X.to_numpy().tolist(),
    ],
)
def test_tables_of_all_kinds_have_the_same_importances(table, to):
    X, y = table[0][:200], table[1][:200]

    class Model(LinearRegression):
        """Reads columns of any kind by their positions."""

        def predict(self, X):
            columns = np.array(X, dtype=object)
            return columns[:, 1].astype(float) + 2 * (columns[:, 2] == "Cork")

    model = Model().fit(np.zeros((2, 3)), [0, 0])
    expected = ColumnImportanceDisplay.from_estimator(model, X, y, random_state=0).importances
    display = ColumnImportanceDisplay.from_estimator(model, to(X), y, random_state=0)
    assert_allclose(display.importances, expected)
    assert display.names in (list(X.columns), ["x0", "x1", "x2"])


def test_the_picture_shows_means_in_order_with_their_deviations():
    importances = np.array([[0.0, 0.2], [1.0, 3.0], *np.full((40, 2), -1.0)])
    display = ColumnImportanceDisplay(importances, [f"c{i}" for i in range(42)], label="worth").plot()
    assert [bar.get_width() for bar in display.bars_][:3] == [2.0, 0.1, -1.0]
    assert len(display.bars_) == 30
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names[:2] == ["c1", "c0"]
    assert display.ax_.get_xlabel() == "worth"
    (segments,) = [lines.get_segments() for lines in display.bars_.errorbar.lines[2]]
    assert_allclose(np.ptp(segments[0][:, 0]), 2 * importances[1].std())
    assert display.ax_.yaxis_inverted()
    assert ColumnImportanceDisplay(importances, names).plot(display.ax_).ax_ is display.ax_


def test_what_is_no_table_is_refused(table):
    X, y = table
    model = LinearRegression().fit(X[["number"]], y)
    with pytest.raises(ValueError, match="n_repeats must be a positive int, got 0"):
        ColumnImportanceDisplay.from_estimator(model, X[["number"]], y, n_repeats=0)
    with pytest.raises(TypeError, match="Sparse data"):
        ColumnImportanceDisplay.from_estimator(model, csr_array(np.ones((2, 1))), [0, 1])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ColumnImportanceDisplay.from_estimator(model, X[["number"]], y[:-1])
