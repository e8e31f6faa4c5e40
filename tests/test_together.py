"""The joblib backend: scikit-learn's tools give what they give without it, and their networks meet."""

import threading
import traceback
import warnings

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib.parallel import ThreadingBackend, get_active_backend
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import assert_filters_stay, assert_no_thread_is_left, meeting, press_ctrl_c
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, fit_many
from skdense.core.host import training
from skdense.together import backend as together
from skdense.together import meeting as meetings

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(
    90,
    n_features=4,
    n_informative=3,
    n_redundant=0,
    n_classes=3,
    n_clusters_per_class=1,
    random_state=0,
)
BINARY = (Y == 1).astype(int)
CONTINUOUS = X @ [1, -2, 0.5, 0]
TWO = np.column_stack([CONTINUOUS, X[:, 0] ** 2])
WEIGHTS = np.random.RandomState(0).uniform(0.5, 2, len(X))
WIDTHS = {"hidden_layer_sizes": [(3,), (4,), (5,), (8,)]}
IN_PIPELINE = {"lowlevelmlpclassifier__" + name: values for name, values in WIDTHS.items()}


def net(sizes=(4,), **parameters):
    defaults = {"max_iter": 4, "random_state": 0, "learning_rate_init": 0.05}
    return LowLevelMLPClassifier(sizes, **(defaults | parameters))


def pipeline(**parameters):
    return make_pipeline(StandardScaler(), net(**parameters))


def reg(sizes=(4,), **parameters):
    defaults = {"max_iter": 4, "random_state": 0, "learning_rate_init": 0.05}
    return LowLevelMLPRegressor(hidden_layer_sizes=sizes, **(defaults | parameters))


def results_of(search, method="predict_proba"):
    """What a search has found, but for its times and the parameters as Python objects."""
    columns = {
        name: values
        for name, values in search.cv_results_.items()
        if "time" not in name and not name.startswith("param")
    }
    return columns | {"best": search.best_index_, "predictions": getattr(search, method)(X)}


def importance(estimator):
    return np.abs(estimator.coefs_[0]).sum(axis=1)


