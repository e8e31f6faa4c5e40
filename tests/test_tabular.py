"""TabularClassifier and TabularRegressor: as estimators of scikit-learn, and what they promise.

Nearly all fits have two folds, and linear models or networks without a hidden layer.
"""

import pickle
import re
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    cross_validate,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from helpers import press_ctrl_c
from skdense import TabularClassifier, TabularRegressor
from skdense.core.machine import threads
from skdense.tabular import TableEncoder

N = 300
FEW = {"models": ["linear", "constant"], "cv": 2, "random_state": 0, "n_jobs": 1}
"""A model that is fitted soon, in one thread."""
TREES = FEW | {"models": ["trees", "constant"]}
"""For labels: a linear model searches its penalty, which takes three times as long."""
NETWORK = {"hidden_layer_sizes": (), "max_iter": 3}
SMALL = {"cv": 2, "random_state": 0, "network_params": NETWORK}
"""All models, with small networks."""
BOTH = TabularClassifier, TabularRegressor


@pytest.fixture(scope="module")
def table():
    """Numbers, one with missing values, and categories; y depends on both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "income": rng.lognormal(size=N),
            "age": rng.integers(18, 90, N),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], N)),
            "code": pd.Categorical(rng.integers(0, 4, N)),
            "is_new": rng.random(N) < 0.5,
            "name": ["ann", "bob", None] * 100,
        }
    )
    score = X.age / 40 + (X.colour == "red") - 1.5 * X.is_new
    X.loc[rng.random(N) < 0.2, "income"] = np.nan
    return X, score.to_numpy()


def labels_of(score):
    return np.where(score > np.median(score), "high", "low")


@pytest.fixture(scope="module")
def fitted(table):
    """Both estimators with all of their models, by their classes."""
    X, score = table
    return {
        TabularClassifier: TabularClassifier(**SMALL).fit(X, labels_of(score)),
        TabularRegressor: TabularRegressor(**SMALL).fit(X, score),
    }


def answers(model, X):
    """What a model says of rows."""
    if isinstance(model, TabularRegressor):
        return np.column_stack([model.predict(X), model.predict_interval(X)])
    return np.column_stack([model.predict_proba(X), model.predict_set(X)])


# --- as an estimator of scikit-learn -----------------------------------------------------------------

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "copies of a row may come into different folds, "
    "while a row with a weight is in one"
}


CHECKED = [
    TabularClassifier(preset="fast", **TREES),
    TabularRegressor(**FEW),
    TabularRegressor(preset="fast", monotonic_cst={0: 1}, cv=2, random_state=0, n_jobs=1),
]


@parametrize_with_checks(CHECKED, expected_failed_checks=lambda _: EXPECTED)
def test_every_check_of_scikit_learn_passes_but_one(estimator, check):
    check(estimator)


def checks_of_all_models():
    """Those of weights, pickles and invariances. The digits of float32 depend on the other rows."""
    params = {"dtype": "float64", "hidden_layer_sizes": (8,), "max_iter": 3}
    for cls in BOTH:
        for model, check in estimator_checks_generator(cls(cv=2, network_params=params, n_jobs=1)):
            name = check.func.__name__
            parts = "sample_weight", "pickle", "invarian", "idempotent"
            if any(part in name for part in parts) and name not in EXPECTED:
                yield pytest.param(model, check, id=f"{cls.__name__}-{name}")


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
@pytest.mark.filterwarnings("ignore:the largest class|the classes .* have fewer samples")
@pytest.mark.parametrize(("estimator", "check"), list(checks_of_all_models()))
def test_the_checks_of_weights_pickles_and_invariances_pass_for_all_models(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
def test_a_search_sets_parameters_of_networks(table):
    X, score = table
    given = [NETWORK | {"dropout": share} for share in (0.1, 0.2)]
    model = TabularRegressor(models=["plain", "linear"], cv=2, random_state=0)
    search = GridSearchCV(model, {"network_params": given}, cv=2).fit(X, score)
    assert search.best_params_["network_params"] in given
    assert search.best_estimator_.network_params == search.best_params_["network_params"]


def test_the_tools_of_scikit_learn_take_both(table):
    X, score = table
    y = labels_of(score)
    classifier, regressor = TabularClassifier(**TREES), TabularRegressor(**FEW)
    assert cross_validate(classifier, X, y, cv=2, scoring="roc_auc")["test_score"].min() > 0.9
    assert cross_validate(regressor, X, score, cv=2)["test_score"].min() > 0.9
    importance = permutation_importance(regressor.fit(X, score), X, score, n_repeats=1).importances_mean
    assert set(X.columns[np.argsort(importance)[-3:]]) == {"age", "colour", "is_new"}
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    parts = [("table", classifier), ("other", clone(classifier).set_params(random_state=1))]
    assert StackingClassifier(parts, cv=2).fit(X, y).score(X, y) > 0.9
    assert make_pipeline(FunctionTransformer(), classifier).fit(X, y).score(X, y) > 0.9


def test_a_model_is_made_and_cloned_where_the_extra_is_missing_and_fit_names_it():
    code = """
