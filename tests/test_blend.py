"""Tests of blends of out-of-fold ensembles."""

import copy
import pickle
import re
import warnings
from functools import partial
from itertools import product
from time import thread_time
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import effective_n_jobs, parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import OptimizeResult, linprog
from scipy.special import expit, huber, softmax, xlogy
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler, scale
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.estimator_checks import estimator_checks_generator

from helpers import openmp_threads
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.ensemble import (
    BlendClassifier,
    BlendRegressor,
    CrossFitClassifier,
    CrossFitRegressor,
)
from skdense.ensemble.progress import Progress
from skdense.version import __version__

SETTINGS = {"max_iter": 60, "early_stopping": True, "learning_rate_init": 0.03}
NETWORKS = CrossFitClassifier(LowLevelMLPClassifier((8,), **SETTINGS), cv=3, random_state=0)
LINEAR = CrossFitClassifier(LogisticRegression(), cv=4, random_state=1)
BAYES = CrossFitClassifier(GaussianNB(), cv=3, random_state=0)
RIDGE = CrossFitRegressor(Ridge(), cv=4, random_state=0)
NEIGHBOURS = CrossFitRegressor(KNeighborsRegressor(20), cv=3, random_state=0)


def checks_of_blends():
    """All of scikit-learn's, with models that are quick to fit, in one thread."""
    linear, bayes, ridge = (clone(model).set_params(cv=2) for model in (LINEAR, BAYES, RIDGE))
    near = clone(ridge).set_params(estimator__alpha=9.0)
    blends = [
        BlendClassifier([("linear", linear), ("bayes", bayes)], n_jobs=1),
        BlendRegressor([("linear", ridge), ("near", near)], n_jobs=1),
    ]
    for blend in blends:
        for estimator, check in estimator_checks_generator(blend):
            name = check.func.__name__
            # Repeated samples come into other folds than weighted ones.
            if not name.startswith("check_sample_weight_equivalence"):
                yield pytest.param(estimator, check, id=f"{type(blend).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(checks_of_blends()))
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True)
    return scale(X[::2]), np.array(["no", "yes"])[y][::2]


@pytest.fixture(scope="module")
def blend(cancer):
    named = [
        ("networks", make_pipeline(StandardScaler(), NETWORKS)),
        ("linear", LINEAR),
        ("bayes", BAYES),
    ]
    return BlendClassifier(named).fit(*cancer)


def proba_at(temperature, model, X):
    """The probabilities of a model whose members' logits are also divided by a temperature."""
    model = copy.deepcopy(model)
    getattr(model, "steps", [("", model)])[-1][1].temperature_ *= temperature
    return model.predict_proba(X)


def parts(blend):
    """The out-of-fold ensembles of a blend."""
    networks, *others = blend.estimators_
    return [networks[-1], *others]


def test_the_probabilities_are_the_weighted_mean_of_the_models(cancer, blend):
    X, _ = cancer
    each = [proba_at(blend.temperature_, model, X) for model in blend.estimators_]
    assert_allclose(blend.predict_proba(X), np.average(each, axis=0, weights=blend.weights_))
    oof = [softmax(np.log(part.oof_proba_) / blend.temperature_, axis=1) for part in parts(blend)]
    assert_allclose(blend.oof_proba_, np.average(oof, axis=0, weights=blend.weights_), atol=1e-9)
    assert blend.oof_score_ == accuracy_score(
        cancer[1], blend.classes_[blend.oof_proba_.argmax(axis=1)]
    )
    assert_array_equal(list(blend.named_estimators_), ["networks", "linear", "bayes"])


def test_no_other_weights_have_a_lower_out_of_fold_loss(cancer, blend):
    _, y = cancer
    models = [NETWORKS, LINEAR, BAYES]
    oof = np.array([clone(model).fit(*cancer).oof_proba_ for model in models])
    ours = log_loss(y, np.average(oof, axis=0, weights=blend.weights_))
    assert (blend.weights_ >= 0).all()
    assert blend.weights_.sum() == pytest.approx(1)
    for weights in np.random.default_rng(0).dirichlet(np.ones(3), 200):
        assert ours < log_loss(y, np.average(oof, axis=0, weights=weights)) + 1e-6


def test_a_blend_leaves_the_fitted_attributes_of_its_models_as_they_are(cancer, blend):
    assert blend.temperature_ != 1
    for part, model in zip(parts(blend), [NETWORKS, LINEAR, BAYES], strict=True):
        alone = clone(model).fit(*cancer)
        assert part.temperature_ == pytest.approx(alone.temperature_, rel=1e-4)
        assert part.oof_loss_ == pytest.approx(alone.oof_loss_, rel=1e-4)
        assert_allclose(part.oof_proba_, alone.oof_proba_, atol=1e-4)


def test_a_blend_of_numbers_leaves_the_losses_of_its_models_as_they_are():
    X, y = load_diabetes(return_X_y=True)
    blend = BlendRegressor([("linear", RIDGE), ("near", NEIGHBOURS)], loss="absolute_error").fit(X, y)
    for part, model in zip(blend.estimators_, (RIDGE, NEIGHBOURS), strict=True):
        assert part.oof_loss_ == clone(model).fit(X, y).oof_loss_
    errors = [mean_absolute_error(y, part.oof_prediction_) for part in blend.estimators_]
    assert_allclose(blend.summary().oof_loss[:2], errors)


