"""Whole tables in ONNX predict what they predict here, also where values are missing or unknown."""

import json
import re
import sys
import warnings
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import skdense.ensemble
from helpers import with_parameters_of
from skdense import (
    LowLevelMLPClassifier,
    LowLevelMLPRegressor,
    TabularClassifier,
    TabularRegressor,
    __version__,
)
from skdense.ensemble import BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.onnx import onnx_inputs, to_onnx
from skdense.tabular import TableScaler

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::skdense.exceptions.UnlikeDataWarning"),
    pytest.mark.usefixtures("coarse_buckets"),
]

SETTINGS = {"random_state": 0, "cv": 2}
NETWORKS = {"network_params": {"hidden_layer_sizes": (8,), "max_iter": 5}}
TREES = {"n_estimators": 5, "n_jobs": 1, "verbosity": -1}


def table(n, seed, new=()):
    """Columns of all kinds that can be converted, some with odd names, and what depends on them."""
    rng = np.random.default_rng(seed)

    def choice(*values):
        return rng.choice(np.array(values, dtype=object), n)

    X = pd.DataFrame(
        {
            "label": rng.lognormal(5, 1, n),
            "": np.where(rng.random(n) < 0.2, np.nan, rng.normal(1e6, 1, n)),
            "result 1": rng.random(n) < 0.5,
            "label_": rng.integers(0, 7, n).astype(str),
            "town": choice(*["Arles", "Bergen"] * 20, "rare", "?", " \t", "N/A", "", None, *new),
            "code": choice("1", "2.0", "-3", "2", "x.0", None),
            "kind": pd.Categorical(choice("u", "?", "")),
            "level": pd.Categorical(rng.choice([1.0, 2.0, 2.5], n)),
            "mixed": choice(1, 2.0, "a", True, None),
            "time": (1_700_000_000 + rng.integers(0, 1000, n)).astype(str),
            "fee": choice("1.5", "2.5", "?", "NA", "7", None),
            "since": pd.to_timedelta(rng.exponential(5, n), unit="h"),
            "when": choice(*pd.date_range("2024-01-01", periods=300, freq="31h"), None),
            "text": choice(*(f"flat {i} in town {i // 2}" for i in range(99)), *new, None),
            "empty": None,
            "none": "N/A",
            "constant": "k",
        }
    )
    score = np.log(X["label"]) + 2 * (X.town == "Arles") + X["result 1"] * (X[""].fillna(1e6) - 1e6)
    return X, score + X.level.astype(float)


@pytest.fixture(scope="module")
def new_rows():
    X, _ = table(1000, seed=1, new=["Cork"])
    X.loc[:9, "town"] = None
    X.loc[5:15, "label"] = np.nan
    X["result 1"] = X["result 1"].astype(object).where(X.index > 5, None)
    X.loc[20, "label"] = np.inf
    X.loc[21, ""] = -np.inf
    X.loc[22, "label"] = 1e300
    X.loc[:2, "when"] = pd.to_datetime(["1815-12-10 10:00:00", "2199-01-01 23:59:59", None])
    return X


def run(model, *tables):
    """The outputs of the converted model, in their order; for several tables, those of each."""
    converted = to_onnx(model)
    onnx.checker.check_model(converted)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    outputs = [session.run(None, onnx_inputs(model, X)) for X in tables]
    return outputs if len(tables) > 1 else outputs[0]


def with_equal_weights(model):
    """A fitted model of a table, in which each of the models matters."""
    model.ensemble_.weights_[:] = 1 / len(model.ensemble_.weights_)
    return model


@pytest.mark.parametrize(("n_classes", "models"), [(2, None), (4, ["trees", "linear", "constant"])])
def test_a_table_with_labels_is_the_same_in_onnx(n_classes, models, new_rows):
    X, score = table(400, seed=0)
    y = pd.qcut(score, n_classes, labels=list("abcd")[:n_classes]).astype(str)
    model = with_equal_weights(TabularClassifier(models=models, **SETTINGS, **NETWORKS).fit(X, y))
    (labels, probabilities), reversed_ = run(model, new_rows, new_rows[X.columns[::-1]])
    assert_allclose(probabilities, model.predict_proba(new_rows), atol=1e-6)
    assert_array_equal(labels, model.predict(new_rows))
    assert_array_equal(reversed_[1], probabilities)
    used = [name for name in X if name not in model.encoder_.dropped_]
    names = [{"label": "label__", "": "_"}.get(name, name) for name in used]
    assert {"label__", "_", "label_"} < set(names)
    assert not {"empty", "none", "constant"} & set(names)
    assert [each.name for each in to_onnx(model).graph.input] == names


