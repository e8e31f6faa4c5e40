"""What `make_tabular_classifier` costs as the rows of a table grow: fits, their memory, predictions."""

import time

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from tqdm import tqdm

from benchmarks.process import fresh, peak_bytes, run_twice
from benchmarks.report import markdown_table, significant

ROWS = (1_000, 3_000, 10_000, 30_000, 99_999, 100_000, 300_000, 1_000_000)
MODELS = "networks", "trees"
N_COLUMNS = 20
LEVELS = {14: 3, 15: 5, 16: 10, 17: 30, 18: 200}  # of a column of categories
WITH_MISSING = 3, 6, 9
DATE = 19
N_NEW = 20_000
BLOCK = 10_000
LEGEND = f"""\
Generated tables of {N_COLUMNS} columns: {DATE - len(LEVELS)} of numbers (skewed, rounded, some with
missing values), {len(LEVELS)} of categories ({min(LEVELS.values())} to {max(LEVELS.values())} levels)
and a date. Curves, steps and products of what they were made of give the probabilities of two classes.
*process*: seconds of a whole fresh process with one fit, with an empty folder of compiled programs /
**with a full one**. The other figures are of the second process: *fit*, the seconds with the import of
TensorFlow; *processor*, the sum over all cores; *memory*, how much higher the peak is than before the
fit, TensorFlow included. The log-losses are those of {N_NEW:,} new rows. HistGradientBoosting gets the
date as a number."""
FITTED, PREDICTED, ROUNDS = 10_000, (1, 1_000, 100_000), 5
LEGEND_PREDICTIONS = f"""\
Predictions of probabilities by models that were fitted to {FITTED:,} such rows: medians of several
calls, after a first one."""


def table(n_rows, seed=0):
    """A DataFrame of mixed columns, and y: 1 with a probability that is a wild function of them."""
    rng, law = np.random.default_rng(seed), np.random.default_rng(12345)
    directions = law.normal(size=(N_COLUMNS, 30)).astype(np.float32) / np.sqrt(N_COLUMNS)
    shifts, heights = law.normal(size=30).astype(np.float32), law.normal(size=30) / 3
    names = {column: law.permutation(n_levels) for column, n_levels in LEVELS.items()}
    X, y = np.empty((n_rows, N_COLUMNS), np.float32), np.empty(n_rows, int)
    for start in range(0, n_rows, BLOCK):  # so that the memory of the generation is not seen
        x = X[start : start + BLOCK]
        x[:] = rng.standard_normal(x.shape, dtype=np.float32)
        score = np.tanh(2 * np.clip(x, -3, 3) @ directions + shifts) @ heights
        score += np.sign(x[:, 2]) * (x[:, 5] > 0.3) + np.sin(3 * x[:, 4]) * (x[:, 15] > 0)
        y[start : start + BLOCK] = rng.random(len(x)) < 1 / (1 + np.exp(-2 * score))
        x[:, :DATE:3] = np.exp(x[:, :DATE:3])
        x[:, 1] = np.round(3 * x[:, 1])
        for column in WITH_MISSING:
            x[rng.random(len(x)) < 0.1, column] = np.nan
    columns = {f"number {column}": X[:, column] for column in range(DATE) if column not in LEVELS}
    for column, n_levels in LEVELS.items():
        edges = norm.ppf(np.arange(1, n_levels) / n_levels)
        codes = names[column][np.searchsorted(edges, X[:, column])]
        levels = [f"level {level}" for level in range(n_levels)]
        columns[f"category of {n_levels}"] = pd.Categorical.from_codes(codes, levels)
    days = np.round(1000 * X[:, DATE]).astype("timedelta64[D]")
    columns["date"] = (np.datetime64("2020-01-01") + days).astype("datetime64[s]")
    return pd.DataFrame(columns), y


def made(estimator):
    """A model, not yet fitted, and what turns a table into what it takes."""
    if estimator == "networks":
        from skdense import make_tabular_classifier

        return make_tabular_classifier(random_state=0), lambda X: X
    trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    return trees, lambda X: X.assign(date=X["date"].astype("int64"))


def fit(started, again, n_rows, estimator):
    """Fit to a table in this process; return seconds, bytes and the log-loss of new rows."""
    model, taken = made(estimator)
    X_new, y_new = table(N_NEW, seed=1)
    X, y = table(n_rows)
    X = taken(X)
    before, start, processor_start = peak_bytes(), time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor_start
    return {
        "process": time.time() - started,
        "rows": n_rows,
        "seconds": seconds,
        "processor": processor,
        "bytes": peak_bytes() - before,
        "loss": log_loss(y_new, model.predict_proba(taken(X_new))),
    }


def predict(estimator, rounds):
    """Fit in this process; return the seconds of predictions of several numbers of rows."""
    model, taken = made(estimator)
    X, y = table(FITTED)
    model.fit(taken(X), y)
    found = []
    for n_rows in PREDICTED:
        X = taken(table(n_rows, seed=1)[0])
        model.predict_proba(X)
        turns = []
        for _ in range(rounds):
            start, processor_start = time.perf_counter(), time.process_time()
            model.predict_proba(X)
            turns.append((time.perf_counter() - start, time.process_time() - processor_start))
        seconds, processor = np.median(turns, axis=0)
        found.append({"rows": n_rows, "seconds": seconds, "processor": processor})
    return found


def run(rounds=ROUNDS, rows=ROWS):
    """Figures of the fits of both models for each number of rows, and of their predictions."""
    points = [(n_rows, name) for n_rows in rows for name in MODELS]
    points = tqdm(points, desc="tables", unit="fit", leave=False)
    return {
        "fits": [
            {"estimator": name}
            | run_twice(fit, compiles=name == "networks", n_rows=n_rows, estimator=name)
            for n_rows, name in points
        ],
        "predictions": {name: fresh(predict, estimator=name, rounds=rounds) for name in MODELS},
    }


def to_markdown(figures):
    """What was done, and a row for each number of rows."""
    trees = {row["rows"]: row for row in figures["fits"] if row["estimator"] == "trees"}
    fits = [
        {
            "rows": f"{row['rows']:,}",
            "process, s": f"{significant(row['empty'])} / **{significant(row['full'])}**",
            "fit, s": significant(row["seconds"]),
            "processor, s": significant(row["processor"]),
            "memory, MB": f"{row['bytes'] / 1e6:.0f}",
            "log-loss": f"{row['loss']:.4f}",
            "HistGradientBoosting: log-loss": f"{trees[row['rows']]['loss']:.4f}",
            "processor, s ": significant(trees[row["rows"]]["processor"]),
        }
        for row in figures["fits"]
        if row["estimator"] == "networks"
    ]
    predictions = [
        {
            "rows to predict": f"{ours['rows']:,}",
            "seconds": significant(ours["seconds"]),
            "processor, s": significant(ours["processor"]),
            "HistGradientBoosting: seconds": significant(trees["seconds"]),
            "processor, s ": significant(trees["processor"]),
        }
        for ours, trees in zip(*map(figures["predictions"].get, MODELS), strict=True)
    ]
    tables = LEGEND, markdown_table(fits), LEGEND_PREDICTIONS, markdown_table(predictions)
    return "\n\n".join(tables)
