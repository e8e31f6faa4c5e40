"""Data frames of any library are read as the pandas frame with the same data."""

import narwhals
import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_array_equal

from skdense import TabularRegressor
from skdense.inspection import contributions
from skdense.onnx import onnx_inputs
from skdense.tabular import TableEncoder


class ArrowStream:
    """A data frame of an unknown library, which only has the Arrow PyCapsule interface."""

    def __init__(self, frame):
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self.frame.__arrow_c_stream__(requested_schema)


class OwnFrame:
    """A data frame that narwhals does not know."""

    columns = ("a", "b")


FRAMES = {
    "polars": lambda frame: frame,
    "polars.LazyFrame": lambda frame: frame.lazy(),
    "narwhals": narwhals.from_native,
    "narwhals.LazyFrame": lambda frame: narwhals.from_native(frame.lazy()),
    "ArrowStream": ArrowStream,
    "pyarrow": lambda frame: pytest.importorskip("pyarrow").table(frame),
    "ArrowStream of pyarrow": lambda frame: ArrowStream(pytest.importorskip("pyarrow").table(frame)),
    "pyarrow of pandas": lambda frame: pytest.importorskip("pyarrow").table(frame.to_pandas()),
}


@pytest.fixture(scope="module")
def data():
    """Values of the columns."""
    rng = np.random.default_rng(0)
    n_rows = 80
    return {
        "number": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(1e6, 1, n_rows)),
        "integer": rng.integers(-5, 5, n_rows),
        "bool": rng.random(n_rows) < 0.5,
        "date": np.datetime64("2024-01-01T10:00:00", "us") + rng.integers(0, 10**13, n_rows),
        "duration": np.timedelta64(1, "us") * rng.integers(0, 10**9, n_rows),
        "string": rng.choice(np.array(["Ågot", "Bjørn", None], dtype=object), n_rows),
        "amount": [f"{number} %" for number in rng.integers(0, 30, n_rows)],
    }


@pytest.mark.parametrize("library", FRAMES)
@pytest.mark.filterwarnings("ignore:column 'amount'")
def test_a_data_frame_is_read_as_that_of_pandas(data, library):
    X = pd.DataFrame(data)
    y = X["integer"] + X["bool"] * 2
    frame = FRAMES[library](polars.DataFrame(data))
    expected = TableEncoder().fit_transform(X, y)
    encoder = TableEncoder()
    assert_array_equal(encoder.fit_transform(frame, y), expected, strict=True)
    assert_array_equal(encoder.transform(frame), expected)
    assert_array_equal(encoder.transform(X), expected)
    assert len(encoder.compare(frame)) == 0
    assert_array_equal(encoder.feature_names_in_, [*data])


@pytest.mark.parametrize("library", ["polars.LazyFrame", "ArrowStream", "pyarrow"])
@pytest.mark.filterwarnings("ignore:column 'amount'")
def test_models_predict_the_same_of_any_data_frame(data, library):
    X = pd.DataFrame(data)
    y = X["integer"] + X["bool"] * 2
    frame = FRAMES[library](polars.DataFrame(data))
    settings = {"models": ["trees", "linear"], "cv": 2, "random_state": 0}
    expected = TabularRegressor(**settings).fit(X, y)
    model = TabularRegressor(**settings).fit(frame, y)
    assert_array_equal(model.predict(frame), expected.predict(X))
    assert_array_equal(model.predict_interval(frame), expected.predict_interval(X))
    assert model.score(frame, y) == expected.score(X, y)
    for inputs in (onnx_inputs(model, frame), onnx_inputs(expected, X)):
        assert_array_equal(inputs["amount"], X[["amount"]].map(lambda text: float(text[:-2])))
    explained = contributions(model, frame, frame, n_samples=20, random_state=0)
    assert_array_equal(explained.predictions, expected.predict(X))


@pytest.mark.parametrize("library", sorted(FRAMES.keys() - {"pyarrow of pandas"}))
def test_large_integers_keep_all_digits_beside_a_missing_one(library):
    """As float64, to which polars converts them for pandas, two would be the same."""
    codes = [None, *(2**53 + np.arange(59) % 5).tolist()]
    X = pd.DataFrame({"code": pd.array(codes, "Int64"), "a": range(60)})
    frame = FRAMES[library](polars.DataFrame({"code": codes, "a": range(60)}))
    encoder = TableEncoder({"code": "category", "a": "number"})
    assert_array_equal(encoder.fit(X).transform(frame), encoder.transform(X))
    assert_array_equal(encoder.fit_transform(frame), encoder.fit_transform(X))
    with pytest.warns(UserWarning, match=r"'code' has integers beyond 2\*\*53"):
        TableEncoder({"a": "number"}).fit(frame)


def test_what_is_no_table_is_named():
    with pytest.raises(TypeError, match=r"a data frame, as of pandas, .* got a OwnFrame"):
        TableEncoder().fit(OwnFrame())
    with pytest.raises(ValueError, match="Expected 2D array"):
        TableEncoder().fit(polars.Series([1, 2]))
