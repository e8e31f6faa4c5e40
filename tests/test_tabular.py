"""Tests of the default for tables."""

import pickle
import re
import warnings
from collections import Counter
from contextlib import nullcontext
from datetime import timedelta, timezone
from decimal import Decimal
from functools import cache
from inspect import signature
from itertools import combinations

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from skrub import SquashingScaler

from skdense import make_tabular_classifier, make_tabular_regressor
from skdense.core.machine.blas import one_blas_thread
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.sizes import training_for
from skdense.tabular import time_blocks
from skdense.tabular.columns import chance_of_outside
from skdense.tabular.steps import Landmarks, LevelsEncoder, Ramps, chances_of

pytestmark = pytest.mark.usefixtures("coarse_buckets")

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "batch_size": 64, "learning_rate_init": 0.02}
N = 300
FEW_TREES = {"ensemble__trees__estimator__max_iter": 10}
LINEAR = {"hidden_layer_sizes": ()}
"""Networks without a hidden layer, whose programs are compiled soonest."""


def classifier():
    return make_tabular_classifier(random_state=0, cv=2, **SMALL).set_params(**FEW_TREES)


def regressor():
    return make_tabular_regressor(random_state=0, cv=2, **SMALL).set_params(**FEW_TREES)


def encoder():
    return make_tabular_classifier()[0]


@pytest.fixture(scope="module")
def table():
    """Numbers, one with missing values, and categories; y depends on both."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "income": rng.lognormal(size=N),
            "age": rng.integers(18, 90, N),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], N)),
            "code": pd.Categorical(rng.integers(0, 4, N)),
            "is_new": rng.random(N) < 0.5,
            "name": ["ann", "bob", None] * 100,
        }
    )
    score = X.age / 40 + (X.colour == "red") - 1.5 * X.is_new
    X.loc[rng.random(N) < 0.2, "income"] = np.nan
    return X, score.to_numpy()


def test_a_table_is_learned_as_it_is(table):
    X, score = table
    label = np.where(score > np.median(score), "high", "low")
    model = classifier().fit(X, label)
    assert model.score(X, label) > 0.85
    assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert_array_equal(clone(model).fit(X, label).predict_proba(X), model.predict_proba(X))


def test_an_array_is_written_as_its_data_frame(table):
    frame = table[0][["income", "age", "colour", "name"]].astype({"colour": object})
    ours, its = (encoder().fit_transform(given) for given in (frame.to_numpy(dtype=object), frame))
    assert_array_equal(ours, its)


@cache
def predictions_of(unit, shift):
    """What a model of trees and networks predicts, in units of y."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    y = X[:, 0] + (X[:, 1] > 0) + 0.1 * rng.normal(size=120)
    settings = {"random_state": 0, "cv": 2, "max_iter": 10, **LINEAR}
    model = make_tabular_regressor(**settings).set_params(ensemble__ramps="drop")
    model.fit(X, shift + unit * y)
    predictions = [model.predict(X)[:, None], model.predict(X, quantiles=[0.05, 0.95])]
    return (np.hstack(predictions) - shift) / unit


@given(st.floats(-6, 6), st.floats(-1e6, 1e6))
@settings(max_examples=3)
def test_predictions_and_intervals_do_not_depend_on_the_unit_of_y(exponent, shift):
    assert_allclose(predictions_of(10**exponent, shift), predictions_of(1, 0), atol=1e-3)


def test_a_class_weight_reaches_networks_trees_and_weights(table):
    X, score = table
    label = score > np.quantile(score, 0.9)
    weight = compute_sample_weight("balanced", label)
    settings = {"random_state": 0, "cv": 2, "max_iter": 5, **LINEAR}
    by_class = make_tabular_classifier(class_weight="balanced", **settings).fit(X, label)
    by_sample = make_tabular_classifier(**settings).fit(X, label, ensemble__sample_weight=weight)
    assert_allclose(by_class.predict_proba(X), by_sample.predict_proba(X), rtol=1e-6)


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


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_type_tells_its_rows_apart_and_may_have_new_values(name, library):
    known, new = column_of(name, library)
    columns = make_tabular_classifier()[:-1]
    written = columns.fit_transform(known)
    n_values = len(set(COLUMNS[name][0]))
    assert len(np.unique(written, axis=0)) == n_values
    assert_array_equal(columns.transform(known), written)
    assert np.isfinite(columns.transform(new)).all()
    names = columns.get_feature_names_out()
    assert len(names) == written.shape[1]
    assert all(name.startswith("c") for name in names)


@cache
def each_alone(name, library):
    """A fitted encoder, distinct values, and what it writes for a row of each."""
    columns = encoder().fit(column_of(name, library)[0])
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
    columns = encoder().fit(native)
    expected = columns.transform(native)
    tables = [native.astype(each) for each in types]
    tables.append(polars.DataFrame({"c": polars.Series(values.tolist())}))
    for table in tables:
        assert_array_equal(columns.transform(table), expected)
        assert_array_equal(encoder().fit_transform(table), expected)


def test_dates_may_come_as_strings_and_strings_of_dates_as_dates():
    X = pd.DataFrame({"c": DATES})
    strings = X.astype(str)
    for known, other in ((X, strings), (strings, X)):
        columns = encoder().fit(known)
        assert_array_equal(columns.transform(other), columns.transform(known))
    written = columns.transform(X)
    for form in ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.000", "%Y-%m-%d %H:%M"):
        assert_array_equal(columns.transform(pd.DataFrame({"c": DATES.dt.strftime(form)})), written)
    with pytest.raises(ValueError, match="column 'c' has dates, by its values in fit"):
        encoder().fit(X).transform(X.assign(c="soon"))


def test_dates_may_have_different_offsets_from_utc():
    zones = [timezone(timedelta(hours=1 + i % 2)) for i in range(60)]
    dates = [date.replace(tzinfo=zone) for date, zone in zip(DATES.dt.to_pydatetime(), zones)]
    X = pd.DataFrame({"c": pd.Series(dates, dtype=object)})
    strings = pd.DataFrame({"c": [date.isoformat() for date in dates]})
    assert_array_equal(encoder().fit_transform(X), encoder().fit_transform(strings))


