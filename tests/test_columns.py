"""Tests of the reader of a table's columns."""

import pickle
import pickletools
import re
import subprocess
import sys
import time
import warnings
from ast import literal_eval
from collections import Counter
from datetime import timedelta, timezone
from decimal import Decimal
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import polars
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks
from skrub import DatetimeEncoder

from skdense.exceptions import UnlikeDataWarning
from skdense.tabular.columns import TableEncoder
from skdense.tabular.kinds import chance_of_outside, is_unlikely


@parametrize_with_checks([TableEncoder()])
def test_it_is_an_estimator_of_scikit_learn(estimator, check):
    check(estimator)


# Columns of every type: values for 8 rows, and new ones that only appear in predict.
DAYS = pd.date_range("2024-01-01", periods=8, freq="31h")
COLUMNS = {
    "float": ([1.5, 2, None, 3, 5, 4, 1, 0], [None, 1e9]),
    "int": ([3, 1, 2, 3, 5, 4, 1, 0], [7, None]),
    "bool": ([True, False] * 4, [True, None]),
    "bool_with_missing": ([True, False, None, True] * 2, [False, None]),
    "datetime": (list(DAYS), [DAYS[0] + pd.Timedelta("900D"), None]),
    "date_string": (list(DAYS.strftime("%Y-%m-%d %H:%M")), ["2031-05-05 07:00", None]),
    "timedelta": (list((DAYS - DAYS[0]).to_pytimedelta()), [timedelta(hours=1), None]),
    "id": ([f"{i:05d}" for i in range(8)], ["00100", None]),
    "number_string": (["1.5", "2.5", None, "-3"] * 2, ["8", None]),
    "category": (["a", "b", None, "b"] * 2, ["new", None]),
    "mixed": ([1, "a", None, 2.5] * 2, ["new", 7, None]),
    "floats_and_strings": ([1.0, 2.0, "attic", None] * 2, [3.0, "1.0", float("inf"), 2]),
    "number_category": ([1, 2, 3, None] * 2, [1.0, 2.5, "3", float("inf"), float("nan")]),
}


def column_of(name, library):
    """A column of 40 rows, and one of new values."""
    known, new = COLUMNS[name]
    return frame_of(known * 5, name, library), frame_of(new, name, library)


def frame_of(values, name, library):
    """A table of one column, of the type that such values have."""
    if library == "pandas":
        types = dict.fromkeys(("category", "number_category"), "category")
        types |= dict.fromkeys(("mixed", "floats_and_strings"), object)
        return pd.DataFrame({"c": pd.Series(values, dtype=types.get(name))})
    types = dict.fromkeys(("mixed", "floats_and_strings", "number_category"), polars.Object)
    types["category"] = polars.Categorical
    return polars.DataFrame({"c": polars.Series(values, dtype=types.get(name), strict=False)})


def n_different(rows):
    """How many different rows there are; missing values are equal."""
    return len(np.unique(np.nan_to_num(rows, nan=-1e30), axis=0))


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_tells_its_rows_apart_and_may_have_new_values(name, library):
    known, new = column_of(name, library)
    columns = TableEncoder()
    written = columns.fit_transform(known)
    n_values = len(set(COLUMNS[name][0]))
    assert n_different(written) == n_values
    assert_array_equal(columns.transform(known), written)
    is_number = np.isin(columns.output_roles_, ["number", "date", "duration"])
    assert np.isfinite(columns.transform(new)[:, ~is_number]).all()
    names = columns.get_feature_names_out()
    assert len(names) == written.shape[1]
    assert all(name.startswith("c") for name in names)


@cache
def each_alone(name, library):
    """A fitted encoder, distinct values, and what it writes for a row of each."""
    columns = TableEncoder().fit(column_of(name, library)[0])
    values = [*dict.fromkeys(COLUMNS[name][0]), *COLUMNS[name][1]]
    rows = [pd.DataFrame([{"c": value}]) for value in values]  # of whatever type pandas finds
    alone = np.vstack([columns.transform(row) for row in rows])
    assert_array_equal(np.vstack([columns.transform(row.astype(object)) for row in rows]), alone)
    return columns, values, alone


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("name", COLUMNS)
@given(data=st.data())
@settings(max_examples=8)
def test_what_is_written_for_a_row_does_not_depend_on_the_others(name, library, data):
    columns, values, alone = each_alone(name, library)
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=4))
    together = columns.transform(frame_of([values[row] for row in rows], name, library))
    assert_array_equal(together, alone[rows])


DATES = pd.Series(pd.date_range("2024-01-01", periods=60, freq="31h"))


@pytest.mark.parametrize(
    ("values", "types"),
    [
        (DATES, ["timestamp[us][pyarrow]", object]),
        (DATES.dt.normalize(), ["timestamp[us][pyarrow]", "date32[pyarrow]", object]),
        (DATES.dt.tz_localize("Europe/Oslo"), [object]),
        (DATES - DATES[0], ["duration[us][pyarrow]", object]),
    ],
    ids=["datetime", "date", "with_time_zone", "duration"],
)
def test_dates_and_durations_are_the_same_in_every_type(values, types):
    pytest.importorskip("pyarrow")
    native = pd.DataFrame({"c": values})
    columns = TableEncoder().fit(native)
    expected = columns.transform(native)
    tables = [native.astype(each) for each in types]
    tables.append(polars.DataFrame({"c": polars.Series(values.tolist())}))
    for table in tables:
        assert_array_equal(columns.transform(table), expected)
        assert_array_equal(TableEncoder().fit_transform(table), expected)


def test_dates_may_come_as_strings_and_strings_of_dates_as_dates():
    X = pd.DataFrame({"c": DATES})
    strings = X.astype(str)
    for known, other in ((X, strings), (strings, X)):
        columns = TableEncoder().fit(known)
        assert_array_equal(columns.transform(other), columns.transform(known))
    written = columns.transform(X)
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.000", "%Y-%m-%d %H:%M"):
        assert_array_equal(columns.transform(pd.DataFrame({"c": DATES.dt.strftime(form)})), written)
    with pytest.raises(ValueError, match="column 'c' has dates, by its values in fit"):
        TableEncoder().fit(X).transform(X.assign(c="soon"))


def test_dates_may_have_different_offsets_from_utc():
    zones = [timezone(timedelta(hours=1 + i % 2)) for i in range(60)]
    dates = [date.replace(tzinfo=zone) for date, zone in zip(DATES.dt.to_pydatetime(), zones)]
    X = pd.DataFrame({"c": pd.Series(dates, dtype=object)})
    strings = pd.DataFrame({"c": [date.isoformat() for date in dates]})
    assert_array_equal(TableEncoder().fit_transform(X), TableEncoder().fit_transform(strings))


