"""Coverage and width of prediction intervals and of sets of classes.

Real tables: those to confirm on, a random quarter held out, with conformalized quantile regression
of MAPIE beside ours. Generated tables: noise whose size depends on a column or does not, with new
rows from the same law.
"""

import time
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from benchmarks import contestants
from benchmarks.contestants import CATEGORIES, MOST_CATEGORIES, Categories, Columns
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant
from benchmarks.tables import TABLES, TO_CHOOSE_ON, present, split

PROCESSES = 2  # at the same time, as only their processor time counts
QUANTILES = LOW, HIGH = 0.05, 0.95
DRAWS, N_FITTED, N_NEW = 3, 2_000, 5_000  # of generated tables
NOISE = {"by a column": (0.2, 2.0), "the same for all rows": (1.0, 1.0)}  # of its quiet and noisy rows
LEGEND = f"""\
Intervals of 90 % on tables on which nothing was chosen, a random quarter held out. *ours*:
`predict_quantiles` of TabularRegressor; *CQR*: MAPIE's ConformalizedQuantileRegressor
on HistGradientBoostingRegressor with `loss="quantile"`, and a fifth of the training rows to
conformalize. *coverage*: the share of held-out values inside; *of thirds*: of the held-out rows
with narrow, middle and wide intervals; *distance*: the mean of theirs from .9. *width*: the mean,
over the target's standard deviation; *pinball*: the mean pinball loss of the quantiles {LOW} and
{HIGH}, over the same. *fit*: seconds of processor time; ours is a first run, which compiles."""
LEGEND_NOISE = f"""\
Generated tables of {N_FITTED:,} rows: y is a smooth function of two of six numbers plus normal
noise, whose standard deviation is {" or ".join(map(str, NOISE["by a column"]))} by a seventh column
of two levels, or 1 everywhere. Means over {DRAWS} draws, {N_NEW:,} new rows each. *quiet*, *noisy*:
the coverage of the new rows of each level. *width*: over that of intervals by the true function and
noise."""
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


def of_numbers(data, method, seed):
    """What the intervals of a method are worth on one split of a table."""
    warnings.simplefilter("ignore")
    X, X_test, y, y_test = split(data, seed)
    start = time.process_time()
    found = {"ours": ours, "CQR": cqr}[method](X, y, X_test, seed)
    row = {"data": data, "method": method, "seconds": time.process_time() - start}
    low, high = found.T
    is_inside = (low <= y_test) & (y_test <= high)
    thirds = [is_inside[rows].mean() for rows in np.array_split(np.argsort(high - low), 3)]
    pinball = [
        mean_pinball_loss(y_test, column, alpha=alpha) / y.std()
        for column, alpha in zip(found.T, QUANTILES)
    ]
    return row | {
        "coverage": is_inside.mean(),
        "thirds": thirds,
        "distance": np.abs(np.subtract(thirds, HIGH - LOW)).mean(),
        "width": (high - low).mean() / y.std(),
        "pinball": np.mean(pinball),
    }


def of_noise(noise, seed):
    """The coverage of intervals on quiet and on noisy rows of a generated table, and their width."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.uniform(-2, 2, (N_FITTED + N_NEW, 6))).add_prefix("x")
    is_noisy = rng.random(len(X)) < 0.5
    scale = np.where(is_noisy, *NOISE[noise][::-1])
    X["state"] = np.where(is_noisy, "noisy", "quiet")
    y = X.x0 + np.sin(2 * X.x1) + scale * rng.standard_normal(len(X))
    new = slice(N_FITTED, None)
    found = ours(X[:N_FITTED], y[:N_FITTED].to_numpy(), X[new], seed)
    is_inside = (found[:, 0] <= y[new]) & (y[new] <= found[:, -1])
    return {
        "noise": noise,
        "coverage": is_inside.mean(),
        "quiet": is_inside[~is_noisy[new]].mean(),
        "noisy": is_inside[is_noisy[new]].mean(),
        "width": (found[:, -1] - found[:, 0]).mean() / (2 * 1.6449 * scale[new].mean()),
    }


def of_classes(data, seed):
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
        "data": data,
        "classes": sets.shape[1],
        "coverage": is_inside.mean(),
        "least": min(by_class),
        "size": sets.sum(axis=1).mean(),
        "ones": (sets.sum(axis=1) == 1).mean(),
        "accuracy": model.score(X_test, y_test),
    }


def jobs(rounds=1):
    """So many splits of each table on which nothing was chosen, and draws of generated ones."""
    names = [name for name in present() if name not in TO_CHOOSE_ON]
    tables = {
        task: [name for name in names if TABLES[name].task == task]
        for task in ("regression", "classification")
    }
    methods = ["ours", *(["CQR"] if find_spec("mapie") else [])]
    return [
        *(
            {"part": "of_numbers", "data": data, "method": method, "seed": seed}
            for data in tables["regression"]
            for method in methods
            for seed in range(rounds)
        ),
        *({"part": "of_noise", "noise": noise, "seed": s} for noise in NOISE for s in range(DRAWS)),
        *(
            {"part": "of_classes", "data": data, "seed": seed}
            for data in tables["classification"]
            for seed in range(rounds)
        ),
    ]


def measure(part, **job):
    return fresh(globals()[part], **job)


def to_markdown(rows):
    """A row for each table, and the means: of intervals, of generated noise and of sets of classes."""
    parts = [LEGEND]
    numbers, noise, sets = (
        pd.DataFrame([row for row in rows if row["part"] == part]).drop(columns=["part", "seed"])
        for part in ("of_numbers", "of_noise", "of_classes")
    )
    for method, of_method in numbers.groupby("method", sort=False):
        thirds = pd.DataFrame(of_method.pop("thirds").tolist(), index=of_method.index)
        table = of_method.drop(columns="method").join(thirds).groupby("data").mean()
        table.loc["mean"] = table.mean()
        rows = [
            {
                "data": data,
                "coverage": f"{row['coverage']:.3f}",
                "of thirds": " ".join(f"{row[third]:.2f}" for third in range(3)),
                "distance": f"{row['distance']:.3f}",
                "width": f"{row['width']:.2f}",
                "pinball": f"{row['pinball']:.4f}",
                "fit, s": significant(row["seconds"]),
            }
            for data, row in table.iterrows()
        ]
        parts += [f"**{method}** ({len(rows) - 1} tables)", markdown_table(rows)]
    noise = noise.groupby("noise", sort=False).mean()
    rows = [
        {"noise": name} | {key: f"{value:.3f}" for key, value in row.items()}
        for name, row in noise.iterrows()
    ]
    parts += [LEGEND_NOISE, markdown_table(rows)]
    sets = sets.groupby("data").mean()
    sets.loc["mean"] = sets.mean()
    rows = [
        {
            "data": data,
            "classes": f"{row['classes']:.0f}" if data != "mean" else "",
            "coverage": f"{row['coverage']:.3f}",
            "least of a class": f"{row['least']:.3f}",
            "size": f"{row['size']:.2f}",
            "sets of one": f"{row['ones']:.2f}",
            "accuracy": f"{row['accuracy']:.3f}",
        }
        for data, row in sets.iterrows()
    ]
    return "\n\n".join([*parts, LEGEND_SETS, markdown_table(rows)])