@pytest.mark.parametrize("value", [pd.NaT, pd.Timestamp("2024-01-01"), pd.Timedelta("1D")])
@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_dates_and_durations_are_no_numbers(to, value):
    X = pd.DataFrame({"c": [1.0, 2, np.nan] * 20})
    with pytest.raises(ValueError, match=r"column 'c' has numbers, by .* they are d.* of type"):
        encoder().fit(X).transform(to({"c": pd.Series([value]).dt.as_unit("us").to_numpy()}))


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2, 3], polars.Int128),
        ([[1, 0], [2, 0], [3, 0]], polars.Array(polars.Int64, 2)),
        ([[0] * 15 + [i] + [7] * 10 for i in range(3)], polars.List(polars.Int64)),
        ([{"a": i} for i in range(3)], polars.Struct({"a": polars.Int64})),
        ([Decimal("1.5"), Decimal("2"), None], polars.Decimal(10, 2)),
    ],
    ids=["int128", "array", "list", "struct", "decimal"],
)
def test_the_types_of_polars_tell_rows_apart(values, dtype):
    X = polars.DataFrame({"c": polars.Series(values * 20, dtype=dtype)})
    assert len(np.unique(make_tabular_classifier()[:-1].fit_transform(X), axis=0)) == 3


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
    assert_array_equal(encoder().fit_transform(nullable), encoder().fit_transform(plain))


def test_an_array_of_bools_and_an_array_of_objects_are_tables():
    bools = np.random.default_rng(0).random((200, 3)) < 0.5
    assert_array_equal(encoder().fit_transform(bools), bools - 0.5)
    objects = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    names = encoder().fit(objects).get_feature_names_out()
    assert_array_equal(names, ["x0", "x1_blue", "x1_red", "x1_nan", "x0__missing"])


def test_what_is_constant_or_empty_is_named_and_not_used():
    X = pd.DataFrame({"n": range(9), "same": 1, "empty": np.nan, "nothing": None, "letter": ["a"] * 9})
    X["once"] = list("abcdefghi")
    columns = encoder()
    with pytest.warns(UserWarning, match=r"\['same', 'empty', 'nothing', 'letter', 'once'\]"):
        columns.fit(X)
    assert_array_equal(columns.get_feature_names_out(), ["n"])
    with pytest.raises(ValueError, match=r"no column of X .* \['same', 'empty'\]"):
        encoder().fit(X[["same", "empty"]])
    with pytest.raises(ValueError, match="no column of X"):
        encoder().fit(polars.DataFrame({"nothing": [None] * 9}))


@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_ids_are_left_out_with_a_warning_but_texts_and_what_repeats_are_not(to):
    n = range(60)
    ids = {"customer": [f"C-{i:04d}" for i in n], "order": [None, *(f"{i:x}-1" for i in n[1:])]}
    used = {
        "text": [f"room {i} is {['cold', 'hot'][i % 2]}" for i in n],
        "plane": [f"N{i}" for i in [*n[:50], *[7] * 10]],
        "date": [f"2024-01-01T{i // 25:02d}:{i:02d}" for i in n],
    }
    with pytest.warns(UserWarning, match=r"not used.*\['customer', 'order'\]"):
        names = encoder().fit(to(ids | used)).get_feature_names_out()
    assert {name.partition("_")[0] for name in names} == set(used)
    assert {"text_cold", "text_hot", "plane_N7"} < set(names)


LETTERS = st.none() | st.text("aB1 _-.é", max_size=4)


@given(st.lists(LETTERS, min_size=1, max_size=40), st.lists(LETTERS, max_size=5), st.integers(1, 4))
def test_the_most_frequent_levels_and_words_have_a_column_and_repeated_levels_two_numbers(
    known, new, least
):
    encoder = LevelsEncoder(least, max_columns=6).fit(np.array(known, object)[:, None])

    def words_of(value):
        return set(re.split(r"[\s_.-]+", (value or "").lower())) - {""}

    levels = Counter(known)
    words = Counter(word for value in known for word in words_of(value))
    n_levels = Counter(word for level in levels for word in words_of(level))
    words = {w: n for w, n in words.items() if n_levels[w] > 1 and n <= len(known) - least}
    assert set(encoder.levels_) <= set(levels)
    assert set(encoder.words_) <= set(words)
    counts = sorted([n for n in [*levels.values(), *words.values()] if n >= least], reverse=True)
    written = [levels[each] for each in encoder.levels_] + [words[each] for each in encoder.words_]
    assert sorted(written, reverse=True) == counts[:6]
    in_order = sorted(level for level in set(known) - {None} if levels[level] > 1)
    are_many = sum(levels[level] for level in encoder.levels_) <= 0.9 * len(known)
    columns = encoder.transform(np.array([*known, *new], object)[:, None])
    assert columns.shape[1] == len(encoder.get_feature_names_out())
    for value, row in zip([*known, *new], columns):
        of_levels = [value == level for level in encoder.levels_]
        of_words = [word in words_of(value) for word in encoder.words_]
        place = (in_order.index(value) + 0.5) / len(in_order) if value in in_order else 0.5
        numbers = (place, np.log(max(levels[value], 1))) if are_many else (0.5, 0)
        other = value not in encoder.levels_
        assert_array_equal(row, np.float32([*of_levels, other, *of_words, *numbers]))


def test_the_order_of_rows_does_not_matter_for_levels():
    values = np.array(["b", "a", "c c", "d", None] * 3 + ["c d"], object)[:, None]
    names = [LevelsEncoder(3, 4).fit(X).get_feature_names_out() for X in (values, values[::-1])]
    assert_array_equal(*names)


@given(st.integers(0, 2**31), st.integers(1, 3))
@settings(max_examples=20)
def test_the_chance_of_correlations_is_about_that_of_targets_in_any_order(seed, n_targets):
    rng = np.random.default_rng(seed)
    columns = (rng.random((80, 6)) < rng.uniform(0.1, 0.5, 6)).astype(np.float32)
    columns[:, 1] = columns[:, 0] + rng.integers(2, size=80)
    targets = rng.normal(size=(80, n_targets)) + 0.3 * columns[:, :1]

    def statistic(rows):
        return (np.corrcoef(columns.T, targets[rows].T)[:6, 6:] ** 2 * targets.var(axis=0)).sum()

    given = statistic(np.arange(80))
    others = [statistic(rng.permutation(80)) for _ in range(1000)]
    (chance,) = chances_of(columns, [targets])
    assert chance == pytest.approx(np.mean(np.array(others) >= given), abs=0.06)


