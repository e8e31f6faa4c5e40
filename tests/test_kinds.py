"""Tests of how single cells are read, whatever is in them."""

import time
import warnings
from itertools import combinations_with_replacement

import pandas as pd
import pytest
from numpy.testing import assert_array_equal

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
