"""How good the default for tables is: `make_tabular_classifier` and its rivals on real tables."""

import json
import sys
import time
import warnings
from pathlib import Path

from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks import contestants
from benchmarks.benchmark_utils.data import Unavailable
from benchmarks.benchmark_utils.tables import group_of, load, reported_on, split
from benchmarks.process import fresh

SO_FAR = Path(__file__).parent / "results" / "accuracy.jsonl"


def measure(task, data, name):
    """The scores and seconds of a contestant on the splits of a table."""
    warnings.simplefilter("ignore")
    try:
        n_rows = len(load(task, data)[1])
    except Unavailable as reason:
        print(f"{data} is left out: {reason}", file=sys.stderr)
        return []
    group = group_of(n_rows)
    rows = []
    for seed in range(0 if name in group.left_out else group.splits):
        X, X_test, y, y_test = split(task, data, seed)
        model = contestants.make(name, task, X, seed)
        start = time.process_time()
        with threadpool_limits(1):
            model.fit(X, y)
        seconds = time.process_time() - start
        row = {"task": task, "data": data, "rows": n_rows, "seed": seed, "estimator": name}
        rows.append(row | {"seconds": seconds} | _scores(task, model, X_test, y_test, y.std()))
    return rows


def _scores(task, model, X, y, scale):
    """The score, of which more is better, and the loss, of which less is."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


def run():
    """Measure each contestant on each table in a fresh process; return a row for each split.

    What is measured is kept in `SO_FAR` until all is done: a run that was cut off goes on there.
    """
    SO_FAR.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in SO_FAR.open()] if SO_FAR.exists() else []
    done = {(row["data"], row["estimator"]) for row in rows}
    jobs = [
        {"task": task, "data": data, "name": name}
        for name in contestants.present()
        for task in contestants.KINDS
        for data in reported_on(task)
        if (data, name) not in done
    ]
    for job in tqdm(jobs, desc="tables and models", leave=False):
        measured = fresh(measure, **job)
        with SO_FAR.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in measured)
        rows += measured
    SO_FAR.unlink()
    return rows
