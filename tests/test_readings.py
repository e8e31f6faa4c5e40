"""Tests of what the user says that a column is."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from skdense import TabularClassifier, TabularRegressor
from skdense.onnx import onnx_inputs, to_onnx
from skdense.tabular import TableEncoder

N = 200
RNG = np.random.default_rng(0)
DAYS = pd.date_range("2024-01-01", periods=N, freq="37h").normalize()
X = pd.DataFrame(
    {
        "zip": RNG.integers(0, 300, N) + 10_000,
        "customer": range(N),
        "when": DAYS.strftime("%d/%m/%Y"),
        "price": [f"{1000 * i + 7:,}".replace(",", ".") + ",50 €" for i in range(N)],
        "weight": [f"{i / 4} kg" for i in range(N)],
        "grade": RNG.choice(["NA", "1", "2"], N),
    }
)
KINDS = {
    "zip": "category",
    "customer": "ignore",
    "when": {"kind": "date", "format": "%d/%m/%Y"},
    "price": {"kind": "number", "decimal": ",", "unit": "EUR"},
    "weight": {"kind": "number", "unit": "kg"},
    "grade": "category",
}


def written(table, column_kinds=None, name=None):
    """What is written for a table, or for one of its columns."""
    encoder = TableEncoder(column_kinds=column_kinds)
    with warnings.catch_warnings(action="ignore"):
        numbers = encoder.fit_transform(table)
    return numbers if name is None else numbers[:, encoder.output_sources_ == name]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("zip", X["zip"].astype("category")),
        ("when", DAYS),
        ("price", 1000.0 * np.arange(N) + 7.5),
        ("weight", np.arange(N) / 4),
        ("grade", X["grade"].astype("category")),
    ],
)
@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_a_column_is_what_the_user_says(name, values, to):
    table = to(X.to_dict("list"))
    with warnings.catch_warnings(action="error"):
        encoder = TableEncoder(column_kinds=KINDS).fit(table)
    numbers = encoder.transform(table)[:, encoder.output_sources_ == name]
    assert_array_equal(numbers, written(pd.DataFrame({name: values})))
    assert encoder.compare(table).empty


def test_an_ignored_column_is_not_needed_in_new_tables():
    encoder = TableEncoder(column_kinds=KINDS).fit(X)
    assert "customer" in encoder.feature_names_in_
    assert encoder.n_features_in_ == X.shape[1]
    assert encoder.dropped_ == {"customer": "column_kinds says so"}
    assert_array_equal(encoder.transform(X.drop(columns="customer")), encoder.transform(X))
    assert encoder.compare(X.drop(columns="customer")).empty
    assert encoder.compare(X.assign(customer=None)).empty
    loaded = pickle.loads(pickle.dumps(encoder))
    assert_array_equal(loaded.transform(X.drop(columns="customer")), encoder.transform(X))
    with pytest.raises(ValueError, match=r"X lacks columns that it had in fit: \['zip'\]"):
        encoder.transform(X.drop(columns="zip"))


def test_columns_of_arrays_are_named_by_their_positions():
    array = np.column_stack([np.arange(60.0), np.arange(60) % 3, RNG.normal(size=60)])
    encoder = TableEncoder(column_kinds={0: "ignore", np.int64(1): "category"}).fit(array)
    assert_array_equal(encoder.get_feature_names_out(), ["x2", "x1=0", "x1=1", "x1=2"])
    with pytest.raises(ValueError, match="column_kinds has a column 3, but X has the positions 0 to 2"):
        TableEncoder(column_kinds={3: "ignore"}).fit(array)


def test_a_column_that_says_nothing_about_y_stays_if_the_user_gives_its_kind():
    table = pd.DataFrame(
        {"x": RNG.normal(size=600), "code": [f"N{i}" for i in RNG.integers(0, 60, 600)]}
    )
    y = RNG.normal(size=600)
    with pytest.warns(UserWarning, match="'code': it is not significantly related to y.*column_kinds"):
        assert list(TableEncoder().fit(table, y).dropped_) == ["code"]
    for kind in ("category", "text"):
        with warnings.catch_warnings(action="error"):
            assert TableEncoder(column_kinds={"code": kind}).fit(table, y).dropped_ == {}


def test_single_values_that_cannot_be_read_are_missing_with_a_warning():
    table = X[["price"]].assign(price=["free"] * 20 + X["price"].tolist()[20:])
    with pytest.warns(
        UserWarning, match="'price': 20 of 200 values cannot be read as numbers, for example 'f"
    ):
        encoder = TableEncoder(column_kinds={"price": KINDS["price"]}).fit(table)
    assert_array_equal(np.isnan(encoder.transform(table)[:, 0]), np.arange(N) < 20)
    assert encoder.compare(table).empty
    more = encoder.compare(table.assign(price=["free"] * 60 + X["price"].tolist()[60:]))
    assert set(more["difference"]) == {"missing", "unreadable"}


@pytest.mark.parametrize(
    ("column_kinds", "message"),
    [
        ({"zap": "category"}, r"column_kinds has a column 'zap', but X has \['zip', 'customer'"),
        ({"custmer": "ignore"}, "column_kinds has a column 'custmer', .* did you mean 'customer'"),
        ({0: "category"}, "column_kinds has a column 0, but X has"),
        (
            {"zip": "categorical"},
            "of column 'zip' must be one of 'number', 'category', .* got .*'categor",
        ),
        ({"zip": {"format": "%Y"}}, "of column 'zip' must be one of"),
        (
            {"zip": {"kind": "number", "format": "%Y"}},
            r"'zip': .* 'decimal' and 'unit', got \['format'\]",
        ),
        ({"zip": {"kind": "category", "unit": "m"}}, r"'zip': .* no other key, got \['unit'\]"),
        ({"price": {"kind": "number", "decimal": ";"}}, "'price': decimal must be '.' or ',', got ';'"),
        ({"price": {"kind": "number", "unit": 3}}, "'price': unit must be a str, got 3"),
        ({"when": {"kind": "date", "format": None}}, "'when': format must be a str or a list of str, "),
        ({"when": {"kind": "date", "format": [3]}}, r"'when': format must .* list of str, got \[3\]"),
        (
            {"when": "number"},
            "'when' has numbers, by column_kinds, .* 200 of 200 values cannot, .* 'decimal' mark and",
        ),
        ({"when": "duration"}, "'when' has durations, by column_kinds, but not all"),
        (
            {"when": {"kind": "date", "format": "%Y-%m-%d"}},
            "'when' has dates, by column_kinds, but not",
        ),
        ({"when": {"kind": "date", "format": "%m/%d/%Y"}}, r"1\d\d of 200 values cannot, such as"),
        ({"grade": "date"}, r"'grade' cannot be read as dates: .* pass one, as in .*'format'"),
        ({"price": {"kind": "number", "decimal": "."}}, "'price' has numbers, by column_kinds"),
        (
            {"weight": {"kind": "number", "decimal": ".", "unit": "lb"}},
            "such as '1.5 kg'; values must have the decimal mark '.' and the unit 'lb'",
        ),
        ({"mixed": "number"}, "different units, 'EUR', 'USD': pass one of them"),
        ({"mark": "number"}, "with an ambiguous decimal mark: pass"),
    ],
)
def test_wrong_names_and_kinds_that_a_column_cannot_have_are_errors_that_name_it(column_kinds, message):
    table = X.assign(
        mixed=["€1.50", "$1.50"] * (N // 2),
        mark=["1,234", "5,678"] * (N // 2),
        weight=["unknown", "unknown", "1.5 kg", "1.5 kg", "unknown"] * (N // 5),
    )
    with warnings.catch_warnings(action="ignore"), pytest.raises(ValueError, match=message):
        TableEncoder(column_kinds=column_kinds).fit(table)


def test_column_kinds_is_a_dict():
    with pytest.raises(TypeError, match="column_kinds must be a dict or None, got a list"):
        TableEncoder(column_kinds=["zip"]).fit(X)


def test_a_unit_that_the_user_gives_is_the_only_one_that_is_read():
    table = pd.DataFrame({"c": [f"{i}.50 €" if i % 4 else f"${i}.50" for i in range(N)]})
    with pytest.warns(UserWarning, match="50 of 200 values cannot be read as numbers"):
        encoder = TableEncoder(column_kinds={"c": {"kind": "number", "unit": "€"}}).fit(table)
    assert_array_equal(np.isnan(encoder.transform(table)[:, 0]), np.arange(N) % 4 == 0)


def test_a_unit_may_stand_before_the_number():
    before = pd.DataFrame({"c": [f"kg {i}.5" for i in range(N)]})
    after = pd.DataFrame({"c": [f"{i}.5 kg" for i in range(N)]})
    encoder = TableEncoder(column_kinds={"c": {"kind": "number", "unit": "kg"}})
    with warnings.catch_warnings(action="error"):
        assert_array_equal(encoder.fit_transform(before), encoder.fit_transform(after))


def test_what_the_user_says_of_strings_holds_after_a_fit_to_numbers_and_dates():
    encoder = TableEncoder(column_kinds={"when": KINDS["when"], "price": KINDS["price"]})
    strings = X[["when", "price"]]
    typed = pd.DataFrame({"when": DAYS, "price": 1000.0 * np.arange(N) + 7.5})
    with warnings.catch_warnings(action="error"):
        assert_array_equal(encoder.fit(typed).transform(strings), encoder.fit_transform(strings))


def test_numbers_may_be_dates_if_the_user_gives_their_format():
    strings = pd.DataFrame({"c": DAYS.strftime("%Y%m%d")})
    column_kinds = {"c": {"kind": "date", "format": "%Y%m%d"}}
    encoder = TableEncoder(column_kinds=column_kinds).fit(strings.astype(int))
    expected = written(pd.DataFrame({"c": DAYS}))
    for table in (strings, strings.astype(int), strings.astype(float), strings.astype(object)):
        assert_array_equal(encoder.transform(table), expected)


def test_the_kinds_of_columns_may_be_confirmed_so_that_fit_is_silent():
    table = pd.DataFrame(
        {
            "id": RNG.permutation(N),
            "price": [f"{i}.50 €" for i in range(N)],
            "day": pd.Series(DAYS).where(DAYS.day <= 12, DAYS[0]).dt.strftime("%m/%d/%Y"),
        }
    )
    with pytest.warns(UserWarning, match="column '") as caught:
        TableEncoder().fit(table)
    assert len(caught) == 3
    assert all("column_kinds" in str(warning.message) for warning in caught)
    given = {"id": "number", "price": "number", "day": {"kind": "date", "format": "%m/%d/%Y"}}
    with warnings.catch_warnings(action="error"):
        confirmed = TableEncoder(column_kinds=given).fit_transform(table)
    assert_array_equal(confirmed, written(table))


def test_integers_beyond_the_precision_of_floats_are_named():
    table = pd.DataFrame({"same": np.array([2**60, 2**60 + 1] * 50), "n": np.arange(100) + 2**57})
    table["text"] = table["n"].astype(str)
    with pytest.warns(UserWarning, match=r"beyond 2\*\*53") as caught:
        encoder = TableEncoder().fit(table)
    assert "as float64 all values are equal" in encoder.dropped_["same"]
    assert len(caught) == 3
    with warnings.catch_warnings(action="error"):
        exact = TableEncoder(column_kinds=dict.fromkeys(table, "category") | {"n": "number"})
        assert_array_equal(exact.fit(table[["same", "n"]].assign(text=table["same"])).dropped_, {})
    even = pd.DataFrame({"n": 2 ** np.arange(50, 62), "m": np.arange(12)})
    with warnings.catch_warnings(action="error"):
        TableEncoder().fit(even)  # as float64 no digit is lost


@pytest.mark.parametrize("cls", [TabularClassifier, TabularRegressor])
def test_models_of_tables_take_what_the_user_says_of_columns(cls):
    y = np.where(X["zip"] % 7 > 3, "yes", "no") if cls is TabularClassifier else X["zip"] % 7
    model = cls(models=["linear", "trees"], cv=2, random_state=0, column_kinds=KINDS).fit(X, y)
    assert set(model.encoder_.output_sources_) == set(X) - {"customer"}
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert_array_equal(model.predict(X.drop(columns="customer")), model.predict(X))
    assert model.encoder_.compare(X.drop(columns="customer")).empty
    assert clone(model).get_params()["column_kinds"] == KINDS
    array = X[["zip", "customer"]].to_numpy()
    by_position = cls(models=["linear"], cv=2, column_kinds={0: "category", 1: "ignore"}).fit(array, y)
    assert set(by_position.encoder_.output_sources_) == {"x0"}
    with pytest.raises(ValueError, match="column_kinds has a column 'zap'"):
        cls(models=["linear"], column_kinds={"zap": "category"}).fit(X, y)
    with pytest.raises(InvalidParameterError, match="The 'column_kinds' parameter"):
        cls(models=["linear"], column_kinds=["zip"]).fit(X, y)


def test_onnx_needs_no_column_that_is_ignored():
    onnxruntime = pytest.importorskip("onnxruntime")
    model = TabularRegressor(models=["linear", "trees"], cv=2, random_state=0, column_kinds=KINDS)
    model.fit(X, X["zip"] % 7)
    session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    assert "customer" not in {given.name for given in session.get_inputs()}
    (predicted,) = session.run(["variable"], onnx_inputs(model, X.drop(columns="customer")))
    assert_allclose(predicted.ravel(), model.predict(X), atol=1e-5)