def test_levels_have_columns_if_y_depends_on_them_as_numbers_or_as_classes():
    level = np.resize(range(20), 400)
    X = level.astype(str).astype(object)[:, None]
    rng = np.random.default_rng(0)
    noise, rating = rng.normal(size=400), np.clip(level // 4 + rng.integers(-1, 2, 400), 0, 4)
    of_classes = np.where(level < 10, 1, rng.choice([0, 2], 400))  # its mean does not depend on them
    for y in (level + noise, np.exp(level), rating, of_classes, np.array(list("abc"))[of_classes]):
        assert len(LevelsEncoder().fit(X, y).levels_) == 20
    for y in (noise, np.exp(9 * noise), noise > 0, np.where(noise > 0, "up", "down")):
        assert LevelsEncoder().fit(X, y).levels_ == []
    assert len(LevelsEncoder().fit(X).levels_) == 20


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_a_column_of_levels_that_do_not_explain_y_is_as_good_as_absent(make):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 2)), columns=["a", "b"])
    y = (X.a > 0).map({True: "up", False: "down"}) if make is make_tabular_classifier else X.a
    X["code"] = [f"N{i % 41}" for i in range(120)]
    model = make(random_state=0, cv=2, max_iter=2)
    with pytest.warns(UserWarning, match=r"not used.* explain no more of y than chance: \['code'\]"):
        predicted = model.fit(X, y).predict(X[:9])
    assert_array_equal(model.fit(X[["a", "b"]], y).predict(X[:9]), predicted)


@pytest.mark.skipif(pd.__version__ < "3", reason="pandas 2 misreads the last digit of some strings")
@given(st.lists(st.floats(-1e15, 1e15) | st.integers(-(2**53), 2**53), min_size=3, unique=True))
@settings(max_examples=30)
def test_numbers_stored_as_strings_are_those_numbers(numbers):
    numbers = [None, *(number + 2**40 for number in numbers)]
    X = pd.DataFrame({"c": numbers, "d": [*numbers[1:], 0]})
    strings = X.astype(object).map(str, na_action="ignore")
    written = encoder().fit_transform(X)
    assert_array_equal(encoder().fit_transform(strings), written)
    assert_array_equal(encoder().fit(strings).transform(X), written)


READABLE = {
    "numbers": ([str(i / 4) for i in range(100)], "12.30 EUR"),
    "dates": ([f"2024-01-{1 + i % 28:02d}" for i in range(100)], "2021-13-01"),
}


@pytest.mark.parametrize("kind", READABLE)
def test_strings_that_cannot_be_read_as_in_fit_are_missing_and_told(kind):
    values, bad = READABLE[kind]
    columns = encoder().fit(pd.DataFrame({"c": [None, "?", *values]}))
    new = pd.DataFrame({"c": [bad] * 40 + values[:60]})
    message = f"column 'c': 40 of 100 values could not be read as {kind}, such as '{bad}', and are ta"
    with pytest.warns(UserWarning, match=message) as caught:
        written = columns.transform(new)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="1 of 1 values"):
        columns.transform(new[:1])
    with warnings.catch_warnings(action="error"):
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
    columns = encoder().fit(strings)
    assert_array_equal(columns.transform(strings), encoder().fit_transform(numbers))
    with pytest.warns(UserWarning, match="3 of 3 values are outside of the range in fit, [12]"):
        written = columns.transform(pd.DataFrame({"c": ["850", "12000", "99999"]}))
    assert_allclose(np.diff(written[:, 0]), [11150, 87999])


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M%S", "%Y-%m"])
def test_strings_of_whole_dates_are_dates(form):
    strings = pd.DataFrame({"c": DATES.dt.strftime(form)})
    dates = pd.DataFrame({"c": pd.to_datetime(strings.c, format=form)})
    assert_array_equal(encoder().fit_transform(strings), encoder().fit_transform(dates))


def test_strings_of_years_are_dates_where_the_user_says_so():
    columns = encoder()
    columns.vectorizer.set_params(datetime_format="%Y")
    columns.fit(pd.DataFrame({"c": [str(year) for year in range(1990, 2025)]}))
    assert {each.kind for each in columns.written_} == {"dates"}


def test_dates_may_be_written_one_hot_if_the_user_says_so():
    X = pd.DataFrame({"when": pd.to_datetime(["2024-01-01", "2024-02-01"] * 9), "n": range(18)})
    columns, one_hot = encoder(), OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    columns.vectorizer.set_params(specific_transformers=[(one_hot, ["when"])])
    assert_array_equal(columns.fit_transform(X)[:2, 1:], np.eye(2))
    assert_array_equal(columns.transform(X)[:2, 1:], np.eye(2))


@given(st.integers(-1000, 1000))
@settings(max_examples=20)
def test_numbers_of_any_size_keep_their_digits(exponent):
    x = np.random.default_rng(0).normal(size=50)
    X = pd.DataFrame({"c": np.ldexp(x, exponent)})
    expected = encoder().fit_transform(pd.DataFrame({"c": x}))
    columns = encoder().fit(X)
    with warnings.catch_warnings(action="error"):
        ratios = columns.transform(X) / expected
        assert np.isinf(columns.transform(pd.DataFrame({"c": [np.inf]}))).all()
    assert len(np.unique(ratios)) == 1
    assert np.frexp(ratios[0])[0] == 0.5  # a power of two


def test_a_code_among_times_leaves_their_seconds():
    times = np.r_[np.zeros(120), 1.7e9 + 10 * np.arange(80)]
    written = encoder().fit_transform(pd.DataFrame({"c": times}))
    assert_array_equal(np.diff(written[120:, 0]), 10)
    assert len(np.unique(written)) == 81