@pytest.mark.parametrize("value", [pd.NaT, pd.Timestamp("2024-01-01"), pd.Timedelta("1D")])
@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_dates_and_durations_are_no_numbers(to, value):
    X = pd.DataFrame({"c": [1.0, 2, np.nan] * 20})
    with pytest.raises(ValueError, match=r"column 'c' has numbers, by .* they are d.* of type"):
        TableEncoder().fit(X).transform(to({"c": pd.Series([value]).dt.as_unit("us").to_numpy()}))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 3], polars.Int128),
        ([Decimal("1.5"), Decimal("2"), None], polars.Decimal(10, 2)),
    ],
    ids=["int128", "decimal"],
)
def test_the_types_of_polars_tell_rows_apart(values, dtype):
    X = polars.DataFrame({"c": polars.Series(values * 20, dtype=dtype)})
    assert n_different(TableEncoder().fit_transform(X)) == 3


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("Int64", [1, 2, 3, None]),
        ("Float32", [1.5, 2, 3, None]),
        ("string", ["a", "b", "a", None]),
        ("boolean", [True, False, True, None]),
    ],
)
def test_the_nullable_types_of_pandas_are_those_of_numpy(dtype, values):
    nullable = pd.DataFrame({"c": pd.Series(values * 10, dtype=dtype)})
    plain = pd.DataFrame({"c": pd.Series(values * 10)})
    assert_array_equal(TableEncoder().fit_transform(nullable), TableEncoder().fit_transform(plain))


def test_an_array_of_bools_and_an_array_of_objects_are_tables():
    bools = np.random.default_rng(0).random((200, 3)) < 0.5
    assert_array_equal(TableEncoder().fit_transform(bools), bools - 0.5)
    objects = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    names = TableEncoder().fit(objects).get_feature_names_out()
    assert_array_equal(names, ["x0", "x1=blue", "x1=red", "x1:missing", "x0:missing"])


def test_what_is_constant_or_empty_is_named_and_not_used():
    X = pd.DataFrame({"n": range(9), "same": 1, "empty": np.nan, "nothing": None, "letter": ["a"] * 9})
    X["once"] = list("abcdefghi")
    columns = TableEncoder()
    with pytest.warns(UserWarning, match="not used. 'same', 'letter': all values are equal; 'empty', "):
        columns.fit(X)
    assert list(columns.dropped_) == ["same", "empty", "nothing", "letter", "once"]
    assert columns.dropped_["nothing"] == "all values are missing"
    assert "five rows" in columns.dropped_["once"]
    assert_array_equal(columns.get_feature_names_out(), ["n"])
    with pytest.raises(ValueError, match=r"no column of X .* 'same': all values are eq.*; 'empty'"):
        TableEncoder().fit(X[["same", "empty"]])
    with pytest.raises(ValueError, match="no column of X"):
        TableEncoder().fit(polars.DataFrame({"nothing": [None] * 9}))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame({"b": [1.0] * 9}), None, "no column of X can be used"),
        (pd.DataFrame({"b": range(9)}), range(8), "inconsistent numbers of samples"),
        (pd.DataFrame({"b": [1j] * 9}), None, "(?i)complex"),
        (pd.DataFrame({"b": []}), None, "0 sample"),
    ],
)
def test_an_error_of_fit_leaves_an_earlier_fit_and_makes_no_first_one(X, y, message):
    earlier = pd.DataFrame({"a": [1, 2, 4, None] * 3})
    encoder = TableEncoder().fit(earlier)
    expected = encoder.transform(earlier)
    with pytest.raises(ValueError, match=message):
        encoder.fit(X, y)
    assert_array_equal(encoder.transform(earlier), expected)
    assert [*encoder.get_feature_names_out()] == ["a", "a:missing"]
    first = TableEncoder()
    with pytest.raises(ValueError, match=message):
        first.fit_transform(X, y)
    with pytest.raises(NotFittedError):
        first.transform(earlier)


@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_ids_are_left_out_with_a_warning_but_texts_and_what_repeats_are_not(to):
    n = range(60)
    ids = {"customer": [f"C-{i:04d}" for i in n], "order": [None, *(f"{i:x}-1" for i in n[1:])]}
    used = {
        "text": [f"room {i} is {['cold', 'hot'][i % 2]}" for i in n],
        "plane": [f"N{i}" for i in [*n[:50], *[7] * 10]],
        "date": [f"2024-01-01T{i // 25:02d}:{i:02d}" for i in n],
    }
    with pytest.warns(UserWarning, match="not used. 'customer', 'order': .* as in IDs"):
        columns = TableEncoder().fit(to(ids | used))
    assert set(columns.dropped_) == set(ids)
    assert set(columns.output_sources_) == set(used)
    assert {"text~cold", "text~hot", "plane=N7"} < set(columns.get_feature_names_out())


@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 misreads the last digit of some strings")
@given(st.lists(st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53), min_size=3, unique=True))
@settings(max_examples=30)
def test_numbers_stored_as_strings_are_those_numbers(numbers):
    numbers = [None, *(number + 2**40 for number in numbers)]
    X = pd.DataFrame({"c": numbers, "d": [*numbers[1:], 0]})
    strings = X.astype(object).map(str, na_action="ignore")
    written = TableEncoder().fit_transform(X)
    assert_array_equal(TableEncoder().fit_transform(strings), written)
    assert_array_equal(TableEncoder().fit(strings).transform(X), written)