def test_a_useless_model_has_no_weight_and_is_not_asked():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=300)
    nothing = make_pipeline(StandardScaler(), CrossFitRegressor(DummyRegressor(), cv=3))
    blend = BlendRegressor([("nothing", nothing), ("linear", RIDGE)]).fit(X, y)
    assert_array_equal(blend.weights_, [0, 1])
    del blend.estimators_[0].steps[-1][1].estimators_
    assert_allclose(blend.predict(X), blend.named_estimators_.linear.predict(X))


def test_a_constant_model_has_weight_only_where_others_are_not_clearly_better():
    rng = np.random.default_rng(0)
    X, noise, found = rng.normal(size=(200, 3)), rng.normal(size=200), set()
    trees = CrossFitRegressor(DecisionTreeRegressor(max_depth=6, random_state=0), cv=4, random_state=0)
    constant = CrossFitRegressor(DummyRegressor(), cv=3, random_state=0)
    for slope in (0, 0.5, 1, 1.5, 2, 3):
        y = slope * X[:, 0] + noise
        blend = BlendRegressor([("trees", trees), ("constant", constant)]).fit(X, y)
        a, b = (model.oof_prediction_ for model in blend.estimators_)
        gains = (y - b) ** 2 - (y - a) ** 2
        is_clear = bool(gains.mean() > 3 * gains.std() / np.sqrt(len(y)))
        best = np.clip(np.mean((y - a) * (b - a)) / np.mean((b - a) ** 2), 0, 1)
        assert_allclose(blend.weights_[1], 0 if is_clear else best, atol=1e-3)
        found.add((is_clear, bool(best > 0.01)))
    assert {(False, True), (True, True)} <= found  # the least loss is not all that decides


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_on_noise_a_constant_model_takes_more_than_half_of_the_excess_loss(task):
    if task == "regression":
        models = CrossFitRegressor(Ridge(), cv=4), CrossFitRegressor(DummyRegressor(), cv=4)
        blend, predict, loss, least = BlendRegressor, "predict", mean_squared_error, 1.0
    else:
        models = LINEAR, CrossFitClassifier(DummyClassifier(), cv=4)
        blend, predict, loss, least = BlendClassifier, "predict_proba", log_loss, np.log(2)
    excess = {1: [], 2: []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(1100, 10)), rng.normal(size=1100)
        y = y if task == "regression" else y > 0
        for n_models, losses in excess.items():
            model = blend(list(zip("ab", models[:n_models])), prior_samples=3).fit(X[:100], y[:100])
            losses.append(loss(y[100:], getattr(model, predict)(X[100:])) - least)
    assert 0 < np.mean(excess[2]) < np.mean(excess[1]) / 2


def test_the_weights_of_regressors_are_those_of_least_squares():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    weight = np.random.default_rng(0).uniform(size=len(y))
    trees = CrossFitRegressor(DecisionTreeRegressor(max_depth=3, random_state=0), cv=3, random_state=0)
    blend = BlendRegressor([("linear", RIDGE), ("trees", trees)]).fit(X, y, sample_weight=weight)
    a, b = (model.oof_prediction_ for model in blend.estimators_)
    best = np.average((y - b) * (a - b), weights=weight) / np.average((a - b) ** 2, weights=weight)
    assert 0 < best < 1
    assert_allclose(blend.weights_, [best, 1 - best], atol=1e-4)
    expected = r2_score(y, blend.oof_prediction_, sample_weight=weight)
    assert blend.oof_score_ == pytest.approx(expected)
    for model in blend.estimators_:  # the weights have reached the models
        expected = r2_score(y, model.oof_prediction_, sample_weight=weight)
        assert model.oof_score_ == pytest.approx(expected)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        ("quantile", partial(mean_pinball_loss, alpha=0.9)),
        ("absolute_error", mean_absolute_error),
        ("poisson", mean_poisson_deviance),
        ("squared_error", mean_squared_error),
        ("huber", lambda y, predicted: huber(0.7, (y - predicted) / y.std()).mean()),
    ],
)
def test_the_weights_minimize_the_loss(loss, metric):
    X, y = load_diabetes(return_X_y=True)
    trees = CrossFitRegressor(
        HistGradientBoostingRegressor("poisson", max_iter=10), cv=3, random_state=0
    )
    features = [
        make_pipeline(FunctionTransformer(lambda X, c=c: X[:, c]), trees) for c in ([2, 3], [8])
    ]
    inner = BlendRegressor([("pair", features[0])])
    blend = BlendRegressor(
        [("pair", inner), ("one", features[1])], loss=loss, quantile=0.9, relative_delta=0.7
    ).fit(X, y)
    one, two = blend.estimators_[0].oof_prediction_, blend.estimators_[1][-1].oof_prediction_
    losses = [metric(y, w * one + (1 - w) * two) for w in np.linspace(0, 1, 101)]
    assert metric(y, blend.oof_prediction_) < min(losses) * (1 + 1e-5)


