"""The pruned search: survivors are what GridSearchCV finds, the worst leave, errors come at once."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from scipy.sparse import csr_array, issparse
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    ParameterSampler,
    PredefinedSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from helpers import SETTINGS, make_problem, numbers_of
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, TabularClassifier
from skdense.fit import prepare
from skdense.fit.results import NotFinite
from skdense.search import PrunedSearchCV, race
from skdense.search.race import best_first, epochs_to_score, forecasts, rungs_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite"),
]

X, y = make_problem("three classes")
NETWORK = LowLevelMLPClassifier(**SETTINGS | {"max_iter": 9})
RATES = {"learning_rate_init": [1e-3, 0.02, 0.05, 0.3], "alpha": [1e-5, 0.3]}
EVERYONE = 1 + 1e-9
"""A factor with which all candidates go on from each rung."""


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(np.abs(X), y)


class Recorder:
    """A scorer that keeps the last numbers of each model on each split. Its calls come in any order."""

    def __init__(self):
        self.seen = {}

    def __call__(self, model, X, y, **parameters):
        network = getattr(model, "regressor_", model)
        while isinstance(network, Pipeline):
            network = network[-1]
        numbers = numbers_of(network) | {"n_iter_": network.n_iter_, "t_": network.t_}
        if isinstance(network.random_state, np.random.RandomState):
            numbers["stream"] = network.random_state.get_state()[1].copy()
        params = model.get_params().items()
        settings = {k: v for k, v in params if not isinstance(v, np.random.RandomState)}
        rows = X.toarray() if issparse(X) else np.asarray(X)
        self.seen[repr(settings), rows.tobytes()] = numbers
        return model.score(X, y, **parameters)


def search_with(estimator, grid, X=X, y=y, fit_params=(), **settings):
    """A fitted search, and what its scorer saw last of each candidate on each split."""
    scoring = Recorder()
    settings = {"cv": 3, "rung_epochs": (2, 4), "refit": False} | settings
    search = PrunedSearchCV(estimator, grid, scoring=scoring, **settings)
    return search.fit(X, y, **dict(fit_params)), scoring.seen


def rows_of(search, iteration):
    """The rows of one rung, as a DataFrame."""
    table = pd.DataFrame(search.cv_results_)
    return table[table["iter"] == iteration]


def assert_as_grid_search(search, seen, X=X, y=y, fit_params=(), **settings):
    """Those that reach the end have the scores and networks of GridSearchCV, bit for bit."""
    last, scoring = rows_of(search, search.n_iterations_ - 1), Recorder()
    grid = [{name: [value] for name, value in params.items()} for params in last["params"]]
    settings = {"cv": search.cv, "refit": False} | settings
    theirs = GridSearchCV(search.estimator, grid, scoring=scoring, **settings)
    theirs.fit(X, y, **dict(fit_params))
    for i in range(search.n_splits_):
        name = f"split{i}_test_score"
        np.testing.assert_array_equal(last[name], theirs.cv_results_[name])
    assert seen.keys() >= scoring.seen.keys()
    for model, expected in scoring.seen.items():
        assert seen[model].keys() == expected.keys()
        for name, number in expected.items():
            np.testing.assert_array_equal(seen[model][name], number, err_msg=name)


PROGRAMS = [
    {"solver": "adam"},
    {"solver": "sgd", "dropout": 0.3},
    {"solver": "sgd", "learning_rate": "cosine", "warmup_epochs": 1.5, "early_stopping": True},
    {"solver": "adamw", "learning_rate": "cosine", "weight_decay": 0.1, "dropout": 0.2},
    {"solver": "adam", "early_stopping": True, "n_iter_no_change": 2, "tol": 0.05},
]
"""Settings that choose a program; the others do not."""
NUMBERS = st.fixed_dictionaries(
    {
        "learning_rate": st.sampled_from(["constant", "invscaling", "adaptive"]),
        "n_init": st.sampled_from([1, 3]),
        "class_weight": st.sampled_from([None, "balanced"]),
        "batch_size": st.sampled_from([25, 30]),
        "shuffle": st.booleans(),
        "warm_start": st.booleans(),
        "tol": st.sampled_from([0, 0.1]),
        "n_iter_no_change": st.sampled_from([1, 3]),
        "random_state": st.integers(0, 9).map(np.random.RandomState),
    }
)


@settings(max_examples=6)
@given(
    program=st.sampled_from(PROGRAMS),
    numbers=NUMBERS,
    rungs=st.sets(st.integers(1, 9), max_size=4).map(sorted),
    factor=st.sampled_from([EVERYONE, 2, 3]),
)
def test_a_survivor_is_what_grid_search_finds(program, numbers, rungs, factor):
    estimator = clone(NETWORK).set_params(**numbers | program)
    rates = {"learning_rate_init": [1e-3, 0.3], "alpha": [1e-5, 0.3]}
    search, seen = search_with(estimator, rates, cv=2, rung_epochs=rungs, factor=factor)
    assert_as_grid_search(search, seen)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_rung_has_the_scores_of_a_fit_that_ends_there(early_stopping):
    estimator = clone(NETWORK).set_params(early_stopping=early_stopping)
    rates = {"learning_rate_init": [1e-3, 0.05, 0.3]}
    search, _ = search_with(estimator, rates, factor=EVERYONE)
    for iteration, epochs in enumerate(search.n_resources_):
        shorter = clone(estimator).set_params(max_iter=epochs)
        theirs = GridSearchCV(shorter, rates, cv=3).fit(X, y)
        ours = rows_of(search, iteration)["mean_test_score"]
        np.testing.assert_array_equal(ours, theirs.cv_results_["mean_test_score"])


@pytest.mark.parametrize("factor", [1.5, 2, 3, 7.5])
def test_the_candidates_with_the_best_forecasts_go_on(factor):
    search, _ = search_with(NETWORK, RATES, factor=factor, rung_epochs=(1, 2, 4))
    assert search.n_candidates_[0] == 8
    for iteration, n_candidates in enumerate(search.n_candidates_[1:]):
        assert n_candidates == np.ceil(search.n_candidates_[iteration] / factor)
        before, after = rows_of(search, iteration), rows_of(search, iteration + 1)
        went_on = before["forecast_test_score"][[p in list(after["params"]) for p in before["params"]]]
        best = before["forecast_test_score"].sort_values(ascending=False)[:n_candidates]
        assert sorted(went_on) == sorted(best)
    np.testing.assert_array_equal(after["forecast_test_score"], after["mean_test_score"])


LOSSES = {1e-5: lambda epochs: 0.5 * epochs**-0.1, 0.3: lambda epochs: 2 / epochs}


@pytest.mark.parametrize("score", [lambda loss: -loss, lambda loss: 1 - loss])
def test_a_slow_starter_that_will_win_goes_on(score):
    def scoring(model, X, y):
        return score(LOSSES[model.alpha](model.n_iter_ or 1))

    settings = {"cv": 2, "rung_epochs": (3,), "factor": 2, "refit": False, "scoring": scoring}
    search = PrunedSearchCV(NETWORK, {"alpha": list(LOSSES)}, **settings).fit(X, y)
    first, second = rows_of(search, 0)["mean_test_score"]
    assert first > second
    assert search.best_params_ == {"alpha": 0.3}


LOSS = st.floats(1e-3, 1e3)


@given(losses=st.lists(st.tuples(LOSS, LOSS), min_size=1, max_size=5), scale=LOSS)
def test_a_forecast_goes_on_with_a_loss_wherever_it_is_going(losses, scale):
    scores, ends = -np.array(losses), np.full(len(losses), 60)
    ahead = forecasts([6, 10], scores, ends)
    np.testing.assert_array_equal(np.sign(ahead - scores[:, 1]), np.sign(scores[:, 1] - scores[:, 0]))
    assert (ahead <= 0).all()
    np.testing.assert_allclose(forecasts([6, 10], scale * scores, ends), scale * ahead)
    if scores.min() > -1:  # as scores that are 1 minus a loss
        np.testing.assert_allclose(1 - forecasts([6, 10], 1 + scores, ends), -ahead)
    np.testing.assert_array_equal(forecasts([6, 10], scores, ends // 6), scores[:, 1])


@pytest.mark.parametrize(
    ("epochs", "scores"),
    [([10], [-0.5]), ([6, 10], [3.0, 4.0]), ([6, 10], [0.5, 1.0]), ([6, 10], [-1.0, np.nan])],
    ids=["one score", "no loss", "perfect", "failed"],
)
def test_what_cannot_be_forecast_stays(epochs, scores):
    ahead = forecasts(epochs, np.array([scores, scores]), np.array([60, 60]))
    np.testing.assert_array_equal(ahead, np.full(2, scores[-1]))
    others = np.array([[0.9, 1.0], [0.8, 0.9], [1.0, 0.9]])
    perfect, other, new = forecasts([6, 10], others, np.full(3, 60))
    assert (perfect, new) == (1.0, 0.9)
    assert 0.9 < other < 1


def test_an_r2_below_0_is_1_minus_a_loss():
    """The candidate whose R2 rises fast is ahead, although both are negative so far."""
    scores, ends = np.array([[-0.05, -0.04], [-1.0, -0.5]]), np.full(2, 100)
    slow, fast = forecasts([11, 15], scores, ends, highest_score=1)
    assert slow < 0.1 < 0.4 < fast < 1


def test_an_r2_is_forecast_alike_whether_a_name_or_the_default_says_so():
    target = 1e3 + np.arange(len(X)) % 7  # networks begin with an R2 far below 0
    network = LowLevelMLPRegressor(hidden_layer_sizes=(4,), max_iter=9, random_state=0)
    searches = [
        PrunedSearchCV(network, RATES, cv=2, rung_epochs=(2, 4), scoring=scoring, refit=False).fit(
            X, target
        )
        for scoring in (None, "r2")
    ]
    of_default, of_name = [search.cv_results_["forecast_test_score"] for search in searches]
    np.testing.assert_allclose(of_default, of_name)
    present = searches[0].cv_results_["mean_test_score"]
    assert present.max() < 0
    assert (of_default >= present).mean() > 0.5


def test_a_candidate_that_has_ended_is_forecast_to_stay():
    grid = [{"max_iter": [3]}, {"max_iter": [9]}]
    search, _ = search_with(NETWORK, grid, rung_epochs=(3, 6), factor=EVERYONE)
    for iteration in range(2):
        table = rows_of(search, iteration)
        stays = np.isclose(table["forecast_test_score"], table["mean_test_score"])
        assert stays.tolist() == [True, False]


def test_nothing_is_trained_twice():
    trained = []

    class Counting(Recorder):
        def __call__(self, model, X, y):
            trained.append(model.n_iter_)
            return super().__call__(model, X, y)

    PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2, 4), scoring=Counting(), refit=False).fit(X, y)
    # Epoch 3 is looked at for the slope at epoch 4.
    assert sorted(trained) == [0] * 2 + [2] * 16 + [3] * 10 + [4] * 10 + [9] * 8


def test_a_candidate_whose_max_iter_is_invalid_fails_alone():
    search = PrunedSearchCV(NETWORK, {"max_iter": [None, 3, "many"]}, cv=2, rung_epochs=())
    with pytest.warns(FitFailedWarning, match="4 fits failed out of a total of 6"):
        search.fit(X, y)
    assert search.best_params_ == {"max_iter": 3}


@given(st.lists(st.sampled_from([0.5, 0.25, 0.75, np.nan]), min_size=1))
def test_ties_keep_their_order_and_nan_is_the_worst(scores):
    order = best_first(scores)
    keys = [(np.isnan(scores[i]), -np.nan_to_num(scores[i]), i) for i in order]
    assert keys == sorted(keys)
    assert sorted(order) == list(range(len(scores)))


@pytest.mark.parametrize(
    ("rungs", "max_iter", "expected"),
    [
        (None, 200, [30, 50, 75, 100, 150, 200]),
        (None, 9, [3, 4, 7, 9]),
        (None, 4, [3, 4]),
        (None, 3, [3]),
        (None, 1, [1]),
        ((), 81, [81]),
        ((5, 15), 81, [5, 15, 81]),
        (np.array([5, 81]), 81, [5, 81]),
    ],
)
def test_rungs_end_with_max_iter(rungs, max_iter, expected):
    assert rungs_of(rungs, max_iter) == expected


def test_a_slope_is_known_at_each_rung():
    assert epochs_to_score([20, 40, 60, 80, 100, 200]) == [[15, 20], [30, 40], [60], [80], [100], [200]]
    assert epochs_to_score([1, 2, 9]) == [[1], [2], [9]]
    assert epochs_to_score([200]) == [[200]]


@pytest.mark.parametrize("rungs", [(4, 2), (2, 2), (0, 3), (10,), (2.5,), (True, 3), ("2",)])
def test_wrong_rungs_are_refused(rungs):
    with pytest.raises(ValueError, match="rung_epochs must"):
        rungs_of(rungs, 9)


# --- candidates --------------------------------------------------------------------------------------


def test_lists_are_a_grid_and_distributions_are_drawn_as_by_scikit_learn():
    drawn = {"learning_rate_init": loguniform(1e-4, 1e-1), "dropout": uniform(0, 0.5)}
    search, _ = search_with(NETWORK, drawn, n_candidates=4, random_state=7, rung_epochs=())
    assert search.cv_results_["params"] == list(ParameterSampler(drawn, 4, random_state=7))
    search, _ = search_with(NETWORK, RATES, n_candidates=3, random_state=7, rung_epochs=())
    assert search.cv_results_["params"] == list(ParameterSampler(RATES, 3, random_state=7))
    grids = [{"alpha": [0.1, 0.2]}, {"max_iter": [1, 3], "hidden_layer_sizes": [(7, 4), (5, 3)]}]
    search, seen = search_with(NETWORK, grids, rung_epochs=(2,), factor=EVERYONE)
    assert search.n_resources_ == [2, 9]
    assert_as_grid_search(search, seen)
    theirs = GridSearchCV(NETWORK, grids, cv=3, refit=False).fit(X, y).cv_results_
    ours = search.cv_results_
    assert list(ours)[3:] == list(theirs)
    for name in theirs:
        if name.startswith("param_"):
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name].mask[-6:], theirs[name].mask)
            assert list(ours[name][-6:].compressed()) == list(theirs[name].compressed())


def test_searches_in_threads_of_joblib_find_what_one_search_finds():
    search = PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2,), n_jobs=2)
    alone = cross_val_score(search, X, y, cv=2)
    with parallel_config("threading", n_jobs=2):
        np.testing.assert_array_equal(cross_val_score(search, X, y, cv=2), alone)


def test_by_default_64_candidates_are_drawn():
    rates = {"learning_rate_init": loguniform(1e-4, 1e-1)}
    search, _ = search_with(NETWORK, rates, cv=2, rung_epochs=(1,), random_state=0)
    assert search.n_candidates_ == [64, 40]


# --- Pipelines ---------------------------------------------------------------------------------------


class Noted(StandardScaler):
    """A scaler that counts its calls in all."""

    fits = transforms = 0

    def fit(self, X, y=None, sample_weight=None):
        Noted.fits += 1
        return super().fit(X, y, sample_weight)

    def transform(self, X, copy=None):
        Noted.transforms += 1
        return super().transform(X, copy)


def test_the_steps_before_the_network_are_fitted_once_for_each_split_and_setting_of_theirs(monkeypatch):
    monkeypatch.setattr(Noted, "fits", 0)
    model = Pipeline([("scale", Noted()), ("net", NETWORK)])
    grid = {"net__alpha": [1e-5, 0.3, 1.0], "scale__with_mean": [True, False]}
    search, seen = search_with(model, grid, factor=EVERYONE)
    assert Noted.fits == 3 * 2
    assert_as_grid_search(search, seen)


def first_columns(X, n):
    """The first n columns, or if n is a float a share of them."""
    return X[:, : n if isinstance(n, int) else round(n * X.shape[1])]


@pytest.mark.parametrize(
    "values", [[1, 1.0], [np.float32(1), 1, True], [2, 0.5, 2]], ids=["int", "NumPy", "equal"]
)
def test_equal_values_of_other_types_are_other_settings(values):
    model = Pipeline([("columns", FunctionTransformer(first_columns)), ("net", NETWORK)])
    grid = {"columns__kw_args": [{"n": n} for n in values]}
    search, seen = search_with(model, grid, rung_epochs=())
    assert_as_grid_search(search, seen)


def test_candidates_share_arrays_only_if_these_are_equal():
    grid = {"class_weight": [None, "balanced", {0: 3.0}], "random_state": [0, 1]}
    network = clone(NETWORK).set_params(early_stopping=True, max_iter=3)
    for data, dtypes in ((X, [None, "float32"]), (csr_array(X), [None])):
        search, seen = search_with(network, grid | {"dtype": dtypes}, X=data, cv=2, rung_epochs=())
        assert_as_grid_search(search, seen, X=data)


@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_for_scorers_by_name_the_samples_are_transformed_once(monkeypatch, scoring):
    monkeypatch.setattr(Noted, "transforms", 0)
    model = make_pipeline(Noted(), make_pipeline(MinMaxScaler(), NETWORK))
    grid = {"pipeline__lowlevelmlpclassifier__alpha": [1e-5, 0.3]}
    settings = {"cv": 3, "refit": False, "scoring": scoring}
    search = PrunedSearchCV(model, grid, factor=EVERYONE, rung_epochs=(2,), **settings).fit(X, y)
    assert Noted.transforms == 3 * 2
    theirs = GridSearchCV(model, grid, **settings).fit(X, y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(rows_of(search, 1)["mean_test_score"], theirs)


@pytest.mark.parametrize(
    ("model", "grid"),
    [
        (
            Pipeline([("scale", StandardScaler()), ("net", NETWORK)]),
            {
                "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
                "net": [NETWORK, clone(NETWORK).set_params(alpha=1.0)],
            },
        ),
        (
            Pipeline([("in", StandardScaler()), ("out", make_pipeline(MinMaxScaler(), NETWORK))]),
            {"out__lowlevelmlpclassifier__alpha": [0.1, 1.0], "in__with_mean": [True, False]},
        ),
    ],
    ids=["steps", "nested"],
)
def test_a_pipeline_is_searched_as_by_grid_search(model, grid):
    search, seen = search_with(model, grid, factor=EVERYONE)
    assert_as_grid_search(search, seen)


def test_a_dataframe_is_searched_with_the_names_of_its_columns():
    table = pd.DataFrame(X, columns=list("abcd"))
    model = make_pipeline(StandardScaler(), NETWORK).set_output(transform="pandas")
    grid = {f"lowlevelmlpclassifier__{name}": values for name, values in RATES.items()}
    search = PrunedSearchCV(model, grid, cv=2, rung_epochs=(2,))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "X .* feature names", UserWarning)
        search.fit(table, y)
        search.predict(table)
    assert list(search.feature_names_in_) == list("abcd")
    assert list(search.best_estimator_[-1].feature_names_in_) == list("abcd")
    assert search.score(table, y) == search.best_estimator_.score(table, y)


def test_a_regressor_with_a_transformed_target_is_searched_as_by_grid_search():
    target = 100 + 30 * X @ [1.0, 2, 3, 4]
    network = LowLevelMLPRegressor(**SETTINGS)
    scaled = make_pipeline(StandardScaler(), network)
    model = TransformedTargetRegressor(scaled, transformer=StandardScaler())
    grid = {"regressor__lowlevelmlpregressor__learning_rate_init": [1e-3, 0.02, 0.1]}
    search, seen = search_with(model, grid, y=target, factor=EVERYONE)
    assert_as_grid_search(search, seen, y=target)


# --- metadata ----------------------------------------------------------------------------------------

WEIGHT = np.linspace(0, 2, len(y))
GROUPS = np.arange(len(y)) % 4


def test_weights_and_groups_go_where_grid_search_sends_them():
    given = {"sample_weight": WEIGHT, "groups": GROUPS}
    settings = {"cv": GroupKFold(4), "factor": EVERYONE, "refit": True}
    search, seen = search_with(NETWORK, RATES, fit_params=given, **settings)
    assert_as_grid_search(search, seen, fit_params=given)
    best = clone(NETWORK).set_params(**search.best_params_).fit(X, y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(search.best_estimator_.coefs_[0], best.coefs_[0])


def test_metadata_is_routed_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        network = (
            clone(NETWORK).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        )
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        model = Pipeline([("scale", scaler), ("net", network)])
        grid = {"net__alpha": [1e-5, 0.3]}
        given = {"sample_weight": WEIGHT, "groups": GROUPS}
        search = PrunedSearchCV(model, grid, cv=GroupKFold(4), factor=EVERYONE, rung_epochs=(2,))
        search.fit(X, y, **given)
        theirs = GridSearchCV(model, grid, cv=GroupKFold(4)).fit(X, y, **given)
        ours = rows_of(search, 1)["mean_test_score"]
        np.testing.assert_array_equal(ours, theirs.cv_results_["mean_test_score"])
        with pytest.raises(ValueError, match="sample_weight"):
            PrunedSearchCV(NETWORK, {"alpha": [1.0]}).fit(X, y, sample_weight=WEIGHT)


def test_a_validation_set_is_transformed_by_the_steps_before_the_network():
    with sklearn.config_context(enable_metadata_routing=True):
        network = clone(NETWORK).set_params(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        model = Pipeline([("scale", StandardScaler()), ("net", network)], transform_input=["X_val"])
        given = {"X_val": X[:30] + 1, "y_val": y[:30]}
        grid = {"net__alpha": [1e-5, 0.3]}
        search, seen = search_with(model, grid, factor=EVERYONE, fit_params=given)
        assert_as_grid_search(search, seen, fit_params=given)


# --- failures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_score", [np.nan, -3.0])
def test_a_candidate_that_diverges_has_the_error_score_and_is_no_longer_trained(error_score):
    rates = {"learning_rate_init": [0.02, 1e200, 0.03], "solver": ["sgd"]}
    with pytest.warns(FitFailedWarning, match="3 fits failed out of a total of 9") as caught:
        search, _ = search_with(NETWORK, rates, factor=EVERYONE, error_score=error_score)
    assert len(caught.list) == 1 or all(w.category is not FitFailedWarning for w in caught.list[1:])
    for iteration in range(3):
        scores = rows_of(search, iteration)["mean_test_score"].to_numpy()
        np.testing.assert_array_equal(scores[1], error_score)
        assert np.isfinite(scores[[0, 2]]).all()
    assert search.best_params_["learning_rate_init"] < 1
    assert (search.cv_results_["mean_fit_time"] > 0).all()


# At rung 4 candidates are scored after 3 and after 4 epochs.
@pytest.mark.parametrize(("rung", "n_sound", "is_over"), [(1, 0, False), (4, 1, False), (1, 1, True)])
def test_if_all_fail_at_a_later_rung_those_before_are_kept(rung, n_sound, is_over, monkeypatch):
    best_network, n_rungs = race.best_network, []
    train = race.Race._train
    monkeypatch.setattr(race.Race, "_train", lambda *a: (n_rungs.append(1), train(*a))[1])

    def fail(job):
        if len(n_rungs) > n_sound:
            raise NotFinite("diverged")
        return best_network(job)

    monkeypatch.setattr(race, "best_network", fail)
    search = PrunedSearchCV(NETWORK, {"alpha": [0.1, 2.0]}, cv=2, rung_epochs=(rung,), factor=EVERYONE)
    if not is_over:
        with pytest.raises(ValueError, match="All the 4 fits failed"):
            search.fit(X, y)
        return
    with pytest.warns(FitFailedWarning, match="4 fits failed out of a total of 4"):
        search.fit(X, y)
    assert search.cv_results_["n_resources"].tolist() == [1, 1]
    assert search.best_estimator_.n_iter_ == NETWORK.max_iter


def test_if_the_best_candidate_cannot_be_fitted_the_results_are_kept(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    search = PrunedSearchCV(NETWORK, {"alpha": [0.1, 2.0]}, cv=2, rung_epochs=())
    monkeypatch.setattr(LowLevelMLPClassifier, "fit", fail, raising=False)
    with pytest.raises(ZeroDivisionError):
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 2
    assert not hasattr(search, "best_estimator_")


def test_a_setting_that_cannot_be_fitted_fails_before_training_as_in_grid_search():
    with pytest.warns(FitFailedWarning, match="'alpha' parameter of LowLevelMLPClassifier"):
        search, _ = search_with(NETWORK, {"alpha": [-1, 0.1]}, factor=EVERYONE)
    assert np.isnan(rows_of(search, 0)["mean_test_score"].to_numpy()[0])
    with pytest.raises(ValueError, match="'alpha' parameter"):
        search_with(NETWORK, {"alpha": [-1, 0.1]}, error_score="raise")
    with pytest.raises(ValueError, match="All the 3 fits failed"):
        search_with(NETWORK, {"alpha": [-1]})


def scores_sometimes(model, X, y):
    if model.n_iter_ > 2 and model.alpha > 1:
        raise RuntimeError("cannot score this")
    return model.score(X, y)


def test_a_score_that_fails_later_is_the_error_score():
    search = PrunedSearchCV(
        NETWORK,
        {"alpha": [0.1, 2.0]},
        cv=2,
        rung_epochs=(2,),
        factor=EVERYONE,
        scoring=scores_sometimes,
    )
    with pytest.warns(FitFailedWarning, match="cannot score this"):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False] * 3 + [True]
    assert search.best_params_ == {"alpha": 0.1}
    with pytest.raises(RuntimeError, match="cannot score this"):
        search.set_params(error_score="raise").fit(X, y)


def test_a_scorer_may_refuse_what_an_untrained_regressor_predicts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 4))
    y = 20 * np.exp(0.3 * X[:, 0])
    network = LowLevelMLPRegressor(
        hidden_layer_sizes=(5,), max_iter=60, learning_rate_init=0.1, random_state=0
    )
    settings = {"scoring": "neg_mean_squared_log_error", "cv": 3}
    grid = {"alpha": [0.0001, 1.0]}
    search = PrunedSearchCV(network, grid, rung_epochs=(), factor=EVERYONE, **settings).fit(X, y)
    expected = GridSearchCV(network, grid, **settings).fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-6
    )
    with pytest.raises(ValueError, match=r"All the 6 fits failed(?s:.)*equal to -1"):
        search.fit(X, y - 40)


@pytest.fixture
def _no_training(monkeypatch):
    def go_on(*_):
        raise AssertionError("something was trained")

    monkeypatch.setattr("skdense.search.race.Race._train", go_on)


def broken(model, X, y):
    raise ZeroDivisionError("a broken scorer")


ONE_CLASS_OUT = PredefinedSplit(np.where(y == 2, 0, 1))


@pytest.mark.usefixtures("_no_training")
@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"param_distributions": {"alpa": [1.0]}}, ValueError, "Invalid parameter 'alpa'"),
        ({"param_distributions": {"alpha": 1.0}}, (TypeError, ValueError), "alpha"),
        ({"param_distributions": [1]}, TypeError, "Parameter grid is not a dict"),
        ({"param_distributions": []}, ValueError, "param_distributions must have a candidate"),
        ({"param_distributions": {"solver": ["adam", "lbfgs"]}}, ValueError, "solver='lbfgs'"),
        ({"factor": 1}, ValueError, "'factor' parameter of PrunedSearchCV"),
        ({"n_candidates": 0}, ValueError, "'n_candidates' parameter"),
        ({"rung_epochs": (4, 2)}, ValueError, "rung_epochs must be increasing"),
        ({"rung_epochs": (4, 20)}, ValueError, "at most max_iter=9"),
        ({"cv": 1}, ValueError, "'cv' parameter of PrunedSearchCV must be an int in the range"),
        ({"cv": []}, ValueError, "cv must give at least one split"),
        ({"cv": 100}, ValueError, "n_splits=100 cannot be greater than the number of members"),
        ({"cv": ONE_CLASS_OUT, "scoring": "neg_log_loss"}, ValueError, "contains only one label"),
        ({"scoring": broken}, ZeroDivisionError, "a broken scorer"),
        ({"scoring": lambda model, X, y: {"a": 1.0}}, ValueError, "scoring must return a number"),
        ({"scoring": "acuracy"}, ValueError, "'scoring' parameter"),
        ({"error_score": "nan"}, ValueError, "'error_score' parameter"),
        ({"estimator": LogisticRegression()}, TypeError, "HalvingRandomSearchCV"),
        ({"estimator": Pipeline([("a", "passthrough")])}, TypeError, "HalvingRandomSearchCV"),
        (
            {"estimator": TabularClassifier()},
            TypeError,
            "got a TabularClassifier;",
        ),
        ({"estimator": make_pipeline(OwnFit())}, TypeError, "OwnFit overrides fit"),
        ({"param_distributions": {"max_iter": [None, 9.0]}}, ValueError, "'max_iter' parameter"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_what_is_wrong_is_said_before_anything_trains(settings, error, match):
    search = PrunedSearchCV(NETWORK, {"alpha": [0.1, 1.0]}, cv=2).set_params(**settings)
    with pytest.raises(error, match=match):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")


def test_a_search_without_y_is_refused():
    with pytest.raises(ValueError, match="PrunedSearchCV requires y to be passed"):
        PrunedSearchCV(NETWORK, {"alpha": [0.1, 1.0]}, cv=2).fit(X, None)


# --- interruption and reports ------------------------------------------------------------------------


class Interrupting(Recorder):
    """A scorer during whose n-th call Ctrl-C is pressed."""

    def __init__(self, n):
        super().__init__()
        self.n = n

    def __call__(self, model, X, y):
        self.n -= 1
        if not self.n:
            raise KeyboardInterrupt
        return super().__call__(model, X, y)


def test_ctrl_c_keeps_the_rungs_that_are_over():
    n_before = 2 + 8 * 2  # the untrained networks, and the first rung
    search = PrunedSearchCV(
        NETWORK, RATES, cv=2, rung_epochs=(2, 4), scoring=Interrupting(n_before + 2)
    )
    with pytest.warns(UserWarning, match="Search interrupted by user"):
        search.set_callbacks(callback := Stopping(9)).fit(X, y)
    assert callback.ended == ["rung", "refit-with-best-params", "fit"]
    assert search.n_resources_ == [2]
    assert search.n_candidates_ == [8]
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert search.predict(X).shape == y.shape
    first = PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2, 4), scoring=Interrupting(5))
    with pytest.raises(KeyboardInterrupt):
        first.fit(X, y)
    assert not hasattr(first, "cv_results_")


def test_an_error_leaves_an_earlier_search_as_it_was():
    search = PrunedSearchCV(NETWORK, {"alpha": [0.1, 1.0]}, cv=2, rung_epochs=(2,)).fit(X, y)
    before = dict(vars(search))
    with pytest.raises(ZeroDivisionError):
        search.set_params(scoring=broken).fit(X, y)
    assert {**before, "scoring": broken} == vars(search)


def test_verbose_prints_a_line_for_each_rung(capsys):
    PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2, 4), verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["Rung 1 of 3", "Rung 2 of 3", "Rung 3 of 3"]
    assert "2 epochs: 8 candidates, best score" in lines[0]
    assert "5 go on" in lines[0]


class Stopping:
    """A callback that stops a search after a number of its rungs."""

    def __init__(self, n):
        self.n, self.ended = n, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        return len(self.ended) == self.n


def test_callbacks_of_the_search_see_its_rungs_and_may_stop_it():
    search = PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2, 4)).set_callbacks(Stopping(9))
    search.fit(X, y)
    (callback,) = search._skl_callbacks
    assert callback.ended == ["rung"] * 3 + ["refit-with-best-params", "fit"]
    search.set_callbacks(Stopping(2)).fit(X, y)
    assert search.n_resources_ == [2, 4]
    watched = PrunedSearchCV(clone(NETWORK).set_callbacks(Stopping(1)), RATES)
    with pytest.raises(ValueError, match="estimator must have no callbacks"):
        watched.fit(X, y)


def test_a_search_can_be_pickled_cloned_and_used_as_its_best_estimator():
    search = PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=(2,)).fit(X, y)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict_proba(X), search.best_estimator_.predict_proba(X))
    np.testing.assert_array_equal(search.classes_, np.unique(y))
    assert search.score(X, y) == search.best_estimator_.score(X, y)
    again = clone(search).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))
    expected = clone(NETWORK).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_array_equal(expected.coefs_[0], search.best_estimator_.coefs_[0])
    without = clone(search).set_params(refit=False).fit(X, y)
    assert not hasattr(without, "predict")
    assert without.best_params_ == search.best_params_


def test_the_samples_of_a_split_are_checked_once_for_all_candidates(monkeypatch):
    checked, check_samples = [], prepare.check_samples

    def counted(estimator, inputs, continues):
        checked.append(len(inputs.X))
        return check_samples(estimator, inputs, continues)

    monkeypatch.setattr(prepare, "check_samples", counted)
    PrunedSearchCV(NETWORK, RATES, cv=2, rung_epochs=[1], refit=False).fit(X, y)
    assert checked == [len(X) // 2] * 2
