"""Seconds, memory and log-loss of `TabularClassifier` as the rows of a generated table grow.

Each fit has two fresh processes, with an empty and with a full folder of compiled programs. Those of
HistGradientBoosting, and of more than `MOST_TWICE` rows, have one.
"""

import time

from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from benchmarks.contestants import ours
from benchmarks.generated import DATE, LEVELS, N_COLUMNS, table
from benchmarks.process import peak_bytes, run_twice
from benchmarks.report import markdown_table, significant

ROWS = (1_000, 10_000, 100_000, 300_000, 1_000_000)
MODELS = "skdense", "trees"
MOST_TWICE = 100_000  # more rows take so long that compiling is hardly seen
N_NEW = 20_000
LEGEND = f"""\
Generated tables of {N_COLUMNS} columns: {DATE - len(LEVELS)} of numbers (skewed, rounded, some with
missing values), {len(LEVELS)} of categories ({min(LEVELS.values())} to {max(LEVELS.values())} levels)
and a date. Curves, steps and products of what they were made of give the probabilities of two classes.
*process*: seconds of a whole fresh process with one fit, with an empty folder of compiled programs /
**with a full one**. The other figures are of the second process: *fit*, the seconds with the import of
TensorFlow; *processor*, the sum over all cores, and *wall / processor*, their ratio; *memory*, how much
higher the peak is than before the fit, TensorFlow included. Fits of more than {MOST_TWICE:,} rows have
one process, and only their processor time is shown. The log-losses are those of {N_NEW:,} new rows.
HistGradientBoosting gets the date as a number."""


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
    twice = estimator == "skdense" and n_rows <= MOST_TWICE
    return run_twice(fit, compiles=twice, n_rows=n_rows, estimator=estimator)


def to_markdown(rows):
    """What was done, and a row for each number of rows."""
    fits = {(row["estimator"], row["rows"]): row for row in rows}
    table = []
    for n_rows in dict.fromkeys(n_rows for _, n_rows in fits):
        row, trees = (fits[name, n_rows] for name in MODELS)
        alone = n_rows <= MOST_TWICE
        process = f"{significant(row['empty'])} / **{significant(row['full'])}**"
        table.append(
            {
                "rows": f"{n_rows:,}",
                "process, s": process if alone else "",
                "fit, s": significant(row["seconds"]) if alone else "",
                "processor, s": significant(row["processor"]),
                "wall / processor": f"{row['seconds'] / row['processor']:.2f}" if alone else "",
                "memory, MB": f"{row['bytes'] / 1e6:.0f}",
                "log-loss": f"{row['loss']:.4f}",
                "HistGradientBoosting: log-loss": f"{trees['loss']:.4f}",
                "processor, s ": significant(trees["processor"]),
            }
        )
    return f"{LEGEND}\n\n{markdown_table(table)}"