@pytest.mark.parametrize("shift", [0, -5])
def test_a_loss_of_positive_predictions_refuses_others(shift):
    X, y = load_diabetes(return_X_y=True)
    blend = BlendRegressor([("linear", CrossFitRegressor(Ridge(), cv=3))], loss="poisson")
    with pytest.raises(ValueError, match="'poisson' needs models with positive predictions, and y"):
        blend.fit(X, np.exp(y / 50) + shift)


def test_a_transformed_target_is_blended_in_its_own_units():
    X, y = load_diabetes(return_X_y=True)
    logged = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
    power = TransformedTargetRegressor(KNeighborsRegressor(20), transformer=PowerTransformer())
    models = {
        "logged": CrossFitRegressor(logged, 4, random_state=0),
        "power": CrossFitRegressor(power, 3, random_state=0),
    }
    blend = BlendRegressor([*models.items()]).fit(X, y)
    assert blend.oof_score_ > 0.4
    each = [model.predict(X) for model in blend.estimators_]
    assert_allclose(blend.predict(X), np.average(each, axis=0, weights=blend.weights_))
    for model in blend.estimators_:
        assert blend.oof_score_ >= r2_score(y, model.oof_prediction_)


@pytest.mark.parametrize("weighted", ["equally", "differently", "without a class"])
@pytest.mark.parametrize("class_weight", ["balanced", {"no": 3.0, "yes": 0.5}])
def test_a_class_weight_is_the_sample_weight_that_scikit_learn_makes_of_it(
    cancer, class_weight, weighted
):
    X, y = cancer
    y = np.where(np.arange(len(y)) % 10 == 0, "third", y)
    weight = {
        "equally": np.ones(len(y)),
        "differently": np.arange(len(y)) % 3,
        "without a class": (y != "third").astype(float),
    }[weighted]
    known = weight > 0
    classes, codes = np.unique(y[known], return_inverse=True)
    factors = compute_class_weight(
        class_weight, classes=classes, y=y[known], sample_weight=weight[known]
    )
    by_sample = weight * 1.0
    by_sample[known] *= factors[codes]
    models = [("linear", LINEAR), ("bayes", BAYES)]
    by_class = BlendClassifier(models, class_weight=class_weight)
    by_class.fit(X, y, sample_weight=weight if weighted != "equally" else None)
    expected = BlendClassifier(models).fit(X, y, sample_weight=by_sample)
    assert_allclose(by_class.predict_proba(X), expected.predict_proba(X))
    assert_allclose(by_class.weights_, expected.weights_)
    for ensemble in (by_class, *by_class.estimators_):  # what is said of them is without class weights
        proba = ensemble.oof_proba_[known]
        right = ensemble.classes_[proba.argmax(axis=1)] == y[known]
        assert ensemble.oof_score_ == pytest.approx(np.average(right, weights=weight[known]))
        loss = log_loss(y[known], proba, sample_weight=weight[known], labels=ensemble.classes_)
        assert ensemble.oof_loss_ == pytest.approx(loss)


