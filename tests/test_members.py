"""Tests of members of other libraries: whatever scikit-learn's conventions allow them to do."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from skdense import LowLevelMLPClassifier, TabularClassifier, TabularRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.onnx import to_onnx
from skdense.search import PrunedSearchCV
from skdense.tabular import TableEncoder, TableScaler

rng = np.random.default_rng(0)
X = rng.normal(5, 3, (120, 3))
LABELS = (X[:, 0] + rng.normal(size=120) > 5).astype(int) + (X[:, 1] > 7)
Y = X[:, 0] + 0.3 * rng.normal(size=120)
WEIGHT = rng.random(120) + 0.1
EPS = np.finfo(float).eps  # below this, probabilities are limited
LEARNED = {"cv": KFold(3), "random_state": 0}


class InOrder(ClassifierMixin, BaseEstimator):
    """A logistic regression whose `classes_` have any order."""

    def __init__(self, order=(0, 1, 2)):
        self.order = order

    def fit(self, X, y, sample_weight=None):
        self.inner_ = LogisticRegression().fit(X, y, sample_weight)
        self.places_ = [place for place in self.order if place < len(self.inner_.classes_)]
        self.classes_ = self.inner_.classes_[self.places_]
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)[:, self.places_]

    def predict(self, X):
        return self.inner_.predict(X)


@pytest.mark.parametrize("names", [[0, 1, 2], [7, 3, 5], ["b", "c", "a"], [3.0, -1.0, 2.0]])
@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("lacks", [False, True])
def test_columns_follow_the_classes_of_the_member(order, names, lacks):
    y = np.array(names)[LABELS]
    cv = KFold(3)
    if lacks:  # the first member is trained without the first class
        last = np.flatnonzero(LABELS == 0)
        cv = [(np.setdiff1d(np.arange(120), last), last), *KFold(2).split(X)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the lacking class
        ours, expected = (
            CrossFitClassifier(member, cv=cv, random_state=0).fit(X, y)
            for member in (InOrder(order), InOrder())
        )
    assert_allclose(ours.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    assert_allclose(ours.oof_proba_, expected.oof_proba_, atol=1e-6)


def test_columns_follow_the_classes_of_the_member_in_blends_and_tables():
    blend = BlendClassifier([("mixed", CrossFitClassifier(InOrder((2, 0, 1)), **LEARNED))])
    table = TabularClassifier(models=[("mixed", InOrder((2, 0, 1)))], **LEARNED)
    alone = InOrder().fit(X, LABELS).predict(X)
    for model in (blend, table):
        assert np.mean(model.fit(X, LABELS).predict(X) == alone) > 0.9


def test_the_class_names_of_catboost_may_be_in_any_order():
    catboost = pytest.importorskip("catboost")
    y = np.array(["no", "yes"])[LABELS.clip(0, 1)]
    settings = {"iterations": 20, "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoostClassifier(class_names=("yes", "no"), **settings)
    assert CrossFitClassifier(model, **LEARNED).fit(X, y).score(X, y) > 0.85
    with pytest.raises(ValueError, match="class_names"):
        TabularClassifier(models=[("catboost", model)], **LEARNED).fit(X, y)


def test_classes_that_y_does_not_have_are_an_error_that_names_the_model():
    class Other(InOrder):
        def fit(self, X, y, sample_weight=None):
            super().fit(X, y)
            self.classes_ = np.array(["p", "q", "r"])
            return self

    with pytest.raises(ValueError, match=r"Other\(\) has classes_ that y does not have: \['p'"):
        CrossFitClassifier(Other(), **LEARNED).fit(X, LABELS)


# --- weights -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", LogisticRegression())], voting="soft"),
        GridSearchCV(LogisticRegression(), {"C": [0.01, 1]}, cv=2),
        VotingRegressor([("a", LinearRegression())]),
        GridSearchCV(Ridge(), {"alpha": [0.1, 100.0]}, cv=2),
        make_pipeline(StandardScaler(), GridSearchCV(Ridge(), {"alpha": [0.1, 100.0]}, cv=2)),
    ],
    ids=repr,
)
@pytest.mark.parametrize("verbose", [False, True])
def test_members_may_take_weights_among_any_arguments(model, verbose, capsys):
    is_regressor = "predict_proba" not in dir(model)
    cross_fit, y = (CrossFitRegressor, Y) if is_regressor else (CrossFitClassifier, LABELS)
    ensemble = cross_fit(model, **LEARNED, verbose=verbose).fit(X, y, sample_weight=WEIGHT)
    train, _ = next(iter(KFold(3).split(X)))
    name = f"{model.steps[-1][0]}__sample_weight" if hasattr(model, "steps") else "sample_weight"
    # Weights of a mean below 1 are multiplied.
    scaled = WEIGHT * max(1, 1 / WEIGHT.mean())
    alone = clone(model).fit(X[train], y[train], **{name: scaled[train]})
    assert_allclose(ensemble.estimators_[0].predict(X), alone.predict(X))
    assert ("fold 1 of 3" in capsys.readouterr().out) == verbose


def test_a_pruned_search_takes_weights_as_a_member_and_a_class_weight_of_a_blend():
    network = LowLevelMLPClassifier((4,), max_iter=4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = PrunedSearchCV(network, {"alpha": [0.1, 1]}, cv=2)
        CrossFitClassifier(search, cv=KFold(2)).fit(X, LABELS, sample_weight=WEIGHT)
        vote = VotingClassifier([("a", LogisticRegression())], voting="soft")
        blend = BlendClassifier([("vote", CrossFitClassifier(vote, cv=2))], class_weight="balanced")
        blend.fit(X, LABELS)


class WithoutWeights(LinearRegression):
    def fit(self, X, y):
        return super().fit(X, y)


def test_a_member_that_takes_no_weights_is_an_error_before_anything_is_fitted():
    with pytest.raises(ValueError, match="takes no sample_weight"):
        CrossFitRegressor(WithoutWeights(), **LEARNED).fit(X, Y, sample_weight=WEIGHT)


# --- members that write into X ------------------------------------------------------------------------


class Writer(TransformerMixin, BaseEstimator):
    """Writes into what it is given, or into a copy."""

    def __init__(self, copy=False):
        self.copy = copy

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X = X.copy() if self.copy else X
        if isinstance(X, pd.DataFrame):
            X["x0"] = -X["x0"]
        elif hasattr(X, "data") and hasattr(X, "indptr"):
            X.data *= -1
        else:
            X *= -1
        return X


CONTAINERS = {
    "array": np.array,
    "Fortran": np.asfortranarray,
    "frame": lambda X: pd.DataFrame(X, columns=["x0", "x1", "x2"]),
    "sparse": csr_matrix,
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("of_classes", [True, False])
@pytest.mark.parametrize("writes", ["member", "step"])
def test_what_writes_into_its_X_changes_it_for_nobody_else(container, of_classes, writes):
    last, y = (LogisticRegression(), LABELS) if of_classes else (Ridge(), Y)
    cross_fit = CrossFitClassifier if of_classes else CrossFitRegressor
    blend = BlendClassifier if of_classes else BlendRegressor
    models = []
    for copy in (False, True):
        if writes == "member":
            first = cross_fit(make_pipeline(Writer(copy), last), **LEARNED)
        else:
            first = make_pipeline(Writer(copy), cross_fit(last, **LEARNED))
        models.append(blend([("writer", first), ("other", cross_fit(last, **LEARNED))]))
    given = CONTAINERS[container](X)
    predictions = []
    for model in models:
        model.fit(given, y)
        for _ in range(2):
            predictions.append(model.predict_proba(given) if of_classes else model.predict(given))
    for found in predictions:
        assert_array_equal(found, predictions[-1])
    unchanged = CONTAINERS[container](X)
    if container == "sparse":
        given, unchanged = given.toarray(), unchanged.toarray()
    assert_array_equal(given, unchanged)


def test_a_model_of_a_table_that_writes_into_its_X_changes_nothing():
    table, found = pd.DataFrame(X, columns=["x0", "x1", "x2"]), []
    for copy in (False, True):
        models = [("writer", make_pipeline(Writer(copy), Ridge())), "linear"]
        found.append(TabularRegressor(models=models, **LEARNED).fit(table, Y).predict(table))
    assert_array_equal(*found)


def test_a_member_may_take_frames_of_polars():
    class OfPolars(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.inner_ = Ridge().fit(X.to_numpy(), y)
            return self

        def predict(self, X):
            assert isinstance(X, pl.DataFrame)
            return self.inner_.predict(X.to_numpy())

    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    assert CrossFitRegressor(OfPolars(), **LEARNED).fit(frame, Y).score(frame, Y) > 0.9


# --- shapes and units --------------------------------------------------------------------------------


class AsColumn(LinearRegression):
    def predict(self, X):
        return super().predict(X)[:, None]


def test_a_column_of_predictions_is_one_number_for_each_sample():
    right, column = (
        CrossFitRegressor(model, **LEARNED).fit(X, Y) for model in (LinearRegression(), AsColumn())
    )
    assert_allclose(column.oof_loss_, right.oof_loss_)
    assert_allclose(column.predict(X), right.predict(X))
    assert_allclose(column.predict_interval(X), right.predict_interval(X))
    blend = BlendRegressor([("a", CrossFitRegressor(AsColumn(), **LEARNED))]).fit(X, Y)
    assert_allclose(blend.predict(X), right.predict(X))


def test_predictions_of_another_shape_are_an_error_that_names_the_model():
    class Twice(LinearRegression):
        def predict(self, X):
            return np.repeat(super().predict(X)[:, None], 2, axis=1)

    with pytest.raises(ValueError, match=r"Twice\(\) must predict an array of shape \(120,\)"):
        CrossFitRegressor(Twice(), **LEARNED).fit(X, Y)


@pytest.mark.parametrize("scale_y", [False, True])
def test_a_crossfit_regressor_among_models_says_whether_y_is_scaled(scale_y):
    y = 50 * Y
    svr = SVR(kernel="linear", C=100, epsilon=3.0)
    models = [("svr", CrossFitRegressor(svr, scale_y=scale_y))]
    table = TabularRegressor(models=models, cv=3, random_state=0).fit(X, y)
    assert (table.score(X, y) > 0.9) != scale_y
    (ensemble,) = (model[-1] for model in table.ensemble_.estimators_)
    assert len(ensemble.estimators_) == 3
    same = TabularRegressor(models=[("svr", svr)], cv=3, random_state=0).fit(X, y)
    assert np.array_equal(same.predict(X), table.predict(X)) == scale_y


def test_a_crossfit_classifier_may_be_among_models():
    models = [("logistic", CrossFitClassifier(LogisticRegression()))]
    assert TabularClassifier(models=models, cv=3, random_state=0).fit(X, LABELS).score(X, LABELS) > 0.6


# --- CatBoost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_classes", [True, False])
def test_catboost_is_stopped_by_its_weighted_fold_and_has_other_seeds(of_classes):
    catboost = pytest.importorskip("catboost")
    cls = catboost.CatBoostClassifier if of_classes else catboost.CatBoostRegressor
    cross_fit, y = (CrossFitClassifier, LABELS) if of_classes else (CrossFitRegressor, Y)
    weight = np.where(X[:, 2] > 5, 30.0, 0.01)
    model = cls(
        iterations=60, early_stopping_rounds=3, verbose=False, allow_writing_files=False, thread_count=1
    )
    ensemble = cross_fit(model, cv=KFold(3), random_state=0).fit(X, y, sample_weight=weight)
    seeds = [member.get_params()["random_seed"] for member in ensemble.estimators_]
    assert len({*seeds}) == 3
    for (train, fold), member in zip(KFold(3).split(X), ensemble.estimators_):
        pool = catboost.Pool(X[fold], y[fold], weight=weight[fold])
        alone = model.copy().set_params(random_seed=member.get_params()["random_seed"])
        alone.fit(X[train], y[train], sample_weight=weight[train], eval_set=pool)
        assert member.tree_count_ == alone.tree_count_
        assert_array_equal(member.predict(X), alone.predict(X))


def test_a_seed_that_is_set_by_either_name_of_catboost_is_one_for_each_member():
    catboost = pytest.importorskip("catboost")
    for seed in ("random_state", "random_seed"):
        settings = {"iterations": 2, "verbose": False, "allow_writing_files": False, seed: 0}
        ensemble = CrossFitRegressor(catboost.CatBoostRegressor(**settings), **LEARNED).fit(X, Y)
        assert len({member.get_params()[seed] for member in ensemble.estimators_}) == 3


# --- logistic regression ------------------------------------------------------------------------------


class Bounded(LogisticRegression):
    """Its scores are bounded, so that no sample is certain."""

    def decision_function(self, X):
        return np.clip(super().decision_function(X), -1, 1)


@pytest.mark.parametrize("member", [LogisticRegression(C=1e4), Bounded()])
@pytest.mark.parametrize("labels", [LABELS, LABELS > 0])
def test_arrays_and_frames_have_the_same_probabilities_and_sets(member, labels):
    far = np.concatenate([X, 100 * X])
    names, settings = list("abc"), {"cv": 3, "random_state": 0}
    by_array = CrossFitClassifier(member, **settings).fit(X, labels)
    by_frame = CrossFitClassifier(member, **settings).fit(pd.DataFrame(X, columns=names), labels)
    far_frame = pd.DataFrame(far, columns=names)
    assert_allclose(by_array.temperature_, by_frame.temperature_, rtol=1e-4)
    proba = by_array.predict_proba(far)
    assert_allclose(proba, by_frame.predict_proba(far_frame), rtol=1e-4)
    assert_array_equal(by_array.predict_set(far, 0.9), by_frame.predict_set(far_frame, 0.9))
    member_probas = [part.predict_proba(far).clip(EPS) for part in by_array.estimators_]
    powers = [p ** (1 / by_array.temperature_) for p in member_probas]
    expected = np.mean([power / power.sum(axis=1, keepdims=True) for power in powers], axis=0)
    assert_allclose(proba, expected, rtol=1e-9)


# --- counts ------------------------------------------------------------------------------------------


def test_all_counts_of_a_fold_may_be_zero():
    lightgbm = pytest.importorskip("lightgbm")
    y = np.zeros(120)
    y[100:] = np.arange(20) % 3  # in the last fold, and in no other
    members = [
        lightgbm.LGBMRegressor(objective="poisson", n_estimators=5, verbose=-1),
        lightgbm.LGBMRegressor(objective="tweedie", n_estimators=5, verbose=-1),
        HistGradientBoostingRegressor(loss="poisson", max_iter=5),
    ]
    cv = [(np.arange(100), np.arange(100, 120)), *KFold(2).split(X)]
    for member in members:
        model = CrossFitRegressor(member, cv=cv, scale_y=True, random_state=0).fit(X, y)
        predictions = model.predict(X)
        assert np.isfinite(model.oof_loss_)
        assert (predictions > 0).all()
    table = TabularRegressor(models=["trees"], loss="poisson", cv=cv, random_state=0).fit(X, y)
    assert (table.predict(X) > 0).all()
    assert np.isfinite(table.oof_loss_)
    to_onnx(table)
    all_zero = TabularRegressor(models=["trees"], loss="poisson", cv=2, random_state=0)
    assert (all_zero.fit(X, 0 * y).predict(X) < 0.1).all()


# --- parameters that files do not keep ----------------------------------------------------------------


def without_logger(cls):
    """A subclass with a parameter that its files do not keep."""

    class Logged(cls):
        logger = None

        def __getstate__(self):
            return {name: value for name, value in super().__getstate__().items() if name != "logger"}

    return Logged


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (CrossFitClassifier, {"estimator": LogisticRegression()}),
        (CrossFitRegressor, {"estimator": SGDRegressor()}),
        (BlendRegressor, {"estimators": [("a", CrossFitRegressor(Ridge(), cv=2))]}),
        (TabularRegressor, {"models": ["linear"], "cv": 2}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_fit_keeps_what_a_subclass_leaves_out_of_files(cls, parameters):
    model = without_logger(cls)(**parameters)
    model.logger = object()
    logger = model.logger
    assert model.fit(X, LABELS if cls is CrossFitClassifier else Y).logger is logger


# --- tools that look for records ---------------------------------------------------------------------


MODELS = [
    CrossFitClassifier(LogisticRegression(), cv=2),
    CrossFitRegressor(Ridge(), cv=2),
    BlendClassifier([("a", CrossFitClassifier(LogisticRegression(), cv=2))]),
    BlendRegressor([("a", CrossFitRegressor(Ridge(), cv=2))]),
    TabularClassifier(models=["linear"], cv=2),
    TabularRegressor(models=["linear"], cv=2),
    TableScaler("standard"),
    TableEncoder(),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_tools_that_take_records_apart_take_an_estimator_as_a_value(model, is_fitted):
    model = clone(model)
    if is_fitted:
        model.fit(X, Y if isinstance(model, RegressorMixin) else LABELS)
    assert not dataclasses.is_dataclass(model)
    assert pd.DataFrame([model, model]).iloc[1, 0] is model
    assert pl.DataFrame({"model": [model, model]})["model"].dtype == pl.Object
    dask = pytest.importorskip("dask")
    assert type(dask.compute([model])[0][0]) is type(model)


def test_a_pydantic_model_may_have_a_field_of_an_estimator():
    pydantic = pytest.importorskip("pydantic")
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    for model in MODELS:
        served = pydantic.create_model("Served", __config__=config, model=(type(model), ...))
        assert served(model=model).model is model
