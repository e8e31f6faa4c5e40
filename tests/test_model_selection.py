"""Searches of ours against scikit-learn's over the same estimator: all results but the times agree."""

import io
import pickle
import re
import sys
import warnings
from contextlib import redirect_stdout

import numpy as np
import pandas as pd
import pytest
import sklearn.model_selection as reference
from dask.distributed import Client, LocalCluster
from joblib import Memory, parallel_config
from scipy.sparse import csr_matrix
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, ShuffleSplit, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdense.classifier
from skdense import LowLevelMLPClassifier, model_selection
from skdense.core.compiling import n_compiled
from skdense.datasets import make_two_clouds

# A few epochs are enough to compare.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_two_clouds(75, random_state=0)
X = X.astype(float)
NAMES = np.array(["north", "south"], dtype=object)[Y]
WEIGHT = np.random.RandomState(0).uniform(0.1, 2, len(Y))
GROUPS = np.arange(len(Y)) % 5

WIDTHS = [(2,), (4,)]
DIVERGES = {"solver": ["sgd"], "learning_rate_init": [1e200]}


def net(**params):
    return LowLevelMLPClassifier(
        (3,), **{"max_iter": 4, "random_state": 0, "learning_rate_init": 0.01} | params
    )


def pipeline(*steps, memory=None, **params):
    steps = steps or (StandardScaler(),)
    names = [type(step).__name__.lower() for step in steps]
    return Pipeline([*zip(names, steps, strict=True), ("net", net(**params))], memory=memory)


@pytest.fixture
def own_fits(monkeypatch):
    """The estimators that trained by themselves."""
    estimators = []
    fit = skdense.classifier.fit_estimator

    def fit_and_note(estimator, given):
        estimators.append(estimator)
        return fit(estimator, given)

    monkeypatch.setattr(skdense.classifier, "fit_estimator", fit_and_note)
    return estimators


def fitted(search, *data, **params):
    """The fitted search, what it warned of and what it printed."""
    np.random.seed(0)  # noqa: NPY002 - what random_state=None draws from
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(io.StringIO()) as printed:
        warnings.simplefilter("always")
        search.fit(*data, **params)
    return search, [warning.category for warning in caught], printed.getvalue()


def searched(name, estimator, grid, *data, fit_params=None, **params):
    """Our search, fitted, once it is compared with scikit-learn's."""
    fit_params = fit_params or {}
    make = getattr(model_selection, name)
    ours, our_warnings, _ = fitted(make(estimator, grid, **params), *data, **fit_params)
    make = getattr(reference, name)
    theirs, their_warnings, _ = fitted(make(estimator, grid, **params), *data, **fit_params)
    assert_same_results(ours, theirs)
    assert sorted(map(str, our_warnings)) == sorted(map(str, their_warnings))
    return ours


def grid_searched(*args, **params):
    return searched("GridSearchCV", *args, **{"cv": 3} | params)


def shown(value):
    """What is shown of a value, but for where it lies in memory."""
    return re.sub("0x[0-9A-F]+", "", repr(value))


def assert_same_results(ours, theirs):
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    for name, column in theirs.cv_results_.items():
        if name.endswith("_time"):
            continue
        if name.startswith("param"):
            assert shown(ours.cv_results_[name]) == shown(column), name
            assert type(ours.cv_results_[name]) is type(column)
        else:
            np.testing.assert_allclose(ours.cv_results_[name], column, rtol=0, atol=1e-9, err_msg=name)
    assert ours.multimetric_ == theirs.multimetric_
    assert ours.n_splits_ == theirs.n_splits_
    assert hasattr(ours, "best_score_") == hasattr(theirs, "best_score_")
    if hasattr(ours, "best_score_"):
        assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=0, abs=1e-9)
    for name in ("best_index_", "best_params_"):
        assert shown(getattr(ours, name, None)) == shown(getattr(theirs, name, None))
    assert hasattr(ours, "best_estimator_") == hasattr(theirs, "best_estimator_")
    if hasattr(ours, "best_estimator_"):
        assert shown(ours.best_estimator_) == shown(theirs.best_estimator_)
    assert set(vars(ours)) == set(vars(theirs))