READABLE = {
    "numbers": ([str(i / 4) for i in range(100)], "12.30 EUR"),
    "dates": ([f"2024-01-{1 + i % 28:02d}" for i in range(100)], "2021-13-01"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_strings_that_cannot_be_read_as_in_fit_are_missing_and_told(kind):
    values, bad = READABLE[kind]
    columns = TableEncoder().fit(pd.DataFrame({"c": [None, "?", *values]}))
    new = pd.DataFrame({"c": [bad] * 40 + values[:60]})
    message = f"column 'c' has values that cannot be read as {kind} and count as missing"
    for n in (100, 1):
        with pytest.warns(UnlikeDataWarning, match=message) as caught:
            written = columns.transform(new[:n])
        assert caught[0].filename == __file__
        told = caught[0].message
        assert (told.difference, told.example, told.n_values) == ("unreadable", bad, n)
        assert told.count == min(n, 40)
    written = columns.transform(new)
    with warnings.catch_warnings(action="error"):
        warnings.filterwarnings("ignore", "column 'c' has more missing values than in fit")
        assert_array_equal(columns.transform(new.replace(bad, None)), written)
        assert_array_equal(columns.transform(new.replace(bad, "N/A")), written)
    with pytest.raises(ValueError, match=f"column 'c' has {kind}, by .* 40 of 40 .* '{bad}'"):
        columns.transform(new[:40])


@pytest.mark.parametrize(
    "values",
    [
        [str(year) for year in range(1990, 2025)],
        [f"{price}" for price in range(1000, 10_000, 90)],
        [None, *(f"{i}" for i in range(2000, 2020))],
    ],
    ids=["years", "prices", "with_missing"],
)
def test_strings_of_four_digits_are_numbers(values):
    strings = pd.DataFrame({"c": values * 3})
    numbers = strings.assign(c=pd.to_numeric(strings.c))
    columns = TableEncoder().fit(strings)
    assert_array_equal(columns.transform(strings), TableEncoder().fit_transform(numbers))
    with pytest.warns(UserWarning, match="has values outside the range in fit, [12]"):
        written = columns.transform(pd.DataFrame({"c": ["850", "12000", "99999"]}))
    assert_allclose(np.diff(written[:, 0]), [11150, 87999])


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M%S", "%Y-%m"])
def test_strings_of_whole_dates_are_dates(form):
    strings = pd.DataFrame({"c": DATES.dt.strftime(form)})
    dates = pd.DataFrame({"c": pd.to_datetime(strings.c, format=form)})
    assert_array_equal(TableEncoder().fit_transform(strings), TableEncoder().fit_transform(dates))


@given(st.integers(-1000, 1000))
@settings(max_examples=20)
def test_numbers_of_any_size_keep_their_digits(exponent):
    x = np.random.default_rng(0).normal(size=50)
    X = pd.DataFrame({"c": np.ldexp(x, exponent)})
    expected = TableEncoder().fit_transform(pd.DataFrame({"c": x}))
    columns = TableEncoder().fit(X)
    with warnings.catch_warnings(action="error"):
        ratios = columns.transform(X) / expected
        assert np.isinf(columns.transform(pd.DataFrame({"c": [np.inf]}))).all()
    assert len(np.unique(ratios)) == 1
    assert np.frexp(ratios[0])[0] == 0.5  # a power of two


def test_a_code_among_times_leaves_their_seconds():
    times = np.r_[np.zeros(120), 1.7e9 + 10 * np.arange(80)]
    written = TableEncoder().fit_transform(pd.DataFrame({"c": times}))
    assert_array_equal(np.diff(written[120:, 0]), 10)
    assert len(np.unique(written)) == 81


@pytest.mark.parametrize("as_strings", [False, True])
def test_dates_without_a_time_zone_are_those_of_utc(as_strings):
    naive, zoned = DATES, DATES.dt.tz_localize("UTC").dt.tz_convert("Asia/Seoul")
    if as_strings:
        naive, zoned = naive.astype(str), zoned.map(lambda date: date.isoformat())
    naive, zoned = pd.DataFrame({"c": naive}), pd.DataFrame({"c": zoned})
    for fitted, new in ((naive, zoned), (zoned, naive)):
        columns = TableEncoder().fit(fitted)
        with pytest.warns(
            UserWarning, match="column 'c' has dates with (a|no) time zone, unlike in fit"
        ):
            written = columns.transform(new)
        with warnings.catch_warnings(action="error"):
            assert_array_equal(columns.transform(fitted), written)
        with pytest.warns(
            UnlikeDataWarning, match="more missing values than in fit, where 0 of 60 were"
        ):
            columns.transform(new.assign(c=None))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("Z", "%z"), ("+00", "%z"), ("+0000", "%z"), (" +00:00", " %z"), (" AM +00:00", " %p %z"),
        (" UTC", " %Z"), (" GMT", " %Z"),
    ],
)  # fmt: skip
def test_an_offset_at_the_end_of_a_string_is_a_time_zone(end, code):
    X = pd.DataFrame({"c": DATES.dt.strftime("%Y-%m-%d 10:00:00") + end})
    dates = pd.DataFrame({"c": DATES.dt.normalize() + pd.Timedelta(10, "h")})
    form = f"%Y-%m-%d {'%I' if '%p' in code else '%H'}:%M:%S{code}"
    columns = TableEncoder({"c": {"kind": "date", "format": form}}).fit(X)
    with warnings.catch_warnings(action="error"):
        written = columns.transform(dates.apply(lambda c: c.dt.tz_localize("UTC")))
    assert_array_equal(columns.transform(X), written)
    with pytest.warns(UserWarning, match="has dates with no time zone, unlike in fit"):
        assert_array_equal(columns.transform(dates), written)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows cannot change its time zone")
def test_names_of_time_zones_are_read_alike_in_any_number_of_rows(monkeypatch):
    X = pd.DataFrame({"c": DATES.dt.strftime("%Y-%m-%d %H:%M EST")})
    kinds = {"c": {"kind": "date", "format": "%Y-%m-%d %H:%M %Z"}}
    zoned = DATES.dt.floor("min").dt.tz_localize("EST").dt.tz_convert("UTC").dt.tz_localize(None)
    expected = TableEncoder().fit_transform(pd.DataFrame({"c": zoned}))
    try:
        for zone in ("America/New_York", "UTC"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            columns = TableEncoder(kinds).fit(X)
            assert_array_equal(columns.transform(X), expected)
            assert_array_equal(columns.transform(X[:3]), expected[:3])
    finally:  # other tests need the time zone of the machine
        monkeypatch.undo()
        time.tzset()


def test_times_a_second_apart_stay_apart():
    """Also far from the others, and whether they are dates or strings of them."""
    seconds = np.r_[np.arange(300), 10**8 + np.arange(100)]
    times = pd.Timestamp("2024-03-05 10:00:00") + pd.to_timedelta(seconds, unit="s")
    for unit in ("s", "ms", "us", "ns"):
        X = pd.DataFrame({"time": times.as_unit(unit)})
        columns = TableEncoder().fit(X)
        written = columns.transform(X)[:, columns.get_feature_names_out() == "time:seconds"].ravel()
        assert_array_equal(np.diff(written[:300]), 1)
        assert_array_equal(columns.transform(X.astype(str)), columns.transform(X))


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
@pytest.mark.parametrize("to", [None, str, object])
def test_a_date_that_is_far_from_all_others_is_written_as_the_nearest_of_these(unit, to):
    days = pd.DatetimeIndex(pd.date_range("2020-01-01", periods=600)).as_unit(unit)
    columns = TableEncoder().fit(pd.DataFrame({"begin": days}))
    far = ["9999-12-31", "2262-04-12", "1677-09-20", "0202-01-05", "0001-01-01"] * 2
    new = pd.DataFrame({"begin": far if to is str else np.array(far, "M8[us]")})
    with pytest.warns(UnlikeDataWarning, match="'begin' has values outside the range"):
        written = columns.transform(new.astype(to) if to else new)
    expected = columns.transform(pd.DataFrame({"begin": days[[-1, -1, 0, 0, 0]]}))
    parts = columns.get_feature_names_out()
    is_rising = (parts == "begin:year") | (parts == "begin:seconds")
    assert_array_equal(written[:5, is_rising], expected[:, is_rising])


@pytest.mark.parametrize("zone", [None, "Europe/Oslo", "UTC"])
def test_parts_of_dates_are_those_of_skrub(zone):
    dates = pd.Series(pd.date_range("2019-11-01", periods=900, freq="31h", tz=zone), name="when")
    dates[5] = None
    encoder = DatetimeEncoder(add_weekday=True, periodic_encoding="circular")
    theirs = encoder.fit_transform(dates).to_numpy()
    columns = TableEncoder()
    ours = columns.fit_transform(pd.DataFrame({"when": dates}))
    is_seconds = np.array(encoder.all_outputs_) == "when_total_seconds"
    assert_allclose(ours[:, :-1][:, ~is_seconds], theirs[:, ~is_seconds], atol=1e-6)
    seconds = ours[:, columns.get_feature_names_out() == "when:seconds"].ravel()
    expected = (dates - dates.median()).dt.total_seconds()
    assert_allclose(seconds - np.nanmedian(seconds), expected - expected.median(), atol=8)


def test_bools_may_come_with_strings_of_missing_values():
    X = pd.DataFrame({"c": [True, False] * 20})
    columns = TableEncoder().fit(X)
    for new in ([True, False, ""], [True, False, "NA"], [True, 0, None], pd.Categorical([True, False])):
        new = pd.Series(new, dtype=None if isinstance(new, pd.Categorical) else object)
        written = columns.transform(pd.DataFrame({"c": new}))[:2, 0]
        assert_array_equal(written, columns.transform(X)[:2, 0])


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m.%d.%Y"])
def test_a_day_above_12_shows_whether_days_or_months_come_first(form):
    dates = pd.date_range("2024-01-01", "2024-12-12")
    strings = pd.DataFrame({"when": dates.strftime(form)})
    expected = TableEncoder().fit_transform(pd.DataFrame({"when": dates}))
    assert_array_equal(TableEncoder().fit_transform(strings), expected)
    separator = form[2]
    with pytest.warns(UserWarning, match=f"month first. If the day .*'format': '%d{separator}%m"):
        TableEncoder().fit(strings[dates.day <= 12])


@pytest.mark.filterwarnings("ignore:the data are unlike")
def test_a_date_beyond_those_in_fit_is_written_as_the_nearest_of_these():
    days = pd.DataFrame({"when": pd.date_range("2023-05-01", periods=600)})
    columns = TableEncoder().fit(days)
    rising = [name.endswith((":seconds", ":year")) for name in columns.get_feature_names_out()]
    new = pd.DataFrame({"when": pd.to_datetime(["1999-02-03", "2023-06-07", "2050-01-01", None])})
    known = new.assign(when=new.when.clip(days.when.min(), days.when.max()))
    assert sum(rising) == 2
    assert_array_equal(columns.transform(new)[:, rising], columns.transform(known)[:, rising])


def test_no_more_values_are_told_to_be_outside_of_the_range_in_fit_than_there_are_by_chance():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(300, 2000))
    columns = TableEncoder().fit(values[:200])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns.transform(values[200:])
    told = " ".join(str(each.message) for each in caught)
    assert told.count("outside the range") <= 8  # .999 of binomial(2000, .001)


