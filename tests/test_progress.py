"""scikit-learn's callbacks for ensembles and tables: members are tasks, which a progress bar counts."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier, make_tabular_classifier
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor

X, y = load_iris(return_X_y=True)
NETWORKS = CrossFitClassifier(
    LowLevelMLPClassifier((4,), max_iter=3, early_stopping=True), cv=3, random_state=0
)
LINEAR = CrossFitClassifier(LogisticRegression(), cv=2, random_state=0)


class Recorder:
    """Writes down the paths of tasks as they begin and end, and may fail at the end of one."""

    def __init__(self, fails_at=None):
        self.begun, self.ended, self.log, self.fails_at = [], [], [], fails_at

    def setup(self, estimator, context):
        self.log.append("setup")

    def teardown(self, estimator, context):
        self.log.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.begun.append(path(context))
        self.seen = estimator, X, y, metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        self.ended.append(path(context))
        if context.task_name == "fit":
            self.n_subtasks, self.fitted = context.max_subtasks, fitted_estimator
        if context.task_name == self.fails_at:
            raise RuntimeError("the callback fails")


def path(context):
    """The names and numbers of the tasks from the fit to a task."""
    above = () if context.parent is None else path(context.parent)
    return (*above, (context.task_name, context.task_id))


FIT = ("fit", 0)


def members(n, *above):
    return [(FIT, *above, ("member", i)) for i in range(n)]


@pytest.mark.parametrize(("ensemble", "n"), [(NETWORKS, 3), (LINEAR, 2)], ids=["networks", "linear"])
def test_each_member_is_a_task_of_the_fit(ensemble, n):
    recorder = Recorder()
    weight = np.ones(len(y))
    with_it = clone(ensemble).set_callbacks(recorder).fit(X, y, sample_weight=weight)
    assert sorted(recorder.begun) == sorted(recorder.ended) == sorted([(FIT,), *members(n)])
    assert recorder.begun[0] == recorder.ended[-1] == (FIT,)
    assert recorder.log == ["setup", "teardown"]
    assert recorder.n_subtasks == n
    estimator, _, its_y, metadata = recorder.seen
    assert estimator is with_it
    assert_array_equal(its_y, y)
    assert_array_equal(metadata["sample_weight"], weight)
    without = clone(ensemble).fit(X, y, sample_weight=weight)
    assert_array_equal(with_it.predict_proba(X), without.predict_proba(X))
    assert_array_equal(recorder.fitted.predict_proba(X), without.predict_proba(X))
    assert vars(with_it).keys() - {"_skl_callbacks"} == vars(without).keys()


def test_each_model_of_a_blend_is_a_task_with_its_members():
    recorder, own = Recorder(), Recorder()
    inner = BlendClassifier([("a", LINEAR), ("b", clone(LINEAR))])
    scaled = make_pipeline(StandardScaler(), clone(NETWORKS).set_callbacks(own))
    BlendClassifier([("scaled", scaled), ("inner", inner)]).set_callbacks(recorder).fit(X, y)
    expected = [(FIT,), (FIT, ("scaled", 0)), *members(3, ("scaled", 0)), (FIT, ("inner", 1))]
    for number, name in enumerate("ab"):
        part = ("inner", 1), (name, number)
        expected += [(FIT, *part), *members(2, *part)]
    assert sorted(recorder.begun) == sorted(recorder.ended) == sorted(expected)
    assert recorder.n_subtasks == 2
    assert sum(task[-1][0] == "member" for task in own.ended) == 3


def test_an_ensemble_that_is_fitted_again_predicts_as_before_until_it_is_over():
    """Here with other classes. A callback sees in between what another thread would see."""
    ensemble = clone(LINEAR).fit(X, y)
    before, seen = ensemble.predict_proba(X), []

    class Predicts(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            seen.append(ensemble.predict_proba(X))

    ensemble.set_callbacks(Predicts()).fit(X, y == 0)
    assert len(seen) == 3
    for probabilities in seen:
        assert_array_equal(probabilities, before)
    assert ensemble.predict_proba(X).shape == (len(X), 2)


def test_a_transformed_target_is_a_model_with_tasks():
    recorder = Recorder()
    model = TransformedTargetRegressor(CrossFitRegressor(Ridge(), cv=2), transformer=StandardScaler())
    BlendRegressor([("model", model)]).set_callbacks(recorder).fit(X, y)
    assert members(2, ("model", 0))[1] in recorder.ended


@pytest.mark.parametrize("fails_at", ["member", None])
def test_after_an_error_callbacks_are_torn_down_and_an_earlier_fit_stays(fails_at):
    blend = BlendClassifier([("networks", NETWORKS), ("linear", LINEAR)]).fit(X, y)
    before = blend.predict_proba(X)
    recorder = Recorder(fails_at)
    with pytest.raises((RuntimeError, ValueError), match=r"the callback fails|one class"):
        blend.set_callbacks(recorder).fit(X, y if fails_at else np.zeros(len(y)))
    assert recorder.log == ["setup", "teardown"]
    assert_array_equal(blend.set_callbacks().predict_proba(X), before)


def test_a_scoring_monitor_scores_the_ensemble():
    monitor = ScoringMonitor(scoring="accuracy")
    ensemble = clone(LINEAR).set_callbacks(monitor).fit(X, y)
    (row,) = monitor.get_logs().data
    assert row["accuracy"] == ensemble.score(X, y)


@pytest.mark.usefixtures("coarse_buckets")
def test_a_progress_bar_shows_the_members_of_a_table(capsys):
    pytest.importorskip("rich")
    table = pd.DataFrame(X, columns=list("abcd"))
    model = make_tabular_classifier(random_state=0, cv=2, max_iter=2, hidden_layer_sizes=(4,))
    model.set_callbacks(ProgressBar()).fit(table, y)
    out = capsys.readouterr().out
    for name in ("TablePipeline - fit", "BlendClassifier - fit", "plain #0", "trees #2"):
        assert name in out
    assert out.count("100%") == 7