SEARCHES = {
    "widths and rates": (net(), {"hidden_layer_sizes": WIDTHS, "learning_rate_init": [0.01, 0.1]}),
    "a list of grids": (net(), [{"alpha": [0.1]}, {"activation": ["tanh"], "alpha": [0.1, 1.0]}]),
    "the same candidate twice": (net(), {"alpha": [0.1, 0.1]}),
    "several solvers": (net(), {"solver": ["adam", "lbfgs", "sgd"], "alpha": [0.1, 1.0]}),
    "class weights": (net(), {"class_weight": [None, "balanced", {0: 1, 1: 5}]}),
    "early stopping": (net(), {"early_stopping": [True, False], "hidden_layer_sizes": WIDTHS}),
    "several draws": (net(n_init=2), {"hidden_layer_sizes": WIDTHS}),
    "a generator": (net(random_state=np.random.RandomState(3)), {"hidden_layer_sizes": WIDTHS}),
    "a pipeline": (pipeline(), {"net__hidden_layer_sizes": WIDTHS}),
    "parameters of earlier steps": (
        pipeline(StandardScaler(), PCA(random_state=0)),
        {"pca__n_components": [1, 2], "pca__whiten": [True, False], "net__alpha": [0.1, 1.0]},
    ),
    "steps replaced": (
        pipeline(),
        {"standardscaler": ["passthrough", PCA(1)], "net": [net(alpha=1), LogisticRegression()]},
    ),
    "a pipeline in a pipeline": (
        Pipeline([("pca", PCA()), ("model", pipeline())]),
        {"model__standardscaler__with_mean": [True, False], "model__net__alpha": [0.1, 1.0]},
    ),
    "a step that cannot be pickled": (
        pipeline(FunctionTransformer(lambda X: X * 2)),
        {"net__alpha": [0.1, 1.0]},
    ),
    "a network that talks": (net(verbose=True), {"hidden_layer_sizes": WIDTHS}),
    "another estimator": (LogisticRegression(), {"C": [0.1, 1.0]}),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_results_are_those_of_scikit_learn(name):
    grid_searched(*SEARCHES[name], X, Y, return_train_score=True)


@pytest.mark.parametrize(
    ("name", "n_alone"),
    [
        ("widths and rates", 0),
        ("a pipeline", 0),
        ("a pipeline in a pipeline", 0),
        ("parameters of earlier steps", 0),
        ("a step that cannot be pickled", 0),
        ("the same candidate twice", 0),
        ("several solvers", 2 * 3),
        ("a network that talks", 2 * 3),
    ],
)
def test_networks_train_together_and_only_the_last_fit_alone(name, n_alone, own_fits):
    fitted(model_selection.GridSearchCV(*SEARCHES[name], cv=3), X, Y)
    assert len(own_fits) == n_alone + 1


@pytest.mark.parametrize(
    "data",
    [
        (X, NAMES),
        (X.tolist(), Y.tolist()),
        (csr_matrix(X), Y),
        make_multilabel_classification(150, 4, random_state=0),
        (pd.DataFrame(X, columns=["a", "b"]), pd.Series(NAMES)),
    ],
    ids=["string labels", "lists", "sparse", "multilabel", "pandas"],
)
def test_any_kind_of_data(data, own_fits):
    grid = {"hidden_layer_sizes": WIDTHS}
    search = model_selection.GridSearchCV(net(), grid, cv=3).fit(*data)
    assert own_fits == [search.best_estimator_]
    grid_searched(net(), grid, *data)


def test_steps_that_work_in_place_do_not_disturb_each_other():
    estimator = pipeline(PCA(), StandardScaler(copy=False), FunctionTransformer(np.square))
    grid = {
        "standardscaler__with_mean": [True, False],
        "pca__n_components": [1, 2],
        "net__alpha": [0, 9],
    }
    grid_searched(estimator, grid, X, Y, scoring="neg_log_loss")


def test_columns_of_a_data_frame():
    data = pd.DataFrame({"x": X[:, 0], "y": X[:, 1], "colour": np.where(Y ^ (X[:, 0] > 1), "r", "b")})
    columns = ColumnTransformer([("scale", StandardScaler(), ["x", "y"])], remainder="drop")
    columns.set_output(transform="pandas")
    search = grid_searched(pipeline(columns), {"net__alpha": [0.1, 1.0]}, data, Y)
    assert list(search.feature_names_in_) == ["x", "y", "colour"]


@pytest.mark.parametrize("refit", ["roc_auc", False, lambda results: 1], ids=["name", "no", "function"])
def test_several_scores(refit):
    scoring = ["accuracy", "roc_auc", "neg_log_loss"]
    grid = {"hidden_layer_sizes": WIDTHS}
    grid_searched(net(), grid, X, Y, scoring=scoring, refit=refit, return_train_score=True)


def test_a_function_that_scores():
    def scores(estimator, X, y):
        return {"width": len(estimator.coefs_[1]), "loss": estimator.loss_}

    grid_searched(net(), {"hidden_layer_sizes": WIDTHS}, X, Y, scoring=scores, refit="loss")


def test_groups_go_to_the_splitter():
    grid = {"hidden_layer_sizes": WIDTHS}
    grid_searched(net(), grid, X, Y, cv=GroupKFold(5), fit_params={"groups": GROUPS})


def test_sample_weight_goes_to_the_fit_and_the_score():
    grid = {"hidden_layer_sizes": WIDTHS}
    grid_searched(net(), grid, X, Y, fit_params={"sample_weight": WEIGHT})


def test_sample_weight_goes_to_the_step_that_it_names():
    fit_params = {"net__sample_weight": WEIGHT}
    grid_searched(pipeline(), {"net__alpha": [0.1, 1.0]}, X, Y, fit_params=fit_params)


def test_metadata_are_routed(own_fits):
    with config_context(enable_metadata_routing=True):
        network = net().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        estimator = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=True)), ("net", network)]
        )
        grid_searched(
            estimator,
            {"scale__with_mean": [True, False], "net__alpha": [0.1, 1.0]},
            X,
            Y,
            cv=GroupKFold(5),
            fit_params={"groups": GROUPS, "sample_weight": WEIGHT},
        )
    assert len(own_fits) == 1 + 4 * 5 + 1