@pytest.mark.parametrize(
    "given",
    [
        {"models": ["plain", "ramps", "linear", "constant"]},
        {"models": ["trees", "deep", "linear", "sparse", "kernel"]},
        {"models": ["ramps", "trees"], "loss": "poisson"},
        {"models": ["trees"], "loss": "huber"},
    ],
    ids=str,
)
def test_a_table_with_numbers_is_the_same_in_onnx(given, new_rows):
    X, score = table(400, seed=0)
    model = TabularRegressor(**SETTINGS, **NETWORKS, **given).fit(X, 100 * score.clip(0))
    (predicted,) = run(with_equal_weights(model), new_rows)
    assert_allclose(predicted[:, 0], model.predict(new_rows), rtol=1e-5)


def test_several_numbers_are_the_same_in_onnx(new_rows):
    X, score = table(200, seed=0)
    model = TabularRegressor(models=["trees", "linear", "sparse", "constant"], **SETTINGS)
    with_equal_weights(model.fit(X, np.c_[score, -score]))
    assert_allclose(run(model, new_rows)[0], model.predict(new_rows), rtol=1e-5, atol=1e-5)


@cache
def model_of_strings():
    """A linear model of a column of strings and one of categories, and its session."""
    rng = np.random.default_rng(0)
    strings = ["1", "-2", "7.0", "007", "--5", "a", "b c", "?", "none", "1" + 16 * "0"]
    strings = rng.choice(strings, (300, 2))
    X = pd.DataFrame({"strings": strings[:, 0], "categories": pd.Categorical(strings[:, 1])})
    model = TabularClassifier(models=["linear"], **SETTINGS)
    model.fit(X, (X.strings == "1") | (X.categories == "a") & (rng.random(300) < 0.8))
    return model, onnxruntime.InferenceSession(to_onnx(model).SerializeToString())


SPACES = "".join(filter(str.isspace, map(chr, range(sys.maxunicode + 1))))
STRINGS = st.sampled_from(
    ["1", "1.0", "-2.0", "7", "7.00", "007.0", "--5.0", "1e+16", "?", "NaN", "none", "a", "b c", ""]
)


@given(st.lists(STRINGS | st.text(SPACES + "a.0", max_size=4), min_size=1, max_size=30))
@settings(max_examples=40)
def test_strings_are_read_in_onnx_as_they_are_here(strings):
    model, session = model_of_strings()
    X = pd.DataFrame({name: pd.Series(strings, dtype=object) for name in ("strings", "categories")})
    columns = {name: X[[name]].to_numpy() for name in X}
    with warnings.catch_warnings(action="ignore"):
        expected = model.predict_proba(X)
    assert_allclose(session.run(["probabilities"], columns)[0], expected, atol=1e-6)


