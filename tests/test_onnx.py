"""Whole tables in ONNX predict what they predict here, also where values are missing or unknown."""

import sys

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense import (
    LowLevelMLPClassifier,
    LowLevelMLPRegressor,
    make_tabular_classifier,
    make_tabular_regressor,
)
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.tabular import to_onnx

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SETTINGS = {"random_state": 0, "cv": 2, "hidden_layer_sizes": (8,), "max_iter": 5}


def table(n, seed, new=()):
    """Columns of all kinds that can be converted, and a number that depends on them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "price": rng.lognormal(5, 1, n),
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.normal(1e6, 1, n)),
            "is_new": rng.random(n) < 0.5,
            "day": rng.integers(0, 7, n).astype(str),
            "town": rng.choice(["Arles", "Bergen"] * 20 + ["rare", *new], n),
            "kind": pd.Categorical(rng.choice(["u", "v"], n)),
            "name": rng.choice(np.array(["ann", "bob", None], dtype=object), n),
        }
    )
    score = np.log(X.price) + 2 * (X.town == "Arles") + X.is_new * (X["size"].fillna(1e6) - 1e6)
    return X, score


@pytest.fixture(scope="module")
def new_rows():
    X, _ = table(1000, seed=1, new=["Cork"])
    X.loc[:9, "town"] = None
    X.loc[5:15, "price"] = np.nan
    X.loc[20, "price"] = np.inf
    return X


def run(model, X):
    """The outputs of the converted model, in their order."""
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    if isinstance(X, np.ndarray):
        return session.run(None, {"X": X.astype(np.float32)})

    def column(values, kind):
        if kind == "tensor(double)":
            return values.to_numpy(float)
        return values.astype(object).where(values.notna(), "").to_numpy()

    return session.run(None, {i.name: column(X[[i.name]], i.type) for i in session.get_inputs()})


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_table_with_labels_is_the_same_in_onnx(n_classes, new_rows):
    X, score = table(400, seed=0)
    y = pd.qcut(score, n_classes, labels=list("abcd")[:n_classes]).astype(str)
    model = make_tabular_classifier(**SETTINGS).fit(X, y)
    model[-1].weights_[:] = 1 / len(model[-1].weights_)
    labels, probabilities = run(model, new_rows)
    assert_allclose(probabilities, model.predict_proba(new_rows), atol=1e-5)
    assert_array_equal(labels, model.predict(new_rows))


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_a_table_with_numbers_is_the_same_in_onnx(loss, new_rows):
    X, score = table(400, seed=0)
    model = make_tabular_regressor(**SETTINGS, loss=loss).fit(X, 100 * score.clip(0))
    model[-1].weights_[:] = 1 / len(model[-1].weights_)
    (predicted,) = run(model, new_rows)
    assert_allclose(predicted[:, 0], model.predict(new_rows), rtol=1e-5)


def test_dates_and_texts_are_refused_by_name():
    X, score = table(200, seed=0)
    model = make_tabular_regressor(**SETTINGS).set_params(
        ensemble__trees="drop", ensemble__ramps="drop"
    )
    for name, values, what in (
        ("when", pd.date_range("2020", periods=200), "dates"),
        ("text", [f"some words {i * i}" for i in range(200)], "texts"),
    ):
        with pytest.raises(ValueError, match=f"numbers and categories, but column '{name}' has {what}"):
            to_onnx(clone(model).fit(X.assign(**{name: values}), score))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation_is_the_same_in_onnx(dtype):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    network = LowLevelMLPRegressor(hidden_layer_sizes=(8, 8), solver="lbfgs", max_iter=3, dtype=dtype)
    network.fit(X, y)
    for activation in ACTIVATIONS:
        network.activation = activation
        assert_allclose(run(network, X)[0][:, 0], network.predict(X), rtol=1e-4, err_msg=activation)


def test_members_are_the_same_in_onnx():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    X[::7, 2] = np.nan  # trees send them to the side that they have learned
    for model in (
        HistGradientBoostingRegressor(max_iter=5, loss="gamma").fit(X, y + 1.0),
        HistGradientBoostingRegressor(max_iter=5).fit(X, y),
    ):
        assert_allclose(run(model, X)[0][:, 0], model.predict(X), rtol=1e-5)
    trees = HistGradientBoostingClassifier(max_iter=5)
    rows = np.arange(len(y))
    one_class_left_out = [(rows[y != label], rows[y == label]) for label in (0, 2)]
    for model in (
        trees.fit(X, y),
        CrossFitClassifier(trees, cv=one_class_left_out).fit(X, y),
    ):
        labels, probabilities = run(model, X)
        assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
        assert_array_equal(labels, model.predict(X))
    X = np.nan_to_num(X)
    logistic = CrossFitClassifier(LogisticRegression(max_iter=1000), cv=3, random_state=0)
    for model in (
        LowLevelMLPClassifier((4,), solver="lbfgs", max_iter=20, random_state=0),
        make_pipeline(StandardScaler(), logistic),
    ):
        for labels in (y, y == 1):
            model.fit(X, labels)
            assert_allclose(run(model, X)[1], model.predict_proba(X), atol=1e-5)
    ridge = make_pipeline(StandardScaler(with_mean=False), CrossFitRegressor(RidgeCV(), cv=3))
    for numbers in (y, np.c_[y, -y]):
        expected = ridge.fit(X, numbers).predict(X)
        assert_allclose(run(ridge, X)[0].reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_converted_is_named(monkeypatch):
    X, y = load_iris(return_X_y=True)
    network = LowLevelMLPClassifier((4,), max_iter=1, loss="squared_error")
    for model, message in (
        (CrossFitClassifier(GaussianNB(), cv=2), "GaussianNB"),
        (make_pipeline(PCA(2), CrossFitClassifier(network, cv=2)), "step 'pca'"),
        (CrossFitClassifier(network, cv=2), "loss='log_loss'"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]), "categorical features"),
    ):
        with pytest.raises(ValueError, match=message):
            to_onnx(model.fit(X.round(), y))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        to_onnx(Ridge().fit(X, y))