@pytest.mark.parametrize("as_strings", [False, True])
def test_dates_without_a_time_zone_are_those_of_utc(as_strings):
    naive, zoned = DATES, DATES.dt.tz_localize("UTC").dt.tz_convert("Asia/Seoul")
    if as_strings:
        naive, zoned = naive.astype(str), zoned.map(lambda date: date.isoformat())
    naive, zoned = pd.DataFrame({"c": naive}), pd.DataFrame({"c": zoned})
    for fitted, new in ((naive, zoned), (zoned, naive)):
        columns = encoder().fit(fitted)
        with pytest.warns(UserWarning, match="column 'c': dates have (a|no) time zone, unlike those"):
            written = columns.transform(new)
        with warnings.catch_warnings(action="error"):
            assert_array_equal(columns.transform(fitted), written)
            columns.transform(new.assign(c=None))


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m.%d.%Y"])
def test_a_day_above_12_shows_whether_days_or_months_come_first(form):
    dates = pd.date_range("2024-01-01", "2024-12-12")
    strings = pd.DataFrame({"when": dates.strftime(form)})
    expected = encoder().fit_transform(pd.DataFrame({"when": dates}))
    assert_array_equal(encoder().fit_transform(strings), expected)
    separator = form[2]
    with pytest.warns(UserWarning, match=f"month first. If the day .*format='%d{separator}%m"):
        encoder().fit(strings[dates.day <= 12])


@pytest.mark.filterwarnings("ignore:the data are unlike")
def test_a_date_beyond_those_in_fit_is_written_as_the_nearest_of_these():
    days = pd.DataFrame({"when": pd.date_range("2023-05-01", periods=600)})
    columns = encoder().fit(days)
    rising = [name.endswith(("seconds", "year")) for name in columns.get_feature_names_out()]
    new = pd.DataFrame({"when": pd.to_datetime(["1999-02-03", "2023-06-07", "2050-01-01", None])})
    known = new.assign(when=new.when.clip(days.when.min(), days.when.max()))
    assert sum(rising) == 2
    assert_array_equal(columns.transform(new)[:, rising], columns.transform(known)[:, rising])


def test_no_more_values_are_told_to_be_outside_of_the_range_in_fit_than_there_are_by_chance():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(300, 2000))
    columns = encoder().fit(values[:200])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        columns.transform(values[200:])
    told = " ".join(str(each.message) for each in caught)
    assert told.count("outside of the range") <= 8  # .999 of binomial(2000, .001)


def test_values_outside_of_the_range_in_fit_are_told():
    X = pd.DataFrame({"a": np.linspace(0, 1, 200), "when": pd.date_range("2024", periods=200)})
    X["since"] = X.when - X.when[0]
    new = X.assign(a=X.a + (X.index >= 180) * 1e9, when=X.when + pd.Timedelta("60D"))
    with pytest.warns(UserWarning, match="unlike those in fit") as caught:
        encoder().fit(X).transform(new)
    (message,) = [str(each.message) for each in caught]
    assert (
        "column 'a': 20 of 200 values are outside of the range in fit, 0.0 to 1.0, such as" in message
    )
    assert "'when': 60 of 200" in message
    assert "to 2024-07-18 00:00:00, such as 2024-07-19 00:00:00" in message
    assert "since" not in message


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
            columns = encoder().fit(X[:300])
            columns.transform(X[300:])
    X.loc[580:, "town"] = "Oslo"
    with pytest.warns(UserWarning, match=r"'town': 2\d of 300 values are categories .* as 'Oslo'"):
        columns.transform(X[300:])


def test_a_column_of_which_most_values_are_numbers_is_named():
    prices = [str(i / 4) for i in range(90)] + ["12.30 EUR"] * 10
    X = pd.DataFrame({"price": prices, "children": ["0", "1", "2", "3+"] * 25})
    with pytest.warns(UserWarning, match="most of its values are numbers") as caught:
        encoder().fit(X)
    (message,) = [str(w.message) for w in caught if "most of" in str(w.message)]
    assert message.startswith("column 'price' is taken as strings")
    assert "numbers: 10 of 100 are none, such as '12.30 EUR'" in message
    assert "pandas.to_numeric" in message


@pytest.mark.parametrize(
    "names",
    [["p", "q"], [2020, 2021], [("a", "mean"), ("b", "mean")], pd.to_datetime(["2020", "2021"])],
)
def test_columns_are_taken_by_their_names(names):
    names = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)) * [1, 100], columns=names)
    columns = encoder().fit(X)
    others = X.iloc[:, ::-1].copy()
    others[("more", "x") if isinstance(names, pd.MultiIndex) else "more"] = "x"
    assert_array_equal(columns.transform(others), columns.transform(X))
    with pytest.raises(ValueError, match="X lacks columns that it had in fit"):
        columns.transform(X.set_axis(["r", "s"], axis=1))


@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
def test_errors_name_the_column(to):
    X = {"age": [1.0, 2.0, 3.5] * 5, "town": ["a", "b", "a"] * 5}
    columns = encoder().fit(to(X))
    with pytest.raises(ValueError, match=r"X lacks columns .*: \['town'\]; it has \['age'\]"):
        columns.transform(to({"age": X["age"]}))
    with pytest.raises(ValueError, match="column 'age' has numbers, by its values in fit"):
        columns.transform(to(X | {"age": X["town"]}))
    with pytest.raises(TypeError, match="rows and columns"):
        encoder().fit(np.arange(3))
    with pytest.raises(ValueError, match="at least one row, got 0 samples"):
        encoder().fit(np.zeros((0, 2)))
    for shape in ((1, 2), (9, 0)):
        with pytest.raises(ValueError, match="no column of X can be used"):
            encoder().fit(np.zeros(shape))
    with pytest.raises(TypeError, match="toarray"):
        encoder().fit(csr_array(np.eye(3)))
    with pytest.raises(TypeError, match=r"got a Table.* X\.to_pandas\(\)"):
        encoder().fit(pytest.importorskip("pyarrow").table(X))
    with pytest.raises(TypeError, match=r"got a LazyFrame.* X\.collect\(\)"):
        encoder().fit(polars.DataFrame({"a": range(3)}).lazy())
    with pytest.raises(ValueError, match="'age'"):
        encoder().fit(pd.DataFrame(np.eye(3), columns=["age", "town", "age"]))
    with pytest.raises(ValueError, match=r"distinct names, got \['nan'\]"):
        encoder().fit(pd.DataFrame(np.eye(2), columns=[None, np.nan]))
    with pytest.raises(TypeError, match=r"got a dict.* pandas\.DataFrame\(X\)"):
        encoder().fit(X)
    with pytest.raises(ValueError, match="at least one row"):
        columns.transform(to(X)[:0])
    with pytest.raises(TypeError, match=r"got a Series; X\[:1\] is one row"):
        columns.transform(pd.Series(["a", 1]))