def test_values_outside_of_the_range_in_fit_are_told():
    X = pd.DataFrame({"a": np.linspace(0, 1, 200), "when": pd.date_range("2024", periods=200)})
    X["since"] = X.when - X.when[0]
    new = X.assign(a=X.a + (X.index >= 180) * 1e9, when=X.when + pd.Timedelta("60D"))
    columns = TableEncoder().fit(X)
    with pytest.warns(
        UnlikeDataWarning, match="column 'a' has values outside the range in fit, 0"
    ) as w:
        columns.transform(new)
    first, second = (each.message for each in w)
    assert str(first) == "column 'a' has values outside the range in fit, 0.0 to 1.0"
    assert (first.column, first.difference, first.count, first.n_values) == ("a", "range", 20, 200)
    assert (first.share, first.share_in_fit) == (0.1, 0)
    assert first.example > 1
    assert str(second) == "column 'when' has dates after the last one in fit, 2024-07-18 00:00:00"
    assert (second.difference, second.count) == ("later", 60)
    assert second.example == "2024-07-19 00:00:00"


@given(st.integers(2, 6), st.integers(1, 6))
@settings(max_examples=20)
def test_how_many_values_are_outside_of_a_range_by_chance_is_known(n_known, n_new):
    """The formula against all orders of the values."""
    orders = Counter()
    for known in combinations(range(n_known + n_new), n_known):
        orders[n_new - (known[-1] - known[0] + 1 - n_known)] += 1
    for k in range(1, n_new + 1):
        at_least = sum(count for outside, count in orders.items() if outside >= k)
        assert_allclose(chance_of_outside(k, n_new, n_known), at_least / orders.total(), rtol=1e-9)


def test_new_categories_are_told_if_there_are_more_than_by_chance():
    rng = np.random.default_rng(0)
    towns = np.array([f"town {i}" for i in np.minimum(rng.zipf(2, 30 * 600), 38)]).reshape(30, 600)
    with warnings.catch_warnings(action="error"):
        for column in towns:
            X = pd.DataFrame({"town": column})
            columns = TableEncoder().fit(X[:300])
            columns.transform(X[300:])
    X.loc[560:, "town"] = "Oslo"
    with pytest.warns(UnlikeDataWarning, match="'town' has categories that were not in fit") as told:
        columns.transform(X[300:])
    assert told[0].message.example == "Oslo"
    assert told[0].message.count >= 40


SHARES = {
    "equal": lambda k: np.ones(k),
    "zipf": lambda k: 1 / np.arange(1, k + 1),
    "zipf2": lambda k: 1 / np.arange(1, k + 1) ** 2.0,
    "rare": lambda k: np.where(np.arange(k) < k / 2, 1, 0.01),
}


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("n_levels", [35, 60, 500])
@pytest.mark.parametrize(("n_fit", "n_new"), [(300, 5000), (2000, 2000)])
def test_new_categories_are_hardly_ever_reported_by_chance(shares, n_levels, n_fit, n_new):
    """In 40 columns of each kind: one false alarm has a probability of .33 at most, two of .06."""
    rng, names = np.random.default_rng(0), np.array([f"level {i}" for i in range(n_levels)])
    share = SHARES[shares](n_levels)
    columns = [
        pd.DataFrame({str(i): rng.choice(names, n, p=share / share.sum()) for i in range(40)})
        for n in (n_fit, n_new)
    ]
    with warnings.catch_warnings(action="ignore"):
        encoder = TableEncoder().fit(columns[0])
    assert (encoder.compare(columns[1])["difference"] == "new categories").sum() <= 1


@pytest.mark.parametrize("shares", ["equal", "zipf", "zipf2"])
@pytest.mark.parametrize("n_levels", [5, 39, 50, 150, 500])
def test_another_spelling_of_categories_is_reported_whatever_their_number_is(shares, n_levels):
    rng, names = np.random.default_rng(0), np.array([f"S{i:03d}" for i in range(n_levels)])
    share = SHARES[shares](n_levels)
    X = pd.DataFrame({"state": rng.choice(names, 5000, p=share / share.sum())})
    new = X.map(str.lower)
    encoder = TableEncoder().fit(X)
    with pytest.warns(UnlikeDataWarning, match="column 'state' has "):
        encoder.transform(new)
    (told,) = encoder.compare(new).query("difference == 'new categories'").itertuples()
    assert (told.column, told.count, told.share) == ("state", 5000, 1)
    assert told.share_in_fit < 0.9


