"""scikit-learn's tools in joblib's threads and on Dask give what they give in sequence."""

import threading
from contextlib import suppress
from functools import partial

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config
from numpy.testing import assert_array_equal, assert_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ScoringMonitor
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers import SETTINGS, TIME_LIMIT, make_problem, press_ctrl_c
from skdense import LowLevelMLPClassifier, TabularClassifier, fit_many
from skdense.core.host.train import ProgramRun
from skdense.ensemble import BlendClassifier, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.members import in_parallel
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_problem("three classes")
WIDTHS = {"hidden_layer_sizes": [(3, 4), (7, 4), (8, 4)]}
IN_PIPELINE = {"lowlevelmlpclassifier__" + name: values for name, values in WIDTHS.items()}


def net(**parameters):
    """An estimator whose programs other files use, too."""
    return LowLevelMLPClassifier(**SETTINGS | {"max_iter": 4} | parameters)


def pipeline(scaler=None):
    return make_pipeline(scaler or StandardScaler(), net())


def results_of(search):
    """What a search has found, but for its times and the parameters as Python objects."""
    columns = {
        name: values
        for name, values in search.cv_results_.items()
        if "time" not in name and not name.startswith("param")
    }
    return columns | {"best": search.best_index_, "predictions": search.predict(X.copy())}


TOOLS = {
    "a search that scales in place": lambda: results_of(
        GridSearchCV(
            pipeline(StandardScaler(copy=False)), IN_PIPELINE, cv=3, return_train_score=True
        ).fit(X.copy(), Y)
    ),
    "nested searches": lambda: cross_val_score(
        GridSearchCV(pipeline(), IN_PIPELINE, cv=3), X, Y, cv=4, scoring="neg_log_loss"
    ),
    "BaggingClassifier": lambda: [
        member.predict_proba(X)
        for member in BaggingClassifier(net(), 5, random_state=0).fit(X, Y).estimators_
    ],
    "networks of several kinds": lambda: results_of(
        GridSearchCV(
            net(),
            [
                {"solver": ["lbfgs"]},
                {"n_init": [2]},
                {"early_stopping": [True], "validation_fraction": [0.12]},
            ],
            cv=3,
        ).fit(X, Y)
    ),
    "ensembles": lambda: cross_val_score(
        CrossFitClassifier(net(early_stopping=True), cv=3, random_state=0), X, Y, scoring="neg_log_loss"
    ),
    "callbacks": lambda: results_of(
        GridSearchCV(net().set_callbacks(ScoringMonitor(scoring="accuracy")), WIDTHS, cv=2).fit(X, Y)
    ),
}


@pytest.fixture(scope="module")
def in_sequence():
    """What each tool gives without a configuration of joblib, computed once."""
    results = {}

    def result(name):
        if name not in results:
            results[name] = TOOLS[name]()
        return results[name]

    return result


@pytest.mark.parametrize("name", TOOLS)
def test_each_tool_gives_the_same_in_threads(name, in_sequence):
    with parallel_config("threading", n_jobs=3):
        ours = TOOLS[name]()

    assert_equal(ours, in_sequence(name))


def test_a_failing_candidate_gets_the_error_score_and_its_warning_in_threads():
    grid = {"hidden_layer_sizes": [(7, 4), (0,)], "learning_rate_init": [0.05, 1e300]}

    def outcome():
        with pytest.warns(FitFailedWarning) as caught:
            search = GridSearchCV(net(solver="sgd"), grid, cv=2, error_score=-1).fit(X, Y)
        messages = [str(w.message) for w in caught if issubclass(w.category, FitFailedWarning)]
        return search.cv_results_["mean_test_score"], [m.splitlines()[1:6] for m in messages]

    expected = outcome()
    with parallel_config("threading", n_jobs=2):
        assert_equal(outcome(), expected)


class WithThreads(TransformerMixin, BaseEstimator):
    """Works in parallel itself, and fits a network in a thread of its own."""

    def fit(self, X, y=None):
        self.sums_ = Parallel(n_jobs=2)(delayed(np.sum)(column) for column in X.T)
        self.net_ = net(max_iter=1)
        thread = threading.Thread(target=self.net_.fit, args=(X, y))
        thread.start()
        thread.join()
        return self

    def transform(self, X):
        return X


