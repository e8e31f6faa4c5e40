"""How good the default for tables is: `make_tabular_classifier` and its rivals on real tables."""

import json
import sys
import time
import warnings
from itertools import product
from pathlib import Path

from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks import contestants
from benchmarks.benchmark_utils.data import Unavailable
from benchmarks.benchmark_utils.tables import SAMPLES, group_of, load, reported_on, split
from benchmarks.process import fresh

SO_FAR = Path(__file__).parent / "results" / "accuracy.jsonl"


def measure(task, data, name, sample=False):
    """The scores and seconds of a contestant on the splits of a table, or of a sample of its rows."""
    warnings.simplefilter("ignore")
    n_rows = len(load(task, data)[1])
    group = SAMPLES if sample else group_of(n_rows)
    row = {"task": task, "data": data, "rows": n_rows, "group": group.name, "estimator": name}
    return [
        row | {"seed": seed} | _fitted(name, task, *split(task, data, seed, group.max_rows), seed)
        for seed in range(group.splits)
    ]


def _fitted(name, task, X, X_test, y, y_test, seed):
    """The scores of a contestant, and the seconds of its fit."""
    model = contestants.make(name, task, X, seed)
    start = time.process_time()
    with threadpool_limits(1):
        model.fit(X, y)
    seconds = time.process_time() - start
    return {"seconds": seconds} | _scores(task, model, X_test, y_test, y.std())


def _scores(task, model, X, y, scale):
    """The score, of which more is better, and the loss, of which less is."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


def _tables():
    """The task, the name and both groups of each table: as it is, and as a sample."""
    for task in contestants.KINDS:
        for data in reported_on(task):
            try:
                group = group_of(len(load(task, data)[1]))
            except Unavailable as reason:
                print(f"{data} is left out: {reason}", file=sys.stderr)
            else:
                yield from ((task, data, group), (task, data, SAMPLES))


def run():
    """Measure each contestant on each table in a fresh process; return a row for each split.

    What is measured is kept in `SO_FAR` until all is done: a run that was cut off goes on there.
    """
    SO_FAR.parent.mkdir(exist_ok=True)
    rows = [json.loads(line) for line in SO_FAR.open()] if SO_FAR.exists() else []
    done = {(row["data"], row["estimator"], row["group"]) for row in rows}
    jobs = [
        {"task": task, "data": data, "name": name, "sample": group is SAMPLES}
        for name, (task, data, group) in product(contestants.present(), _tables())
        if name not in group.left_out and (data, name, group.name) not in done
    ]
    for job in tqdm(jobs, desc="tables and models", leave=False):
        measured = fresh(measure, **job)
        with SO_FAR.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in measured)
        rows += measured
    SO_FAR.unlink()
    return rows