def test_texts_and_columns_of_many_levels_are_the_same_in_onnx():
    X, score = table(200, seed=0)
    texts = [f"{['Sales', 'NA-', 'HR '][i % 3]} Manager {i}" if i % 4 else "Owner" for i in range(200)]
    places = "İstanbul", "ΣΟΦΟΣ", "Kiosk", "Maße"
    texts = [f"{text} {places[i // 4 % 4]}" if i % 4 else text for i, text in enumerate(texts)]
    X = X.assign(title=texts, town=[f"t{i % 45}" for i in range(200)])
    score = score + [30 * (i % 3) * (i % 4 > 0) + i % 45 for i in range(200)]  # else both are not used
    model = TabularRegressor(models=["linear"], **SETTINGS).fit(X, score)
    names = {"title~na", "title:rare", "title~istanbul", "title~kiosk", "title~maße", "town=t3"}
    assert names < set(model.encoder_.get_feature_names_out())
    titles = ["sales", "HR MANAGER 7", "na_manager", "Owner", "owner", None, "NA", "über-it", "salesé"]
    towns = ["t1", "new", None, "T1", "", "t44", "t2 t3", "t3.0", "t4"]
    new = X[:9].assign(title=titles, town=towns)
    cases = "in istanbul", "İSTANBUL", "ISTANBUL 3", "\u0131stanbul", "i\u0307stanbul", "ΣΟΦΟΣ".lower()
    cases += "Σοφοσ", "ΣΟΦΟΣ.", "\u212aiosk", "MAẞE", "MASSE"
    cases = pd.concat([X[:1]] * len(cases)).assign(title=cases)
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    for rows in (X, new, cases):
        (predicted,) = session.run(None, onnx_inputs(model, rows))
        assert_allclose(predicted[:, 0], model.predict(rows), rtol=1e-5, atol=1e-6)


SIMILAR_LETTERS = "aA sSſ kKK µμΜ σςΣ ßẞ iIİı éÉ åÅÅ ǆǅǄ 日 1 .".split()  # noqa: RUF001
"""Letters that some pattern or some rule of Unicode takes for equal."""
LEVELS = st.text("".join(SIMILAR_LETTERS) + " -", max_size=4)
LEVELS |= st.sampled_from(["1", "1.0", "NA", "?", "\u2003"]) | st.none()
NUMBERS = st.sampled_from([-np.inf, 1e39, -1e300, 3e38, -0.0, 1e-30]) | st.floats(-1e6, 1e6, width=32)


def with_similar_letters(rng, text):
    """A text in which each letter is replaced by one that is similar."""
    similar = {letter: list(group) for group in SIMILAR_LETTERS for letter in group}
    return "".join(rng.choice(similar.get(letter, [letter])) for letter in text)


@st.composite
def messy_tables(draw):
    """A table to fit to, a y, and a table with other values in the same columns."""
    rng, n_rows = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), 60
    names = st.text("éµſ_", max_size=3) | st.sampled_from(["label", "variable", "skdense result 1"])
    X, new, y = {}, {}, rng.normal(scale=0.1, size=n_rows)
    for i, name in enumerate(draw(st.lists(names, min_size=2, max_size=3, unique=True))):
        kind = draw(st.sampled_from(["strings", "categories", "texts"])) if i else "numbers"
        values, first = (LEVELS, ["µF s", "nF"]) if i else (NUMBERS, [np.nan, np.inf, 1.0])
        known = [*first, *draw(st.lists(values, max_size=3))]
        other = [*known, *draw(st.lists(values, min_size=1, max_size=3))]
        effects = rng.normal(scale=3, size=len(known))
        if kind == "texts":  # which all differ
            known = [f"{known[i % len(known)]} {i}" for i in range(n_rows)]
            other = [with_similar_letters(rng, text) for text in known]
            effects = np.resize(effects, n_rows)
        dtype = object if i else float
        cells = rng.permutation(n_rows) % len(known)
        X[name] = np.array(known, dtype)[cells]
        new[name] = rng.choice(np.array(other, dtype), n_rows)
        if kind == "categories":
            X[name], new[name] = pd.Categorical(X[name]), pd.Categorical(new[name])
        y += effects[cells]
    return pd.DataFrame(X), y, pd.DataFrame(new)


@given(messy_tables())
@settings(max_examples=20)
@pytest.mark.filterwarnings("ignore")
def test_messy_tables_are_the_same_in_onnx(tables):
    X, y, new = tables
    trees = TREES | {"min_child_samples": 3}
    regressor = TabularRegressor(
        models=[("trees", LGBMRegressor(**trees)), "linear", "constant"], **SETTINGS
    )
    classifier = TabularClassifier(models=[("trees", LGBMClassifier(**trees)), "linear"], **SETTINGS)
    with_equal_weights(regressor.fit(X, y))
    with_equal_weights(classifier.fit(X, y > np.median(y)))
    outputs = zip((X, new), run(regressor, X, new), run(classifier, X, new))
    for table, (numbers,), (_, probabilities) in outputs:
        assert_allclose(numbers[:, 0], regressor.predict(table), atol=1e-5)
        assert_allclose(probabilities, classifier.predict_proba(table), atol=1e-5)