def test_a_pipeline_may_work_in_parallel_and_in_threads_of_its_own():
    def scores():
        return cross_val_score(make_pipeline(WithThreads(), net()), X, Y, cv=4)

    expected = scores()
    with parallel_config("threading", n_jobs=2):
        assert_array_equal(scores(), expected)


def test_ctrl_c_returns_at_once_and_no_new_training_begins():
    begun, over = [], threading.Semaphore(0)

    def fit(seed):
        begun.append(seed)
        if len(begun) == 2:
            press_ctrl_c()
        model = net(max_iter=300, tol=0, n_iter_no_change=300, random_state=seed).fit(X, Y)
        over.release()
        return model

    with parallel_config("threading", n_jobs=2), pytest.raises(KeyboardInterrupt):
        Parallel()(delayed(fit)(seed) for seed in range(50))

    assert over.acquire(timeout=60)  # those that run end by themselves
    assert over.acquire(timeout=60)
    assert not over.acquire(timeout=0.2)
    assert len(begun) == 2
    assert_array_equal(net().fit(X, Y).coefs_[0], net().fit(X, Y).coefs_[0])


# --- clusters ----------------------------------------------------------------------------------------


def test_dask_gives_the_same_scores():
    """Its workers are threads here; those of worker processes are compared in `test_many`."""
    distributed = pytest.importorskip("dask.distributed")
    expected = cross_val_score(pipeline(), X, Y, cv=4, scoring="neg_log_loss")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config("dask"),
    ):
        ours = cross_val_score(pipeline(), X, Y, cv=4, scoring="neg_log_loss")

    assert_array_equal(ours, expected)


# --- how many networks train at once ----------------------------------------------------------------

SEVERAL = 2 * cpu_count()
FOLDS = list(KFold(SEVERAL).split(X))


def seeds(n):
    return [net(max_iter=1, random_state=seed) for seed in range(n)]


MANY = {
    "fit_many": lambda: fit_many(seeds(SEVERAL), X, Y),
    "n_init": lambda: net(max_iter=1, n_init=SEVERAL).fit(X, Y),
    "an ensemble": lambda: CrossFitClassifier(net(max_iter=1), cv=FOLDS).fit(X, Y),
    "a pruned search": lambda: PrunedSearchCV(
        net(max_iter=1), {"alpha": [1e-4, 1e-3]}, cv=KFold(cpu_count()), refit=False
    ).fit(X, Y),
}
"""What trains `SEVERAL` networks, each in one chunk."""


def in_tasks(call):
    Parallel()(delayed(call)() for _ in range(2))


TWO = min(2, cpu_count())
OF_JOBLIB = {
    "nothing": ({}, cpu_count(), False),
    "a thread": ({"backend": "threading", "n_jobs": 1}, 1, False),
    "two threads": ({"backend": "threading", "n_jobs": 2}, TWO, False),
    "all threads": ({"backend": "threading", "n_jobs": -1}, cpu_count(), False),
    "in sequence": ({"backend": "sequential"}, 1, False),
    "a worker": ({"n_jobs": 1}, 1, False),
    "two workers": ({"n_jobs": 2}, TWO, False),
    "two processes": ({"backend": "loky", "n_jobs": 2}, TWO, False),
    "two tasks": ({"backend": "threading", "n_jobs": 2}, 2, True),
    "tasks in sequence": ({"backend": "threading", "n_jobs": 1}, 1, True),
}
"""How joblib is configured, how many networks may train at once, and whether in tasks of joblib."""


@pytest.fixture
def most_at_once(monkeypatch):
    """Let networks train only once as many have begun; return the most that have trained at once."""

    def counted(n, call):
        lock, counts, together = threading.Lock(), [0, 0], threading.Barrier(n)

        def change(by):
            with lock:
                counts[0] += by
                counts[1] = max(counts)

        def together_then_advance(run, *chunk):
            change(1)
            together.wait(TIME_LIMIT)
            try:
                return advance(run, *chunk)
            finally:
                change(-1)

        monkeypatch.setattr(ProgramRun, "advance", together_then_advance)
        call()
        return counts[1]

    advance = ProgramRun.advance
    return counted