def test_a_duration_that_comes_as_a_number_is_named():
    X = pd.DataFrame({"since": pd.to_timedelta(np.arange(9), unit="D"), "n": range(9)})
    columns = encoder().fit(X)
    with pytest.raises(ValueError, match=r"'since' has durations, by .* numbers, of type int64"):
        columns.transform(X.assign(since=range(9)))


def test_a_fitted_table_may_come_with_other_types():
    X = pd.DataFrame({"n": range(40), "m": np.arange(40.0), "c": list("abcd") * 10})
    columns = encoder().fit(X)
    other = X.astype({"n": str, "m": "Int64", "c": "category"})
    assert_array_equal(columns.transform(other), columns.transform(X))
    X = pd.DataFrame({"since": pd.to_timedelta(range(40), unit="h")})
    columns = encoder().fit(X)
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
    columns = encoder().fit(X)
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
    columns = encoder().fit(X)
    new = pd.DataFrame({"c": pd.Series([1.0, None], dtype="float64[pyarrow]")})
    assert_array_equal(columns.transform(new)[0], columns.transform(X)[0])


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("to", [pd.DataFrame, polars.DataFrame])
@pytest.mark.parametrize("fitted", [pd.DataFrame, polars.DataFrame])
@pytest.mark.parametrize("name", ["datetime", "timedelta", "date_string", "category"])
def test_a_column_may_be_missing_in_all_rows_to_predict(name, fitted, to, missing):
    X = fitted({name: COLUMNS[name][0] * 5})
    columns = encoder().fit(X)
    written = columns.transform(to({name: [missing, missing]}))
    known = columns.transform(fitted({name: [COLUMNS[name][0][0], None]}))
    assert_array_equal(written, known[[1, 1]])


@pytest.mark.parametrize("name", ["float", "datetime"])
def test_words_for_missing_values_are_missing_whatever_there_was_in_fit(name):
    columns = encoder().fit(pd.DataFrame({"c": COLUMNS[name][0] * 5}))
    words = pd.DataFrame({"c": ["NA", "None", "?", ""]})
    missing = pd.DataFrame({"c": [None] * 4})
    assert_array_equal(columns.transform(words), columns.transform(missing))


def test_a_column_may_have_the_name_of_a_method():
    X = pd.DataFrame({"collect": range(9), "columns": range(9)})
    assert_array_equal(encoder().fit(X).get_feature_names_out(), ["collect", "columns"])


def test_the_names_of_what_is_written_are_the_same_in_each_fit():
    X = pd.DataFrame({"s": ["x", "y"] * 20, "s_x": pd.Categorical(["y", "z"] * 20), "n": range(40)})
    X["s_x_y"] = X["s_x"]  # skrub adds random letters to names that are there twice
    names = encoder().fit(X).get_feature_names_out()
    assert_array_equal(encoder().fit(X).get_feature_names_out(), names)
    assert_array_equal(names, ["n", "s_x", "s_y", "s_x_y", "s_x_z", "s_x_y_y", "s_x_y_z"])


def test_what_is_missing_has_a_column_none_is_constant_and_no_outlier_is_far(table):
    X, _ = table
    columns = classifier()[:-1].fit(X)
    names = list(columns[0].get_feature_names_out())
    assert_array_equal(columns[0].transform(X)[:, names.index("income__missing")], X.income.isna())
    assert np.ptp(columns.transform(X), axis=0).min() > 0
    assert np.abs(columns.transform(X.assign(income=1e9))).max() <= 3


def test_any_function_that_is_linear_between_the_quantiles_is_a_sum_of_ramps():
    x = np.random.default_rng(0).normal(size=(400, 1)).astype(np.float32)
    columns = np.hstack([np.ones_like(x), Ramps().fit_transform(x)[:, 1:]])
    knots = np.quantile(x, np.linspace(0, 1, 8), method="inverted_cdf")
    wanted = np.interp(x.ravel(), knots, [0, 3, -1, 2, 2, 0, 5, 1])
    weights = np.linalg.lstsq(columns.astype(float), wanted)[0]
    assert_allclose(columns @ weights, wanted, atol=1e-5)
    # From one quantile to the next, the function rises by the weight of the ramp between them.
    assert_allclose(weights, [0, 3, -4, 3, 0, -2, 5, -4], atol=1e-4)


def test_columns_of_rare_levels_are_smaller_except_beside_ramps():
    rng = np.random.default_rng(0)
    columns = [rng.random(200) < share for share in (0.03, 0.97, 0.1, 0.5)]
    X = np.column_stack([*columns, rng.normal(size=200), np.arange(200) % 3]).astype(np.float32)
    theirs = SquashingScaler(max_absolute_value=3).fit_transform(X)
    ours = clone(make_tabular_regressor()[1]).fit_transform(X)
    assert_allclose(ours, theirs * np.float32([0.3, 0.3, 1, 1, 1, 1]), rtol=1e-6)
    assert_allclose(Ramps().fit_transform(ours)[:, :6], theirs, rtol=1e-6)


def test_equal_quantiles_give_no_ramps():
    X = np.column_stack([[0, 1] * 20, [0, 1, 2, 2] * 10])
    ramps = Ramps().fit(X)
    assert_array_equal(ramps.get_feature_names_out(), ["x0", "x1", "x1__ramp0", "x1__ramp1"])
    assert_array_equal(ramps.transform([[1, 1.5]]), [[1, 1.5, 1, 0.5]])


def sizes_of(model):
    """The distinct settings of a fitted model's networks, and how many networks there are."""
    kinds = model[-1].named_estimators_
    networks = [*kinds["plain"].estimators_, *kinds["ramps"][-1].estimators_]
    settings = {(network.batch_size, network.max_iter) for network in networks}
    return settings, len(networks)