def test_a_class_weight_of_a_member_beside_that_of_the_blend_is_told(cancer):
    X, y = cancer
    twice = CrossFitClassifier(LogisticRegression(class_weight="balanced", max_iter=1000), cv=2)
    with pytest.warns(
        UserWarning, match="has a class_weight, which is multiplied by that of the ensemble"
    ):
        BlendClassifier([("linear", twice)], class_weight="balanced").fit(scale(X), y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BlendClassifier([("linear", twice)]).fit(scale(X), y, sample_weight=np.arange(len(y)))


def test_samples_that_a_model_never_holds_out_do_not_count():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    later = clone(RIDGE).set_params(cv=TimeSeriesSplit(3))
    blend = BlendRegressor([("later", later), ("near", NEIGHBOURS)]).fit(X, y)
    seen = ~np.isnan(blend.oof_prediction_)
    assert_array_equal(seen, ~np.isnan(blend.estimators_[0].oof_prediction_))
    assert blend.oof_score_ == r2_score(y[seen], blend.oof_prediction_[seen])
    first, second = np.array_split(np.arange(len(y)), 2)
    halves = [[(first, second)], [(second, first)]]
    named = [(f"half {i}", clone(RIDGE).set_params(cv=cv)) for i, cv in enumerate(halves)]
    with pytest.raises(ValueError, match="must have at least one common held-out sample"):
        BlendRegressor(named).fit(X, y)


@pytest.mark.parametrize("routing", [False, True])
def test_weights_and_groups_reach_the_ensemble_at_the_end_of_a_pipeline(cancer, routing):
    X, y = cancer
    groups = np.arange(len(y)) // 4
    with config_context(enable_metadata_routing=routing):
        scaler, last = StandardScaler(), clone(LINEAR)
        if routing:
            scaler.set_fit_request(sample_weight=False)
            last.set_fit_request(sample_weight=True, groups=True)
        model = make_pipeline(scaler, last)
        blend = BlendClassifier([("linear", model)])
        blend.fit(X, y, sample_weight=np.ones(len(y)), groups=groups)
        expected = clone(LINEAR).fit(scale(X), y, groups=groups).oof_score_
    assert blend.oof_score_ == expected


def test_parameters_and_models_are_set_by_their_names():
    blend = BlendClassifier([("networks", NETWORKS), ("linear", LINEAR)])
    other = clone(blend).set_params(networks__estimator__max_iter=5, linear=BAYES)
    assert other.get_params()["networks__estimator__max_iter"] == 5
    assert other.get_params()["linear"] is BAYES
    assert blend.get_params()["networks__estimator__max_iter"] == 60
    other.set_params(estimators=[("bayes", clone(BAYES))], bayes__cv=2)
    own = {"estimators", "class_weight", "verbose", "prior_samples", "n_jobs"}
    assert set(other.get_params(deep=False)) == own
    assert other.get_params()["bayes__cv"] == 2


def test_a_blend_may_be_a_model_of_another(cancer):
    X, y = cancer
    inner = BlendClassifier([("linear", LINEAR), ("bayes", BAYES)])
    blend = BlendClassifier([("both", inner), ("bayes", BAYES)]).fit(X, y)
    both, bayes = blend.estimators_
    temperature = blend.temperature_ * both.temperature_
    weighted = [proba_at(temperature, model, X) for model in both.estimators_]
    weighted = np.average(weighted, axis=0, weights=both.weights_)
    each = [weighted, proba_at(blend.temperature_, bayes, X)]
    assert_allclose(blend.predict_proba(X), np.average(each, axis=0, weights=blend.weights_))


class CountsJobs(GaussianNB):
    """Notes how many jobs joblib is configured with where it predicts."""

    jobs: ClassVar[list[int]] = []

    def predict_proba(self, X):
        self.jobs.append(effective_n_jobs(None))
        return super().predict_proba(X)


def test_a_model_predicts_with_its_own_n_jobs_and_others_with_that_of_the_blend(cancer):
    X, y = cancer
    models = [
        ("own", CrossFitClassifier(CountsJobs(), cv=2, random_state=0, n_jobs=3)),
        ("open", CrossFitClassifier(CountsJobs(var_smoothing=1e-3), cv=2, random_state=0)),
    ]
    blend = BlendClassifier(models, prior_samples=1000, n_jobs=2).fit(X, y)
    CountsJobs.jobs.clear()

    blend.predict_proba(X[:5])

    assert CountsJobs.jobs == [3, 3, 2, 2]


def test_a_model_that_is_dropped_is_left_out(cancer):
    X, y = cancer
    inner = BlendClassifier([("linear", LINEAR), ("bayes", BAYES)]).set_params(bayes="drop")
    blend = BlendClassifier([("networks", "drop"), ("inner", inner)]).fit(X, y)
    assert_array_equal(blend.weights_, [1])
    linear = BlendClassifier([("inner", BlendClassifier([("linear", LINEAR)]))]).fit(X, y)
    assert_array_equal(blend.predict_proba(X), linear.predict_proba(X))
    assert list(blend.named_estimators_) == ["inner"]
    assert blend.get_params()["inner__bayes"] == "drop"
    assert "inner" in blend._repr_html_()
    blend.set_params(networks=BAYES)  # for the next fit: what was fitted stays as it is
    assert_array_equal(blend.predict_proba(X), linear.predict_proba(X))
    with pytest.raises(ValueError, match="at least one model that is not 'drop'"):
        blend.set_params(networks="drop", inner="drop").fit(X, y)


def test_there_may_be_several_outputs_and_regressors_that_are_dropped():
    X, y = load_diabetes(return_X_y=True)
    inner = BlendRegressor([("linear", RIDGE), ("near", "drop")])
    blend = BlendRegressor([("inner", inner), ("near", NEIGHBOURS)]).fit(X, np.c_[y, -y])
    assert blend.weights_.shape == (2, 2)
    assert_array_equal(blend.summary().n_members, [4, 3, 7])
    assert blend.predict(X).shape == blend.oof_prediction_.shape == (len(y), 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("model", [RIDGE, BlendRegressor([("linear", RIDGE)])])
def test_a_y_that_is_too_large_or_no_number_has_one_clear_error(model):
    X, y = load_diabetes(return_X_y=True)
    with pytest.raises(ValueError, match=r"between -1e\+30 and 1e\+30, .* to 3.46e\+302; divide y"):
        clone(model).fit(X, 1e300 * y)
    with pytest.raises(ValueError, match=r"y must be numeric, got dtype <U.* use a classifier"):
        clone(model).fit(X, y.astype(str))
    with pytest.raises(ValueError, match="y must be numeric: could not convert string"):
        clone(model).fit(X, np.array(["much", *y[1:]], dtype=object))


def test_what_cannot_be_a_blend_is_refused(cancer):
    with pytest.raises(
        TypeError, match="model 'b' must be, or end with, a CrossFitClassifier or a Blend"
    ):
        BlendClassifier([("a", LINEAR), ("b", LogisticRegression())]).fit(*cancer)
    with pytest.raises(ValueError, match=r"distinct names without '__' .*, got the names \['a', 'a'\]"):
        BlendClassifier([("a", LINEAR), ("a", BAYES)]).fit(*cancer)
    for weight, message in (
        ({"no": 1, "maybe": 3}, r"unknown classes \['maybe'\]"),
        ({"no": -1}, "class_weight=.* cannot be used: Negative values"),
    ):
        with pytest.raises(ValueError, match=message):
            BlendClassifier([("linear", LINEAR)], class_weight=weight).fit(*cancer)
    with pytest.raises(ValueError, match=r"got the names \['verbose'\]"):
        BlendClassifier([("verbose", LINEAR)]).fit(*cancer)
    for estimators in ([], [LINEAR], [()], [("a", LINEAR, 1)], [(1, LINEAR)]):
        with pytest.raises(
            ValueError, match=r"must be a list of \(name, model\) with at least one model"
        ):
            BlendClassifier(estimators).fit(*cancer)


def test_models_of_other_processes_say_what_they_say_in_threads(capsys, monkeypatch):
    """What is called elsewhere, and what comes back, is pickled."""
    X, y = load_breast_cancer(return_X_y=True)
    X, y = X[:100], np.append(y[:98], ["rare", "rare"])
    inner = CrossFitClassifier(GaussianNB(), 3, random_state=0)
    inner = BlendClassifier([("a", inner)], verbose=True)
    members = CrossFitClassifier(GaussianNB(), 4, verbose=True, random_state=0)
    blend = BlendClassifier([("inner", inner), ("own", members)], verbose=True)

    def elsewhere(function, arguments, names):
        copies = [pickle.loads(pickle.dumps((function, given))) for given in arguments]
        outputs = [*reversed([function(*given) for function, given in reversed(copies)])]
        return pickle.loads(pickle.dumps(outputs))

    def said():
        with pytest.warns(UserWarning, match=r"classes \['rare'\]") as caught:
            blend.fit(X, y)
        lines = [line.partition("] ")[2] for line in capsys.readouterr().out.splitlines()]
        return sorted(lines), sorted(str(warning.message) for warning in caught)

    in_threads = said()
    monkeypatch.setattr("skdense.ensemble.blend.in_parallel", elsewhere)
    assert said() == in_threads
    assert [line.split(":")[0].split(" of ")[0] for line in in_threads[0]] == [
        "blend", "inner, a, all 3 folds", "inner, blend", "own, all 4 folds",
        *(f"own, fold {i}" for i in (1, 2, 3, 4)),
    ]  # fmt: skip


def test_lines_of_a_blend_within_a_worker_are_kept_once(capsys):
    """Models of a blend within another one are fitted in the worker itself, and share its lines."""
    in_worker = pickle.loads(pickle.dumps(Progress(True)))
    inner = Progress(True, in_worker, "inner")
    inner.print("loss 1")
    in_worker.print_kept_lines(inner.lines)
    assert in_worker.lines == ["loss 1"]
    Progress(True).print_kept_lines(in_worker.lines)
    assert capsys.readouterr().out.endswith("] loss 1\n")


def test_a_worker_with_another_version_is_an_error(monkeypatch):
    """The worker processes have this version. Only what they are told is another one."""
    X, y = load_diabetes(return_X_y=True)
    members = CrossFitRegressor(LinearRegression(), 2, random_state=0)
    with parallel_config("loky", n_jobs=2):
        assert_allclose(clone(members).fit(X, y).predict(X), clone(members).fit(X, y).predict(X))
        monkeypatch.setattr("skdense.ensemble.members.__version__", "0.0.7")
        message = f"has skdense {re.escape(__version__)}, but the process that calls it has 0.0.7"
        with pytest.raises(RuntimeError, match=message):
            members.fit(X, y)


def test_the_summary_has_weights_losses_and_scores(cancer, blend):
    frame = blend.summary()
    assert list(frame.index) == ["networks", "linear", "bayes", "all"]
    assert_array_equal(frame.weight, [*blend.weights_, blend.weights_.sum()])
    assert_array_equal(frame.oof_score, [part.oof_score_ for part in (*parts(blend), blend)])
    losses = [log_loss(cancer[1], part.oof_proba_) for part in (*parts(blend), blend)]
    assert_allclose(frame.oof_loss, losses)
    assert_array_equal(frame.n_members, [3, 4, 3, 10])
    assert (frame.fit_seconds["all"] >= frame.fit_seconds[:-1].max()) & (frame.fit_seconds > 0).all()
    is_used = blend.weights_ > 0
    assert_allclose(frame.predict_ms["all"], frame.predict_ms[:-1][is_used].sum())
    with pytest.raises(NotFittedError):
        clone(blend).summary()


def test_the_time_to_predict_is_that_of_a_thousand_rows_on_one_thread():
    calls = []

    class Slow(LinearRegression):
        """Each call takes 10 ms of processor time, whatever the number of rows is."""

        def predict(self, X):
            begin = thread_time()
            while thread_time() < begin + 0.01:
                pass
            calls.append((len(X), openmp_threads()))
            return super().predict(X)

    X = np.random.default_rng(0).normal(size=(20, 2))
    slow, fast = (CrossFitRegressor(member, cv=4) for member in (Slow(), LinearRegression()))
    summary = BlendRegressor([("slow", slow), ("fast", fast)]).fit(X, X[:, 0]).summary()
    assert 40 <= summary.predict_ms["slow"] < 400  # 8,000 if each row of a fold took that long
    assert sorted(n_rows for n_rows, _ in calls) == [5, 5, 5, 5, 1000]
    assert [threads for n_rows, threads in calls if n_rows == 1000] == [{1}]


def test_models_that_share_a_random_state_share_a_seed_that_each_fit_draws_from_it():
    X, y = load_diabetes(return_X_y=True)

    def blend(random_state):
        models = (CrossFitRegressor(Ridge(a), cv=3, random_state=random_state) for a in (0.01, 1))
        return BlendRegressor([*zip("ab", models)])

    given, expected = (np.random.RandomState(0) for _ in range(2))
    model = blend(given)
    for _ in range(2):
        one = blend(expected.randint(2**31)).fit(X, y)
        assert_array_equal(model.fit(X, y).predict(X), one.predict(X))
    np.random.seed(0)  # noqa: NPY002 - a random_state of None is this state
    model = blend(None).fit(X, y)
    assert_array_equal(model.predict(X), blend(np.random.RandomState(0)).fit(X, y).predict(X))


def test_a_notebooks_picture_shows_the_fitted_models_and_their_weights(blend):
    picture = re.sub("<[^>]*>|\\s+", " ", blend._repr_html_())
    assert re.search(r"weights_ +ndarray\[float64\]\(3,\)", picture)
    for fitted in (blend, blend.named_estimators_.networks[-1]):
        assert re.search(rf"oof_score_ +float +{fitted.oof_score_:.4g} ", picture)
    assert "Fitted" in picture
    assert "linear" in BlendClassifier([("linear", LINEAR)])._repr_html_()


def test_each_model_of_a_blend_is_the_one_that_it_would_be_alone():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    network = LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS)
    folds = KFold(3, shuffle=True, random_state=0)
    named = [
        (name, CrossFitRegressor(clone(network).set_params(alpha=alpha), folds, random_state=0))
        for name, alpha in (("weak", 1e-4), ("strong", 0.3))
    ]
    blend = BlendRegressor(named).fit(X, y)
    for name, model in named:
        alone = clone(model).fit(X, y)
        assert_array_equal(blend.named_estimators_[name].oof_prediction_, alone.oof_prediction_)


@pytest.mark.parametrize("offset", [-1e6, 1e9])
def test_weights_do_not_depend_on_the_mean_of_the_target(offset):
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    constant = CrossFitRegressor(DummyRegressor(), cv=4, random_state=0)
    blend = BlendRegressor([("constant", constant), ("linear", RIDGE)]).fit(X, y)
    shifted = BlendRegressor([("constant", constant), ("linear", RIDGE)]).fit(X, y + offset)
    assert_allclose(shifted.weights_, blend.weights_, atol=0.01)


def test_a_transformed_target_may_be_positive_where_the_target_is_not():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    trees = HistGradientBoostingRegressor(loss="poisson", max_iter=20)
    shift = {"func": lambda y: y + 9, "inverse_func": lambda y: y - 9}
    inside = CrossFitRegressor(TransformedTargetRegressor(trees, **shift), cv=3)
    blend = BlendRegressor([("inside", inside)]).fit(X, y)
    assert blend.predict_quantiles(X, 0.01).min() < 0  # only of the shifted y they were positive
    around = TransformedTargetRegressor(CrossFitRegressor(trees, cv=3), **shift)
    with pytest.raises(TypeError, match=r"'around' must be.* a transformation of y must be inside it"):
        BlendRegressor([("around", around)]).fit(X, y)


def test_a_model_of_less_than_a_thousandth_is_left_out():
    rng = np.random.default_rng(0)
    X = np.c_[rng.normal(size=400), rng.normal(size=400)]
    y = X[:, 0] + 0.0005 * X[:, 1] / X[:, 1].std()
    columns = [FunctionTransformer(lambda X, c=c: X[:, [c]]) for c in (0, 1)]
    folds = KFold(4)
    models = [
        (name, make_pipeline(column, CrossFitRegressor(Ridge(1e-9, fit_intercept=False), cv=folds)))
        for name, column in zip("ab", columns)
    ]
    blend = BlendRegressor(models).fit(X, y)
    a, b = (model[-1].oof_prediction_ for model in blend.estimators_)
    best = np.average((y - a) * (b - a)) / np.average((b - a) ** 2)
    assert abs(best) < 0.001
    assert_array_equal(blend.weights_, [1, 0])


def test_a_prior_shrinks_the_weights_towards_equal_ones():
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    models = [("linear", RIDGE), ("near", clone(NEIGHBOURS).set_params(estimator__n_neighbors=100))]
    weights = [
        BlendRegressor(models, prior_samples=n).fit(X, y).weights_[0] for n in (0, 30, 3000, 1e9)
    ]
    assert_array_equal(np.sort(weights)[::-1], weights)
    assert weights[0] > 0.9
    assert weights[-1] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_an_error_says_of_which_model_and_fold_it_is(backend):
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    X[300:] = np.nan  # the last of three folds
    models = [("near", CrossFitRegressor(KNeighborsRegressor(), KFold(3)))]
    with pytest.raises(ValueError, match="contains NaN") as raised:
        with parallel_config(backend, n_jobs=2):
            BlendRegressor([*models, ("trees", CrossFitRegressor(DummyRegressor()))]).fit(X, y)
    in_fold, in_model = raised.value.__notes__
    assert re.fullmatch(r"It was raised in fold [12] of 3\.", in_fold)
    assert in_model == "It was raised in model 'near'."


def test_an_error_says_of_what_the_fit_would_have_warned():
    X, y = np.arange(20.0)[:, None], np.repeat(["a", "b", "c", "d"], 5)
    blend = BlendClassifier([("trees", CrossFitClassifier(NeedsFour(), KFold(4)))])
    with pytest.raises(ValueError, match="four classes") as raised:
        blend.fit(X, y)
    *_, of_fit = raised.value.__notes__
    assert re.match(r"Before that, the fit would have warned: 4 of 4 members are trained wit", of_fit)


class NeedsFour(GaussianNB):
    def fit(self, X, y):
        if len(np.unique(y)) < 4:
            raise ValueError("y must have four classes")
        return super().fit(X, y)


# --- weights against other solvers -------------------------------------------------------------------


class Column(RegressorMixin, BaseEstimator):
    """Predicts a column of X, and so has the same predictions out of fold."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[:, self.column]


class ColumnClassifier(ClassifierMixin, Column):
    """Its probability of the second class is a column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return super().fit(X, y)

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, self.column], X[:, self.column]])