TOOLS = {
    "GridSearchCV": lambda: results_of(GridSearchCV(pipeline(), IN_PIPELINE, cv=3).fit(X, Y)),
    "RandomizedSearchCV": lambda: results_of(
        RandomizedSearchCV(net(), WIDTHS, n_iter=3, cv=3, random_state=1).fit(X, Y)
    ),
    "HalvingGridSearchCV": lambda: results_of(
        HalvingGridSearchCV(net(), WIDTHS, cv=3, factor=2, random_state=0).fit(X, Y)
    ),
    "cross_validate": lambda: {
        name: values
        for name, values in cross_validate(
            pipeline(), X, Y, cv=4, scoring=["accuracy", "neg_log_loss"], return_train_score=True
        ).items()
        if "time" not in name
    },
    "cross_val_predict": lambda: cross_val_predict(pipeline(), X, Y, method="predict_proba"),
    "learning_curve": lambda: learning_curve(pipeline(), X, Y, cv=3)[1:],
    "validation_curve": lambda: validation_curve(
        net(), X, Y, param_name="alpha", param_range=[1e-4, 1, 100], cv=3
    ),
    "permutation_test_score": lambda: permutation_test_score(
        net(), X, Y, cv=3, n_permutations=3, random_state=0
    ),
    "RFECV": lambda: (
        RFECV(net(), cv=3, min_features_to_select=3, importance_getter=importance).fit(X, Y).cv_results_
    ),
    "SequentialFeatureSelector": lambda: (
        SequentialFeatureSelector(net(), n_features_to_select=3, direction="backward", cv=2)
        .fit(X, Y)
        .get_support()
    ),
    "BaggingClassifier": lambda: BaggingClassifier(net(), 5, random_state=0).fit(X, Y).predict_proba(X),
    "VotingClassifier": lambda: (
        VotingClassifier([("a", net()), ("b", LogisticRegression()), ("c", pipeline())], voting="soft")
        .fit(X, Y)
        .predict_proba(X)
    ),
    "StackingClassifier": lambda: (
        StackingClassifier([("a", net()), ("b", pipeline(alpha=1.0))], net((3,)), cv=3)
        .fit(X, Y)
        .predict_proba(X)
    ),
    "OneVsRestClassifier": lambda: OneVsRestClassifier(net()).fit(X, Y).predict_proba(X),
    "OneVsOneClassifier": lambda: OneVsOneClassifier(net()).fit(X, Y).decision_function(X),
    "MultiOutputClassifier": lambda: (
        MultiOutputClassifier(net()).fit(X, np.column_stack([Y, BINARY])).predict_proba(X)
    ),
    "CalibratedClassifierCV": lambda: (
        CalibratedClassifierCV(net(), cv=3, ensemble=True).fit(X, Y).predict_proba(X)
    ),
    "TunedThresholdClassifierCV": lambda: (
        TunedThresholdClassifierCV(FixedThresholdClassifier(net()), cv=3, store_cv_results=True)
        .fit(X, BINARY)
        .cv_results_
    ),
    "GridSearchCV of regressors": lambda: results_of(
        GridSearchCV(reg(), WIDTHS | {"loss": ["squared_error", "quantile"]}, cv=3).fit(X, CONTINUOUS),
        "predict",
    ),
    "cross_val_predict of a regressor": lambda: cross_val_predict(reg(), X, TWO),
    "permutation_importance": lambda: permutation_importance(
        reg().fit(X, TWO), X, TWO, n_repeats=2, random_state=0
    )["importances"],
    "BaggingRegressor": lambda: (
        BaggingRegressor(reg(), 5, random_state=0).fit(X, CONTINUOUS).predict(X)
    ),
    "VotingRegressor": lambda: (
        VotingRegressor([("a", reg()), ("b", Ridge()), ("c", reg((3,)))]).fit(X, CONTINUOUS).predict(X)
    ),
    "StackingRegressor": lambda: (
        StackingRegressor([("a", reg()), ("b", reg(alpha=1.0)), ("c", Ridge())], reg((3,)), cv=3)
        .fit(X, CONTINUOUS)
        .predict(X)
    ),
    "MultiOutputRegressor": lambda: MultiOutputRegressor(reg()).fit(X, TWO).predict(X),
    "RegressorChain": lambda: RegressorChain(reg(), cv=3).fit(X, TWO).predict(X),
    "TransformedTargetRegressor": lambda: cross_val_score(
        TransformedTargetRegressor(reg(), transformer=StandardScaler()), X, CONTINUOUS, cv=3
    ),
    "nested searches": lambda: cross_val_score(
        GridSearchCV(pipeline(), IN_PIPELINE, cv=3), X, Y, cv=4, scoring="neg_log_loss"
    ),
    "a grid over kinds of estimators": lambda: results_of(
        GridSearchCV(
            make_pipeline(StandardScaler(), net()),
            [
                {"lowlevelmlpclassifier": [net(), LogisticRegression()]},
                {"lowlevelmlpclassifier": [RandomForestClassifier(5, random_state=0), net((3,))]},
            ],
            cv=3,
        ).fit(X, Y)
    ),
}