@pytest.mark.parametrize("what", MANY)
@pytest.mark.parametrize("said", OF_JOBLIB)
def test_as_many_networks_train_at_once_as_joblib_says(what, said, most_at_once):
    config, n, has_tasks = OF_JOBLIB[said]
    call = partial(in_tasks, MANY[what]) if has_tasks else MANY[what]
    with parallel_config(**config):
        assert most_at_once(n, call) == n


def test_networks_of_a_blend_share_what_joblib_says(most_at_once):
    ensemble = CrossFitClassifier(net(max_iter=1), cv=FOLDS)
    blend = BlendClassifier([("a", ensemble), ("b", clone(ensemble))])
    with parallel_config(n_jobs=2):
        assert most_at_once(2, lambda: blend.fit(X, Y)) == 2


def test_n_jobs_wins_over_what_joblib_says(most_at_once):
    with parallel_config("threading", n_jobs=TWO):
        assert most_at_once(1, lambda: fit_many(seeds(3), X, Y, n_jobs=1)) == 1


def test_n_jobs_of_an_ensemble_or_a_table_wins_over_what_joblib_says(most_at_once):
    ensemble = CrossFitClassifier(net(max_iter=1), cv=FOLDS, n_jobs=1)
    blend = BlendClassifier([("a", clone(ensemble).set_params(n_jobs=None))], n_jobs=1)
    network_params = {"hidden_layer_sizes": (), "max_iter": 1, "activation": "relu"}
    table = TabularClassifier(models=["ramps"], cv=3, network_params=network_params, n_jobs=1)
    for model in (ensemble, blend, BlendClassifier([("a", ensemble)]), table):
        for said in ({}, {"backend": "threading", "n_jobs": TWO}):
            with parallel_config(**said):
                assert most_at_once(1, partial(model.fit, X, Y)) == 1
    with parallel_config("threading", n_jobs=1):
        assert most_at_once(TWO, partial(ensemble.set_params(n_jobs=TWO).fit, X, Y)) == TWO


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_any_n_jobs_predicts_the_same(n_jobs):
    X, y = np.random.default_rng(0).normal(size=(10_000, 3)), np.arange(10_000.0)
    model = CrossFitRegressor(LinearRegression(), cv=2, random_state=0).fit(X, y)
    assert_array_equal(
        model.set_params(n_jobs=n_jobs).predict(X), model.set_params(n_jobs=1).predict(X)
    )


# --- ensembles ---------------------------------------------------------------------------------------


def threads_of_folds(n):
    """How many threads fit the folds of an ensemble where this is called; at least n, or it fails."""
    together, one_more, seen = threading.Barrier(n), threading.Barrier(n + 1), set()

    def meet():
        together.wait(TIME_LIMIT)
        with suppress(threading.BrokenBarrierError):
            one_more.wait(0.1)  # there may be none
        seen.add(threading.get_ident())

    list(in_parallel(meet, [()] * 2 * n, "ab" * n))
    return len(seen)


def test_an_ensemble_takes_a_thread_for_each_core_but_one_within_a_task_of_joblib():
    assert threads_of_folds(cpu_count()) == cpu_count()
    with parallel_config("threading", n_jobs=3):
        assert threads_of_folds(3) == 3
        assert Parallel()([delayed(threads_of_folds)(1)] * 2) == [1, 1]
    with parallel_config(n_jobs=2):
        assert threads_of_folds(2) == 2
    with parallel_config("sequential"):
        assert threads_of_folds(1) == 1


def test_folds_of_an_ensemble_share_what_its_blend_leaves():
    with parallel_config("threading", n_jobs=4):
        assert list(in_parallel(threads_of_folds, [(2,)] * 2, "ab")) == [2, 2]


def test_models_of_an_ensemble_see_the_configuration_of_scikit_learn():
    named = FunctionTransformer(lambda X: X[["a", "b"]])
    model = make_pipeline(StandardScaler(), named, LogisticRegression())
    blend = BlendClassifier([("linear", CrossFitClassifier(model, cv=3))])
    with config_context(transform_output="pandas"):
        assert blend.fit(pd.DataFrame(X, columns=list("abcd")), Y).estimators_[0].n_estimators_ == 3