def test_a_validation_set_is_transformed_like_the_samples(own_fits):
    with config_context(enable_metadata_routing=True):
        network = net(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        estimator = Pipeline([("scale", StandardScaler()), ("net", network)], transform_input=["X_val"])
        fit_params = {"X_val": X[::3] + 0.1, "y_val": Y[::3]}
        search = grid_searched(
            estimator, {"net__hidden_layer_sizes": WIDTHS}, X, Y, fit_params=fit_params
        )
    assert len(search.best_estimator_[-1].validation_loss_curve_) == 4
    assert len(own_fits) == 1 + 2 * 3 + 1


@pytest.mark.parametrize("random_state", [0, None])
def test_random_candidates_on_random_splits(random_state):
    distributions = {"alpha": loguniform(1e-4, 1), "hidden_layer_sizes": WIDTHS}
    cv = ShuffleSplit(2, random_state=random_state)
    searched(
        "RandomizedSearchCV", net(), distributions, X, Y, n_iter=5, cv=cv, random_state=random_state
    )


def test_splits_as_an_iterable():
    cv = list(StratifiedKFold(3).split(X, Y))
    ours = model_selection.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=iter(cv)).fit(X, Y)
    theirs = reference.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=iter(cv)).fit(X, Y)
    assert_same_results(ours, theirs)


