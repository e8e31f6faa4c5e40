"""What `TabularClassifier` costs as the rows of a table grow: fits and their memory."""

import time

import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from benchmarks.contestants import ours
from benchmarks.process import peak_bytes, run_twice
from benchmarks.report import markdown_table, significant

ROWS = (1_000, 10_000, 99_999, 100_000, 200_000)
MODELS = "skdense", "trees"
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
TensorFlow; *processor*, the sum over all cores, and *wall / processor*, their ratio; *memory*, how much
higher the peak is than before the fit, TensorFlow included. The log-losses are those of {N_NEW:,} new
rows. HistGradientBoosting gets the date as a number."""


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
    if estimator == "skdense":
        return ours("classification")(random_state=0), lambda X: X
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


def jobs():
    """The fits of both models for each number of rows."""
    return [{"estimator": name, "n_rows": n_rows} for n_rows in ROWS for name in MODELS]


def measure(estimator, n_rows):
    return run_twice(fit, compiles=estimator == "skdense", n_rows=n_rows, estimator=estimator)


def to_markdown(rows):
    """What was done, and a row for each number of rows."""
    fits = {(row["estimator"], row["rows"]): row for row in rows}
    table = []
    for n_rows in dict.fromkeys(n_rows for _, n_rows in fits):
        row, trees = (fits[name, n_rows] for name in MODELS)
        table.append(
            {
                "rows": f"{n_rows:,}",
                "process, s": f"{significant(row['empty'])} / **{significant(row['full'])}**",
                "fit, s": significant(row["seconds"]),
                "processor, s": significant(row["processor"]),
                "wall / processor": f"{row['seconds'] / row['processor']:.2f}",
                "memory, MB": f"{row['bytes'] / 1e6:.0f}",
                "log-loss": f"{row['loss']:.4f}",
                "HistGradientBoosting: log-loss": f"{trees['loss']:.4f}",
                "processor, s ": significant(trees["processor"]),
            }
        )
    return f"{LEGEND}\n\n{markdown_table(table)}"