DATES = [
    *map(
        pd.Timestamp, ["1855-12-10 10:00:00", "1900-02-28 23:59:59.999999", "1970-01-01", "2000-02-29"]
    ),
    *map(pd.Timestamp, ["2024-02-29 12:30", "2024-12-31 23:59:59.999999", "2149-01-01 23:59:59", None]),
    *pd.date_range("2024-03-30", "2024-04-01", freq="37min"),
    *pd.date_range("2024-10-26", "2024-10-28", freq="37min"),
    *pd.date_range("1999-01-01", "2049-12-31", freq="97D"),
]


@pytest.mark.parametrize(
    "zone", [None, "UTC", "Europe/Oslo", "America/St_Johns", "Australia/Lord_Howe"]
)
def test_the_parts_of_dates_are_the_same_in_onnx(zone):
    dates = pd.Series(DATES, name="when")
    dates = dates.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else dates
    y = np.arange(len(dates)) % 7
    model = TabularRegressor(models=["linear"], **SETTINGS).fit(dates.to_frame(), y)
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    seconds = [[date.timestamp() if date is not pd.NaT else np.nan] for date in dates]
    inputs = onnx_inputs(model, dates.to_frame())
    assert_allclose(inputs["when"], seconds, rtol=0, atol=1e-6)
    assert_allclose(session.run(None, inputs)[0][:, 0], model.predict(dates.to_frame()), atol=1e-5)


def properties(converted):
    """The metadata of a model."""
    return {entry.key: entry.value for entry in converted.metadata_props}


def test_the_metadata_say_how_to_make_inputs_without_this_package():
    rng = np.random.default_rng(0)
    rows = [
        {
            "joined": f"{rng.integers(1, 29)}.{rng.integers(1, 13)}.20{rng.integers(10, 25)}",
            "share": f"{rng.integers(0, 100)},{rng.integers(0, 9)} %",
            "pay": f"{rng.integers(1, 9)}.{rng.integers(100, 999)},50 EUR",
            "age": int(rng.integers(18, 90)),
            "paid": bool(rng.random() < 0.5),
            "town": str(rng.choice(["Ågot", "Oslo"])),
        }
        for _ in range(100)
    ]
    X = pd.DataFrame(rows)
    y = X["age"] + 20 * (X["town"] == "Oslo") + 9 * X["paid"]
    with warnings.catch_warnings(action="ignore"):
        model = TabularRegressor(models=["linear"], **SETTINGS).fit(X, y)
    converted = to_onnx(model, quantiles=[0.1, 0.9])
    metadata = properties(converted)
    about = {entry["column"]: entry for entry in json.loads(metadata["skdense.inputs"])}
    assert metadata["skdense.version"] == __version__
    assert json.loads(metadata["skdense.outputs"]) == {"quantiles": [0.1, 0.9]}
    assert [entry.name for entry in converted.graph.input] == [
        entry["input"] for entry in about.values()
    ]
    assert about["age"]["range"] == [X["age"].min(), X["age"].max()]
    assert about["town"] | {"missing": []} == {
        "input": "town",
        "column": "town",
        "kind": "strings",
        "value": "a string",
        "missing": [],
        "levels": ["Oslo", "Ågot"],
    }
    assert (about["share"]["unit"], about["share"]["decimal"]) == ("%", ",")
    assert (about["pay"]["unit"], about["pay"]["decimal"]) == ("EUR", ",")
    assert about["joined"]["formats"] == ["%d.%m.%Y"]
    assert about["joined"]["time_zone"] == "UTC"

    def value_of(entry, value):
        if "unit" in entry:
            return float(re.sub(f"[^0-9{entry['decimal']}-]", "", value).replace(",", "."))
        if entry["kind"] == "dates":
            return datetime.strptime(value, entry["formats"][0]).replace(tzinfo=UTC).timestamp()
        return value if entry["value"] == "a string" else float(value)

    inputs = {
        entry["input"]: np.array([[value_of(entry, row[entry["column"]])] for row in rows])
        for entry in about.values()
    }
    for name, values in onnx_inputs(model, X).items():
        assert_array_equal(inputs[name], values)


