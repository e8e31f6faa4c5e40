"""Threads, processes and Dask: a search over large data with 1, 2 and 4 workers of each kind."""

import os
import sys
import warnings
from contextlib import contextmanager
from functools import partial

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import GridSearchCV
from tqdm import tqdm

from benchmarks.benchmark_utils.data import generated
from benchmarks.benchmark_utils.estimators import OURS, THEIRS, make
from benchmarks.process import peak_bytes, run_twice, time_process
from benchmarks.report import markdown_table, significant

WORKERS = (1, 2, 4)
# Size of X in float64: samples, features and epochs.
SIZES = {"48 MB": (120_000, 50, 3), "1 GB": (1_250_000, 100, 1)}
WIDTHS = {"hidden_layer_sizes": [(8,), (16,), (24,), (32,)]}


@contextmanager
def dask(n_workers):
    """A cluster of processes on this machine, each with one thread."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
        parallel_config("dask"),
    ):
        yield


WAYS = {
    "threads": (OURS, lambda n_workers: parallel_config("threading", n_jobs=n_workers)),
    "loky": (OURS, lambda n_workers: parallel_config("loky", n_jobs=n_workers)),
    "Dask": (OURS, dask),
    "MLPClassifier, loky": (THEIRS, lambda n_workers: parallel_config("loky", n_jobs=n_workers)),
}


def run():
    """A row of figures for each size, way and number of workers."""
    keys = [(size, way, n) for size in SIZES for n in WORKERS for way in WAYS]
    return [
        run_twice(measure, compiles=WAYS[way][0] == OURS, size=size, way=way, n_workers=n)
        for size, way, n in tqdm(keys, desc="workers", leave=False)
    ]


def measure(started, again, size, way, n_workers):
    """Seconds of a search and of a later one, scores, and what each process has taken by then."""
    warnings.simplefilter("ignore")
    n_samples, n_features, max_iter = SIZES[size]
    name, configured = WAYS[way]
    X, y = generated(n_samples, n_features, dtype="float64")
    search = GridSearchCV(make(name, random_state=0, max_iter=max_iter), WIDTHS, cv=3, refit=False)
    with configured(n_workers):
        _, seconds = time_process(partial(search.fit, X, y), started, again)
        seen = Parallel()(delayed(_process)() for _ in range(20 * n_workers))
    workers = {pid: taken for pid, *taken in [*seen, _process()]}
    return {
        "size": size,
        "way": way,
        "workers": n_workers,
        **seconds,
        "programs": [n for n, _ in workers.values() if n],
        "peak_bytes": sum(n_bytes for _, n_bytes in workers.values()),
        "scores": search.cv_results_["mean_test_score"].tolist(),
    }


def _process():
    """Who this process is, how many programs it has, and its peak memory."""
    compiling = sys.modules.get("skdense.core.machine.compiling")
    return os.getpid(), len(compiling.programs) if compiling else 0, peak_bytes()


REPORT = """\
Workers: `GridSearchCV` over four widths of one layer, 3 folds, on generated float64 samples, {sizes}.
*programs* are those that each process with networks has, *peak* is the largest memory of all processes
together, with a full folder of programs.

{table}

{equality}"""


def to_markdown(rows):
    """A table, and whether all scores of a size are equal."""
    table = [
        {
            "X": row["size"],
            "run by": row["way"],
            "workers": row["workers"],
            "empty folder / full folder / later, s": " / ".join(
                significant(row[name])
                for name in ("empty", "full", "later")
                if name != "empty" or row["programs"]
            ),
            "programs": ", ".join(map(str, row["programs"])) or "-",
            "peak, GB": significant(1e-9 * row["peak_bytes"]),
        }
        for row in rows
    ]
    spread = max(
        float(np.ptp([row["scores"] for row in rows if row["size"] == size], axis=0).max())
        for size in dict.fromkeys(row["size"] for row in rows)
    )
    sizes = " and ".join(
        f"{n} x {p} ({size}), {epochs} epoch{'s' * (epochs > 1)}"
        for size, (n, p, epochs) in SIZES.items()
    )
    return REPORT.format(
        sizes=sizes,
        table=markdown_table(table),
        equality="All scores are equal." if spread < 1e-9 else f"Scores differ by up to {spread:.0e}.",
    )
