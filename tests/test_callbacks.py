"""scikit-learn's callbacks: what one sees of a fit, how it stops it, and the two that come with it.

A fit is a task, and each epoch is a task within; a fit by lbfgs has none. Nearly all fits share one
shape, of 65 to 128 rows, 4 features, widths (7, 4) and batches of 25.
"""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from helpers import SETTINGS, assert_same_stream, make_problem, press_ctrl_c, run_python
from skdense import LowLevelMLPClassifier
from skdense.ensemble import CrossFitClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_problem(n_samples=100)
Y = (Y == "yes").astype(int)


class Recorder:
    """Writes down every hook that is called, and what `at_end(context)` returns or raises."""

    def __init__(self, at_end=lambda context: None):
        self.at_end = at_end
        self.log = []
        self.networks = []

    def setup(self, estimator, context):
        self.log.append("setup")

    def teardown(self, estimator, context):
        self.log.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        self.log.append(("begin", context.task_name, context.task_id))
        self.seen = estimator, X, y, metadata

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        self.log.append(("end", context.task_name, context.task_id))
        assert all(a is b for a, b in zip(self.seen, (estimator, X, y, metadata)))
        if context.parent is not None and fitted_estimator is not None:
            self.networks.append(fitted_estimator)
        return self.at_end(context)

    def assert_paired(self):
        """Every task that began ended, inner ones first, between one setup and one teardown."""
        assert self.log[0] == "setup"
        assert self.log[-1] == "teardown"
        open_tasks = []
        for hook, *task in self.log[1:-1]:
            if hook == "begin":
                open_tasks.append(task)
            else:
                assert task == open_tasks.pop()
        assert not open_tasks
        assert self.log[1] == ("begin", "fit", 0)
        assert self.log[-2] == ("end", "fit", 0)


def after_epoch(number, then):
    """What to do at the end of that epoch, counted from 1; nothing at the end of the others."""

    def at_end(context):
        if context.parent is not None and context.task_id + 1 == number:
            return then()

    return at_end


def fail():
    raise RuntimeError("the callback fails")


def fit(recorder=None, data=(X, Y), **parameters):
    estimator = LowLevelMLPClassifier(**SETTINGS | parameters)
    if recorder:
        estimator.set_callbacks(recorder)
    return estimator.fit(*data)


# --- what a callback sees ----------------------------------------------------------------------------


def test_the_fit_is_a_task_and_every_epoch_one_within():
    recorder = Recorder()

    fit(recorder, max_iter=3)

    assert recorder.log == [
        "setup",
        ("begin", "fit", 0),
        *[(hook, "epoch", epoch) for epoch in range(3) for hook in ("begin", "end")],
        ("end", "fit", 0),
        "teardown",
    ]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_callback_sees_the_estimator_x_y_and_the_weights_as_they_were_passed(solver, weighted):
    data = (X.tolist(), Y.tolist(), np.linspace(0, 2, len(X)).tolist()) if weighted else (X, Y)
    recorder = Recorder()

    model = fit(recorder, data, solver=solver)

    estimator, its_X, its_y, metadata = recorder.seen
    assert estimator is model
    assert its_X is data[0]
    assert its_y is data[1]
    assert (metadata["sample_weight"] is data[2]) if weighted else metadata is None


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 0.1},
        {"early_stopping": True},
    ],
    ids=["adam", "sgd", "early stopping"],
)
def test_the_fitted_estimator_of_an_epoch_is_a_fit_that_ends_there(parameters):
    recorder = Recorder()

    model = fit(recorder, **parameters)

    assert len(recorder.networks) == model.n_iter_
    # Looked at when the training is over: what was handed out is not trained on.
    for epoch, network in enumerate(recorder.networks):
        assert network is not model
        shorter = fit(max_iter=epoch + 1, **parameters)
        np.testing.assert_array_equal(network.predict(X), shorter.predict(X))
        np.testing.assert_allclose(
            network.predict_proba(X), shorter.predict_proba(X), rtol=0, atol=1e-12
        )
        np.testing.assert_array_equal(network.classes_, model.classes_)
        assert network.n_features_in_ == 4
        if "solver" not in parameters:
            np.testing.assert_allclose(network.loss_curve_, shorter.loss_curve_, rtol=1e-12)
            assert network.n_iter_ == epoch + 1