def blend_of_columns(predictions, y, loss="squared_error", prior_samples=0.0, sample_weight=None):
    """The weights of a blend of models that predict columns, and the blend."""
    cross_fit, column = CrossFitRegressor, Column()
    blend = BlendRegressor([], loss=loss, quantile=0.8, prior_samples=prior_samples)
    if loss == "log_loss":
        cross_fit, column = CrossFitClassifier, ColumnClassifier()
        blend = BlendClassifier([], prior_samples=prior_samples)
    blend.estimators = [
        (f"column {i}", cross_fit(clone(column).set_params(column=i), cv=KFold(2)))
        for i in range(predictions.shape[1])
    ]
    blend.fit(predictions, y, sample_weight=sample_weight)
    return blend.weights_, blend


def drawn_models(loss, n_samples, scales, seed):
    """A target, and predictions whose errors have a part in common and deviate by these scales."""
    rng = np.random.default_rng(seed)
    y, scales = rng.normal(size=n_samples), np.array(scales)
    shared, own = rng.normal(size=(n_samples, 1)), rng.normal(size=(n_samples, len(scales)))
    predictions = y[:, None] + scales * (0.6 * shared + 0.8 * own)
    if loss == "poisson":
        return rng.poisson(np.exp(y / 2)), np.exp(np.clip(predictions / 2, -8, 8))
    if loss == "log_loss":
        return (y > 0).astype(int), expit(np.clip(3 * predictions, -30, 30))
    return y, predictions