N = 200
MONEY = np.random.default_rng(0).lognormal(6.5, 1.1, N).round(2)
TIMES = pd.date_range("2022-01-01", periods=N, freq="37h")
DAYS_FIRST = TIMES.strftime("%d/%m/%Y")
AMOUNTS = [f"{x:,.2f}" for x in MONEY]
GERMAN = [x.translate(str.maketrans(",.", ".,")) for x in AMOUNTS]


def sometimes(values, others, n):
    """Values, and each n-th is another."""
    return [value if i % n else other for i, (value, other) in enumerate(zip(values, others))]


# Of each column the role of what is written, and a word of what is said, or None.
MESSY = {
    "euros": ([f"€{x}" for x in AMOUNTS], "number", "read as numbers with 'EUR': '€763.80' is 763.8"),
    "one currency": (
        sometimes([f"€ {x}" for x in AMOUNTS], [f"{x} EUR" for x in AMOUNTS], 9),
        "number",
        "EUR",
    ),
    "german": ([f"{x} €" for x in GERMAN], "number", "'763,80 €' is 763.8"),
    "decimal comma": ([f"{x:.1f}".replace(".", ",") for x in MONEY], "number", "'763,8' is 763.8"),
    "millions": ([f"{int(1e4 * x):,}" for x in MONEY], "number", "'7,638,000' is 7638000"),
    "percent": (
        sometimes([f"{i % 40 / 2:g}%" for i in range(N)], ["n/a"] * N, 30),
        "number",
        "with '%'",
    ),
    "two formats": (
        sometimes(DAYS_FIRST, TIMES.strftime("%Y-%m-%d"), 3),
        "date",
        "'%d/%m/%Y' and '%Y-%m",
    ),
    "big": (["1e+16", 2 * 10**16, 3e16, "40000000000000000"] * 50, "number", None),
    "postcode": ([f"{i:05d}" for i in range(300, 99_999, 10_000)] * 20, "level", None),
    "phone": (["0171 555", "017155", "0301234"] * 66 + ["0"] * 2, "level", None),
    "digits": (["017155", "0301234"] * 100, "level", None),
    "answer": (["Y", "N"] * 100, "level", None),
    "currencies": (
        sometimes([f"€{i % 9}.50" for i in range(N)], ["$3.50"] * N, 9),
        "level",
        "units differ: 'EUR', 'USD'",
    ),
    "half with unit": (
        sometimes([f"{i % 9}" for i in range(N)], ["3%"] * N, 2),
        "level",
        "units differ: none, '%'",
    ),
    "free": (
        sometimes([f"€{i % 9}.50" for i in range(N)], ["free"] * N, 20),
        "level",
        "10 of 200 .* 'free'",
    ),
    "which mark": ([f"{1 + i % 9},234" for i in range(N)], "level", "decimal mark is ambiguous"),
    "which day": (
        sometimes(["05/03/2022", "07/08/2022"] * 100, ["2022-01-05"] * N, 5),
        "level",
        "the day or",
    ),
    "some words": (
        sometimes(["2022-01-05", "2022-02-07"] * 100, ["unknown"] * N, 30),
        "level",
        "'unknown'",
    ),
    "few numbers": (
        sometimes([str(i % 8) for i in range(N)], ["unknown"] * N, 40),
        "level",
        "mostly numbers",
    ),
    "many others": (sometimes([str(i / 4) for i in range(N)], ["attic"] * N, 3), "level", "'attic'"),
    "children": (["0", "1", "2", "3+"] * 50, "level", None),
    "spans": (["1-2", "2-3", "10-12"] * 66 + ["1-2"] * 2, "level", None),
    "versions": (["1.2.3", "1.10.0"] * 100, "level", None),
    "some lists": (
        sometimes(["a", "b"] * 100, [["a", "b"]] * N, 3),
        "level",
        "67 of its 200 values are a list",
    ),
    "lists": ([["a"], ["a", "b"]] * 100, None, "200 of its 200 values are a list, .*get_dummies"),
    "dicts": ([{"a": 1}, {"a": 2}, None, "x"] * 50, "level", "100 of its 200 values are a dict"),
    "sets": ([{1}, {2}, {3}, "x"] * 50, None, "are a set"),
    "far": (
        [f"{year:04}-03-04" for year in (1, 202, 1677, 2022, 2262, 9999)] * 30 + ["2022-01-01"] * 20,
        "date",
        None,
    ),
}


@pytest.mark.parametrize("name", MESSY)
def test_a_messy_column_is_read_as_its_maker_would_or_named(name):
    values, role, said = MESSY[name]
    X = pd.DataFrame({name: pd.Series(values, dtype=object), "n": range(N)})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns = TableEncoder().fit(X)
    roles = set(columns.output_roles_[columns.output_sources_ == name])
    assert roles & {"number", "date", "level"} == ({role} if role else set())
    about = [str(each.message) for each in caught if repr(name) in str(each.message)]
    assert len(about) == (said is not None)
    assert not said or re.search(said, about[0])
    with warnings.catch_warnings(action="error"):
        columns.transform(X)


PIECES = ["1", "05", "234", ".", ",", "-", " ", "/", ":", "%", "€", "USD", "e5", "2024", "12", "T", "x"]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), min_size=1, max_size=9))
@settings(max_examples=200)
def test_any_strings_can_be_read_and_are_read_in_predict_as_in_fit(texts):
    X = pd.DataFrame({"c": [*texts * 10, None], "n": range(10 * len(texts) + 1)})
    columns = TableEncoder()
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        written = columns.fit_transform(X)
    with warnings.catch_warnings(action="error"):
        assert_array_equal(columns.transform(X), written)
    assert columns.compare(X).empty


@pytest.mark.parametrize("name", ["euros", "german", "millions"])
@pytest.mark.filterwarnings("ignore:column .* is read as")
def test_amounts_are_the_numbers_that_they_show(name):
    factor = 1e4 if name == "millions" else 1
    written = TableEncoder().fit_transform(pd.DataFrame({"c": MESSY[name][0]}))
    numbers = np.floor(factor * MONEY) if name == "millions" else MONEY
    assert_array_equal(written, TableEncoder().fit_transform(pd.DataFrame({"c": numbers})))


@pytest.mark.parametrize("column_kinds", [None, {"c": "number"}])
@pytest.mark.parametrize("thousands", [".", ","])
@given(st.lists(st.integers(10, 10**7), min_size=3, max_size=20, unique=True))
@settings(max_examples=10)
@pytest.mark.filterwarnings("ignore")
def test_numbers_among_strings_of_amounts_are_those_numbers(thousands, column_kinds, values):
    """Some numbers of a sheet may be text. Only text has a decimal mark."""
    values = [1e-7, 1e17, Decimal("12.5"), True, *(value / 1000 for value in values)]
    decimal = "," if thousands == "." else "."
    strings = [f"1{thousands}0{i}{decimal}25" for i in range(10, 40)]
    numbers = pd.DataFrame({"c": [*values, *(1000.25 + i for i in range(10, 40))]}, dtype=float)
    mixed = pd.DataFrame({"c": pd.Series([*values, *strings], dtype=object)})
    written = TableEncoder().fit_transform(numbers)
    assert_array_equal(TableEncoder(column_kinds).fit_transform(mixed), written)
    assert_array_equal(
        TableEncoder().fit(numbers).transform(mixed[: len(values)]), written[: len(values)]
    )
    columns = TableEncoder(column_kinds).fit(pd.DataFrame({"c": strings}))
    for dtype in (object, "category"):
        assert_array_equal(columns.transform(mixed.astype(dtype)), columns.transform(numbers))