def test_the_fitted_estimators_of_a_warm_start_go_on():
    model = LowLevelMLPClassifier(**SETTINGS, warm_start=True).fit(X, Y)
    reference = clone(model).set_params(max_iter=5).fit(X, Y).set_params(max_iter=2).fit(X, Y)
    recorder = Recorder()

    model.set_callbacks(recorder).fit(X, Y)

    assert [len(network.loss_curve_) for network in recorder.networks] == [6, 7, 8, 9, 10]
    np.testing.assert_allclose(
        recorder.networks[1].predict_proba(X), reference.predict_proba(X), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [({}, [0] * 5 + [5]), ({"n_init": 2}, [0]), ({"solver": "lbfgs"}, [0])],
    ids=["epochs", "several draws", "lbfgs"],
)
def test_the_number_of_epochs_to_come_is_announced(parameters, expected):
    announced = []
    fit(Recorder(lambda context: announced.append(context.max_subtasks)), **parameters)
    assert announced == expected


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_callbacks_change_nothing(parameters):
    streams = [np.random.RandomState(0) for _ in range(2)]
    parameters = {**parameters, "max_iter": 30, "tol": 0.01, "n_iter_no_change": 2}

    with_them = fit(Recorder(), **parameters | {"random_state": streams[0]})
    without = fit(**parameters | {"random_state": streams[1]})

    assert with_them.n_iter_ == without.n_iter_
    assert getattr(with_them, "loss_curve_", None) == getattr(without, "loss_curve_", None)
    for ours, theirs in zip(with_them.coefs_, without.coefs_):
        np.testing.assert_array_equal(ours, theirs)
    assert_same_stream(*streams)
    assert vars(with_them).keys() - {"_skl_callbacks"} == vars(without).keys()


def test_partial_fit_is_no_task():
    recorder = Recorder()

    LowLevelMLPClassifier(**SETTINGS).set_callbacks(recorder).partial_fit(X, Y, classes=[0, 1])

    assert recorder.log == []


def test_a_network_with_callbacks_keeps_them_as_the_member_of_an_ensemble():
    recorder = Recorder()
    network = LowLevelMLPClassifier(**SETTINGS)
    without = CrossFitClassifier(network, cv=2, random_state=0).fit(X, Y)

    network.set_callbacks(recorder)
    ensemble = CrossFitClassifier(network, cv=2, random_state=0).fit(X, Y)

    assert recorder.log.count(("end", "fit", 0)) == 2
    assert len(recorder.networks) == 2 * network.max_iter
    np.testing.assert_array_equal(ensemble.predict_proba(X), without.predict_proba(X))


# --- stopping, and every other way to end ------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}])
def test_a_callback_stops_the_fit_by_returning_true(parameters):
    recorder = Recorder(after_epoch(3, lambda: True))
    streams = [np.random.RandomState(0) for _ in range(2)]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stopped = fit(recorder, **parameters | {"random_state": streams[0]})

    recorder.assert_paired()
    shorter = fit(**parameters | {"random_state": streams[1], "max_iter": 3})
    assert stopped.n_iter_ == 3
    assert stopped.loss_ == shorter.loss_
    np.testing.assert_array_equal(stopped.predict_proba(X), shorter.predict_proba(X))
    assert_same_stream(*streams)


def test_a_stop_after_the_last_epoch_or_the_fit_is_nothing_special():
    for recorder in (Recorder(after_epoch(5, lambda: True)), Recorder(lambda c: c.parent is None)):
        with pytest.warns(ConvergenceWarning):
            assert fit(recorder).n_iter_ == 5
        recorder.assert_paired()


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}])
def test_a_fit_that_converges_early_ends_every_task(parameters):
    recorder = Recorder()

    parameters |= {"alpha": 1.0, "max_iter": 60, "tol": 0.1, "n_iter_no_change": 2}
    model = fit(recorder, **parameters)

    assert model.n_iter_ < 60
    recorder.assert_paired()