@pytest.mark.parametrize(
    ("noise", "given"),
    [
        ("constant", {"models": ["linear"]}),
        ("of the prediction", {"models": ["linear"]}),
        ("of the row", {"models": ["linear"]}),
        ("of the row", {"models": [("trees", LGBMRegressor(**TREES))], "loss": "poisson"}),
    ],
)
def test_quantiles_and_intervals_are_the_same_in_onnx(noise, given):
    rng = np.random.default_rng(0)
    n_rows = (
        500 if noise == "of the row" else 300
    )  # with fewer than 400, errors of rows are not learned
    X = pd.DataFrame({"a": rng.normal(size=n_rows), "b": rng.normal(size=n_rows)})
    X.loc[::9, "b"] = np.nan
    size = {"constant": 1, "of the prediction": np.exp(X["a"]), "of the row": 0.1 + (X["b"] > 0) * 5}
    y = (20 + 5 * X["a"] + size[noise] * rng.normal(size=n_rows)).clip(0)
    model = TabularRegressor(**given, **SETTINGS).fit(X, y)
    spread = model._uncertainty[0]["spread"]
    n_knots = len(spread.get("predictions", ()))
    assert noise == (
        "of the row" if not n_knots else "constant" if n_knots == 1 else "of the prediction"
    )
    quantiles = [0.0001, 0.05, 0.5, 0.95, 0.9999]
    converted = to_onnx(model, quantiles=quantiles, confidence_level=0.9)
    session = onnxruntime.InferenceSession(converted.SerializeToString())
    outputs = session.run(["variable", "quantiles", "interval"], onnx_inputs(model, X))
    assert_allclose(outputs[0][:, 0], model.predict(X), rtol=1e-6)
    assert_allclose(outputs[1], predicted_quantiles(model, X, quantiles), rtol=1e-5)
    assert_allclose(outputs[2], model.predict_interval(X), rtol=1e-5)


def predicted_quantiles(model, X, quantiles):
    return model.predict_quantiles(X, quantiles)


def test_quantiles_of_several_outputs_are_the_same_in_onnx():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)).astype(np.float32)
    y = X @ [[1, 2], [0, 1]] + rng.normal(size=(200, 2))
    model = CrossFitRegressor(Ridge(), cv=2, random_state=0).fit(X, y)
    session = onnxruntime.InferenceSession(to_onnx(model, quantiles=[0.2, 0.8]).SerializeToString())
    (quantiles,) = session.run(["quantiles"], onnx_inputs(model, X))
    assert_allclose(quantiles, predicted_quantiles(model, X, [0.2, 0.8]), rtol=1e-4, atol=1e-5)


def test_sets_of_classes_are_the_same_in_onnx():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    model = CrossFitClassifier(LogisticRegression(max_iter=1000), cv=3, random_state=0).fit(X, y)
    for level in (0.5, 0.9, 0.9999):
        converted = to_onnx(model, confidence_level=level)
        session = onnxruntime.InferenceSession(converted.SerializeToString())
        (sets,) = session.run(["sets"], onnx_inputs(model, X))
        assert_array_equal(sets, model.predict_set(X, level), strict=True)
        outputs = json.loads(properties(converted)["skdense.outputs"])
        assert outputs == {"classes": [0, 1, 2], "confidence_level": level}


def test_quantiles_and_sets_that_a_model_has_not_are_errors():
    X, y = load_iris(return_X_y=True)
    classifier = CrossFitClassifier(LogisticRegression(max_iter=1000), cv=2).fit(X, y)
    regressor = CrossFitRegressor(Ridge(), cv=2).fit(X, y)
    with pytest.raises(ValueError, match=r"quantiles must be None for a classifier, got 0\.5"):
        to_onnx(classifier, quantiles=0.5)
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\], got 2"):
        to_onnx(regressor, quantiles=2)
    with pytest.raises(ValueError, match="confidence_level"):
        to_onnx(classifier, confidence_level=1.5)
    with pytest.raises(ValueError, match=r"confidence_level must be None for a Pipeline, got 0\.9"):
        to_onnx(make_pipeline(StandardScaler(), Ridge()).fit(X, y), confidence_level=0.9)