import sys
sys.modules["skrub"] = sys.modules["lightgbm"] = None  # importing them raises
import skdense, sklearn
for model in (skdense.TabularClassifier(cv=3), skdense.TabularRegressor(cv=3)):
    assert sklearn.clone(model).get_params()["cv"] == 3
    repr(model), model._repr_html_()
    try:
        model.fit([[0.0], [1.0]] * 9, [0, 1] * 9)
    except ImportError as error:
        assert "pip install" in str(error), error
    else:
        raise AssertionError("fitted")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("cls", BOTH)
def test_messages_name_the_class_that_the_user_knows(cls):
    for name, value in (("cv", 1), ("verbose", "yes"), ("network_params", 3), ("random_state", "a")):
        with pytest.raises(ValueError, match=f"'{name}' parameter of {cls.__name__}"):
            cls(**{name: value}).fit([[1.0], [2.0]] * 9, [0, 1] * 9)
    with pytest.raises(ValueError, match="'loss' parameter of TabularRegressor"):
        TabularRegressor(loss="foo").fit([[1.0], [2.0]] * 9, [0, 1] * 9)


# --- metadata routing, and frames of other steps -----------------------------------------------------

GIVEN = {"sample_weight": np.random.default_rng(1).uniform(0.1, 3, N), "groups": np.arange(N) // 5}


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("cls", BOTH)
def test_weights_and_groups_are_taken_with_and_without_routing(table, cls, name):
    X, score = table
    y = labels_of(score) if cls is TabularClassifier else score
    meta = {name: GIVEN[name]}
    few = TREES if cls is TabularClassifier and name == "groups" else FEW
    expected = answers(cls(**few).fit(X, y, **meta), X)
    assert not np.array_equal(answers(cls(**few).fit(X, y), X), expected)
    piped = make_pipeline(FunctionTransformer(), cls(**few))
    piped.fit(X, y, **{f"{cls.__name__.lower()}__{name}": GIVEN[name]})
    assert_array_equal(answers(piped[-1], X), expected)
    with config_context(enable_metadata_routing=True):
        assert_array_equal(answers(cls(**few).fit(X, y, **meta), X), expected)
        asks = cls(**few).set_fit_request(**{name: True})
        piped = make_pipeline(FunctionTransformer(), asks).fit(X, y, **meta)
        assert_array_equal(answers(piped[-1], X), expected)
        scores = cross_validate(
            asks.set_score_request(sample_weight=False), X, y, cv=2, params=meta, error_score="raise"
        )
    assert scores["test_score"].min() > 0.9


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_scikit_learn_may_be_configured_to_return_data_frames(table, library):
    X, score = table
    scaled = make_pipeline(StandardScaler(), Ridge())
    model = TabularRegressor(**FEW).set_params(models=["linear", ("mine", scaled)])
    expected = model.fit(X, score).predict(X)
    with config_context(transform_output=library):
        assert_array_equal(model.predict(X), expected)
        assert_array_equal(clone(model).fit(X, score).predict(X), expected)
        assert type(model.encoder_.transform(X)).__module__.startswith(library)
    numbers, found = X[["age", "is_new"]], []
    for output in ("default", library):
        steps = make_pipeline(StandardScaler(), clone(model)).set_output(transform=output)
        found.append(steps.fit(numbers, score).predict(numbers))
    assert_array_equal(*found)


# --- what is there after a fit -----------------------------------------------------------------------


@pytest.mark.usefixtures("fitted")
def test_all_models_are_blended_out_of_fold(table, fitted):
    X, score = table
    names = {
        TabularClassifier: ["plain", "ramps", "trees", "linear", "constant", "sparse"],
        TabularRegressor: ["plain", "ramps", "trees", "linear", "constant", "kernel"],
    }
    for cls, y in ((TabularClassifier, labels_of(score)), (TabularRegressor, score)):
        model = fitted[cls]
        summary = model.summary()
        assert [*summary.index] == [*names[cls], "all"]
        n_models = len(names[cls])
        assert_array_equal(summary.n_members, [2] * n_models + [2 * n_models])
        assert_array_equal(summary.weight[:-1], model.ensemble_.weights_)
        assert summary.oof_loss["all"] == model.oof_loss_
        assert summary.oof_score["all"] == model.oof_score_ > 0.8
        assert model.score(X, y) > 0.8
        assert (model.n_features_in_, [*model.feature_names_in_]) == (6, [*X.columns])
        assert isinstance(model.encoder_, TableEncoder)
        seen = model.encoder_.transform(X)
        assert seen.shape[1] == len(model.encoder_.output_sources_)
        assert set(model.encoder_.output_sources_) == set(X.columns)
    classifier, regressor = fitted.values()
    assert classifier.oof_loss_ == pytest.approx(log_loss(labels_of(score), classifier.oof_proba_))
    found = classifier.classes_[classifier.oof_proba_.argmax(axis=1)]
    assert classifier.oof_score_ == accuracy_score(labels_of(score), found)
    assert regressor.oof_score_ == pytest.approx(r2_score(score, regressor.oof_prediction_))
    assert_array_equal(classifier.ensemble_.classes_, [0, 1])
    assert_allclose(classifier.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("cls", BOTH)
def test_a_fit_is_repeated_and_a_pickle_predicts_the_same(table, fitted, cls):
    X, score = table
    y = labels_of(score) if cls is TabularClassifier else score
    expected = answers(fitted[cls], X)
    assert_array_equal(answers(pickle.loads(pickle.dumps(fitted[cls])), X), expected)
    assert_array_equal(answers(clone(fitted[cls]).fit(X, y), X), expected)


@pytest.mark.parametrize("cls", BOTH)
def test_one_row_is_predicted_as_among_many_and_in_many_threads(table, fitted, cls):
    """Up to the last digits of float32, in blocks of rows or not, by each of the models."""
    X, _ = table
    many = pd.concat([X] * 30, ignore_index=True)  # more rows than a block has
    model = fitted[cls]
    together = answers(model, many)
    assert_allclose(together[:N], answers(model, X), rtol=1e-4, atol=1e-5)
    alone = np.vstack([answers(model, X[i : i + 1]) for i in range(9)])
    assert_allclose(alone, together[:9], rtol=1e-4, atol=1e-5)
    seen = model.encoder_.transform(X)
    for each in model.ensemble_.estimators_:
        predict = each.predict_proba if cls is TabularClassifier else each.predict
        ones = np.concatenate([predict(seen[i : i + 1]) for i in range(9)])
        assert_allclose(ones, predict(seen)[:9], rtol=1e-4, atol=1e-5)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda rows: answers(model, rows), [many] * 4 + [X] * 4):
            assert_array_equal(found, together if len(found) > N else answers(model, X))


def test_a_fit_that_fails_leaves_the_earlier_one_as_it_was(table):
    X, score = table
    model = TabularRegressor(**FEW).fit(X, score)
    before, expected = dict(vars(model)), model.predict(X)
    with pytest.raises(ValueError, match="y contains infinity"):
        model.fit(X.assign(income=3 * X["income"], age=0.5), np.full(N, np.inf))
    assert vars(model) == before
    assert_array_equal(model.predict(X), expected)


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
def test_verbose_tells_how_each_member_ended_and_how_good_all_are(table, capsys):
    X, score = table
    params = NETWORK | {"early_stopping": True}
    model = TabularRegressor(verbose=True, **SMALL | {"network_params": params}).fit(X, score)
    *lines, last = (line.partition("] ")[2] for line in capsys.readouterr().out.splitlines())
    expected = []
    for name in model.ensemble_.named_estimators_:
        outcome = "score "
        if name in ("plain", "ramps"):
            outcome = "3 iterations, loss = .*, best validation loss: "
        expected += [f"{name}, fold {fold} of 2: {outcome}" for fold in (1, 2)]
        expected.append(f"{name}, all 2 folds: out-of-fold R2 ")
    for line, begin in zip(sorted(lines), sorted(expected), strict=True):
        assert re.match(begin, line)
    of_members = [line for line in lines if ", fold " in line]
    left = [re.search(r"; about \d[\d.]* (s|min) left$", line) for line in of_members]
    assert all(left[:-1])
    assert left[-1] is None
    weights = zip(model.ensemble_.weights_, model.ensemble_.named_estimators_)
    blend = ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
    loss = f"out-of-fold loss {model.oof_loss_:.6g}, R2 {model.oof_score_:f}"
    assert last == f"blend of {blend}: {loss}"


# --- y -----------------------------------------------------------------------------------------------


@cache
def predictions_of(models, unit, shift):
    """What a model predicts, in units of y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = X[:, 0] + (X[:, 1] > 0) + 0.1 * rng.normal(size=120)
    model = TabularRegressor(models=models, **SMALL).fit(X, shift + unit * y)
    predictions = [model.predict(X)[:, None], model.predict_quantiles(X, [0.05, 0.95])]
    return (np.hstack(predictions) - shift) / unit


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
@given(st.floats(-6, 6), st.floats(-1e6, 1e6))
@settings(max_examples=3)
def test_predictions_and_intervals_do_not_depend_on_the_unit_of_y(exponent, shift):
    models = "plain", "linear"
    found = predictions_of(models, 10**exponent, shift)
    assert_allclose(found, predictions_of(models, 1, 0), atol=1e-3)


@pytest.mark.parametrize("exponent", [-20, 30])
def test_trees_do_not_depend_on_the_unit_of_y(exponent):
    """By a power of two, which rounds nothing: the last digit of y may decide between equal splits."""
    found = predictions_of(("trees",), 2.0**exponent, 0)
    assert_allclose(found, predictions_of(("trees",), 1, 0), rtol=1e-9)


LOSSES = {
    # What is 0, or nearly so, of the errors of the best predictions that do not depend on X.
    "poisson": ({}, np.mean),
    "quantile": ({"quantile": 0.8}, lambda errors: np.mean(errors > 0) - 0.2),
    "huber": ({"relative_delta": 0.3}, lambda errors: np.mean(np.clip(errors, -0.3, 0.3))),
}


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_can_be_minimized_on_a_scaled_target_of_several_columns(loss):
    number, slope = LOSSES[loss]
    rng = np.random.default_rng(0)
    X, y = rng.random((150, 1)), rng.exponential(size=150)
    y /= y.std()
    params = NETWORK | {"max_iter": 60, "batch_size": 50, "learning_rate_init": 0.05}
    model = TabularRegressor(
        models=["plain"], loss=loss, **SMALL | {"network_params": params, "cv": 8} | number
    )
    predicted = model.fit(X, np.c_[y, 1000 * y]).predict(X)
    assert_allclose(predicted[:, 1].mean(), 1000 * predicted[:, 0].mean(), rtol=0.1)
    assert abs(slope(y - predicted[:, 0])) < 0.1
    assert (predicted > 0).all() or loss != "poisson"
    low, high = model.predict_quantiles(X, [0.1, 0.9]).transpose(2, 0, 1)[..., 0]
    assert 0.75 < ((low <= y) & (y <= high)).mean() < 0.85


@pytest.mark.parametrize("seed", range(3))
def test_y_is_found_within_a_heavy_tail(seed):
    """Most values are 0, 1 or 2, others are up to 100 million of interquartile ranges away."""
    rng = np.random.default_rng(seed)
    is_far = rng.random(1200) < 0.2
    x = np.where(is_far, 10 ** rng.uniform(5, 8, 1200), rng.integers(0, 3, 1200))
    y, new = np.log10(1 + x), slice(600, None)
    model = TabularRegressor(models=["trees", "linear"], cv=2, random_state=0)
    model.fit(x[:600, None], y[:600])
    far = x[new] > 2
    assert r2_score(y[new][far], model.predict(x[new][far][:, None])) > 0.8


def test_a_y_of_one_class_or_of_no_numbers_is_told(table):
    X, score = table
    with pytest.raises(ValueError, match=r"at least two classes, got one class: \['high'\]"):
        TabularClassifier(**FEW).fit(X, ["high"] * N)
    with pytest.raises(ValueError, match="one label for each sample"):
        TabularClassifier(**FEW).fit(X, np.c_[score > 1, score > 2])
    with pytest.raises(ValueError, match=r"y must be numeric, got dtype <U4; .* use a classifier"):
        TabularRegressor(**FEW).fit(X, labels_of(score))


@pytest.mark.parametrize("cls", BOTH)
def test_a_column_of_levels_that_do_not_explain_y_is_as_good_as_absent(cls):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), columns=["a", "b"])
    y = (X.a > 0).map({True: "up", False: "down"}) if cls is TabularClassifier else X.a
    X["code"] = [f"N{i % 41}" for i in range(120)]
    with pytest.warns(UserWarning, match="'code': it is not significantly related to y"):
        predicted = answers(cls(**FEW).fit(X, y), X[:9])
    assert_array_equal(answers(cls(**FEW).fit(X[["a", "b"]], y), X[:9]), predicted)


# --- weights, folds and groups -----------------------------------------------------------------------


def test_a_class_weight_is_the_sample_weight_that_scikit_learn_makes_of_it(table):
    X, score = table
    label = np.where(score > np.quantile(score, 0.9), "rich", "poor")
    models = ["ramps", "trees", "linear"]
    for class_weight in ("balanced", {"rich": 3, "poor": 0.5}):
        weight = compute_sample_weight(class_weight, label)
        by_class = TabularClassifier(models=models, class_weight=class_weight, **SMALL).fit(X, label)
        by_sample = TabularClassifier(models=models, **SMALL).fit(X, label, sample_weight=weight)
        assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(X), rtol=1e-6)


def test_weights_of_labels_are_not_those_of_the_numbers_that_models_see():
    X, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2 + 1
    weighted = LogisticRegression(class_weight={1: 5})
    for model in (weighted, CalibratedClassifierCV(weighted)):
        with pytest.raises(ValueError, match="use the class_weight of TabularClassifier"):
            TabularClassifier(models=[("mine", model)], cv=2).fit(X, y)


def test_an_error_of_a_model_arrives_whatever_the_others_do(table):
    X, score = table

    def scoring(model, X, y):
        raise ArithmeticError("mine")

    models = ["plain", "ramps", "trees"]
    params = NETWORK | {"scoring": scoring, "early_stopping": True}
    model = TabularRegressor(models=models, cv=2, network_params=params)
    for _ in range(3):
        with pytest.raises(ArithmeticError, match="mine"):
            model.fit(X, score)


def test_a_tool_may_wrap_the_fit_of_pipelines(monkeypatch, table):
    X, score = table
    folds = [(np.arange(50), np.arange(50, len(score)))]
    settings = {"models": ["linear"], "cv": folds, "random_state": 0}
    expected = TabularRegressor(**settings).fit(X, score).oof_prediction_
    fit = Pipeline.fit
    monkeypatch.setattr(Pipeline, "fit", lambda self, *args, **kwargs: fit(self, *args, **kwargs))
    assert_array_equal(TabularRegressor(**settings).fit(X, score).oof_prediction_, expected)


@pytest.mark.parametrize(
    ("model", "weighted", "message"),
    [
        (("all", Ridge()), False, "distinct names"),
        (("verbose", Ridge()), False, "distinct names"),
        (("near", KNeighborsRegressor()), True, "takes no sample_weight"),
    ],
)
def test_models_are_checked_before_the_table_is_read(model, weighted, message, monkeypatch):
    monkeypatch.delattr(TableEncoder, "fit_transform")
    X, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
    with pytest.raises(ValueError, match=message):
        TabularRegressor(models=[model], cv=2).fit(X, y, sample_weight=y + 1 if weighted else None)


def test_a_function_as_objective_of_trees_is_refused_before_the_table_is_read(table, monkeypatch):
    lightgbm = pytest.importorskip("lightgbm")
    monkeypatch.delattr(TableEncoder, "fit_transform")
    trees = lightgbm.LGBMClassifier(objective=lambda y, predictions: (predictions - y, np.ones_like(y)))
    X, score = table
    with pytest.raises(TypeError, match="objective must be a name"):
        TabularClassifier(models=[("trees", trees)], cv=2).fit(X, labels_of(score))


@pytest.mark.slow
@pytest.mark.usefixtures("coarse_buckets")
def test_a_class_without_weight_has_no_probability(table):
    X, score = table
    label = np.array(["a", "b", "c"])[np.digitize(score, np.quantile(score, [0.3, 0.6]))]
    found = TabularClassifier(class_weight={"a": 0}, **SMALL).fit(X, label)
    assert_array_equal(found.classes_, ["a", "b", "c"])
    assert found.predict_proba(X)[:, 0].max() < 0.01
    assert_array_equal(np.isnan(found.oof_proba_).all(axis=1), label == "a")
    assert np.mean(found.predict(X)[label != "a"] == label[label != "a"]) > 0.8


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"x": 1}, r"unknown classes \['x'\]; the classes are \['high' 'low'\]"),
        ({"low": -1}, r"class_weight=\{'low': -1\} cannot be used: Negative values"),
    ],
    ids=str,
)
def test_class_weights_that_cannot_be_used_are_told_by_the_users_labels(table, weight, message):
    X, score = table
    with pytest.raises(ValueError, match=message):
        TabularClassifier(class_weight=weight, **FEW).fit(X, labels_of(score))


HALF = np.arange(N) < N // 2
FOLDS = {
    "int": 2,
    "splitter": KFold(2),
    "of groups": GroupKFold(2),
    "numbers": [*KFold(2).split(np.zeros(N))],
    "masks": [(~HALF, HALF), (HALF, ~HALF)],
    "predefined": PredefinedSplit(HALF.astype(int)),
}


@pytest.mark.parametrize("folds", FOLDS)
@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored")
def test_rows_of_weight_zero_are_absent_from_a_table(table, cls, folds):
    """Also where `cv` numbers all rows; whatever is in them."""
    X, y = table
    weight = np.arange(N) % 4 * 1.0
    left = weight > 0
    odd = X.copy()
    odd.loc[~left, ["income", "age"]] = [1e30, -5]
    odd.loc[~left, "name"] = "new"
    y = labels_of(y).astype(object) if cls is TabularClassifier else y.copy()
    cv = FOLDS[folds]
    of_left = [tuple(np.flatnonzero(part[left]) for part in masks) for masks in FOLDS["masks"]]
    if folds not in ("int", "splitter", "of groups"):
        of_left = [*reversed(of_left)] if folds == "predefined" else of_left
    else:
        of_left = cv
    groups = np.arange(N) // 3
    few = FEW if cls is TabularRegressor or folds in ("int", "of groups") else TREES
    expected = cls(**few | {"cv": of_left}).fit(X[left], y[left], weight[left], groups[left])
    y[~left] = None if cls is TabularClassifier else np.nan

    found = cls(**few | {"cv": cv}).fit(odd, y, weight, groups)

    names = [each.encoder_.get_feature_names_out() for each in (found, expected)]
    assert_array_equal(*names)
    assert_array_equal(answers(found, X), answers(expected, X))
    oof = "oof_proba_" if cls is TabularClassifier else "oof_prediction_"
    assert_array_equal(getattr(found, oof)[left], getattr(expected, oof))
    assert np.isnan(getattr(found, oof)[~left]).all()
    assert found.oof_loss_ == expected.oof_loss_


def test_folds_may_be_an_iterator_or_a_single_one(table):
    X, score = table
    listed = [*KFold(2).split(X)]
    expected = TabularRegressor(**FEW | {"cv": listed}).fit(X, score).predict(X)
    iterator = TabularRegressor(**FEW | {"cv": iter(listed)}).fit(X, score)
    assert_array_equal(iterator.predict(X), expected)
    single = TabularRegressor(**FEW | {"cv": ShuffleSplit(1, test_size=0.5, random_state=0)})
    single.fit(X, score)
    assert single.summary().n_members["all"] == 2
    assert np.isnan(single.oof_prediction_).sum() == N // 2


def test_all_models_have_the_same_folds_and_a_generator_draws_others_each_time(table):
    X, score = table
    model = TabularRegressor(models=["linear", ("mine", Ridge())], cv=2)
    model.set_params(random_state=np.random.RandomState(0))
    members = [each[-1] for each in model.fit(X, score).ensemble_.estimators_]
    weights = [[ridge.coef_ for ridge in each.estimators_] for each in members]
    first = model.predict(X)
    assert not np.array_equal(*weights[0])
    assert not np.array_equal(model.fit(X, score).predict(X), first)
    seeded = TabularRegressor(models=["linear", ("mine", Ridge())], cv=2, random_state=0).fit(X, score)
    assert_array_equal(seeded.predict(X), first)


def test_rare_classes_are_told_by_the_users_labels(table):
    X = table[0]
    y = np.where(np.arange(N) < 3, "rare", labels_of(table[1]))
    with pytest.warns(
        UserWarning, match=r"the classes \['rare'\] have fewer samples than the 8 folds"
    ) as all_:
        found = TabularClassifier(**TREES | {"cv": 8}).fit(X, y)
    assert all_[0].filename == __file__
    assert found.predict_proba(X).shape == (N, 3)


@pytest.mark.parametrize("cls", BOTH)
def test_no_group_is_in_two_folds(cls):
    """Copies of rows in other folds would be found by trees."""
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(30, 5)), 10, axis=0)
    y = np.repeat(rng.permutation(30) % 2, 10)
    model = cls(models=["trees"], cv=3, random_state=0)
    assert model.fit(X, y).oof_score_ > 0.9
    assert model.fit(X, y, groups=np.repeat(np.arange(30), 10)).oof_score_ < 0.8


def test_lengths_are_those_of_all_rows(table):
    X, score = table
    for given_length in ({"y": score[9:]}, {"y": score, "groups": score[9:]}):
        with pytest.raises(ValueError, match="inconsistent numbers of samples"):
            TabularRegressor(**FEW).fit(X, **given_length, sample_weight=np.arange(N) > 8)
    with pytest.raises(ValueError, match="at least one non-zero"):
        TabularRegressor(**FEW).fit(X, score, np.zeros(N))


# --- what ends a fit ---------------------------------------------------------------------------------

FOR_EVER = NETWORK | {
    "max_iter": 10**6, "early_stopping": False, "n_iter_no_change": 10**6, "tol": 0
}  # fmt: skip


class Failing(Ridge):
    """Its fit fails."""

    def fit(self, X, y, sample_weight=None):
        raise OverflowError("of a member")


def test_an_error_in_one_model_ends_networks_that_would_train_for_ever(table):
    X, score = table
    models = ["plain", ("failing", Failing())]
    model = TabularRegressor(models=models, cv=2, n_jobs=2, network_params=FOR_EVER)
    with pytest.raises(OverflowError, match="of a member"):
        model.fit(X, score)
    threads.wait_for_all()


def test_ctrl_c_ends_networks_that_would_train_for_ever(table, replace_programs):
    X, score = table
    calls = []

    def pressed(program):
        def run(*arguments):
            calls.append(program)
            if len(calls) == 5:
                press_ctrl_c()
            return program(*arguments)

        return run

    replace_programs(pressed)
    model = TabularRegressor(models=["plain", "ramps", "linear"], cv=2, network_params=FOR_EVER)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, score)
    threads.wait_for_all()
    assert not hasattr(model, "encoder_")


def test_after_ctrl_c_no_further_member_begins(table):
    """As in a notebook, whose process goes on."""
    X, score = table
    begun, is_over = [], threading.Event()

    class Slow(Ridge):
        def fit(self, X, y, sample_weight=None):
            begun.append(threading.current_thread())
            if len(begun) == 2:
                press_ctrl_c()
            if len(begun) > 1:
                is_over.wait(60)
            return super().fit(X, y, sample_weight)

    model = TabularRegressor(models=[("a", Slow()), ("b", Slow())], cv=8, random_state=0)
    with parallel_config("threading", n_jobs=2), pytest.raises(KeyboardInterrupt):
        model.fit(X, score)
    is_over.set()
    for thread in set(begun):
        thread.join(60)
    assert len(begun) <= 3  # the first may have been over before the second, and so its thread goes on


def test_linear_members_of_the_user_are_asked_by_their_own_methods(table):
    """A subclass may predict in another way than the class that it is made of."""

    class Sure(LogisticRegression):
        def predict_proba(self, X):
            return np.eye(2)[self.predict(X)]

    class Doubled(Ridge):
        def predict(self, X):
            return 2 * super().predict(X)

    X, score = table
    sure = TabularClassifier(models=[("sure", Sure())], cv=2, random_state=0).fit(X, labels_of(score))
    assert len(np.unique(sure.predict_proba(X).round(6))) <= 6
    doubled = TabularRegressor(models=[("doubled", Doubled())], cv=2, random_state=0).fit(X, score)
    once = TabularRegressor(models=[("once", Ridge())], cv=2, random_state=0).fit(X, score)
    center = doubled.ensemble_.estimators_[0][-1].center_
    expected = 2 * (once.predict(X) - center)  # in float64, which members are not
    assert_allclose(doubled.predict(X) - center, expected, atol=1e-5)


# --- folds, weights and groups that leave little ------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_folds_are_drawn_for_few_groups_of_any_size(seed):
    """Some of scikit-learn's stratified folds of groups are empty here."""
    sizes = [6, 2, 1, 5, 2, 5]
    groups, y = np.repeat(np.arange(6), sizes), np.repeat([1, 0, 1, 1, 0, 0], sizes)
    X = np.random.default_rng(0).normal(size=(21, 2))
    model = TabularClassifier(models=["linear", "constant"], random_state=seed)
    with warnings.catch_warnings(action="ignore"):
        assert np.isfinite(model.fit(X, y, groups=groups).oof_proba_).all()


def test_rows_of_class_weight_zero_do_not_count_for_the_number_of_folds():
    y = np.repeat([0, 1, 2], [100, 4, 4])
    X = np.random.default_rng(0).normal(size=(108, 2))
    groups = np.r_[np.arange(100), [100, 100, 101, 102] * 2]
    model = TabularClassifier(models=["linear", "constant"], class_weight={0: 0}, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        assert len(model.fit(X, y).ensemble_.estimators_[0][-1].estimators_) == 4
        assert len(model.fit(X, y, groups=groups).ensemble_.estimators_[0][-1].estimators_) == 3


def test_a_class_of_weight_zero_does_not_count_as_a_rare_one():
    """Beside rare classes, folds of `linear` are not stratified, and `sparse` chooses no penalty."""
    y = np.arange(120) % 3
    X = np.random.default_rng(0).normal(size=(120, 4)) + y[:, None]
    settings = {"models": ["linear", "sparse"], "cv": 2, "random_state": 0}
    model = TabularClassifier(**settings, class_weight={0: 0}).fit(X, y, groups=np.arange(120) // 3)
    for part in model.ensemble_.estimators_:
        for member in part[-1].estimators_:
            assert isinstance(member, LogisticRegressionCV)
            assert isinstance(member.cv, StratifiedKFold)
            assert len(member.classes_) == 2
    y = np.r_[np.full(4, 2), np.arange(116) % 2]  # two of the class 2 for each member
    rare = TabularClassifier(**settings).fit(X, y)
    linear, sparse = (part[-1].estimators_[0] for part in rare.ensemble_.estimators_)
    assert isinstance(linear.cv, KFold)
    assert not isinstance(sparse, LogisticRegressionCV)


def test_a_fold_of_the_user_may_have_no_weight_at_all():
    X, rows = np.random.default_rng(0).normal(size=(200, 2)), np.arange(200)
    weight = (rows >= 50).astype(float)
    cv = [(np.setdiff1d(rows, fold), fold) for fold in np.array_split(rows, 4)]
    model = TabularRegressor(models=["linear", "constant"], cv=cv).fit(X, X[:, 0], sample_weight=weight)
    assert_array_equal(np.isnan(model.oof_prediction_), rows < 50)


def test_groups_are_one_column_of_any_labels():
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = TabularRegressor(models=["linear", "constant"], cv=3, random_state=0)
    of_numbers = model.fit(X, X[:, 0], groups=np.arange(60) // 5).oof_prediction_
    frame = pd.DataFrame({"customer": np.arange(60) // 5})
    assert_array_equal(model.fit(X, X[:, 0], groups=frame["customer"]).oof_prediction_, of_numbers)
    for groups, message in (
        ([None, "a", "b", "c"] * 15, "groups must not be missing, but 15 are, the first in row 0"),
        ([np.nan, 1.0, 2.0] * 20, "groups must not be missing, but 20 are, the first in row 0"),
        (np.array(["NaT", "2020", "2021"] * 20, "datetime64[D]"), "groups must not be missing"),
        ([("a", 1)] * 60, r"groups must have one value for each sample, got shape \(60, 2\)"),
        (X, r"groups must have one value for each sample, got shape \(60, 2\)"),
        ([1] * 9, "groups must have one value for each sample"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(X, X[:, 0], groups=groups)
        with pytest.raises(ValueError, match=message):
            TabularClassifier(models=["linear"], cv=3).fit(X, X[:, 0] > 0, groups=groups)


def test_a_regressor_refuses_a_y_of_strings_in_any_container():
    X = np.random.default_rng(0).normal(size=(60, 2))
    model = TabularRegressor(models=["linear"], cv=3)
    strings = [str(value) for value in X[:, 0]]
    for y in (strings, pd.Series(strings), pd.Series(strings, dtype=object), np.array(strings)):
        with pytest.raises(ValueError, match=r"y must be numeric, got dtype <U.* use a classifier"):
            model.fit(X, y)


def test_what_is_missing_empty_or_complex_is_named():
    X = np.random.default_rng(0).normal(size=(60, 2))
    labels = np.array(["a", None] * 30, dtype=object)
    for y in (labels, list(labels)):
        with pytest.raises(ValueError, match="y contains missing values, such as None in row 1; leave"):
            TabularClassifier(models=["linear"]).fit(X, y)
    with pytest.raises(ValueError, match="Complex data not supported: y has complex numbers"):
        TabularRegressor(models=["linear"]).fit(X, X[:, 0] + 1j)
    frame = pd.DataFrame(X)
    for empty in (frame[:0], X[:0]):
        with pytest.raises(ValueError, match=r"0 sample\(s\)"):
            TabularRegressor(models=["linear"]).fit(empty, X[:0, 0])


def test_a_logarithm_of_y_is_taken_of_y_as_it_is():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.exp(X[:, 0] + rng.normal(size=300) / 10)
    of_logs = TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
    model = TabularRegressor(models=[("logs", of_logs), "constant"], cv=4, random_state=0)
    assert model.fit(X, y).score(X, y) > 0.9