FORMULAS = {
    "squared_error": (lambda y, p: (y - p) ** 2, lambda y, p: 2 * (p - y)),
    "poisson": (lambda y, p: 2 * (xlogy(y, y / p) - y + p), lambda y, p: 2 * (1 - y / p)),
    "absolute_error": (lambda y, p: np.abs(y - p), None),
    "quantile": (lambda y, p: np.maximum(0.8 * (y - p), 0.2 * (p - y)), None),
    "huber": (
        lambda y, p: huber(y.std(), y - p) / y.var(),
        lambda y, p: np.clip(p - y, -y.std(), y.std()) / y.var(),
    ),
    "log_loss": (
        lambda y, p: -np.log(np.where(y == 1, p, 1 - p)),
        lambda y, p: 1 / np.where(y == 1, -p, 1 - p),
    ),
}
"""The losses of predictions and their derivatives."""


def lowest_loss(loss, predictions, y, prior_samples):
    """The lowest value of the objective, by other methods than ours, and the objective."""
    n_samples, n_models = predictions.shape
    formula, derivative = FORMULAS[loss]
    single = [formula(y, column).mean() for column in predictions.T]
    unit, prior = 1.0 if loss == "log_loss" else min(single), prior_samples / n_samples

    def objective(weights):
        distance = np.sum((weights - 1 / n_models) ** 2)
        return formula(y, predictions @ weights).mean() / unit + prior * distance

    if derivative is None:  # a linear program of the weights and of the absolute errors
        above, below = (0.8, 0.2) if loss == "quantile" else (1, 1)
        costs = np.repeat([0, above / n_samples, below / n_samples], [n_models, n_samples, n_samples])
        errors = np.hstack([predictions, np.eye(n_samples), -np.eye(n_samples)])
        sums_to_one = np.repeat([1.0, 0.0], [n_models, 2 * n_samples])
        found = linprog(costs, A_eq=np.vstack([errors, sums_to_one]), b_eq=[*y, 1])
        assert found.success
        return found.fun / unit, objective
    # Exponentiated gradient, with a step that gets shorter when it overshoots.
    weights, step = np.full(n_models, 1 / n_models), 1.0
    value = objective(weights)
    for _ in range(1500):
        slopes = derivative(y, predictions @ weights) / n_samples / unit
        gradient = slopes @ predictions + 2 * prior * (weights - 1 / n_models)
        trial = weights * np.exp(np.maximum(step * (gradient.min() - gradient), -50))
        trial /= trial.sum()
        if (trial_value := objective(trial)) < value:
            weights, value, step = trial, trial_value, step * 1.3
        else:
            step /= 2
        if step < 1e-16:  # which changes no weight
            break
    return value, objective