@pytest.mark.filterwarnings("ignore:column .* is read as")
def test_amounts_and_dates_are_read_in_predict_as_in_fit():
    columns = TableEncoder().fit(
        pd.DataFrame({"price": MESSY["german"][0], "day": MESSY["two formats"][0]})
    )
    prices = ["1.234,50 €", "EUR 1.234,50", "1234,50", "1.234,5", "$ 1.234,50"]
    new = pd.DataFrame(
        {"price": prices, "day": ["03/04/2022", "2022-04-03", "2022-04-03T00:00", None, "?"]}
    )
    with pytest.warns(
        UnlikeDataWarning, match="'price' has values that cannot be read as numbers"
    ) as told:
        written = columns.transform(new)
    assert told[0].message.example == "$ 1.234,50"
    assert len(np.unique(written[:4, 0])) == 1
    assert np.isnan(written[4, 0])
    is_date = columns.output_sources_ == "day"
    assert_array_equal(written[1:3, is_date], written[[0, 0]][:, is_date])


def advice(X):
    """What warnings of a fit suggest for `column_kinds`, by column."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        TableEncoder().fit(X)
    entries = {}
    for warning in caught:
        for suggested in re.findall(r"pass column_kinds=(\{.*\})", str(warning.message)):
            entries |= literal_eval(suggested)
    return entries


@pytest.mark.parametrize("name", ["free", "some words", "few numbers", "many others", "which day"])
def test_the_entry_that_a_message_suggests_does_what_it_says(name):
    values = pd.Series(MESSY[name][0], dtype=object)
    X = pd.DataFrame({name: values, "n": np.arange(N) / 2})
    entries = advice(X)
    assert set(entries) == {name}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder = TableEncoder(column_kinds=entries).fit(X)
    assert (
        "number" in encoder.output_roles_[encoder.output_sources_ == name]
        or "date" in (encoder.output_roles_[encoder.output_sources_ == name])
    )
    is_read = ~np.isnan(encoder.transform(X)[:, encoder.output_sources_ == name]).any(axis=1)
    assert 0.6 < is_read.mean() <= 1
    assert [f"{(~is_read).sum()} of {N} values cannot be read" in str(w.message) for w in caught] in (
        [True],
        [],
    )
    assert encoder.compare(X).empty


@pytest.mark.parametrize(
    "values",
    [
        MESSY["currencies"][0],
        MESSY["half with unit"][0],
        [f"{i % 90}.5 %" for i in range(N - 9)] + ["0.5"] * 9,
        ["$1,000", "€1,000"] * (N // 2),
        ["$1,000", "€1,000"] * (N // 2 - 5) + ["free"] * 10,
    ],
)
def test_nothing_is_suggested_that_mixes_units(values):
    X = pd.DataFrame({"c": values, "n": np.arange(N) / 2})
    with pytest.warns(UserWarning, match="the units differ: .*, so it is read as categories$"):
        TableEncoder().fit(X)
    assert advice(X) == {}


@pytest.mark.parametrize(
    "names",
    [["p", "q"], [2020, 2021], [("a", "mean"), ("b", "mean")], pd.to_datetime(["2020", "2021"])],
)
def test_columns_are_taken_by_their_names(names):
    names = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)) * [1, 100], columns=names)
    columns = TableEncoder().fit(X)
    others = X.iloc[:, ::-1].copy()
    others[("more", "x") if isinstance(names, pd.MultiIndex) else "more"] = "x"
    assert_array_equal(columns.transform(others), columns.transform(X))
    with pytest.raises(ValueError, match="X lacks columns that it had in fit"):
        columns.transform(X.set_axis(["r", "s"], axis=1))


@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_errors_name_the_column(to):
    X = {"age": [1.0, 2.0, 3.5] * 5, "town": ["a", "b", "a"] * 5}
    columns = TableEncoder().fit(to(X))
    with pytest.raises(ValueError, match=r"X lacks .*: \['town'\]; it has the columns \['age'\]"):
        columns.transform(to({"age": X["age"]}))
    with pytest.raises(ValueError, match="column 'age' has numbers, by its values in fit"):
        columns.transform(to(X | {"age": X["town"]}))
    with pytest.raises(ValueError, match="Reshape your data"):
        TableEncoder().fit(np.arange(3))
    with pytest.raises(ValueError, match="no column of X can be used, with 1 samples"):
        TableEncoder().fit(np.zeros((1, 2)))
    for table in (np.zeros((0, 2)), to({"a": []})):
        with pytest.raises(ValueError, match=r"0 sample\(s\) \(shape=.* while a minimum of 1 is req"):
            TableEncoder().fit(table)
    with pytest.raises(ValueError, match="Complex data not supported"):
        TableEncoder().fit(pd.DataFrame({"c": [1j, 2]}))
    with pytest.raises(TypeError, match="toarray"):
        TableEncoder().fit(csr_array(np.eye(3)))
    with pytest.raises(ValueError, match="'age'"):
        TableEncoder().fit(pd.DataFrame(np.eye(3), columns=["age", "town", "age"]))
    with pytest.raises(ValueError, match=r"distinct names, got \['nan'\]"):
        TableEncoder().fit(pd.DataFrame(np.eye(2), columns=[None, np.nan]))
    with pytest.raises(TypeError, match=r"got a dict.* pandas\.DataFrame\(X\)"):
        TableEncoder().fit(X)
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        columns.transform(to(X)[:0])
    with pytest.raises(ValueError, match="containing a single row"):
        columns.transform(pd.Series(["a", 1]))


def test_a_duration_that_comes_as_a_number_is_named():
    X = pd.DataFrame({"since": pd.to_timedelta(np.arange(9), unit="D"), "n": range(9)})
    columns = TableEncoder().fit(X)
    with pytest.raises(ValueError, match=r"'since' has durations, by .* numbers, of type int64"):
        columns.transform(X.assign(since=range(9)))


def test_a_fitted_table_may_come_with_other_types():
    X = pd.DataFrame({"n": range(40), "m": np.arange(40.0), "c": list("abcd") * 10})
    columns = TableEncoder().fit(X)
    other = X.astype({"n": str, "m": "Int64", "c": "category"})
    assert_array_equal(columns.transform(other), columns.transform(X))
    X = pd.DataFrame({"since": pd.to_timedelta(range(40), unit="h")})
    columns = TableEncoder().fit(X)
    assert_array_equal(columns.transform(X.astype(str)), columns.transform(X))


@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
@pytest.mark.parametrize(
    ("in_fit", "rows"),
    [
        ([1, 2, 3], [0, 1]),
        ([1.0, 2.0, 3.0], [0, 1]),
        (["1", "2", "a"], [0, 1]),
        ([1.0, 2.5, 3.0], [0, 2]),
        (["1.0", "3.0", "a"], [0, 1]),
    ],
)
def test_a_category_is_the_same_as_an_int_a_float_and_a_string(in_fit, rows, to):
    """Also where others have fractions."""
    X = pd.DataFrame({"c": pd.Categorical(in_fit * 9)})
    columns = TableEncoder().fit(X)
    expected = columns.transform(X)[rows]
    floats = [float(in_fit[row]) for row in rows]
    ints = [int(value) for value in floats]
    strings = list(map(str, ints)), list(map(str, floats))
    for values in (ints, floats, *strings, [Decimal("1.0"), Decimal(ints[1])]):
        assert_array_equal(columns.transform(to({"c": values})), expected)
    as_category = pd.DataFrame({"c": pd.Categorical(floats)})
    assert_array_equal(columns.transform(as_category), expected)
    mixed = pd.DataFrame({"c": pd.Series([np.float32(1), f"{ints[1]}.0"], dtype=object)})
    assert_array_equal(columns.transform(mixed), expected)
    one_missing = columns.transform(to({"c": [1.0, None]}))  # so the column is one of floats
    assert_array_equal(one_missing[0], expected[0])
    as_category = pd.DataFrame({"c": pd.Categorical([1.0, np.nan])})
    assert_array_equal(columns.transform(as_category), one_missing)


def test_floats_of_pyarrow_may_be_categories():
    pytest.importorskip("pyarrow")
    X = pd.DataFrame({"c": pd.Series([1.0, 2.0, 3.0] * 9, dtype="float64[pyarrow]").astype("category")})
    columns = TableEncoder().fit(X)
    new = pd.DataFrame({"c": pd.Series([1.0, None], dtype="float64[pyarrow]")})
    assert_array_equal(columns.transform(new)[0], columns.transform(X)[0])


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
@pytest.mark.parametrize("fitted", [pd.DataFrame, polars.DataFrame])
@pytest.mark.parametrize("name", ["datetime", "timedelta", "date_string", "category"])
def test_a_column_may_be_missing_in_all_rows_to_predict(name, fitted, to, missing):
    X = fitted({name: COLUMNS[name][0] * 5})
    columns = TableEncoder().fit(X)
    written = columns.transform(to({name: [missing, missing]}))
    known = columns.transform(fitted({name: [COLUMNS[name][0][0], None]}))
    assert_array_equal(written, known[[1, 1]])


@pytest.mark.parametrize("name", ["float", "datetime"])
def test_words_for_missing_values_are_missing_whatever_there_was_in_fit(name):
    columns = TableEncoder().fit(pd.DataFrame({"c": COLUMNS[name][0] * 5}))
    words = pd.DataFrame({"c": ["NA", "None", "?", ""]})
    missing = pd.DataFrame({"c": [None] * 4})
    assert_array_equal(columns.transform(words), columns.transform(missing))


def test_a_column_may_have_the_name_of_a_method():
    X = pd.DataFrame({"collect": range(9), "columns": range(9)})
    assert_array_equal(TableEncoder().fit(X).get_feature_names_out(), ["collect", "columns"])


NAMES = st.sampled_from(["a", "a=b", "a~b", "a:missing", "a:rare", "a=b_", "a:year", "a:place", "a="])


@given(st.lists(NAMES, unique=True, min_size=1, max_size=6), st.data())
@settings(max_examples=50)
def test_no_two_columns_have_the_same_name(names, data):
    texts = [f"b {i}" for i in range(45)] * 5 + ["b", "", "year", "missing", "b_", "=b"] * 15
    kinds = {
        "numbers": [None, *range(314)],
        "levels": ["b", "", "=b"] * 105,
        "texts": texts,
        "dates": pd.date_range("2024-01-01", periods=315).where(np.arange(315) % 9 > 0),
    }
    X = pd.DataFrame({name: kinds[data.draw(st.sampled_from(list(kinds)))] for name in names})
    columns = TableEncoder()
    n_columns = columns.fit_transform(X).shape[1]
    found = columns.get_feature_names_out()
    assert len(set(found)) == n_columns == len(columns.output_sources_) == len(columns.output_roles_)
    assert all(map(str.startswith, found, columns.output_sources_))


def test_a_level_and_a_word_of_one_name_have_different_ones():
    X = pd.DataFrame({"c": ["red"] * 20 + ["blue"] * 20 + [f"red {i}" for i in range(50)]})
    assert {"c=red", "c~red"} <= set(TableEncoder().fit(X).get_feature_names_out())


def all_kinds(n=300):
    """A table of columns of all kinds."""
    rng = np.random.default_rng(0)
    when = pd.Series(pd.date_range("2024-01-01", periods=n, tz="Europe/Oslo"))
    return pd.DataFrame(
        {
            "number": rng.normal(size=n),
            "bool": rng.random(n) < 0.5,
            "price": [f"{x:.2f} €" for x in rng.random(n)],
            "when": when.where(when.index % 7 > 0),
            "day": when.dt.strftime("%d.%m.%Y"),
            "since": pd.to_timedelta(rng.exponential(9, n), unit="h"),
            "town": rng.choice(["Cork", "Oslo", None], n),
            "code": pd.Categorical(rng.choice([1.0, 2.0, None], n)),
            "text": [
                f"N{i} {'hot' if i % 3 else 'cold'}" if i else None for i in rng.integers(0, 60, n)
            ],
        }
    )


@pytest.mark.filterwarnings("ignore:column 'price' is read as")
def test_a_file_has_no_class_but_the_encoder():
    X = all_kinds()
    columns = TableEncoder().fit(X)
    expected = columns.transform(X)
    pickled = pickle.dumps(columns)
    named = {
        value for opcode, value, _ in pickletools.genops(pickled) if opcode.name.endswith("UNICODE")
    }
    assert {each for each in named if each.startswith("skdense")} == {"skdense.tabular.columns"}
    assert not named & {"Numbers.", "Column"}
    assert_array_equal(pickle.loads(pickled).transform(X), expected)
    saved = skops.io.dumps(columns)
    types = skops.io.get_untrusted_types(data=saved)
    assert types == ["skdense.tabular.columns.TableEncoder"]
    loaded = skops.io.loads(saved, trusted=types)
    assert_array_equal(loaded.transform(X), expected)
    assert_array_equal(loaded.get_feature_names_out(), columns.get_feature_names_out())


@pytest.mark.filterwarnings("ignore:column 'price' is read as")
def test_one_row_is_written_as_among_others_without_transformers(monkeypatch):
    X = all_kinds()
    columns = TableEncoder().fit(X)
    expected = columns.transform(X)
    rows = [X.iloc[i : i + 1] for i in range(40)]
    monkeypatch.setattr("skrub.ToDatetime.fit", None)
    monkeypatch.setattr("pandas.DataFrame.__init__", None)
    alone = [columns.transform(row) for row in rows]
    assert_array_equal(np.vstack(alone), expected[:40])


def test_missing_values_and_a_single_value_are_told_if_there_are_more_than_by_chance():
    rng = np.random.default_rng(0)

    def table(n):
        return pd.DataFrame(
            {
                "nps": np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 11, n)),
                "calls": rng.poisson(2, n),
                "town": rng.choice(["Cork", "Oslo", "Rome"], n),
                "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D"),
            }
        )

    X, new = table(600), table(200)
    columns = TableEncoder().fit(X)
    with warnings.catch_warnings(action="error"):
        columns.transform(new)
        assert columns.compare(new).empty
    new.loc[40:, "calls"] = 0
    new.loc[100:, "town"] = "Oslo"
    new["nps"], new["when"] = np.nan, new["when"].where(new.index > 60)
    told = columns.compare(new).set_index(["column", "difference"])
    assert set(told.index) == {
        ("nps", "missing"), ("when", "missing"), ("calls", "one value"), ("town", "one value"),
    }  # fmt: skip
    assert told.loc[("nps", "missing"), "share"] == 1
    assert told.loc[("town", "one value"), "example"] == "Oslo"
    assert told.loc[("when", "missing"), "count"] == 61
    assert told.loc[("calls", "one value"), "share_in_fit"] == pytest.approx(np.mean(X["calls"] == 0))
    with pytest.warns(UnlikeDataWarning) as caught:
        columns.transform(new)
    assert [str(each.message) for each in caught] == told["text"].tolist()
    with pytest.warns(UnlikeDataWarning, match="'nps' has more missing values than in fit, where"):
        columns.transform(new[:7])
    assert columns.compare(new[:2])["column"].tolist() == ["when"]  # two rows may lack "nps" by chance


def test_later_dates_are_a_difference_of_their_own():
    X = pd.DataFrame({"when": pd.date_range("2024-01-01", periods=300), "n": np.arange(300) / 2})
    columns = TableEncoder().fit(X)
    for days, difference in ((200, "later"), (-200, "range")):
        new = columns.compare(X.assign(when=X["when"] + pd.Timedelta(days, "D")))
        assert new[["difference", "count"]].to_numpy().tolist() == [[difference, 200]]


def test_each_prediction_warns_and_changes_nothing_in_the_model():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"n": rng.normal(size=9000), "town": ["Cork", "Oslo"] * 4500})
    X["price"], X["when"] = [f"{x:.2f} €" for x in X["n"]], pd.date_range("2000", periods=9000)
    columns = TableEncoder(column_kinds={"price": "number"}).fit(X)
    before = pickle.dumps(columns), columns.__dict__.keys()
    for i in range(3):
        new = pd.DataFrame(
            {"n": [100.0 + i], "town": [f"{i}"], "price": [f"x{i}"], "when": [f"no {i}"]}
        )
        with pytest.warns(UnlikeDataWarning) as told:
            columns.transform(new)
        assert {warning.message.column for warning in told} == set(X)
        assert columns.compare(new)["column"].tolist() == [each.message.column for each in told]
    assert (pickle.dumps(columns), columns.__dict__.keys()) == before


def test_the_text_of_a_warning_does_not_depend_on_the_new_values():
    """So "once" of Python's filters shows each difference once."""
    X = pd.DataFrame({"n": np.random.default_rng(0).normal(size=300)})
    X["day"] = ["2024-01-05", "2024-02-05"] * 150
    columns = TableEncoder(column_kinds={"day": "date"}).fit(X)
    new = [
        pd.DataFrame({"n": 100.0 + i + np.arange(i + 2), "day": [f"x{i}", *["2024-01-05"] * (i + 1)]})
        for i in range(5)
    ]
    assert len({tuple(columns.compare(each)["text"]) for each in new}) == 1
    assert len({tuple(columns.compare(each)["example"]) for each in new}) == 5
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("once", category=UnlikeDataWarning)
        for each in new:
            columns.transform(each)
    assert len(told) == len(columns.compare(new[0]))


