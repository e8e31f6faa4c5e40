"""Tests of ensembles and blends as VotingClassifier and VotingRegressor of scikit-learn's models."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor

SETTINGS = {"max_iter": 60, "early_stopping": True, "learning_rate_init": 0.03, "random_state": 0}
CLASSIFIERS = CrossFitClassifier(LowLevelMLPClassifier((8,), **SETTINGS), cv=3, random_state=0)
TREES = CrossFitClassifier(HistGradientBoostingClassifier(max_iter=5), cv=3, random_state=0)
TANH = clone(CLASSIFIERS).set_params(estimator__activation="tanh", random_state=1)
REGRESSORS = CrossFitRegressor(LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS), cv=3)


@pytest.fixture(scope="module", params=[2, 3], ids=["binary", "multiclass"])
def classes(request):
    X, y = load_iris(return_X_y=True)
    flowers = np.array(["setosa", "versicolor", "virginica"])[y]
    return (X, flowers) if request.param == 3 else (X[50:], flowers[50:])


@pytest.fixture(scope="module")
def numbers():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y / 100


@pytest.fixture(scope="module")
def blend(classes):
    tanh = make_pipeline(StandardScaler(), TANH)
    models = [("relu", CLASSIFIERS), ("tanh", tanh), ("trees", TREES)]
    return make_pipeline(StandardScaler(), BlendClassifier(models)).fit(*classes)


def in_scikit_learn(model):
    """The pipeline of a scaler and an ensemble with the ensemble converted."""
    return make_pipeline(model[0], model[-1].to_sklearn())


def test_an_ensemble_and_its_temperature_become_scikit_learns_own(classes):
    X, y = classes
    model = make_pipeline(StandardScaler(), CLASSIFIERS).fit(X, y)
    theirs = in_scikit_learn(model)
    assert type(theirs[-1]) is VotingClassifier
    assert model[-1].temperature_ != 1
    assert_allclose(theirs.predict_proba(X), model.predict_proba(X), rtol=1e-12)
    assert_array_equal(theirs.predict(X), model.predict(X))
    assert theirs.score(X, y) == model.score(X, y)


def test_a_blend_becomes_scikit_learns_own(classes, blend):
    X, _ = classes
    theirs = in_scikit_learn(blend)
    assert_allclose(theirs.predict_proba(X), blend.predict_proba(X), rtol=1e-12)
    assert_array_equal(theirs.predict(X), blend.predict(X))
    assert b"skdense" not in pickle.dumps(theirs)


def test_trees_are_copied_and_take_the_temperature(classes):
    X, y = classes
    trees = clone(TREES).fit(X, y)
    before = trees.predict_proba(X)
    assert trees.temperature_ != 1
    assert_allclose(trees.to_sklearn().predict_proba(X), before, rtol=1e-12)
    assert_array_equal(trees.predict_proba(X), before)


def test_coefficients_are_divided_by_the_temperature(classes):
    linear = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0).fit(*classes)
    assert linear.temperature_ != 1
    X, _ = classes
    assert_allclose(linear.to_sklearn().predict_proba(X), linear.predict_proba(X), atol=1e-9)


def test_regressors_become_scikit_learns_own(numbers):
    X, y = numbers
    scaled = clone(REGRESSORS).set_params(scale_y=True)
    logged = TransformedTargetRegressor(REGRESSORS, func=np.log, inverse_func=np.exp)
    linear = CrossFitRegressor(Ridge(), cv=3)
    blend = BlendRegressor([("scaled", scaled), ("logged", logged), ("linear", linear)]).fit(X, y)
    theirs = blend.to_sklearn()
    assert type(theirs) is VotingRegressor
    assert_allclose(theirs.predict(X), blend.predict(X), rtol=1e-12)
    assert b"skdense" not in pickle.dumps(theirs)
    assert b"skdense" in pickle.dumps(blend)


@pytest.mark.parametrize(
    "regressor",
    [
        LowLevelMLPRegressor(hidden_layer_sizes=(8,), dtype="float32", **SETTINGS),
        LowLevelMLPRegressor(hidden_layer_sizes=(8,), loss="poisson", **SETTINGS),
        HistGradientBoostingRegressor(max_iter=5),
        HistGradientBoostingRegressor("poisson", max_iter=5),
        make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=5)),
    ],
)
def test_the_scale_of_y_becomes_part_of_the_members(numbers, regressor):
    X, y = numbers
    model = CrossFitRegressor(regressor, cv=2, random_state=0, scale_y=True).fit(X, 1000 * y)
    before = model.predict(X)
    assert_allclose(model.to_sklearn().predict(X), before, rtol=1e-4)
    assert_array_equal(model.predict(X), before)


def test_a_scale_of_y_has_no_place_in_other_models(numbers):
    linear = CrossFitRegressor(Ridge(), cv=3, scale_y=True).fit(*numbers)
    with pytest.raises(
        ValueError, match=r"can take the scale of y, got Ridge\(.*\); set scale_y=False"
    ):
        linear.to_sklearn()


def test_onnx_has_the_same_probabilities(classes, blend):
    skl2onnx, onnxruntime = pytest.importorskip("skl2onnx"), pytest.importorskip("onnxruntime")
    X = classes[0].astype(np.float32)
    blend = (
        clone(blend).set_params(blendclassifier__trees="drop").fit(*classes)
    )  # skl2onnx fails on them
    theirs = in_scikit_learn(blend)
    onnx = skl2onnx.to_onnx(theirs, X[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(onnx.SerializeToString())
    labels, probabilities = session.run(None, {"X": X})
    assert_allclose(probabilities, blend.predict_proba(X), atol=1e-5)
    assert_array_equal(labels, blend.predict(X))


def test_onnx_has_the_same_predictions(numbers):
    skl2onnx, onnxruntime = pytest.importorskip("skl2onnx"), pytest.importorskip("onnxruntime")
    X, y = numbers
    model = make_pipeline(StandardScaler(), BlendRegressor([("a", REGRESSORS), ("b", REGRESSORS)])).fit(
        X, y
    )
    X = X.astype(np.float32)
    onnx = skl2onnx.to_onnx(in_scikit_learn(model), X[:1])
    session = onnxruntime.InferenceSession(onnx.SerializeToString())
    assert_allclose(session.run(None, {"X": X})[0].ravel(), model.predict(X), atol=1e-5)


def test_a_temperature_has_no_place_in_other_models(classes):
    bayes = CrossFitClassifier(GaussianNB(), cv=3).fit(*classes)
    with pytest.raises(
        ValueError, match=r"only networks, .* take the ensemble's temp.* got GaussianNB"
    ):
        bayes.to_sklearn()
    silu = clone(CLASSIFIERS).set_params(estimator__activation="silu").fit(*classes)
    with pytest.raises(ValueError, match="MLPClassifier cannot represent this model"):
        silu.to_sklearn()


def test_what_no_voting_estimator_can_be_is_refused(classes, numbers):
    X, y = numbers
    two = CrossFitRegressor(Ridge(), cv=3).fit(X, np.c_[y, 2 * y])
    with pytest.raises(ValueError, match="one number for each sample, but this model predicts 2"):
        two.to_sklearn()
    nested = CrossFitClassifier(TREES, cv=3, random_state=0).fit(*classes)
    with pytest.raises(ValueError, match="can take the ensemble's temperature"):
        nested.to_sklearn()


def test_a_converted_model_shares_nothing_with_the_model(numbers):
    X, y = numbers
    steps = make_pipeline(StandardScaler(), CrossFitRegressor(Ridge(), cv=3))
    blend = BlendRegressor([("a", TransformedTargetRegressor(steps, transformer=StandardScaler()))])
    theirs = blend.fit(X, y).to_sklearn()
    before = theirs.predict(X)
    model = blend.named_estimators_.a
    model.transformer_.mean_ += 100
    model.transformer.with_mean = False
    assert theirs.estimators_[0].transformer.with_mean
    model.regressor_[0].mean_ += 100
    model.regressor_[1].estimators_[0].coef_ += 100
    assert_array_equal(theirs.predict(X), before)