@pytest.mark.parametrize(
    ("loss", "prior_samples"),
    [
        *product(["log_loss", "squared_error", "poisson", "huber"], [0, 3]),
        *product(["absolute_error", "quantile"], [0]),  # with a prior it would be no linear program
    ],
)
def test_no_other_solver_finds_better_weights(loss, prior_samples):
    for seed, scales in enumerate([(1, 0.8), (0.5, 0.6, 3), (1, 30, 1.1, 0.9), (0.3, 0.31, 90)]):
        y, predictions = drawn_models(loss, 200, scales, seed)
        weights, _ = blend_of_columns(predictions, y, loss, prior_samples)
        if loss == "log_loss":  # a blend sees what its models are out of fold, at their temperatures
            models = [
                CrossFitClassifier(ColumnClassifier(i), cv=KFold(2)).fit(predictions, y)
                for i in range(len(scales))
            ]
            predictions = np.column_stack([model.oof_proba_[:, 1] for model in models])
        lowest, objective = lowest_loss(loss, predictions, y, prior_samples)
        single = min(objective(vertex) for vertex in np.eye(len(scales)))
        assert objective(weights) < lowest + 1e-6 * max(1, single)


@settings(deadline=None, max_examples=10)
@given(
    loss=st.sampled_from(["squared_error", "absolute_error", "quantile", "huber"]),
    scales=st.lists(st.floats(0.3, 3), min_size=2, max_size=3),
    place=st.integers(0, 2),
    size=st.floats(1, 1e6),
    shares=st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    prior_samples=st.sampled_from([0, 3, 30]),
    seed=st.integers(0, 2**16),
)
def test_a_bad_model_changes_no_other_weight(loss, scales, place, size, shares, prior_samples, seed):
    y, predictions = drawn_models(loss, 500, scales, seed)
    # Its errors are any sum of those of the other models and of noise.
    parts = np.column_stack(
        [predictions - y[:, None], np.random.default_rng(seed + 1).normal(size=500)]
    )
    bad = parts[:, : len(shares)] @ shares[: parts.shape[1]] + 0.1 * parts[:, -1]
    metric = mean_squared_error if loss == "squared_error" else mean_absolute_error
    best = min(metric(y, column) for column in predictions.T)
    factor = 1.5e5 * best * size / metric(np.zeros(500), bad)
    bad = y + bad * (np.sqrt(factor) if loss == "squared_error" else factor)
    with_bad = np.insert(predictions, min(place, len(scales)), bad, axis=1)
    weights, _ = blend_of_columns(predictions, y, loss, prior_samples)
    weights_beside_bad, blend = blend_of_columns(with_bad, y, loss, prior_samples)
    single = blend.summary().oof_loss.iloc[:-1]
    assert single.iloc[min(place, len(scales))] >= 1e4 * single.min()
    others = np.delete(weights_beside_bad, min(place, len(scales)))
    assert_allclose(others, weights, atol=0.01)


