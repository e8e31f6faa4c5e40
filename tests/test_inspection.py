"""Importance of columns, against scikit-learn; and dead units, on networks whose state is known."""

import warnings

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from helpers import OF_NOTEBOOK
from skdense import LowLevelMLPClassifier, TabularClassifier, TabularRegressor
from skdense.datasets import make_two_clouds
from skdense.inspection import dead_unit_masks, feature_importance, plot_importance

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_two_clouds(100, random_state=0)
NOTEBOOK = LowLevelMLPClassifier((2, 2), **OF_NOTEBOOK, batch_size=100, max_iter=20)


def test_a_unit_whose_bias_holds_it_below_zero_is_dead_and_only_that_one():
    clf = (
        LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(max_iter=1, random_state=0).fit(X, y)
    )
    clf.coefs_ = [np.eye(2), np.eye(2), np.ones((2, 1))]
    clf.intercepts_ = [np.array([0.0, -1e3]), np.array([-1e3, 10.0]), np.zeros(1)]
    first, second = dead_unit_masks(clf, X)
    assert first.tolist() == [False, True]
    # The second layer's other unit sees only the dead one: it outputs 10 for every sample.
    assert second.tolist() == [True, True]


def test_a_model_without_hidden_layers_has_no_units():
    assert dead_unit_masks(LowLevelMLPClassifier((), solver="lbfgs").fit(X, y), X) == []


def test_the_units_of_a_pipeline_see_what_its_steps_make():
    network = LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(random_state=0)
    model = make_pipeline(make_pipeline(StandardScaler(), network)).fit(X, y)
    expected, _ = dead_unit_masks(network, StandardScaler().fit_transform(X))
    found = dead_unit_masks(model, X)
    assert found[0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "other", [make_pipeline(StandardScaler(), LogisticRegression()), LogisticRegression()]
)
def test_only_networks_have_units(other):
    with pytest.raises(
        TypeError, match=r"^estimator must be a LowLevelMLPClassifier .* got LogisticReg"
    ):
        dead_unit_masks(other.fit(X, y), X)


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(np.abs(X), y)


def test_what_the_units_of_a_subclass_see_is_not_guessed():
    with pytest.raises(TypeError, match=r"does not override fit or predict.* got OwnFit"):
        dead_unit_masks(OwnFit((3,), max_iter=1).fit(X, y), X)


# --- importance of columns ---------------------------------------------------------------------------


