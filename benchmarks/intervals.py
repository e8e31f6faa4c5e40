"""Coverage and width of prediction intervals and of sets of classes, on the tables to confirm on.

A random quarter of each table is held out. Conformalized quantile regression of MAPIE has the same
rows as our intervals. Tables of fewer than `FEWEST_ROWS` rows are left out.
"""

import time
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from benchmarks import contestants
from benchmarks.contestants import CATEGORIES, MOST_CATEGORIES, Categories, Columns
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant
from benchmarks.tables import TABLES, TO_CHOOSE_ON, load, present, split

PROCESSES = 2  # at the same time, as only their processor time counts
FEWEST_ROWS = 140  # of fewer, MAPIE has less than the 21 to conformalize that it asks for
QUANTILES = LOW, HIGH = 0.05, 0.95
LEGEND = f"""\
Intervals of 90 % on tables of {FEWEST_ROWS} rows or more on which nothing was chosen, a random quarter
held out. *ours*: `predict_quantiles` of TabularRegressor; *CQR*: MAPIE's ConformalizedQuantileRegressor
on HistGradientBoostingRegressor with `loss="quantile"`, and a fifth of the training rows to
conformalize. *coverage*: the share of held-out values inside. *width*: the mean, over the target's
standard deviation. *fit*: seconds of processor time; ours is a first run, which compiles."""
LEGEND_SETS = """\
Sets of classes by `predict_set(X, confidence_level=0.9)` of TabularClassifier, on the same kind of
tables. *coverage*: the share of held-out rows whose class is in its set; *least of a
class*: that of the class with the lowest, of those with 20 held-out rows or more; *size*: the mean
number of classes in a set; *sets of one*: the share of rows whose set is one class; *accuracy*: of
the likeliest class."""


def ours(X, y, X_test, seed):
    """Both quantiles of each row of `X_test`."""
    model = contestants.ours("regression")(random_state=seed)
    return model.fit(X, y).predict_quantiles(X_test, QUANTILES)


def cqr(X, y, X_test, seed):
    """The same by MAPIE, which needs categories as numbers."""
    from mapie.regression import ConformalizedQuantileRegressor

    columns = make_pipeline(Columns(), Categories(MOST_CATEGORIES)).fit(X)
    X, X_test = columns.transform(X), columns.transform(X_test)
    is_category = np.isin(X.columns, CATEGORIES(X))
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    names = X.columns[is_category]
    if len(names):
        X[names], X_test[names] = codes.fit_transform(X[names]), codes.transform(X_test[names])
    X, X_conformal, y, y_conformal = train_test_split(
        X.to_numpy(np.float64), y, test_size=0.2, random_state=seed
    )
    settings = {"loss": "quantile", "categorical_features": is_category, "random_state": seed}
    trees = [HistGradientBoostingRegressor(quantile=q, **settings) for q in (LOW, HIGH, 0.5)]
    trees = [model.fit(X, y) for model in trees]
    conformal = ConformalizedQuantileRegressor(trees, confidence_level=HIGH - LOW, prefit=True)
    conformal.conformalize(X_conformal, y_conformal)
    return conformal.predict_interval(X_test.to_numpy(np.float64))[1][:, :, 0]


METHODS = {"ours": ours, "CQR": cqr}


def interval(data, method, seed):
    """The coverage and the width of the intervals of a method on one split of a table."""
    warnings.simplefilter("ignore")
    X, X_test, y, y_test = split(data, seed)
    start = time.process_time()
    low, high = METHODS[method](X, y, X_test, seed).T
    return {
        "seconds": time.process_time() - start,
        "coverage": ((low <= y_test) & (y_test <= high)).mean(),
        "width": (high - low).mean() / y.std(),
    }


def classes(data, method, seed):
    """The coverage and the size of sets of classes on one split of a table."""
    warnings.simplefilter("ignore")
    X, X_test, y, y_test = split(data, seed)
    model = contestants.ours("classification")(random_state=seed).fit(X, y)
    sets = model.predict_set(X_test, confidence_level=HIGH - LOW)
    is_inside = sets[np.arange(len(y_test)), y_test]
    by_class = [
        is_inside[y_test == k].mean() for k in range(sets.shape[1]) if (y_test == k).sum() >= 20
    ]
    return {
        "classes": sets.shape[1],
        "coverage": is_inside.mean(),
        "least of a class": min(by_class, default=np.nan),  # where all classes are rare
        "size": sets.sum(axis=1).mean(),
        "sets of one": (sets.sum(axis=1) == 1).mean(),
        "accuracy": model.score(X_test, y_test),
    }


def jobs(rounds=1):
    """So many splits of each table on which nothing was chosen."""
    methods = {"regression": METHODS if find_spec("mapie") else ["ours"], "classification": ["sets"]}
    return [
        {"data": data, "method": method, "seed": seed}
        for task, names in methods.items()
        for data in present()
        if data not in TO_CHOOSE_ON and TABLES[data].task == task and len(load(data)[1]) >= FEWEST_ROWS
        for method in names
        for seed in range(rounds)
    ]


def measure(data, method, seed):
    return fresh(classes if method == "sets" else interval, data=data, method=method, seed=seed)


def to_markdown(rows):
    """A row for each table, and the means: of both kinds of intervals, and of sets of classes."""
    parts = [LEGEND]
    for method in (*METHODS, "sets"):
        part = pd.DataFrame([row for row in rows if row["method"] == method])
        if part.empty:
            continue
        table = part.drop(columns=["method", "seed"]).groupby("data").mean()
        table.loc["mean"] = table.mean()
        if method == "sets":
            shown = table.map("{:.3f}".format).assign(classes=table["classes"].map("{:.0f}".format))
            parts.append(LEGEND_SETS)
        else:
            shown = pd.DataFrame({"coverage": table["coverage"].map("{:.3f}".format)})
            shown["width"] = table["width"].map("{:.2f}".format)
            shown["fit, s"] = table["seconds"].map(significant)
            parts.append(f"**{method}** ({len(table) - 1} tables)")
        parts.append(markdown_table(shown.reset_index().to_dict("records")))
    return "\n\n".join(parts)
