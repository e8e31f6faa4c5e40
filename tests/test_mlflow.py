"""MLflow saves and serves models as the page on serving says. The usual tests do not install it."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import skdense
from skdense import LowLevelMLPRegressor, TabularClassifier

mlflow = pytest.importorskip("mlflow", minversion="3.17")
pytestmark = pytest.mark.filterwarnings("ignore")

PAGE = (Path(__file__).parent.parent / "docs" / "serving.rst").read_text(encoding="utf-8")
TEXT, CODE = map(
    textwrap.dedent,
    re.findall(r"\.\. code-block:: \w+\n\n((?:   .*\n|\n)+)", PAGE.split("\nMLflow\n")[1])[:2],
)


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
    names = {"model": model, "table": table}
    exec(CODE, names)
    assert_array_equal(names["probabilities"], model.predict_proba(table))
    assert_array_equal(names["loaded"].predict_set(table), model.predict_set(table))
    assert type(names["loaded"]) is TabularClassifier


def test_the_page_quotes_the_error_without_trusted_types(model, tmp_path):
    with pytest.raises(mlflow.MlflowException) as error:
        mlflow.sklearn.save_model(model, tmp_path / "model", pip_requirements=[])
    quoted = " ".join(TEXT.split()).removeprefix("MlflowException: ")
    beginning, *types = re.split(r"\.\.\.,?", quoted)
    assert str(error.value).startswith(beginning.strip().removesuffix(","))
    assert "'skdense.tabular.estimators.TabularClassifier'" in str(error.value)
    assert "'skdense.tabular.estimators.TabularClassifier'" in types[0]


def test_a_network_is_served_by_pyfunc(table, tmp_path):
    X = table[["age"]] / 90
    network = LowLevelMLPRegressor(hidden_layer_sizes=(4,), solver="lbfgs", random_state=0).fit(
        X, table["age"]
    )
    trusted = {"skops_trusted_types": skdense.trusted_types(), "pip_requirements": []}
    mlflow.sklearn.save_model(network, tmp_path / "model", **trusted)
    served = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert_array_equal(served.predict(X), network.predict(X))