def test_the_number_of_rows_decides_what_nobody_has_set(table):
    X, score = table[0][:40], table[1][:40]
    model = make_tabular_regressor(random_state=0, **LINEAR)
    with warnings.catch_warnings(action="error", category=UserWarning):  # none about batch_size
        model.fit(X, score)
    expected = training_for(35)
    assert sizes_of(model) == ({(expected["batch_size"], expected["max_iter"])}, 16)
    assert model.get_params()["ensemble__plain__estimator__max_iter"] is None
    model.set_params(batch_size=20, max_iter=4, cv=2, **FEW_TREES)
    model.set_params(ensemble__plain__estimator__max_iter=3, ensemble__plain__cv=3)
    assert sizes_of(model.fit(X, score)) == ({(20, 4), (20, 3)}, 5)


@pytest.mark.parametrize(("y", "n_folds"), [([0, 1] * 3, 3), ([0] * 7 + [1] * 3, 7)])
def test_small_tables_have_as_many_folds_as_the_largest_class_allows(y, n_folds):
    X = np.random.default_rng(0).normal(size=(len(y), 2))
    model = CrossFitClassifier(GaussianNB(), cv=None, by_size=True)
    with pytest.warns(UserWarning, match=f"there are {n_folds} instead"):
        assert model.fit(X, y).n_estimators_ == n_folds
    groups = np.arange(len(y)) // 2
    with pytest.warns(UserWarning, match="too few for 8 folds"):
        assert model.fit(X, y, groups=groups).n_estimators_ <= len(np.unique(groups))


def test_with_few_rows_no_fold_stops_a_member(table):
    X, score = table
    blend = make_tabular_regressor(random_state=0, cv=2, **LINEAR).fit(X, score)[-1]
    members = [*blend.named_estimators_.plain.estimators_, *blend.named_estimators_.trees.estimators_]
    assert not any(model.early_stopping for model in members)
    assert [model.n_iter_ for model in members] == [30, 30, 100, 100]
    assert training_for(400)["early_stopping"]


def test_kinds_are_left_out_where_they_cannot_help():
    def kinds(model, n_rows=100, n_outputs=1):
        return [name for name, _ in model[-1]._suited(n_rows, n_outputs)]

    regressor, classifier = make_tabular_regressor(), make_tabular_classifier()
    both, simple = ["plain", "ramps"], ["linear", "constant"]
    assert kinds(regressor, 2_999) == [*both, "trees", *simple, "kernel"]
    assert kinds(regressor, 9_999) == [*both, "trees", *simple]
    assert kinds(regressor, 99_999) == [*both, "trees"]
    assert kinds(regressor, 100_000) == both
    assert kinds(regressor, n_outputs=2) == [*both, *simple, "kernel"]
    assert kinds(classifier, n_outputs=10) == [*both, "trees", *simple]
    assert kinds(classifier, n_outputs=11) == [*both, *simple]
    assert kinds(make_tabular_regressor(loss="poisson")) == [*both, "trees"]
    huber = make_tabular_regressor(loss="huber", delta=0.2)
    assert kinds(huber) == both
    assert (huber[-1].loss, huber[-1].delta) == ("huber", 0.2)
    alone = dict.fromkeys((f"ensemble__{name}" for name in [*both, *simple]), "drop")
    with pytest.raises(ValueError, match=r"none of the models \['trees'\] is for 100 samples and 11"):
        kinds(classifier.set_params(**alone), n_outputs=11)
    with pytest.raises(ValueError, match=r"'loss' parameter of BlendRegressor must be .* Got 'foo'"):
        make_tabular_regressor(loss="foo").fit([[0.0], [1.0]], [0.0, 1.0])
    losses = make_tabular_regressor().get_params()["ensemble__trees__losses"]
    for loss in losses:
        HistGradientBoostingRegressor(loss, quantile=0.5, max_iter=1).fit([[0.0], [1.0]], [0.0, 1.0])


def test_landmarks_do_not_depend_on_whether_others_have_limited_blas():
    X, written = np.random.default_rng(0).normal(size=(400, 5)), []
    for limit in (nullcontext, one_blas_thread):
        with limit():
            written.append(Landmarks().fit_transform(X))
    assert_array_equal(*written)


def test_a_kernel_is_exact_for_landmarks_also_if_one_is_there_twice():
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[:25] = X[25:]
    landmarks = Landmarks(n_components=40).fit(X)
    assert landmarks.get_feature_names_out().shape == (40,)
    columns, rows = landmarks.transform(X), landmarks.components_
    expected = laplacian_kernel(X, rows)
    assert_allclose(columns @ landmarks.transform(rows).T, expected, atol=1e-6)


@pytest.mark.parametrize(
    "scaled",
    [
        {},
        {"scaled": StandardScaler()},
        {"scaled": "passthrough"},
        {"scaled__max_absolute_value": 10},
        {"scaled": SquashingScaler(max_absolute_value=1)},
    ],
)
def test_linear_models_are_right_whatever_scales_the_columns(scaled):
    X = np.random.default_rng(0).standard_t(3, size=(600, 3))  # with outliers
    y = X @ [1, 2, 0]
    others = dict.fromkeys(("ensemble__plain", "ensemble__ramps", "ensemble__kernel"), "drop")
    model = make_tabular_regressor(random_state=0, cv=2).set_params(**others, ensemble__trees="drop")
    model = clone(model.set_params(**scaled))
    assert model.fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.999


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_scikit_learn_may_be_configured_to_return_data_frames(table, library):
    X, score = table
    model = make_tabular_regressor(random_state=0, cv=2, max_iter=2, **LINEAR)
    expected = model.fit(X, score).predict(X)
    with config_context(transform_output=library):
        assert_allclose(model.predict(X), expected, rtol=1e-4)
        assert_allclose(clone(model).fit(X, score).predict(X), expected, rtol=1e-4)


def test_folds_may_be_given_as_an_iterator_which_is_read_once_for_all_members():
    expected = [*KFold(2).split(np.zeros(9))]
    made = make_tabular_regressor(cv=iter(expected))
    for model in (made, make_tabular_regressor().set_params(cv=iter(expected))):
        its = model.get_params().items()
        given = [cv for name, cv in its if name.endswith("__cv") and "estimator" not in name]
        assert given == [expected] * 6


def test_networks_see_as_many_rows_unless_epochs_would_be_too_few_or_too_many():
    n_rows = np.array([400, 8_000, 20_000, 80_000, 10_000_000])
    epochs = np.array([training_for(n)["max_iter"] for n in n_rows])
    assert_array_equal(n_rows[1:4] * epochs[1:4], 800_000)
    assert_array_equal(epochs[[0, -1]], [100, 10])