@given(st.integers(1, 5), st.integers(1, 5), st.data())
@settings(max_examples=20)
def test_the_chance_of_a_share_is_that_of_all_orders_of_old_and_new_rows(n_known, n_new, data):
    n_of_kind = data.draw(st.integers(1, n_known + n_new))
    counts = Counter(
        sum(place < n_new for place in places)
        for places in combinations(range(n_known + n_new), n_of_kind)
    )
    for k in range(1, min(n_of_kind, n_new) + 1):
        at_least = sum(count for new, count in counts.items() if new >= k) / counts.total()
        for share in (0.999, 1.001):  # of what is surprising, by the number of things that could be
            is_told = is_unlikely(k, n_new, n_of_kind - k, n_known, 0.001 / at_least * share)
            assert not is_told or share < 1


def test_the_names_of_what_is_written_are_the_same_in_each_fit():
    X = pd.DataFrame({"s": ["x", "y"] * 20, "s_x": pd.Categorical(["y", "z"] * 20), "n": range(40)})
    X["s_x_y"] = X["s_x"]  # skrub adds random letters to names that are there twice
    names = TableEncoder().fit(X).get_feature_names_out()
    assert_array_equal(TableEncoder().fit(X).get_feature_names_out(), names)
    assert_array_equal(names, ["n", "s=x", "s=y", "s_x=y", "s_x=z", "s_x_y=y", "s_x_y=z"])


