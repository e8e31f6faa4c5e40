"""Intervals of 90 % on tables: those of `make_tabular_regressor` and of conformalized trees."""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import train_test_split
from tqdm import tqdm

from benchmarks.benchmark_utils.tables import TABLES, split
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

MAX_ROWS, LOW, HIGH = 3000, 0.05, 0.95
LEGEND = f"""\
Intervals of 90 % on {{tables}} tables of at most {MAX_ROWS:,} rows, a random quarter held out.
*coverage*: the share of held-out values inside; *width*: the mean, over the target's
standard deviation. *ours*: `predict(X, quantiles=[0.05, 0.95])` of make_tabular_regressor. *CQR*:
MAPIE's ConformalizedQuantileRegressor on HistGradientBoostingRegressor with `loss="quantile"`, and a
fifth of the training rows to conformalize. *fit*: seconds of processor time."""


def ours(X, y, X_test, seed):
    """The interval of each row of `X_test`."""
    from skdense import make_tabular_regressor

    return make_tabular_regressor(random_state=seed).fit(X, y).predict(X_test, quantiles=[LOW, HIGH])


def cqr(X, y, X_test, seed):
    """The interval of each row of `X_test`; MAPIE needs categories as numbers."""
    from mapie.regression import ConformalizedQuantileRegressor

    is_category = (X.dtypes == "category").to_numpy()
    X, X_test = (_with_codes(table).to_numpy() for table in (X, X_test))
    X, X_conformal, y, y_conformal = train_test_split(X, y, test_size=0.2, random_state=seed)
    settings = {"loss": "quantile", "categorical_features": is_category, "random_state": seed}
    trees = [HistGradientBoostingRegressor(quantile=q, **settings) for q in (LOW, HIGH, 0.5)]
    trees = [model.fit(X, y) for model in trees]
    conformal = ConformalizedQuantileRegressor(trees, confidence_level=HIGH - LOW, prefit=True)
    conformal.conformalize(X_conformal, y_conformal)
    return conformal.predict_interval(X_test)[1][:, :, 0]


def _with_codes(X):
    categories = X.select_dtypes("category")
    return X.assign(**categories.apply(lambda column: column.cat.codes)).astype(float)


def measure(data):
    """The coverage, width and seconds of both on one split of a table."""
    warnings.simplefilter("ignore")
    X, X_test, y, y_test = split("regression", data, 0, MAX_ROWS)
    rows = []
    for name, intervals in (("ours", ours), ("CQR", cqr)):
        start = time.process_time()
        low, high = intervals(X, y, X_test, seed=0).T
        seconds = time.process_time() - start
        inside = ((low <= y_test) & (y_test <= high)).mean()
        width = np.mean(high - low) / y_test.std()
        row = {"data": data, "method": name, "coverage": inside, "width": width}
        rows.append(row | {"seconds": seconds})
    return rows


def run():
    """Measure each regression table in a fresh process."""
    tables = tqdm(sorted(TABLES["regression"]), desc="tables", unit="table", leave=False)
    return [row for data in tables for row in fresh(measure, data=data)]


def to_markdown(rows):
    """A row for each table, and the means."""
    table = pd.DataFrame(rows).set_index(["data", "method"]).unstack()
    table.loc["mean"] = table.mean()
    shown = [
        {"data": data}
        | {f"{name}: coverage": f"{row['coverage', name]:.3f}" for name in ("ours", "CQR")}
        | {f"{name}: width": f"{row['width', name]:.2f}" for name in ("ours", "CQR")}
        | {f"{name}: fit, s": significant(row["seconds", name]) for name in ("ours", "CQR")}
        for data, row in table.iterrows()
    ]
    return f"{LEGEND.format(tables=len(shown) - 1)}\n\n{markdown_table(shown)}"