def assert_same(ours, plain):
    """Equal structures; numbers to rounding, since a network may be padded to the width of others."""
    assert type(ours) is type(plain)
    if isinstance(plain, dict):
        assert list(ours) == list(plain)
        ours, plain = list(ours.values()), list(plain.values())
    if isinstance(plain, (list, tuple)):
        for a, b in zip(ours, plain, strict=True):
            assert_same(a, b)
    else:
        assert_allclose(ours, plain, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def plain():
    """What each tool gives without the backend, computed once."""
    results = {}

    def result(name):
        if name not in results:
            results[name] = TOOLS[name]()
        return results[name]

    return result


@pytest.fixture
def before_each_training(monkeypatch):
    """A function that lets another be called with the jobs of each group before they are trained."""

    def call(function):
        train_jobs = meetings.train_jobs

        def trained(jobs, **arguments):
            function(jobs)
            return train_jobs(jobs, **arguments)

        monkeypatch.setattr(meetings, "train_jobs", trained)

    return call


@pytest.fixture
def groups(before_each_training):
    """The number of fits of each group that has been trained together."""
    sizes = []
    before_each_training(lambda jobs: sizes.append(len(jobs)))
    return sizes


@pytest.fixture
def ctrl_c(before_each_training):
    """Press Ctrl-C when a training begins."""
    before_each_training(press_ctrl_c)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert_no_thread_is_left()


# --- the same results --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TOOLS)
def test_each_tool_gives_what_it_gives_without_the_backend(name, plain):
    with meeting():
        ours = TOOLS[name]()

    assert_same(ours, plain(name))


class RandomDelay(TransformerMixin, BaseEstimator):
    """Lets other threads go first, for a random time of at most 20 ms."""

    def fit(self, X, y=None):
        threading.Event().wait(np.random.default_rng().uniform(0, 0.02))
        return self

    def transform(self, X):
        return X

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("n_jobs", [None, 3])
def test_it_does_not_matter_which_fits_meet(n_jobs):
    def scores():
        model = make_pipeline(RandomDelay(), StandardScaler(), net())
        search = GridSearchCV(model, IN_PIPELINE, cv=3, n_jobs=n_jobs, scoring="neg_log_loss")
        return cross_val_score(search, X, Y, cv=2, n_jobs=n_jobs, scoring="neg_log_loss")

    with config_context(), parallel_config("sequential"):
        expected = scores()
    with meeting():
        assert_same(scores(), expected)


def test_fits_of_a_search_meet_as_one_group(groups):
    with meeting():
        GridSearchCV(pipeline(), IN_PIPELINE, cv=3).fit(X, Y)

    assert groups == [12]  # the refit is outside of joblib


def test_fits_of_nested_searches_meet(groups):
    with meeting():
        cross_val_score(GridSearchCV(net(), WIDTHS, cv=3), X, Y, cv=4)

    assert groups == [4 * 12, 4]  # those of all inner searches, then their refits


@pytest.mark.parametrize("n_jobs", [-1, None])
def test_all_that_can_meet_do_whatever_the_number_of_cores(n_jobs, groups):
    with meeting():
        cross_val_score(net(), X, Y, cv=9, n_jobs=n_jobs)

    assert groups == [9]


def test_n_jobs_bounds_the_tasks_under_way():
    lock, under_way, most = threading.Lock(), set(), []

    def task(i):
        with lock:
            under_way.add(i)
            most.append(len(under_way))
        net(max_iter=1).fit(X, Y)
        with lock:
            under_way.remove(i)

    with meeting():
        Parallel(n_jobs=3)(delayed(task)(i) for i in range(10))

    assert max(most) <= 3


def test_n_jobs_of_zero_is_an_error():
    with meeting(), pytest.raises(ValueError, match="n_jobs == 0"):
        Parallel(n_jobs=0)([delayed(int)()])


def test_results_come_in_order_and_as_generators_too():
    with meeting():
        for return_as in ("list", "generator"):
            assert list(Parallel(return_as=return_as)(delayed(pow)(i, 2) for i in range(600))) == [
                i**2 for i in range(600)
            ]
        unordered = Parallel(return_as="generator_unordered")(delayed(pow)(i, 2) for i in range(9))
        assert sorted(unordered) == [i**2 for i in range(9)]


def test_a_search_with_sample_weights_routed_to_fit_and_score_gives_the_same():
    def scores():
        model = net().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = GridSearchCV(model, WIDTHS, cv=3).fit(X, Y, sample_weight=WEIGHTS)
        return results_of(search)

    with config_context(enable_metadata_routing=True):
        expected = scores()
        with meeting():
            assert_same(scores(), expected)


@pytest.mark.parametrize(
    "parameters", [{"solver": "lbfgs"}, {"verbose": True}, {"n_init": 2}, {"early_stopping": True}]
)
def test_fits_of_every_kind_give_the_same(parameters, capsys):
    def scores():
        return cross_val_score(net(**parameters), X, Y, cv=3, scoring="neg_log_loss")

    expected, printed = scores(), capsys.readouterr().out
    with meeting():
        assert_same(scores(), expected)

    assert sorted(capsys.readouterr().out.splitlines()) == sorted(printed.splitlines())


def test_callbacks_see_what_they_see_without_the_backend():
    def log():
        monitor = ScoringMonitor(scoring="accuracy")
        search = GridSearchCV(net(max_iter=2).set_callbacks(monitor), WIDTHS, cv=2)
        search.set_callbacks(ProgressBar()).fit(X, Y)
        return results_of(search)

    expected = log()
    with meeting():
        assert_same(log(), expected)


# --- errors and warnings -----------------------------------------------------------------------------


def test_a_failing_candidate_gets_the_error_score_and_its_warning():
    grid = {"hidden_layer_sizes": [(2,), (0,)], "learning_rate_init": [0.05, 1e300]}

    def scores():
        with pytest.warns(FitFailedWarning) as caught:
            search = GridSearchCV(net(solver="sgd"), grid, cv=2, error_score=-1).fit(X, Y)
        messages = [str(w.message) for w in caught if issubclass(w.category, FitFailedWarning)]
        return search.cv_results_["mean_test_score"], [m.splitlines()[1:6] for m in messages]

    expected, expected_message = scores()
    with meeting():
        ours, message = scores()
    assert_array_equal(ours, expected)
    assert message == expected_message


def test_the_error_that_is_raised_is_that_of_the_first_task_in_order():
    late = threading.Event()

    def fail(i):
        if i == 1:
            late.wait(10)  # for the failure of the third
        if i == 2:
            late.set()
        if i > 0:
            raise ValueError(f"task {i}")

    with meeting(), pytest.raises(ValueError, match="task 1") as caught:
        Parallel(n_jobs=4)(delayed(fail)(i) for i in range(20))

    assert "fail" in [frame.name for frame in traceback.extract_tb(caught.tb)]


def test_an_error_of_the_training_comes_to_every_fit_of_the_group(monkeypatch):
    def out_of_memory(jobs, **arguments):
        raise MemoryError("of the training")

    monkeypatch.setattr(meetings, "train_jobs", out_of_memory)
    models = [net() for _ in range(3)]
    with meeting(), pytest.raises(MemoryError, match="of the training"):
        Parallel()(delayed(model.fit)(X, Y) for model in models)

    assert [vars(model) for model in models] == [vars(net())] * 3


def test_an_error_ends_fits_that_wait_and_leaves_their_estimators_as_they_were():
    models = [net((width,), max_iter=10_000, tol=0, n_iter_no_change=10_000) for width in (2, 3, 4)]

    def fail():
        raise ValueError("before its fit")

    with meeting(), pytest.raises(ValueError, match="before its fit"):
        Parallel()([delayed(fail)(), *(delayed(model.fit)(X, Y) for model in models)])

    assert not any(hasattr(model, "coefs_") for model in models)


def seen_warnings(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return sorted((w.category.__name__, str(w.message), w.filename, w.lineno) for w in caught)


def test_warnings_are_the_same_and_point_at_the_same_lines():
    # Folds of 198 samples, which is the batch that programs for batch_size="auto" have room for.
    many, labels = np.tile(X, (4, 1))[:297], np.tile(Y, 4)[:297]

    def search():
        GridSearchCV(pipeline(batch_size=1000), IN_PIPELINE, cv=3, refit=False).fit(many, labels)

    expected = seen_warnings(search)
    with meeting():
        ours = seen_warnings(search)

    assert len(ours) == 2 * 12
    assert ours == expected


def test_warnings_as_errors_are_errors_of_their_fits():
    with meeting(), config_context(), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            cross_val_score(net(), X, Y, error_score="raise")


def test_concurrent_searches_leave_the_filters_of_warnings_as_they_were():
    def search():
        with parallel_config("skdense"):
            for _ in range(3):
                cross_val_score(net(max_iter=1), X, Y, cv=3)

    assert_filters_stay(search)


# --- no deadlock -------------------------------------------------------------------------------------


class WithThreads(TransformerMixin, BaseEstimator):
    """Works in parallel itself, and fits a network in a thread of its own."""

    def fit(self, X, y=None):
        self.sums_ = Parallel(n_jobs=2)(delayed(np.sum)(column) for column in X.T)
        self.threaded_ = Parallel(n_jobs=2, prefer="threads")(delayed(abs)(i) for i in range(3))
        self.net_ = net(max_iter=1)
        thread = threading.Thread(target=self.net_.fit, args=(X, y))
        thread.start()
        thread.join()
        return self

    def transform(self, X):
        return X


def test_transformers_may_work_in_parallel_and_in_threads_of_their_own():
    def scores():
        return cross_val_score(make_pipeline(WithThreads(), net()), X, Y, cv=4)

    expected = scores()
    with meeting():
        assert_same(scores(), expected)


def test_a_fit_in_another_thread_trains_beside():
    other = net()
    thread = threading.Thread(target=other.fit, args=(X, Y))
    with meeting():
        thread.start()
        scores = cross_val_score(net(), X, Y)
        thread.join(120)

    assert len(scores) == 5
    assert_array_equal(other.coefs_[0], net().fit(X, Y).coefs_[0])


def test_a_generator_may_wait_for_what_its_earlier_tasks_do():
    fitted = threading.Event()

    def task(i):
        net(max_iter=1).fit(X, Y)
        fitted.set()
        return i

    def tasks():
        yield delayed(task)(0)
        assert fitted.wait(60)
        yield delayed(task)(1)

    with meeting():
        assert Parallel(n_jobs=1 + 1, pre_dispatch=1)(tasks()) == [0, 1]


def test_a_generator_of_results_that_nobody_reads_holds_nobody_up():
    with meeting():
        unread = Parallel(return_as="generator")(delayed(net(max_iter=1).fit)(X, Y) for _ in range(3))
        scores = cross_val_score(net(), X, Y)
        assert len(list(unread)) == 3

    assert len(scores) == 5


# --- memory, progress, Ctrl-C, other machines --------------------------------------------------------


def test_equal_folds_are_trained_from_one_copy(before_each_training):
    trained = []
    before_each_training(trained.append)
    with meeting():
        GridSearchCV(pipeline(), IN_PIPELINE, cv=3).fit(X, Y)

    data = [{id(network.data) for job in jobs for network in job.networks} for jobs in trained]
    assert [len(distinct) for distinct in data] == [3]  # of 12 fits


def test_a_task_ends_while_slower_networks_train():
    in_training = []

    def score(estimator, X, y):
        threads = [thread.name for thread in threading.enumerate()]
        in_training.append((estimator.max_iter, "skdense training" in threads))
        return 0.0

    grid = {"max_iter": [1, 3000], "hidden_layer_sizes": [(4,), (40,)]}
    model = net(tol=0, n_iter_no_change=10_000)
    with meeting():
        GridSearchCV(model, grid, cv=2, scoring=score, refit=False).fit(X, Y)

    assert (1, True) in in_training


def test_ctrl_c_ends_all_and_leaves_estimators_as_they_were(ctrl_c):
    models = [
        net((width,), max_iter=10**6, tol=0, n_iter_no_change=np.inf) for width in (2, 3, 4, 5, 6)
    ]
    before = [dict(vars(model)) for model in models]
    with meeting(), pytest.raises(KeyboardInterrupt):
        Parallel()(delayed(model.fit)(X, Y) for model in models)

    assert [vars(model) for model in models] == before


def test_ctrl_c_ends_nested_work(ctrl_c):
    slow = net(max_iter=10**6, tol=0, n_iter_no_change=np.inf)
    with meeting(), pytest.raises(KeyboardInterrupt):
        cross_val_score(GridSearchCV(slow, WIDTHS, cv=2), X, Y, cv=3)


def test_groups_are_spread_over_the_cluster_that_is_configured_outside(monkeypatch):
    """Its workers are threads here; that groups reach other processes is shown for `fit_many`."""
    distributed = pytest.importorskip("dask.distributed")
    train, places = training.train, []

    def noted(*arguments, **named):
        places.append(distributed.get_worker().address)
        return train(*arguments, **named)

    model = clone(pipeline())
    expected = cross_val_score(model, X, Y, cv=4, scoring="neg_log_loss")
    monkeypatch.setattr(training, "train", noted)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
        meeting(),
    ):
        ours = cross_val_score(model, X, Y, cv=4, scoring="neg_log_loss")
        workers = {worker.address for worker in cluster.workers.values()}

    assert_same(ours, expected)
    assert len(workers) == 2
    assert set(places) == workers


def test_groups_are_spread_over_ray_which_returns_lists_only():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    expected = cross_val_score(net(), X, Y, cv=4, scoring="neg_log_loss")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    try:
        with parallel_config("ray", n_jobs=2), meeting():
            ours = cross_val_score(net(), X, Y, cv=4, scoring="neg_log_loss")
    finally:
        ray.shutdown()

    assert_same(ours, expected)


def test_a_backend_outside_may_return_lists_only():
    class ListsOnly(ThreadingBackend):
        supports_return_generator = False
        uses_threads = False  # so that groups are spread over its workers

    expected = cross_val_score(net(), X, Y, cv=4, scoring="neg_log_loss")
    register_parallel_backend("lists only", ListsOnly)
    with parallel_config("lists only", n_jobs=2), meeting():
        assert_same(cross_val_score(net(), X, Y, cv=4, scoring="neg_log_loss"), expected)


def test_fit_many_trains_here_within_the_backend(monkeypatch):
    models = [net((width,)) for width in (3, 4)]
    with meeting():
        fit_many(models, X, Y)
        backend, _ = get_active_backend()

    assert isinstance(backend, together.TogetherBackend)
    assert_allclose(models[0].coefs_[0], net((3,)).fit(X, Y).coefs_[0], rtol=1e-12)
