"""Tests of columns of many levels: what is written of them, and whether they say something about y."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold, KFold
from sklearn.preprocessing import OneHotEncoder

from helpers import NIGHTLY
from skdense.tabular import levels as module
from skdense.tabular.cells import factorized
from skdense.tabular.columns import TableEncoder
from skdense.tabular.kinds import Levels
from skdense.tabular.levels import depends, global_test, helpful_beside_others, words_by_y

LETTERS = st.none() | st.text("aB1 _-.é", max_size=4)


@pytest.fixture
def few(monkeypatch):
    """Columns of three levels are ones of many, of which six columns are left."""
    for name, value in {"MANY_LEVELS": 3, "_FEWEST_ROWS": 2, "_MOST_COLUMNS": 6}.items():
        monkeypatch.setattr(module, name, value)


@given(st.lists(LETTERS, min_size=1, max_size=40), st.lists(LETTERS, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_most_frequent_levels_and_words_have_a_column_and_repeated_levels_two_numbers(
    few, known, new
):
    column = Levels("c", "strings")
    values = factorized(np.array([*known, *new], object), {""})
    column.learn(factorized(np.array(known, object), {""}))
    known, new = (
        [value if value and not value.isspace() else None for value in x] for x in (known, new)
    )

    def words_of(value):
        return set(re.split(r"[\s_.-]+", (value or "").lower())) - {""}

    levels = Counter(known)
    are_many = len(set(levels) - {None}) >= 3
    words = Counter(word for value in known for word in words_of(value))
    n_levels = Counter(word for level in levels for word in words_of(level))
    words = {w: n for w, n in words.items() if n_levels[w] > 1 and n <= len(known) - 2 and are_many}
    assert set(column.levels) <= set(levels)
    assert set(column.words) <= set(words)
    counts = sorted([n for n in [*levels.values(), *words.values()] if n >= 2], reverse=True)
    written = [levels[each] for each in column.levels] + [words[each] for each in column.words]
    assert sorted(written, reverse=True) == counts[:6]
    in_order = sorted(level for level in set(known) - {None} if levels[level] > 1)
    has_numbers = are_many and sum(levels[level] for level in column.levels) <= 0.9 * len(known)
    columns = column.encode(values)
    assert columns.shape[1] == len(column.outputs)
    for value, row in zip([*known, *new], columns):
        of_levels = [value == level for level in column.levels]
        of_words = [word in words_of(value) for word in column.words]
        numbers = [0.5, 0]
        if value in in_order:
            numbers = [(in_order.index(value) + 0.5) / len(in_order), np.log(levels[value])]
        numbers = numbers if has_numbers and in_order else []
        other = value not in column.levels
        assert_array_equal(row, np.float32([*of_levels, other, *of_words, *numbers]))


def test_the_order_of_rows_does_not_matter_for_levels(few):
    values = pd.DataFrame({"c": ["b", "a", "c c", "d", None] * 3 + ["c d"]})
    names = [TableEncoder().fit(X).get_feature_names_out() for X in (values, values[::-1])]
    assert_array_equal(*names)


def texts_of_many_words(rng, n_texts=400):
    """Texts of 60 of 600 words, and in which of them the word `w7` is."""
    words = np.array([f"w{i}" for i in range(600)])
    chosen = [rng.choice(600, 60, replace=False) for _ in range(n_texts)]
    return [" ".join(words[row]) for row in chosen], np.array([7 in row for row in chosen])


@pytest.mark.parametrize("task", ["numbers", "several numbers", "classes", "a rare class"])
def test_a_word_that_matters_is_written_however_many_words_are_more_frequent(task):
    rng = np.random.default_rng(0)
    texts, has_word = texts_of_many_words(rng)
    noise = rng.normal(size=400)
    y = {
        "numbers": 3 * has_word + noise,
        "several numbers": np.column_stack([noise, np.exp(has_word * 3 + noise)]),
        "classes": np.where(has_word, rng.integers(0, 2, 400), rng.integers(1, 4, 400)),
        "a rare class": (has_word & (noise > 0.2)).astype(int),
    }[task]
    table = pd.DataFrame({"text": texts, "number": rng.normal(size=400)})
    names = TableEncoder().fit(table, y).get_feature_names_out()
    assert "text~w7" in names
    assert sum("~" in name for name in names) == 150
    assert "text~w7" not in TableEncoder().fit(table).get_feature_names_out()


def test_words_that_do_not_matter_are_not_found():
    rng = np.random.default_rng(0)
    texts, _ = texts_of_many_words(rng, 100)
    for _ in range(10):
        for y in (rng.normal(size=100), rng.integers(0, 3, 100), rng.random(100) < 0.02):
            assert words_by_y(texts, y) == []


def test_the_order_of_rows_does_not_matter_for_words():
    rng = np.random.default_rng(0)
    texts, has_word = texts_of_many_words(rng, 200)
    table = pd.DataFrame({"text": np.repeat(texts, 3)})
    y = np.repeat(2 * has_word, 3) + rng.normal(size=600)
    names = [
        TableEncoder().fit(table.iloc[rows], y[rows]).get_feature_names_out()
        for rows in (np.arange(600), rng.permutation(600))
    ]
    assert_array_equal(*names)


@given(st.lists(st.none() | st.sampled_from("abcdefg"), min_size=1, max_size=60))
def test_few_levels_are_written_as_scikit_learn_would(known):
    column = Levels("c", "strings")
    column.learn(factorized(np.array(known, object), {""}))
    known, new = (np.array(x, object)[:, None] for x in (known, ["a", "h", None]))
    theirs = OneHotEncoder(
        min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False
    ).fit(known)
    for values in (known, new):
        ours = column.encode(factorized(values[:, 0], {""}))[:, column.keep]
        expected = theirs.transform(values)
        varied = np.ptp(theirs.transform(known), axis=0) > 0
        assert_array_equal(ours, expected[:, varied])


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
    (chance,) = global_test(columns, [targets])
    assert chance == pytest.approx(np.mean(np.array(others) >= given), abs=0.06)


def test_a_column_of_levels_stays_if_y_depends_on_it_as_numbers_or_as_classes():
    level = np.resize(range(20), 400)
    columns = np.eye(20, dtype=np.float32)[level]
    rng = np.random.default_rng(0)
    noise, rating = rng.normal(size=400), np.clip(level // 4 + rng.integers(-1, 2, 400), 0, 4)
    of_classes = np.where(level < 10, 1, rng.choice([0, 2], 400))  # its mean does not depend on them
    several = np.column_stack([noise, level + noise])
    for y in (level + noise, np.exp(level), rating, of_classes, of_classes * 1.0, level * 9, several):
        assert depends(y, columns)
    for y in (noise, np.exp(9 * noise), (noise > 0).astype(int), rng.integers(0, 45, 400)):
        assert not depends(y, columns)


def hidden(seed):
    """A table whose column `place` matters for few kinds, of very different levels, and an `id`."""
    rng = np.random.default_rng(seed)
    n, n_places, n_kinds = rng.integers([1500, 40, 4], [3000, 200, 8])
    place, kind, year = rng.integers([[0], [0], [1962]], [[n_places], [n_kinds], [2014]], (3, n))
    level = np.sort(rng.exponential(10, n_kinds))[kind]
    matters = kind >= n_kinds - rng.integers(1, n_kinds // 2)
    effect = rng.normal(0, rng.uniform(1, 3), n_places)[place]
    y = level + np.where(matters, effect, 0.1 * effect) + rng.normal(0, 0.3, n)
    if seed % 2:
        y = (y > level).astype(int) + 2 * (kind % 2)
    X = {"place": [f"Place {i:03d}" for i in place], "kind": [f"Kind {i}" for i in kind], "year": year}
    return pd.DataFrame(X | {"id": [f"id{i % (n // 3)}" for i in rng.permutation(n)]}), y


def dropped(X, y, splits):
    """The columns that are not used with these folds of a model."""
    encoder = TableEncoder()
    encoder._fit(X, y, splits)
    return list(encoder.dropped_)


@pytest.mark.filterwarnings("ignore:columns are not used")
@pytest.mark.parametrize("seed", range(20 if NIGHTLY else 6))
def test_a_column_that_matters_only_beside_others_stays_and_an_id_does_not(seed):
    X, y = hidden(seed)
    splits = [*KFold(5, shuffle=True, random_state=seed).split(X)]
    assert dropped(X, y, splits) == ["id"]


@pytest.mark.filterwarnings("ignore:columns are not used")
@pytest.mark.parametrize("seed", range(6 if NIGHTLY else 3))
def test_a_column_that_only_determines_how_large_errors_are_stays_for_regression(seed):
    """An ID as another column of as many levels does not, and neither of them for classes."""
    rng = np.random.default_rng(seed)
    n_rows, n_sensors = rng.integers([1500, 41], [3000, 90])
    spread = np.exp(rng.uniform(0.5, 1) * rng.normal(size=n_sensors))
    sensor, other = rng.integers(n_sensors, size=(2, n_rows))
    X = pd.DataFrame({"x": rng.normal(size=n_rows), "z": rng.normal(size=n_rows)})
    X["sensor"], X["code"] = [f"s{i}" for i in sensor], [f"c{i}" for i in other]
    y = 9 * X["x"].to_numpy() + spread[sensor] * rng.normal(size=n_rows)
    splits = [*KFold(5, shuffle=True, random_state=seed).split(X)]
    assert dropped(X, y, splits) == ["code"]
    assert "code" in dropped(X, (X["x"] > 0).to_numpy().astype(int), splits)


def test_a_customer_who_is_in_one_group_says_nothing_about_others():
    rng = np.random.default_rng(0)
    customer = np.arange(1200) // 10
    X = pd.DataFrame(
        {"customer": [f"c{i}" if i else None for i in customer], "x": rng.normal(size=1200)}
    )
    y = X["x"].to_numpy() + rng.normal(size=120)[customer]
    by_group = [*GroupKFold(5).split(X, groups=customer)]
    with pytest.warns(UserWarning, match="'customer': it is not significantly related to y"):
        dropped(X, y, by_group)
    at_random = [*KFold(5, shuffle=True, random_state=0).split(X)]
    assert dropped(X, y, at_random) == []


def test_names_of_columns_have_no_part_in_what_is_asked_of_them(monkeypatch):
    """Sets of strings have another order in each process."""
    monkeypatch.setattr(module, "_STANDARD_ERRORS", 0.0)  # noise helps in about one of two draws
    rng = np.random.default_rng(0)
    columns, y = rng.integers(0, 9, (400, 12)).astype(np.float32), rng.normal(size=(400, 2))
    found = [
        helpful_beside_others(columns, [*range(12)], {f"{name}{i}": [i] for i in range(12)}, y, None)
        for name in ("a", "other")
    ]
    assert {f"other{each[1:]}" for each in found[0]} == found[1]
    assert 0 < len(found[1]) < 12


@pytest.mark.parametrize("y", [np.arange(600) % 45, np.random.default_rng(0).normal(size=(600, 2))])
def test_codes_that_nothing_explains_are_left_out_for_many_classes_and_several_outputs(y):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"x": rng.normal(size=600), "code": [f"N{i}" for i in rng.integers(0, 60, 600)]})
    with pytest.warns(UserWarning, match="not used"):
        assert list(TableEncoder().fit(X, y).dropped_) == ["code"]
    assert TableEncoder().fit(X).dropped_ == {}


@pytest.mark.parametrize(("n_classes", "empty"), [(1, False), (2, True), (2, False)])
@pytest.mark.filterwarnings("ignore:columns are not used")
def test_folds_without_rows_and_a_single_class_leave_columns_readable(n_classes, empty):
    X = pd.DataFrame({"x": range(120), "code": [f"c{i // 6}-{i % 6}"[:3] for i in range(120)]})
    X["id"] = [f"i{i // 2}" for i in range(120)]
    splits = [(np.arange(60), np.arange(60, 120)), (np.arange(120), np.arange(0))]
    y = np.arange(120) * n_classes // 120
    assert "x" not in dropped(X, y, splits[empty:])