def test_a_network_that_diverges_gets_the_error_score():
    grid = [{"alpha": [0.1, 1.0]}, DIVERGES]
    search = grid_searched(net(), grid, X, Y, error_score=-1)
    assert (search.cv_results_["split0_test_score"] == -1).tolist() == [False, False, True]
    with pytest.warns(FitFailedWarning, match="smaller\nlearning_rate_init|non-finite"):
        model_selection.GridSearchCV(net(), grid, cv=3).fit(X, Y)


BAD_SEARCHES = {
    "an invalid value": (net(), {"alpha": [0.1, -1.0]}),
    "an unknown name": (net(), {"alhpa": [0.1]}),
    "an empty list": (net(), {"alpha": []}),
    "a network that diverges": (net(), [{"alpha": [0.1]}, DIVERGES]),
    "a step that raises": (pipeline(PCA()), {"pca__n_components": [1, 5]}),
    "values that do not go together": (net(validation_fraction=0.0), {"early_stopping": [False, True]}),
    "a step that is no transformer": (pipeline(LogisticRegression()), {"net__alpha": [0.1]}),
}


@pytest.mark.parametrize("name", BAD_SEARCHES)
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
def test_bad_input_is_treated_as_by_scikit_learn(name, error_score):
    estimator, grid = BAD_SEARCHES[name]
    outcomes = []
    for module in (model_selection, reference):
        search = module.GridSearchCV(clone(estimator), grid, cv=3, error_score=error_score)
        before = dict(vars(search))
        try:
            search, warned, _ = fitted(search, X, Y)
            outcomes.append((search, warned))
        except Exception as error:
            # What follows in a list of failed fits is tracebacks.
            outcomes.append((search, type(error), str(error).partition("Below are")[0]))
        assert {key: vars(search)[key] for key in before} == before
    (ours, *our_outcome), (theirs, *their_outcome) = outcomes
    assert our_outcome == their_outcome
    assert vars(ours).keys() == vars(theirs).keys()
    if hasattr(theirs, "cv_results_"):
        assert_same_results(ours, theirs)


def test_nothing_of_a_search_is_left_after_it():
    search = model_selection.GridSearchCV(pipeline(), {"net__alpha": [0.1, 1.0]}, n_jobs=1, cv=3)
    before = {name: repr(value) for name, value in vars(search).items()}
    search.fit(X, Y)
    assert {name: repr(getattr(search, name)) for name in before} == before
    assert search.estimator.memory is None
    assert search.best_estimator_.memory is None
    assert type(search.best_params_) is dict
    assert skdense.classifier.fit_stand_in.get() is None


def test_the_best_estimator_is_as_if_fitted_alone():
    search = model_selection.GridSearchCV(pipeline(), {"net__alpha": [0.1, 1.0]}, cv=3).fit(X, Y)
    alone = pipeline().set_params(**search.best_params_).fit(X, Y)
    loaded = pickle.loads(pickle.dumps(search))
    for fit in (search, search.best_estimator_, loaded, loaded.best_estimator_):
        assert (fit.predict_proba(X) == alone.predict_proba(X)).all()


class Counting(TransformerMixin, BaseEstimator):
    fits = []

    def __init__(self, shift=0):
        self.shift = shift

    def fit(self, X, y=None):
        self.fits.append(self.shift)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X + self.shift


@pytest.mark.parametrize("nested", [False, True])
def test_earlier_steps_are_fitted_once_for_each_split_and_setting(nested):
    inner = Pipeline([("counting", Counting()), ("net", net())])
    estimator = Pipeline([("scale", StandardScaler()), ("model", inner)]) if nested else inner
    prefix = "model__" if nested else ""
    grid = {f"{prefix}counting__shift": [0, 1], f"{prefix}net__alpha": [0.1, 1.0, 10.0]}
    Counting.fits.clear()
    search = model_selection.GridSearchCV(estimator, grid, cv=3).fit(X, Y)
    best = search.best_params_[f"{prefix}counting__shift"]
    assert sorted(Counting.fits) == sorted([0, 1] * 3 + [best])


