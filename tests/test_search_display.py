"""Pictures of a pruned search show the scores of its table."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import loguniform, uniform

from helpers import SETTINGS, make_problem
from skdense import LowLevelMLPClassifier
from skdense.search import PrunedSearchCV, PrunedSearchDisplay

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("pyplot"),
]


@pytest.fixture(scope="module")
def search():
    X, y = make_problem()
    drawn = [
        {
            "learning_rate_init": loguniform(1e-5, 1e-1),
            "momentum": uniform(0.1, 0.8),
            "solver": ["sgd"],
        },
        {"hidden_layer_sizes": [(7, 4), (5, 3)], "alpha": [0.0, 1.0], "learning_rate_init": [0.01]},
    ]
    network = LowLevelMLPClassifier(**SETTINGS)
    settings = {"n_candidates": 20, "rungs": (1, 2), "cv": 2, "random_state": 1, "refit": False}
    return PrunedSearchCV(network, drawn, **settings).fit(X, y)


def test_every_candidate_has_a_line_over_the_rungs_it_reached(search, pyplot):
    figure, ax = pyplot.subplots()
    display = PrunedSearchDisplay.from_estimator(search, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert len(display.lines_) == 20
    points = np.concatenate([np.transpose(line.get_data()) for line in display.lines_])
    table = search.cv_results_["n_resources"], search.cv_results_["mean_test_score"]
    assert sorted(map(tuple, points)) == sorted(zip(*table))
    ends = [tuple(line.get_ydata()) for line in display.forecast_lines_]
    table = pd.DataFrame(search.cv_results_)
    last = table[~table.assign(params=table["params"].map(id)).duplicated("params", keep="last")]
    left_out = last[last["n_resources"] < 5]
    expected = zip(left_out["mean_test_score"], left_out["forecast_test_score"], strict=True)
    assert sorted(ends) == sorted(expected)
    assert {tuple(line.get_xdata()) for line in display.forecast_lines_} == {(1, 5), (2, 5)}
    assert display.best_line_.get_ydata()[-1] == search.best_score_
    assert list(display.best_line_.get_xdata()) == search.n_resources_
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "5"]
    counts = [text.get_text() for text in ax.texts]
    assert counts == ["20", "13", "9"]


@pytest.mark.parametrize(
    ("parameter", "scale"),
    [("learning_rate_init", "log"), ("momentum", "linear"), ("alpha", "linear")],
)
def test_the_last_scores_are_drawn_against_a_parameter(search, parameter, scale):
    display = PrunedSearchDisplay.from_estimator(search, parameter=parameter)
    assert display.ax_.get_xscale() == scale
    assert display.ax_.get_xlabel() == parameter
    results = search.cv_results_
    last = {id(params): row for row, params in enumerate(results["params"])}
    expected = [
        (results[f"param_{parameter}"][row], results["mean_test_score"][row])
        for row in last.values()
        if parameter in results["params"][row]
    ]
    points = np.concatenate([np.transpose(line.get_data()) for line in display.lines_])
    assert sorted(map(tuple, points)) == sorted(expected)


def test_values_that_are_no_numbers_have_their_names_on_the_axis(search):
    display = PrunedSearchDisplay.from_estimator(search, parameter="hidden_layer_sizes")
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["(5, 3)", "(7, 4)"]


def test_values_of_any_types_are_in_an_order(search):
    values = [(10, None), [3], "b", (4,), (2, "a"), None, (10, 4), 5]
    params = [{"a": value} for value in values]
    column = np.ma.MaskedArray(np.empty(len(values), object), mask=False)
    for i, value in enumerate(values):
        column[i] = value
    table = {"params": params, "param_a": column, "n_resources": np.ones(8, int)}
    table["mean_test_score"] = np.arange(8.0)
    display = PrunedSearchDisplay(table, 0, parameter="a").plot()
    labels = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert labels == ["5", "None", "b", "[3]", "(4,)", "(2, 'a')", "(10, 4)", "(10, None)"]


def test_an_unknown_parameter_and_a_search_that_is_not_fitted_are_refused(search):
    with pytest.raises(ValueError, match=r"parameter must be one of \['alpha', 'hidden_layer_sizes'"):
        PrunedSearchDisplay.from_estimator(search, parameter="alhpa")
    with pytest.raises(ValueError, match="not fitted"):
        PrunedSearchDisplay.from_estimator(PrunedSearchCV(LowLevelMLPClassifier(), {}))
