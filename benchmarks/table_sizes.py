"""What `make_tabular_classifier` costs as the rows of a table grow: fits, their memory, predictions."""

import time

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from tqdm import tqdm

from benchmarks.process import fresh, peak_bytes
from benchmarks.report import markdown_table, significant

ROWS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
MODELS = "networks", "trees"
N_COLUMNS = 20
N_NEW = 20_000
BLOCK = 10_000
LEGEND = f"""\
Generated tables of {N_COLUMNS} columns of numbers: curves, steps and products give the probability
of one of two classes. Each fit has a process of its own, which has fitted 1,000 rows before.
*processor*: the sum over all cores. *memory*: how much higher the peak is than before the fit, and how
many times X in float32 that is. The log-losses are those of {N_NEW:,} new rows."""
FITTED, PREDICTED, ROUNDS = 10_000, (1, 1_000, 100_000), 5
LEGEND_PREDICTIONS = f"""\
Predictions of probabilities by models that were fitted to {FITTED:,} such rows: medians of
{ROUNDS} calls, after a first one."""


def table(n_rows, seed=0):
    """X of mixed distributions, and y: 1 with a probability that is a wild function of X."""
    rng, law = np.random.default_rng(seed), np.random.default_rng(12345)
    directions = law.normal(size=(N_COLUMNS, 30)).astype(np.float32) / np.sqrt(N_COLUMNS)
    shifts, heights = law.normal(size=30).astype(np.float32), law.normal(size=30) / 3
    X, y = np.empty((n_rows, N_COLUMNS), np.float32), np.empty(n_rows, int)
    for start in range(0, n_rows, BLOCK):  # so that the memory of the generation is not seen
        x = X[start : start + BLOCK]
        x[:] = rng.standard_normal(x.shape, dtype=np.float32)
        x[:, ::3] = np.exp(x[:, ::3])
        x[:, 1] = np.round(3 * x[:, 1])
        score = np.tanh(2 * np.clip(x, -3, 3) @ directions + shifts) @ heights
        score += np.sign(x[:, 2]) * (x[:, 5] > 0.3) + np.sin(3 * x[:, 4]) * (x[:, 1] > 0)
        y[start : start + BLOCK] = rng.random(len(x)) < 1 / (1 + np.exp(-2 * score))
    return X, y


def made(estimator):
    """A model, and the default for tables in a process that has already fitted one."""
    if estimator == "trees":
        return HistGradientBoostingClassifier(random_state=0)

    from skdense import make_tabular_classifier

    model = make_tabular_classifier(random_state=0)
    model.fit(*table(1_000, seed=2))
    return model


def fit(n_rows, estimator):
    """Fit to a table in this process; return seconds, bytes and the log-loss of new rows."""
    X_new, y_new = table(N_NEW, seed=1)
    model = made(estimator)
    if estimator != "trees":
        model.predict_proba(X_new)
    X, y = table(n_rows)
    before, start, processor_start = peak_bytes(), time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds, processor = time.perf_counter() - start, time.process_time() - processor_start
    grown = peak_bytes() - before
    return {
        "rows": n_rows,
        "seconds": seconds,
        "processor": processor,
        "bytes": grown,
        "times_X": grown / X.nbytes,
        "loss": log_loss(y_new, model.predict_proba(X_new)),
    }


def predict(estimator):
    """Fit in this process; return the seconds of predictions of several numbers of rows."""
    model = made(estimator).fit(*table(FITTED))
    found = []
    for n_rows in PREDICTED:
        X, _ = table(n_rows, seed=1)
        model.predict_proba(X)
        rounds = []
        for _ in range(ROUNDS):
            start, processor_start = time.perf_counter(), time.process_time()
            model.predict_proba(X)
            rounds.append((time.perf_counter() - start, time.process_time() - processor_start))
        seconds, processor = np.median(rounds, axis=0)
        found.append({"rows": n_rows, "seconds": seconds, "processor": processor})
    return found


def run(rows=ROWS):
    """Figures of the fits of both models for each number of rows, and of their predictions."""
    points = [(n_rows, name) for n_rows in rows for name in MODELS]
    points = tqdm(points, desc="tables", unit="fit", leave=False)
    return {
        "fits": [{"estimator": name} | fresh(fit, n_rows=n, estimator=name) for n, name in points],
        "predictions": {name: fresh(predict, estimator=name) for name in MODELS},
    }


def to_markdown(figures):
    """What was done, and a row for each number of rows."""
    trees = {row["rows"]: row for row in figures["fits"] if row["estimator"] == "trees"}
    fits = [
        {
            "rows": f"{row['rows']:,}",
            "seconds of a fit": significant(row["seconds"]),
            "processor, s": significant(row["processor"]),
            "memory, MB": f"{row['bytes'] / 1e6:.0f}",
            "times X": significant(row["times_X"]),
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
