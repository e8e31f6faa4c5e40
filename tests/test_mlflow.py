"""MLflow saves and serves models as the page on serving says. The usual tests do not install it."""

import re
import runpy
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import skdense
from skdense import LowLevelMLPRegressor, TabularClassifier

mlflow = pytest.importorskip("mlflow", minversion="3.17")
pytestmark = pytest.mark.filterwarnings("ignore")

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.uniform(18, 90, 100), "colour": rng.choice(["red", "blue"], 100)})


@pytest.fixture(scope="module")
def model(table):
    model = TabularClassifier(models=["linear", "trees"], cv=2, random_state=0)
    return model.fit(table, (table["age"] > 50) ^ (table["colour"] == "red"))


def test_the_code_of_the_page_saves_loads_and_serves_a_model(table, model):
    joblib.dump(model, "model.joblib")
    names = runpy.run_path(str(DOCS / "log_to_mlflow.py"))
    assert_array_equal(names["probabilities"], model.predict_proba(names["rows"]))
    assert_array_equal(names["sets"], model.predict_set(names["rows"]))
    assert_array_equal(names["loaded"].predict_proba(table), model.predict_proba(table))


def test_the_page_quotes_the_error_without_trusted_types(model, tmp_path):
    with pytest.raises(mlflow.MlflowException) as error:
        mlflow.sklearn.save_model(model, tmp_path / "model", pip_requirements=[])
    page = " ".join((DOCS / "serving.rst").read_text(encoding="utf-8").split())
    quoted, rest = re.search(r"MlflowException: (.*?), \.\.\., (.*?), \.\.\.", page).groups()
    assert str(error.value).startswith(quoted)
    assert rest in str(error.value)


def test_a_network_is_served_by_pyfunc(table, tmp_path):
    X = table[["age"]] / 90
    network = LowLevelMLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(
        X, table["age"]
    )
    trusted = {"skops_trusted_types": skdense.trusted_types(), "pip_requirements": []}
    mlflow.sklearn.save_model(network, tmp_path / "model", **trusted)
    served = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert_array_equal(served.predict(X), network.predict(X))