def test_a_pipeline_keeps_a_memory_of_its_own(tmp_path, own_fits):
    estimator = pipeline(Counting(), memory=Memory(tmp_path, verbose=0))
    Counting.fits.clear()
    search = model_selection.GridSearchCV(estimator, {"net__alpha": [0.1, 1.0]}, cv=3).fit(X, Y)
    assert search.best_estimator_.memory.location == tmp_path
    assert any(tmp_path.rglob("*.pkl"))
    assert len(Counting.fits) == 3 + 1
    assert len(own_fits) == 1


def test_fits_warn_as_they_do_alone():
    search = model_selection.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=3)
    _, warned, _ = fitted(search, X, Y)
    assert warned == [ConvergenceWarning] * (2 * 3 + 1)


def test_a_fit_that_does_not_match_trains_by_itself(own_fits):
    def other(estimator, X, y):
        return clone(estimator).fit(X[1:], y[1:]).score(X, y)

    grid_searched(net(), {"alpha": [0.1, 1.0]}, X, Y, scoring=other)
    assert len(own_fits) == 2 * 3 + 1 + 2 * (2 * 3) + 1


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(X, 1 - y)


def test_a_subclass_with_a_fit_of_its_own_fits_by_itself(own_fits):
    estimator = OwnFit((2,), max_iter=4, random_state=0)
    grid_searched(estimator, {"alpha": [0.1, 1.0]}, X, Y)
    assert len(own_fits) == 2 * (2 * 3 + 1)


def test_times_add_up_to_the_time_that_passed():
    search = model_selection.GridSearchCV(net(max_iter=50), {"hidden_layer_sizes": WIDTHS}, cv=3)
    search.fit(X, Y)
    assert (search.cv_results_["mean_fit_time"] > 0).all()
    apart = abs(np.diff(search.cv_results_["mean_fit_time"]))
    assert (apart < search.cv_results_["mean_fit_time"][0]).all()


def test_verbose_lines_are_those_of_scikit_learn():
    grid = {"net__alpha": [0.1, 1.0]}
    printed = []
    for module in (model_selection, reference):
        _, _, text = fitted(module.GridSearchCV(pipeline(), grid, cv=3, verbose=3), X, Y)
        printed.append([line.partition("total time")[0].rstrip(".;") for line in text.splitlines()])
    assert printed[0] == printed[1]


class Watcher:
    """A callback of a search, which is told of its tasks."""

    def __init__(self):
        self.events = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("begin", estimator, context, X, y, metadata)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None):
        self.note("end", estimator, context, X, y, metadata)

    def note(self, event, estimator, context, *values):
        sums = [None if value is None else float(np.sum(value)) for value in values[:2]]
        metadata = {name: value.sum() for name, value in (values[2] or {}).items()}
        names = type(estimator).__name__, context.task_name, context.task_id
        self.events.append((event, *names, *sums, metadata))


class PropagatedWatcher(Watcher):
    max_propagation_depth = None


@pytest.mark.parametrize("weights", [{}, {"sample_weight": WEIGHT}])
def test_callbacks_of_a_search_see_what_scikit_learn_shows(weights, own_fits):
    seen = []
    for module in (model_selection, reference):
        watcher = Watcher()
        search = module.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=3).set_callbacks(watcher)
        search.fit(X, Y, **weights)
        seen.append(sorted(map(str, watcher.events)))
    assert seen[0] == seen[1]
    assert len(own_fits) == 1 + 2 * 3 + 1


def test_callbacks_that_reach_the_networks_leave_the_search_to_scikit_learn(own_fits):
    seen = []
    for module in (model_selection, reference):
        watcher = PropagatedWatcher()
        search = module.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=3).set_callbacks(watcher)
        search.fit(X, Y)
        seen.append(watcher.events)
    assert str(seen[0]) == str(seen[1])
    assert "epoch" in str(seen[0])
    watcher = Watcher()
    search = model_selection.GridSearchCV(net().set_callbacks(watcher), {"alpha": [0.1]}, cv=3)
    search.fit(X, Y)
    assert "epoch" in str(watcher.events)
    assert len(own_fits) == 2 * (2 * 3 + 1) + (3 + 1)