@pytest.mark.parametrize(
    "view",
    [
        TableScaler(rare_factor=0.3),
        TableScaler(n_ramps=7),
        TableScaler("standard", n_ramps=3),
        TableScaler(None),
    ],
    ids=str,
)
def test_each_view_of_columns_is_the_same_in_onnx(view):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    X[:, 1] = 7  # its scale is 0
    X[:, 2] = rng.random(300) < 0.02
    X[:, 3] *= 1e-30
    X[::5, 4] = np.nan
    X[:, 5] = np.nan
    new = np.vstack([X, np.full((4, 6), [[np.nan], [np.inf], [-np.inf], [3e38]])]).astype(np.float32)
    last = DummyClassifier().fit(X, X[:, 2])
    numbers = LGBMRegressor(**TREES, min_child_samples=5) if view.scaling is None else Ridge()
    seen = view.fit_transform(X)
    model = Pipeline([("view", view), ("last", numbers.fit(seen, X[:, 0] + X[:, 2]))])
    assert last.n_classes_ == 2
    expected = numbers.predict(view.transform(new))
    assert_allclose(run(model, new)[0][:, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_activation_is_the_same_in_onnx(dtype):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    theirs = MLPRegressor(hidden_layer_sizes=(8, 8), max_iter=3, random_state=0).fit(X.astype(dtype), y)
    network = with_parameters_of(theirs)
    (activations,) = LowLevelMLPRegressor._parameter_constraints["activation"]
    for activation in activations.options:
        network.activation = activation
        assert_allclose(run(network, X)[0][:, 0], network.predict(X), rtol=1e-4, err_msg=activation)


def network_of(labels):
    """A network for iris, or for its labels, that nothing has to be compiled for."""
    X = load_iris().data.astype(np.float32)
    theirs = MLPClassifier((4,), max_iter=20, random_state=0).fit(X, labels)
    return with_parameters_of(theirs)


@pytest.mark.parametrize(
    "objective",
    ["regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie"],
)
def test_trees_of_numbers_are_the_same_in_onnx(objective):
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    X[::7, 2] = np.nan  # trees send them to the side that they have learned
    model = LGBMRegressor(**TREES, objective=objective).fit(X, y + X[:, 0])
    new = np.vstack([X, np.full((3, 4), [[np.nan], [np.inf], [-np.inf]])]).astype(np.float32)
    assert_allclose(run(model, new)[0][:, 0], model.predict(new), rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_trees_of_labels_are_the_same_in_onnx(n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X.astype(np.float32), np.array(["a", "b", "c"])[np.minimum(y, n_classes - 1)]
    X[::7, 2] = np.nan
    labels, probabilities = run(model := LGBMClassifier(**TREES).fit(X, y), X)
    assert_allclose(probabilities, model.predict_proba(X), atol=1e-12)
    assert_array_equal(labels, model.predict(X))


def test_a_float_that_is_a_threshold_goes_to_the_same_side_in_onnx():
    """Each value of the column is between two thresholds, or within a rounding error of one."""
    rng = np.random.default_rng(0)
    X = np.float32(1) + np.arange(200, dtype=np.float32)[:, None] * np.finfo(np.float32).eps
    model = LGBMRegressor(**TREES, min_child_samples=1, num_leaves=200, min_data_in_bin=1, max_bin=500)
    model.fit(X, rng.normal(size=200))
    assert_allclose(run(model, X)[0][:, 0], model.predict(X), rtol=1e-12)


def test_trees_that_stopped_early_or_never_split_are_the_same_in_onnx():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    stopped = LGBMRegressor(**TREES | {"n_estimators": 200}, early_stopping_round=3)
    stopped.fit(X[::2], y[::2], eval_X=X[1::2], eval_y=y[1::2][::-1])
    assert 0 < stopped.best_iteration_ < 200
    for model in (stopped, LGBMRegressor(**TREES, min_child_samples=200).fit(X, y)):
        assert_allclose(run(model, X)[0][:, 0], model.predict(X), rtol=1e-12)


def test_members_are_the_same_in_onnx():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    rows = np.arange(len(y))
    one_class_left_out = [(rows[y != label], rows[y == label]) for label in (0, 2)]
    for model in (
        CrossFitClassifier(LGBMClassifier(**TREES), cv=one_class_left_out).fit(X, y),
        CrossFitClassifier(DummyClassifier(), cv=3).fit(X, y),
    ):
        labels, probabilities = run(model, X)
        assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
        assert_array_equal(labels, model.predict(X))
    logistic = CrossFitClassifier(LogisticRegression(max_iter=1000), cv=3, random_state=0)
    for labels in (y, y == 1):
        for model in (network_of(labels), make_pipeline(StandardScaler(), logistic).fit(X, labels)):
            assert_allclose(run(model, X)[1], model.predict_proba(X), atol=1e-5)
    ridge = make_pipeline(StandardScaler(with_mean=False), CrossFitRegressor(RidgeCV(), cv=3))
    for numbers in (y, np.c_[y, -y]):
        expected = ridge.fit(X, numbers).predict(X)
        assert_allclose(run(ridge, X)[0].reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_a_step_that_does_nothing_may_come_first():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    model = make_pipeline("passthrough", StandardScaler(), CrossFitRegressor(Ridge(), cv=2)).fit(X, y)
    assert_allclose(run(model, X)[0][:, 0], model.predict(X), atol=1e-5)


def subclass(of, method):
    """A subclass whose method returns something else."""
    return type(of.__name__, (of,), {method: lambda self, X, **given: 1 - getattr(of, method)(self, X)})


@pytest.mark.parametrize(
    "model",
    [
        subclass(Ridge, "predict")(),
        subclass(LGBMRegressor, "predict")(**TREES),
        HistGradientBoostingRegressor(max_iter=2),
        subclass(CrossFitRegressor, "predict")(Ridge(), cv=2),
        CrossFitRegressor(subclass(LowLevelMLPRegressor, "predict")(max_iter=1), cv=2),
        CrossFitClassifier(subclass(LGBMClassifier, "predict_proba")(**TREES), cv=2),
        subclass(TabularRegressor, "predict")(models=["linear"], cv=2),
        make_pipeline(subclass(StandardScaler, "transform")(), CrossFitRegressor(Ridge(), cv=2)),
        make_pipeline(subclass(TableScaler, "transform")(), CrossFitRegressor(Ridge(), cv=2)),
        subclass(Pipeline, "predict")([("ensemble", CrossFitRegressor(Ridge(), cv=2))]),
        BlendRegressor([("a", subclass(CrossFitRegressor, "predict")(Ridge(), cv=2))]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_subclass_which_may_compute_something_else_is_refused(model):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="but no subclasses of them"):
        to_onnx(model.fit(X.astype(np.float32), y))


@pytest.mark.parametrize(
    "imputer", [SimpleImputer(missing_values=-1), SimpleImputer(add_indicator=True), SimpleImputer()]
)
def test_an_imputer_that_is_not_converted_is_named(imputer):
    X, y = load_iris(return_X_y=True)
    X[::3, 0] = imputer.missing_values
    X[:, 1] = X[:, 1] if imputer.add_indicator or imputer.missing_values == -1 else np.nan
    model = make_pipeline(imputer, CrossFitRegressor(Ridge(), cv=2)).fit(X, y)
    with pytest.raises(ValueError, match=r"missing_values=nan, add_indicator=False .* got SimpleImp"):
        to_onnx(model)


def test_features_of_a_gaussian_kernel_are_the_same_in_onnx_and_others_are_refused():
    X, y = load_iris(return_X_y=True)
    X = X.astype(np.float32)
    for gamma in (None, 0.1):
        ensemble = CrossFitRegressor(
            make_pipeline(Nystroem(gamma=gamma, n_components=20), Ridge()), cv=2
        )
        model = ensemble.fit(X, y)
        assert_allclose(run(model, X)[0][:, 0], model.predict(X), atol=1e-4)
    for step, message in (
        (Nystroem(kernel="cosine", n_components=20), "with kernel='rbf', got 'cosine'"),
        (FunctionTransformer(np.log1p), r"with func=check_array .* got Func.*log1p"),
    ):
        with pytest.raises(ValueError, match=message):
            to_onnx(CrossFitRegressor(make_pipeline(step, Ridge()), cv=2).fit(X, y))


def test_what_is_missing_is_filled_the_same_in_onnx():
    X, y = load_iris(return_X_y=True)
    X = np.where(X < 1, np.nan, X).astype(np.float32)
    model = make_pipeline(SimpleImputer(), CrossFitRegressor(Ridge(), cv=2)).fit(X, y)
    assert_allclose(run(model, X)[0][:, 0], model.predict(X), atol=1e-5)
    with pytest.raises(TypeError, match="dense"):
        onnx_inputs(model, csr_array(X))


def test_the_documentation_names_the_members_and_steps_that_can_be_converted():
    with pytest.raises(ValueError, match="These classes can") as error:
        to_onnx(GaussianNB().fit([[0.0], [1.0]], [0, 1]))
    names = str(error.value).rpartition(": ")[2].split(", ")
    assert {"LGBMRegressor", "LassoCV", "StandardScaler"} <= {*names}
    documented = re.findall(r"\w+", to_onnx.__doc__)
    ours = {*dir(skdense.ensemble), "LowLevelMLPClassifier", "LowLevelMLPRegressor"}  # "networks"
    assert {*names} <= {*documented} | ours


def test_what_cannot_be_converted_is_named():
    X, y = load_iris(return_X_y=True)
    network = LowLevelMLPClassifier((4,), max_iter=1, loss="squared_error")
    for labels, got in (
        (y == 3, "one class y"),
        (np.c_[y == 0, y == 1], "multilabel y"),
        (np.c_[y == 0, y == 1, y == 2], "multilabel y"),
    ):
        with pytest.raises(
            ValueError, match=f"one label for each sample and at least two .* got {got}"
        ):
            to_onnx(network_of(labels))
    for model, message in (
        (network, "loss='log_loss'"),
        (CrossFitClassifier(GaussianNB(), cv=2), "GaussianNB"),
        (make_pipeline(PCA(2), CrossFitClassifier(LogisticRegression(), cv=2)), "step 'pca'"),
        (CrossFitClassifier(network, cv=2), "loss='log_loss'"),
        (DummyClassifier(strategy="uniform"), "strategy='prior'"),
        (LGBMClassifier(**TREES, zero_as_missing=True), "linear leaves, zero_as_missing"),
        (LGBMRegressor(**TREES, linear_tree=True), "linear leaves, zero_as_missing"),
        (LGBMClassifier(**TREES, pred_early_stop=True), "zero_as_missing=True or pred_early_stop"),
        (LGBMRegressor(**TREES, objective="mape"), "an objective of regression, .* got LGBMRegressor"),
        (
            LGBMRegressor(**TREES, boosting="rf", bagging_freq=1, subsample=0.5),
            "boosted trees of LightGBM",
        ),
        (GridSearchCV(Ridge(), {"alpha": [1]}), "is a GridSearchCV: convert its `best_estimator_`"),
        (
            make_pipeline(StandardScaler(), TabularRegressor(models=["linear"], cv=2)),
            "convert the model itself",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            to_onnx(model.fit(X.round(), y))
    codes = np.arange(300)[:, None] % 3
    categorical = LGBMRegressor(**TREES).fit(codes, codes.ravel() == 1, categorical_feature=[0])
    with pytest.raises(ValueError, match="without categorical features"):
        to_onnx(categorical)
    names = pd.DataFrame(X[:, :2], columns=["a", "b"])
    with pytest.raises(ValueError, match="feature names"):
        onnx_inputs(CrossFitClassifier(LogisticRegression(), cv=2).fit(names, y), names[["b", "a"]])