@pytest.mark.filterwarnings("ignore:column 'price' is read as")
def test_skrub_is_only_imported_where_strings_may_be_dates_and_not_by_a_fitted_encoder(tmp_path):
    X = all_kinds()
    encoder = TableEncoder().fit(X)
    (tmp_path / "saved").write_bytes(pickle.dumps((encoder, X, encoder.transform(X))))
    code = f"""
import pickle, sys
sys.modules["skrub"] = None  # importing it raises
import numpy as np
import pandas as pd
from skdense.tabular import TableEncoder
encoder, X, written = pickle.load(open({str(tmp_path / "saved")!r}, "rb"))
np.testing.assert_array_equal(encoder.transform(X), written)
TableEncoder().fit(pd.DataFrame({{"code": ["A11", "A12", "Jan 24"] * 9, "size": ["1", "2", "x"] * 9}}))
try:
    TableEncoder().fit(pd.DataFrame({{"day": ["3/1/24", "4/1/24", "5/1/24"] * 9}}))
except ImportError as error:
    assert "pip install skrub" in str(error), error
else:
    raise AssertionError("read without skrub")
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_strings_that_are_no_unicode_are_read():
    """As from `os.fsdecode` of other bytes."""
    texts = [f"{i}\ud800 {i}-{i}" for i in range(6)] * 6
    assert TableEncoder().fit(pd.DataFrame({"c": pd.Series(texts, dtype=object)})).dropped_ == {}
