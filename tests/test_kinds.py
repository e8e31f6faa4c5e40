"""Tests of how single cells are read, whatever is in them."""

import time
import warnings
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skdense.exceptions import UnlikeDataWarning
from skdense.tabular.columns import TableEncoder

LENGTH = 100_000
CHARACTERS = "10.,-+ '\t\u00a0:/TZe%€x"
"""Those that a parser knows: digits, marks, separators, signs, units, and a letter."""


@pytest.fixture(scope="module")
def long_cells():
    """A cell for each pair of characters. The ends are those after which a pattern tries other ways."""
    pairs = map("".join, combinations_with_replacement(CHARACTERS, 2))
    return [f"1{pair * (LENGTH // 2)}{'x' * (i % 2)}" for i, pair in enumerate(pairs)]


def readable(n):
    """A table with a column for each way in which strings are read."""
    when = pd.date_range("2024-01-01", periods=n, freq="31h")
    return pd.DataFrame(
        {
            "number": [f"{i / 4}" for i in range(n)],
            "amount": [f"{i},234.50 €" for i in range(1, n + 1)],
            "day": when.strftime("%d.%m.%Y"),
            "time": when.strftime("%Y-%m-%d %H:%M:%S+00:00"),
            "since": pd.to_timedelta(range(n), unit="h"),
            "level": ["a", "b"] * (n // 2),
            "text": [f"room {i % 50} is {'hot' if i % 2 else 'cold'}" for i in range(n)],
        }
    )


def seconds_of(function, *arguments):
    """The processor time of a call."""
    start = time.process_time()
    with warnings.catch_warnings(action="ignore"):
        function(*arguments)
    return time.process_time() - start


def test_no_cell_makes_a_prediction_slow(long_cells):
    X = readable(300)
    with warnings.catch_warnings(action="ignore"):
        encoder = TableEncoder().fit(X)
    many = pd.concat([X, pd.DataFrame(dict.fromkeys(X, long_cells))])
    assert seconds_of(encoder.transform, many) < len(long_cells) / 10
    for cell in long_cells[::3]:  # one row takes another way to the same parsers
        row = pd.DataFrame({name: [cell] for name in X})
        assert seconds_of(encoder.transform, row) < 1, f"{cell[:9]}...{cell[-3:]}"


def test_no_cell_makes_a_fit_slow(long_cells):
    """In a column of such cells and in one with a few among numbers, which all parsers look at."""
    n = len(long_cells)
    cells = long_cells + [f"{i / 4}" for i in range(19 * n)]
    assert seconds_of(TableEncoder().fit, pd.DataFrame({"cell": cells})) < n / 10
    for cell in long_cells[::9]:
        X = pd.DataFrame({"cell": [cell] * 5, "n": range(5)})
        assert seconds_of(TableEncoder().fit, X) < 1, f"{cell[:9]}...{cell[-3:]}"


@pytest.mark.parametrize("n_digits", [20, 400, LENGTH])
def test_decimals_of_any_length_are_numbers(n_digits):
    texts = [f"{i}.{'3' * n_digits}" for i in range(9)]
    X = pd.DataFrame({"c": texts})
    expected = TableEncoder().fit_transform(pd.DataFrame({"c": [float(text) for text in texts]}))
    assert_array_equal(TableEncoder().fit_transform(X), expected)


def test_numbers_as_strings_are_no_durations():
    """pandas reads them as nanoseconds."""
    X = pd.DataFrame({"took": pd.to_timedelta(range(300), unit="s")})
    encoder = TableEncoder().fit(X)
    with pytest.warns(UnlikeDataWarning, match="cannot be read as durations"):
        assert np.isnan(encoder.transform(pd.DataFrame({"took": ["3600"]}))).all()
    assert_array_equal(encoder.transform(X[60:61].astype(str)), encoder.transform(X[60:61]))


def test_words_of_the_clock_are_no_dates():
    encoder = TableEncoder().fit(pd.DataFrame({"day": pd.date_range("2024-01-01", periods=300)}))
    for word in ("now", "today", "Today"):
        with pytest.warns(UnlikeDataWarning, match="cannot be read as dates"):
            assert np.isnan(encoder.transform(pd.DataFrame({"day": [word]}))).all()


def test_the_typographic_minus_is_a_minus():
    numbers = np.random.default_rng(0).normal(size=90).round(3)
    X = pd.DataFrame({"c": numbers, "d": numbers})
    texts = pd.DataFrame({"c": [f"{x}" for x in numbers], "d": [f"{x:.3f} €" for x in numbers]})
    encoder = TableEncoder(column_kinds={"d": "number"})
    written = encoder.fit_transform(texts.map(lambda text: text.replace("-", "\u2212")))
    assert_array_equal(written, TableEncoder().fit_transform(X))
    assert_array_equal(encoder.transform(texts), written)


def test_dictionaries_of_pyarrow_are_categories():
    pyarrow = pytest.importorskip("pyarrow")
    X = pd.DataFrame({"land": ["NA", "DE", "FR"] * 30, "shop": [7, 8, 9] * 30}).astype("category")
    arrays = {
        name: pyarrow.array(X[name].astype(str if name == "land" else int)).dictionary_encode()
        for name in X
    }
    dictionaries = pd.DataFrame({name: pd.arrays.ArrowExtensionArray(arrays[name]) for name in X})
    encoder = TableEncoder().fit(dictionaries)
    assert_array_equal(encoder.transform(dictionaries), TableEncoder().fit_transform(X))
    assert_array_equal(encoder.transform(X), encoder.transform(dictionaries))


@pytest.mark.parametrize("cell", [["a"], ("a", "b"), {"a": 1}, np.array(["a", "b"])])
@pytest.mark.parametrize("name", ["number", "day", "level", "since"])
def test_a_list_in_a_single_row_is_reported(name, cell):
    encoder = TableEncoder().fit(readable(300)[[name]])
    cells = np.empty(1, object)
    cells[0] = cell
    row = pd.DataFrame({name: cells})
    with pytest.warns(UnlikeDataWarning) as told:
        encoder.transform(row)
    assert (told[0].message.column, told[0].message.difference) == (name, "unreadable")
    assert told[0].message.example is cell


def test_messages_show_the_values_of_numpy_as_those_of_python():
    cells = [[np.str_("cloud"), np.float64(1.5)]] * 60
    X = pd.DataFrame({"tags": cells, "n": np.arange(60) / 2})
    with pytest.warns(UserWarning, match=r"such as \['cloud', 1.5\], and count as missing"):
        TableEncoder().fit(X)
    X["tags"] = [f"{'long ' * 1000}{i}" for i in range(60)]
    with pytest.warns(UnlikeDataWarning) as told:
        TableEncoder().fit(X).transform(X.assign(n="x" * 10_000)[:1])
    assert all(len(str(warning.message)) < 200 for warning in told)


def test_complex_numbers_are_an_error_that_names_the_column():
    X = pd.DataFrame({"a": [1.0, 2], "wave": [1j, 2]})
    with pytest.raises(ValueError, match="Complex data not supported: column 'wave' of X"):
        TableEncoder().fit(X)
    encoder = TableEncoder().fit(X.assign(wave=[1.0, 2]))
    with pytest.raises(ValueError, match=r"column 'wave' has numbers.*Complex data not supported"):
        encoder.transform(X)


def test_integers_that_all_differ_are_reported_as_a_possible_id():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"account": rng.permutation(600), "x": rng.normal(size=600)})
    X["visits"], X["text"] = rng.poisson(100, 600), X["account"].astype(str)
    with pytest.warns(UserWarning, match="may be an ID") as told:
        encoder = TableEncoder().fit(X)
    assert [str(warning.message).split("'")[1] for warning in told] == ["account", "text"]
    assert "pass column_kinds={'account': 'ignore'}" in str(told[0].message)
    assert encoder.dropped_ == {}


def test_an_error_of_categories_that_are_mostly_lists_names_the_column():
    X = pd.DataFrame({"tags": pd.Series([["a"]] * 12 + ["b"] * 8, dtype=object)})
    message = (
        r"column 'tags' has categories, by column_kinds, .* 12 of 20 values cannot, such as \['a'\]"
    )
    with pytest.raises(ValueError, match=message):
        TableEncoder({"tags": "category"}).fit(X)