def messy_table(n_rows, seed):
    """Columns of which only two matter, and a y of two classes."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "noise": rng.normal(size=n_rows),
            "town": rng.choice(np.array(["Cork", "Oslo", None], dtype=object), n_rows),
            "constant": 1,
            "age": np.where(rng.random(n_rows) < 0.1, np.nan, rng.uniform(18, 90, n_rows)),
        }
    )
    score = 1.0 * (table["age"] > 50) + (table["town"] == "Oslo") + rng.normal(0, 0.3, n_rows)
    return table, score > 0.5


@pytest.fixture(scope="module")
def classifier():
    table, y = messy_table(200, seed=0)
    with pytest.warns(UserWarning, match="'constant'"):
        return TabularClassifier(models=["trees", "linear"], cv=2, random_state=0).fit(table, y)


def test_importance_is_scikit_learns_by_name(classifier):
    X, y = messy_table(100, seed=1)
    weights = np.arange(len(y)) % 3
    for scoring, given in ((None, {}), ("accuracy", {"sample_weight": weights, "n_repeats": 3})):
        importance = feature_importance(classifier, X, y, scoring=scoring, random_state=0, **given)
        settings = {"scoring": scoring or "neg_log_loss", "random_state": 0, **given}
        expected = permutation_importance(classifier, X, y, **settings)
        assert_allclose(importance.loc[X.columns, "importance"], expected.importances_mean)
        assert_allclose(importance.loc[X.columns, "std"], expected.importances_std)
        assert importance["importance"].is_monotonic_decreasing
    assert set(importance.index[:2]) == {"town", "age"}
    assert importance.loc["constant"].tolist() == [0, 0]


def test_rows_of_some_classes_only_have_an_importance():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    model = LogisticRegression().fit(X, X.argmax(axis=1))
    rows = model.predict(X) < 2
    importance = feature_importance(model, X[rows], X.argmax(axis=1)[rows], random_state=0)
    assert (importance["importance"] > 0).all()


@pytest.mark.parametrize("to", [np.asarray, csr_array])
def test_the_importance_for_several_labels_is_the_sum_of_that_for_each(to):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    Y = np.c_[X[:, 0] > 1, X[:, 1] < 1].astype(int)  # a label that is rare, and one that is frequent
    clf = LowLevelMLPClassifier((), max_iter=20, learning_rate_init=0.1, random_state=0).fit(X, Y)

    importance = feature_importance(clf, X, to(Y), random_state=0)
    expected = np.zeros(3)
    for label in range(2):
        single = LogisticRegression().fit(X, Y[:, label])
        single.coef_, single.intercept_ = clf.coefs_[0][:, [label]].T, clf.intercepts_[0][[label]]
        expected += permutation_importance(
            single, X, Y[:, label], scoring="neg_log_loss", random_state=0
        ).importances_mean
    assert_allclose(importance.loc[["x0", "x1", "x2"], "importance"], expected)
    assert importance.index[2] == "x2"


def test_the_container_of_the_table_does_not_matter_to_importance(classifier):
    X, y = messy_table(100, seed=1)
    expected = feature_importance(classifier, X, y, random_state=0)
    polars_frame = polars.DataFrame(X.astype(object).where(X.notna(), None).to_dict("list"))
    for table in (polars_frame, polars_frame.lazy()):
        importance = feature_importance(classifier, table, y, random_state=0)
        pd.testing.assert_frame_equal(importance, expected)
    X = X[["noise", "age"]].fillna(0).to_numpy()
    model = LinearRegression().fit(X, y)
    importance = feature_importance(model, X, y, random_state=0)
    settings = {"scoring": "neg_root_mean_squared_error", "random_state": 0}
    expected = permutation_importance(model, X, y, **settings)
    assert importance.index.tolist() == ["x1", "x0"]
    assert_allclose(importance["importance"], expected.importances_mean[::-1])


def test_importance_is_silent_about_new_data_and_changes_no_row(classifier):
    X, y = messy_table(100, seed=1)
    X["age"] += 100
    before = X.copy()
    with pytest.warns(UserWarning, match="'age'"):
        classifier.predict(X)
    with warnings.catch_warnings(action="error"):
        feature_importance(classifier, X, y, n_repeats=1, random_state=0)
    pd.testing.assert_frame_equal(X, before)


def test_importance_is_that_of_each_output():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(90, 2)), columns=["a", "b"])
    y = np.c_[X["a"], 3 * X["b"]]
    model = TabularRegressor(models=["linear"], cv=2, random_state=0).fit(X, y)
    importance = feature_importance(model, X, y, n_repeats=2, random_state=0)
    assert importance.index.tolist() == ["b", "a"]


def test_the_most_important_columns_are_drawn_at_the_top():
    importance = pd.DataFrame({"importance": [0.1, 0.4, 0.2], "std": 0.01}, index=["a", "b", 3])
    ax = plot_importance(importance, max_columns=2)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["3", "b"]
    assert_array_equal([bar.get_width() for bar in ax.patches], [0.2, 0.4])
    assert plot_importance(importance, ax=ax) is ax


def test_what_importance_cannot_use_is_named(classifier):
    X, y = messy_table(20, seed=1)
    with pytest.raises(ValueError, match="n_repeats == 0, must be >= 1"):
        feature_importance(classifier, X, y, n_repeats=0)
    with pytest.raises(ValueError, match="'scoring' parameter of check_scoring"):
        feature_importance(classifier, X, y, scoring="loss")
    with pytest.raises(ValueError, match=r"scoring must be a str, .* got \['accuracy', 'f1'\]"):
        feature_importance(classifier, X, y, scoring=["accuracy", "f1"])
    numbers = np.arange(20.0)[:, None]
    with pytest.raises(TypeError, match=r"needs a classifier that has predict_proba; .*LinearSVC\(\)"):
        feature_importance(LinearSVC().fit(numbers, y), numbers, y)
    with pytest.raises(ValueError, match="max_columns == 0, must be >= 1"):
        plot_importance(pd.DataFrame(), max_columns=0)
    with pytest.raises(TypeError, match=r"importance must be the data frame .*, got LinearRegression"):
        plot_importance(LinearRegression())