LOSSES = {
    # What is 0, or nearly so, of the errors of the best predictions that do not depend on X.
    "poisson": ({}, np.mean),
    "quantile": ({"quantile": 0.8}, lambda errors: np.mean(errors > 0) - 0.2),
    "huber": ({"delta": 0.3}, lambda errors: np.mean(np.clip(errors, -0.3, 0.3))),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_can_be_minimized_on_a_scaled_target_of_several_columns(loss):
    settings, slope = LOSSES[loss]
    rng = np.random.default_rng(0)
    X, y = rng.random((150, 1)), rng.exponential(size=150)
    y /= y.std()
    settings = {"max_iter": 60, "batch_size": 50, "learning_rate_init": 0.05} | settings | LINEAR
    model = make_tabular_regressor(random_state=0, cv=2, loss=loss, **settings)
    predicted = model.fit(X, np.c_[y, 1000 * y]).predict(X)
    assert_allclose(predicted[:, 1].mean(), 1000 * predicted[:, 0].mean(), rtol=0.1)
    assert abs(slope(y - predicted[:, 0])) < 0.1
    assert (predicted > 0).all() or loss != "poisson"
    low, high = model.predict(X, quantiles=[0.1, 0.9]).transpose(2, 0, 1)[..., 0]
    assert 0.75 < ((low <= y) & (y <= high)).mean() < 0.85


def test_verbose_tells_how_each_network_ended_and_how_good_all_are(table, capsys):
    X, score = table
    settings = {"max_iter": 2, "early_stopping": True, **LINEAR}
    model = make_tabular_regressor(random_state=0, cv=2, verbose=True, **settings)
    model = model.set_params(**FEW_TREES).fit(X, score)[-1]
    *lines, last = (line.partition("] ")[2] for line in capsys.readouterr().out.splitlines())
    expected = []
    for name, kind in model.named_estimators_.items():
        outcome = (
            "2 iterations, loss = .*, best validation loss: " if name in ("plain", "ramps") else "R2 "
        )
        expected += [f"{name}, fold {fold} of 2: {outcome}" for fold in (1, 2)]
        score = (kind[-1] if isinstance(kind, Pipeline) else kind).oof_score_
        expected.append(f"{name}, all 2 folds: out-of-fold R2 {score:f}")
    for line, begin in zip(sorted(lines), sorted(expected), strict=True):
        assert re.match(begin, line)
    weights = zip(model.weights_, model.named_estimators_)
    blend = ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
    assert last == f"blend of {blend}: out-of-fold R2 {model.oof_score_:f}"


def test_weights_and_groups_are_those_of_the_last_step(table):
    X, y = table
    labels = y > 1
    given = {"groups": np.arange(N) // 3, "sample_weight": np.where(labels, 2.0, 1.0)}
    model = classifier().set_params(ensemble__trees="drop")
    ours = clone(model).fit(X, labels, **given)
    named = clone(model).fit(X, labels, **{f"ensemble__{name}": value for name, value in given.items()})
    assert_array_equal(ours.predict_proba(X), named.predict_proba(X))
    assert not np.array_equal(ours.predict_proba(X), clone(model).fit(X, labels).predict_proba(X))


def test_a_fit_that_fails_leaves_the_earlier_one_as_it_was(table):
    X, score = table
    model = make_tabular_regressor(random_state=0, cv=2, max_iter=2, **LINEAR).fit(X, score)
    expected = model.predict(X)
    with pytest.raises(ValueError, match="y contains infinity"):
        model.fit(X.assign(income=3 * X["income"], age=0.5), np.full(N, np.inf))
    assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("of_classes", [True, False])
def test_rows_of_weight_zero_are_absent_from_a_table(table, of_classes):
    X, y = table
    weight = np.arange(N) % 4 * 1.0
    left = weight > 0
    odd = X.copy()
    odd.loc[~left, ["income", "age"]] = [1e30, -5]
    odd.loc[~left, "name"] = "new"
    y = np.where(y > 1, "high", "low").astype(object) if of_classes else y.copy()
    model = (classifier if of_classes else regressor)().set_params(**LINEAR, ensemble__trees="drop")
    model = model.set_params(cv=[*KFold(2).split(X)])
    half = np.arange(N)[left] < N // 2
    expected = clone(model).set_params(cv=[(~half, half), (half, ~half)])
    expected = expected.fit(X[left], y[left], sample_weight=weight[left])
    y[~left] = "third" if of_classes else np.nan

    found = clone(model).fit(odd, y, ensemble__sample_weight=weight)

    names = [each[:-1].get_feature_names_out() for each in (found, expected)]
    assert_array_equal(*names)
    method, oof = "predict", "oof_prediction_"
    if of_classes:
        method, oof = "predict_proba", "oof_probabilities_"
    assert_array_equal(getattr(found, method)(X), getattr(expected, method)(X))
    assert_array_equal(getattr(found[-1], oof)[left], getattr(expected[-1], oof))
    assert np.isnan(getattr(found[-1], oof)[~left]).all()


@pytest.mark.parametrize(
    "given",
    [
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantile": 0.9},
        {"loss": "huber", "delta": 0.5},
        {"verbose": True},
        {"cv": 3, "random_state": 5, "dropout": 0.2},
    ],
    ids=str,
)
def test_short_names_of_set_params_mean_what_the_factory_means(given):
    def described(model):
        return {
            name: type(value) if isinstance(value, BaseEstimator | list) else repr(value)
            for name, value in model.get_params().items()
        }

    made = make_tabular_regressor(**given)
    put = make_tabular_regressor().set_params(**given)
    assert described(put) == described(made)
    back = make_tabular_regressor().set_params(**made.get_params())
    assert described(back) == described(made)
    assert [name for name, _ in put[-1]._suited(11, 1)] == [name for name, _ in made[-1]._suited(11, 1)]


def test_a_short_name_that_nothing_has_is_an_error():
    dropped = classifier().set_params(ensemble__plain="drop", ensemble__ramps="drop")
    with pytest.raises(ValueError, match=r"TablePipeline takes no dropout.*: it takes class_weight"):
        dropped.set_params(dropout=0.1)


def test_a_transformer_of_the_user_before_linear_models_stays():
    mine = FunctionTransformer(np.tanh)
    model = make_tabular_regressor().set_params(ensemble__linear__unclipped=mine)
    assert model.set_params(max_iter=5).get_params()["ensemble__linear__unclipped"] is mine
    clip = {"ensemble__linear__unclipped__clip": 5}
    assert make_tabular_regressor().set_params(**clip).get_params().items() >= clip.items()


def test_labels_are_smoothed_by_default_unless_the_loss_has_no_smoothing(table):
    X, score = table
    assert signature(make_tabular_classifier).parameters["label_smoothing"].default == 0.05
    few = {"cv": 2, "max_iter": 2, **LINEAR}
    for classifier in (
        make_tabular_classifier(loss="squared_error", **few),
        make_tabular_classifier(**few).set_params(loss="squared_error"),
    ):
        assert classifier.fit(X, score > score.mean()).predict(X[:3]).shape == (3,)


def test_names_that_are_set_in_full_win_over_short_ones():
    model = make_tabular_regressor().set_params(cv=3, ensemble__trees__cv=5)
    assert (model[-1].estimators[0][1].cv, model.get_params()["ensemble__trees__cv"]) == (3, 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_jobs": -1}, "joblib.parallel_config"),
        ({"n_estimators": 8}, "cv is the number of members"),
        ({"warm_start": True}, "fit it again to all rows"),
        ({"cat_features": ["code"]}, 'X.astype\\({"code": "category"}\\)'),
        ({"drpout": 0.1}, "did you mean 'dropout'"),
        ({"anything": 1}, "it takes .*hidden_layer_sizes"),
    ],
    ids=str,
)
def test_settings_without_effect_are_answered_with_what_to_do(given, message):
    with pytest.raises(
        TypeError, match=f"make_tabular_regressor takes no {next(iter(given))}=.*{message}"
    ):
        make_tabular_regressor(**given)
    with pytest.raises(ValueError, match=message):
        make_tabular_regressor().set_params(**given)


@pytest.mark.parametrize("make", [make_tabular_classifier, make_tabular_regressor])
def test_networks_that_learn_nothing_where_trees_do_are_told(make):
    a, b = np.random.default_rng(0).normal(size=(2, 500))
    X, y = pd.DataFrame({"a": a, "b": b, "town": [f"t{i % 39}" for i in range(500)]}), a * b > 0
    model = make(random_state=0, cv=2, max_iter=20, learning_rate_init=0.02, **LINEAR)
    with pytest.warns(UserWarning, match=r"networks are hardly better than a const.*\['town'\]"):
        model.fit(X, y)
    with warnings.catch_warnings(action="error"):
        model.fit(X.assign(product=a * b), y)
        before = model[0].written_
        with pytest.raises(UserWarning, match="networks are hardly better"):
            model.fit(X, y)
    assert model[0].written_ is before  # an error leaves the earlier fit


def test_what_other_models_have_is_answered_with_what_there_is_instead(table):
    X, score = table
    settings = {"random_state": 0, "cv": 2, "max_iter": 2, **LINEAR}
    regressor = make_tabular_regressor(**settings).set_params(**FEW_TREES).fit(X, score)
    classifier = make_tabular_classifier(**settings)
    asked = (
        (lambda: regressor.partial_fit(X, score), AttributeError, "no partial_fit: .* fit it again"),
        (lambda: regressor.feature_importances_, AttributeError, "permutation_importance"),
        (lambda: regressor.oof_score_, AttributeError, r"is model\[-1\].oof_score_"),
        (lambda: regressor.anything_, AttributeError, "TablePipeline has no anything_$"),
        (lambda: regressor.fit(X, score, eval_set=[X]), TypeError, "fit takes no eval_set=.*the folds"),
        (lambda: regressor.predict(X, return_std=True), TypeError, "return_std=True: .*quantiles="),
        (lambda: regressor.predict_interval, AttributeError, "no predict_interval: .*quantiles="),
        (lambda: regressor.predict_set, AttributeError, "no predict_set: .*quantiles="),
        (lambda: classifier.to_sklearn(), AttributeError, "no to_sklearn: .*to_onnx"),
        (
            lambda: classifier.fit(X, score, categorical_feature=["a"]),
            TypeError,
            "of strings are categ",
        ),
        (lambda: classifier.predict(X, quantiles=0.5), TypeError, "quantiles=0.5: `predict_proba"),
        (lambda: regressor.fit(X, score, sample_weigth=score), TypeError, "mean 'sample_weight'"),
    )
    for ask, error, message in asked:
        with pytest.raises(error, match=message):
            ask()
    assert not hasattr(regressor, "classes_")


@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 9))
def test_blocks_of_time_are_contiguous_and_equal_times_share_one(times, n_blocks):
    times = np.array(times)
    blocks = time_blocks(times, n_blocks)
    assert (np.diff(blocks[np.argsort(times, kind="stable")]) >= 0).all()
    assert all(len(np.unique(blocks[times == time])) == 1 for time in times)
    assert_array_equal(np.unique(blocks), np.arange(blocks.max() + 1))
    assert blocks.max() < n_blocks
    of_distinct = np.bincount(time_blocks(np.random.default_rng(0).permutation(len(times)), n_blocks))
    assert np.ptp(of_distinct) <= 1


def test_blocks_of_time_take_dates_of_all_kinds():
    days = pd.date_range("2025-01-01", periods=40, tz="Asia/Seoul")
    expected = np.repeat(np.arange(8), 5)
    plain = days.tz_localize(None)
    for dates in (days, days.to_series(), plain.to_numpy(), [*plain], polars.Series([*plain])):
        assert_array_equal(time_blocks(dates), expected)
    with pytest.raises(ValueError, match=r"got strings: use pandas\.to_datetime"):
        time_blocks(["3/1/2025", "2/1/2025"])
    assert not len(time_blocks([]))
    for missing in (pd.NaT, None):
        with pytest.raises(ValueError, match="got 1 missing values, the first in row 1"):
            time_blocks([plain[0], missing, plain[1]])
    model = CrossFitRegressor(Ridge(), by_size=True, cv=None)
    blocks = time_blocks(days, n_blocks=3)
    assert model.fit(np.c_[:40], np.arange(40), groups=blocks).n_estimators_ == 3