def test_tasks_end_when_their_networks_are_trained():
    ended = []

    class Early(Watcher):
        def on_fit_task_end(self, estimator, context, *, X=None):
            ended.append(context.task_id)

    def score(estimator, X, y):
        assert len(ended) == 2 * 3
        return 1.0

    search = model_selection.GridSearchCV(net(), {"alpha": [1, 2]}, cv=3, scoring=score, refit=False)
    search.set_callbacks(Early()).fit(X, Y)
    assert len(ended) == 2 * 3 + 2  # the search and its fit


def test_a_progress_bar_shows_the_search_as_one(capsys, own_fits):
    search = model_selection.GridSearchCV(pipeline(), {"net__alpha": [0.1, 1.0]}, cv=3)
    search.set_callbacks(ProgressBar()).fit(X, Y)
    printed = capsys.readouterr().out
    assert "GridSearchCV - search" in printed
    assert "candidate-split-evaluation" not in printed
    assert len(own_fits) == 1


def test_a_search_within_a_search_and_a_cross_validation():
    inner = model_selection.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=2)
    theirs = reference.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=2)
    assert (cross_val_score(inner, X, Y, cv=2) == cross_val_score(theirs, X, Y, cv=2)).all()
    grid = {"estimator__hidden_layer_sizes": WIDTHS}
    nested = model_selection.GridSearchCV(inner, grid, cv=2).fit(X, Y)
    assert_same_scores(nested, reference.GridSearchCV(theirs, grid, cv=2).fit(X, Y))


def assert_same_scores(ours, theirs):
    name = "mean_test_score"
    np.testing.assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], rtol=0, atol=1e-9)


@pytest.fixture
def cluster():
    """The client of a dask cluster of two processes, which is joblib's backend."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        parallel_config(backend="dask"),
    ):
        yield client


def test_stacks_are_spread_over_a_cluster(cluster, own_fits):
    # Networks of different depths cannot share a stack.
    grid = {"hidden_layer_sizes": [(3,), (3, 3)], "alpha": [0.1, 1.0]}
    ours = model_selection.GridSearchCV(net(), grid, cv=3).fit(X, Y)
    assert len(own_fits) == 1
    has_trained = cluster.run(lambda: "skdense.core.training" in sys.modules)
    assert list(has_trained.values()) == [True, True]
    with parallel_config(backend="sequential"):
        assert_same_results(ours, reference.GridSearchCV(net(), grid, cv=3).fit(X, Y))


def test_n_jobs_spreads_stacks_over_processes(own_fits):
    grid = {"hidden_layer_sizes": [(3,), (3, 3)], "alpha": [0.1, 1.0]}
    ours = model_selection.GridSearchCV(net(), grid, cv=3, n_jobs=2).fit(X, Y)
    assert len(own_fits) == 1
    assert_same_results(ours, reference.GridSearchCV(net(), grid, cv=3).fit(X, Y))


def test_ctrl_c_ends_the_search(monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    search = model_selection.GridSearchCV(net(), {"alpha": [0.1, 1.0]}, cv=3)
    before = dict(vars(search))
    monkeypatch.setattr(model_selection, "fit_inputs", interrupt)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, Y)
    assert {name: vars(search)[name] for name in before} == before
    assert not hasattr(search, "_stacking")


def test_candidates_folds_and_the_refit_share_one_program():
    before = n_compiled()
    grid = {"hidden_layer_sizes": [(3, 5, 7), (2, 8, 4), (8, 8, 8)], "alpha": [0.1, 1e-4]}

    model_selection.GridSearchCV(net(), grid).fit(X[:125], Y[:125])

    assert n_compiled() - before <= 1