def test_a_model_that_predicts_nearly_the_same_as_a_bad_one_is_still_weighed():
    y, predictions = drawn_models("squared_error", 500, (0.5, 0.6, 1e5), 0)
    weights, _ = blend_of_columns(predictions, y, prior_samples=3)
    alone, _ = blend_of_columns(predictions[:, :2], y, prior_samples=3)
    assert_allclose(weights, [*alone, 0], atol=1e-6)


def test_if_no_solver_succeeds_the_best_single_model_has_all_weight(monkeypatch):
    y, predictions = drawn_models("squared_error", 100, (1, 0.5, 0.6), 0)
    failed = OptimizeResult(x=np.array([1.0, 0.0, 0.0]), success=False, fun=0.0)
    for name in ("minimize", "linprog"):
        monkeypatch.setattr(f"skdense.ensemble.calibration.{name}", lambda *_, **__: failed)
    weights, _ = blend_of_columns(predictions, y)
    assert_array_equal(weights, [0, 1, 0])


def test_each_column_of_y_has_the_weights_that_it_would_have_alone_in_any_unit():
    """Also beside a column that does not vary. A model has its mean weight in the summary."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = np.column_stack([X[:, 0] + rng.normal(size=200), np.sin(3 * X[:, 1]), np.full(200, 7.0)])
    models = [("linear", RIDGE), ("near", NEIGHBOURS)]
    fits = [BlendRegressor(models).fit(X, y * units) for units in (1, [1e3, 1e-2, 1])]
    alone = [BlendRegressor(models).fit(X, column) for column in y.T]
    for blend in fits:
        assert_allclose(blend.weights_[:, :2].T, [each.weights_ for each in alone[:2]], atol=1e-4)
        assert_allclose(blend.weights_.sum(axis=0), 1)
        assert_allclose(blend.summary().weight[:-1], blend.weights_.mean(axis=1))
    assert_allclose(fits[0].predict(X)[:, 0], alone[0].predict(X), atol=1e-3)
    assert np.ptp(fits[0].weights_[0, :2]) > 0.3  # of a linear column, and of one that is not