def test_ctrl_c_in_a_callback_ends_every_task_and_keeps_its_epoch():
    recorder = Recorder(after_epoch(2, press_ctrl_c))

    with pytest.warns(UserWarning, match="interrupted"):
        stopped = fit(recorder)

    recorder.assert_paired()
    assert stopped.n_iter_ == 2
    np.testing.assert_array_equal(stopped.predict_proba(X), fit(max_iter=2).predict_proba(X))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_within_an_epoch_ends_every_task(solver, ctrl_c_at_call):
    recorder = Recorder()
    ctrl_c_at_call(4)
    with pytest.warns(UserWarning, match="interrupted"):
        stopped = fit(recorder, solver=solver)

    recorder.assert_paired()
    assert 0 < stopped.n_iter_ < 5


def test_an_error_of_a_callback_is_raised_and_leaves_the_model_as_it_was():
    fitted = fit()
    before, probabilities = dict(vars(fitted)), fitted.predict_proba(X)
    recorder = Recorder(after_epoch(2, fail))

    with pytest.raises(RuntimeError, match="the callback fails"):
        fitted.set_callbacks(recorder).fit(X, Y)
    fitted.set_callbacks()

    assert recorder.log[-1] == "teardown"
    assert vars(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(X), probabilities)


def test_a_fit_of_bad_data_begins_no_task_but_tears_down():
    recorder = Recorder()

    with pytest.raises(ValueError, match="NaN"):
        fit(recorder, (X * np.nan, Y))

    assert recorder.log == ["setup", "teardown"]


# --- scikit-learn's own callbacks --------------------------------------------------------------------


def test_a_scoring_monitor_scores_every_epoch_and_weights_the_samples():
    weights = np.random.default_rng(1).uniform(0, 3, len(X))
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])

    model = fit(monitor, (X, Y, weights))

    of_epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    last = of_epochs[-1]
    assert len(of_epochs) == 5
    assert of_epochs[1]["accuracy"] == fit(data=(X, Y, weights), max_iter=2).score(X, Y, weights)
    assert last["accuracy"] == model.score(X, Y, weights)
    per_sample = np.log(model.predict_proba(X)[np.arange(len(X)), Y])
    assert last["neg_log_loss"] == pytest.approx(np.average(per_sample, weights=weights))


def test_a_progress_bar_works_in_a_grid_search_over_a_pipeline(capsys):
    pytest.importorskip("rich")
    pipeline = Pipeline([("scale", StandardScaler()), ("network", LowLevelMLPClassifier(**SETTINGS))])
    search = GridSearchCV(pipeline, {"network__alpha": [0.1, 1.0]}, cv=3)

    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)

    out = capsys.readouterr().out
    assert "GridSearchCV" in out
    assert "LowLevelMLPClassifier" in out
    assert "100%" in out


# --- another scikit-learn ----------------------------------------------------------------------------

WITHOUT_CALLBACKS = """
import pickle, sys, types
import sklearn.compose, sklearn.model_selection, sklearn.preprocessing  # which import the module

module = None  # importing it raises
if sys.argv[2] == "different":
    module = types.ModuleType("sklearn.callback")
    module.CallbackSupportMixin = type("CallbackSupportMixin", (), {})
    module.CallbackContext = module.CallbackSupportMixin
sys.modules["sklearn.callback"] = module

import numpy as np
from skdense import LowLevelMLPClassifier, fit_many
from skdense.search import PrunedSearchCV

with open(sys.argv[1], "rb") as file:
    model, X, y, probabilities = pickle.load(file)
np.testing.assert_array_equal(model.predict_proba(X), probabilities)
for again in (model.fit(X, y), *fit_many([LowLevelMLPClassifier(**model.get_params())], X, y)):
    np.testing.assert_array_equal(again.predict_proba(X), probabilities)
PrunedSearchCV(model, {"alpha": [0, 1]}, cv=2).fit(X, y)
model.set_callbacks()
try:
    model.set_callbacks(print)
except NotImplementedError as error:
    print(error)
"""


@pytest.mark.usefixtures("compiled_programs")  # as in the other process
@pytest.mark.parametrize("module", ["absent", "different"])
def test_networks_work_without_scikit_learns_callbacks_but_for_set_callbacks(module, tmp_path):
    model = fit()
    path = tmp_path / "model.pickle"
    path.write_bytes(pickle.dumps((model, X, Y, model.predict_proba(X))))

    message = run_python(WITHOUT_CALLBACKS, path, module)

    assert "set_callbacks needs the callbacks of scikit-learn 1.9" in message
    assert "absent or different" in message
