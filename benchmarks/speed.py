"""How many times faster than MLPClassifier: the jobs, the ratios to reach, and the ratios measured.

benchopt is left out here: it finishes one solver before it starts the next, so a busy minute of the
machine would fall on one side only. Both sides fit the same epochs from the same draws, with stopping
off (tol=0, n_iter_no_change=inf), and so end with the same loss; the report shows how far they differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.benchmark_utils.data import generated
from benchmarks.report import markdown_table, significant
from benchmarks.timing import THREADS, in_turn, ratio
from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

NO_STOPPING = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0}
# Column: dtype of the X that we fit, our own `dtype`, dtype of the X that MLPClassifier fits.
# The last is what one who has float64 arrays gains by dtype="float32".
COLUMNS = {
    "both float64": ("float64", None, "float64"),
    "both float32": ("float32", None, "float32"),
    "ours float32, theirs float64": ("float64", "float32", "float64"),
}


@dataclass(frozen=True)
class Job:
    """A fit to time: data, parameters of both sides, epochs, and (to reach, to aim for) by column."""

    title: str
    data: Callable
    parameters: dict
    epochs: int
    targets: tuple = ((None, None),) * len(COLUMNS)


def _clouds(n_samples_per_class=1000):
    return make_two_clouds(n_samples_per_class, random_state=0)


def _digits():
    X, y = load_digits(return_X_y=True)
    return StandardScaler().fit_transform(X), y


SGD = {
    "solver": "sgd",
    "momentum": 0.0,
    "nesterovs_momentum": False,
    "learning_rate_init": 0.1,
    "alpha": 0.0,
}
JOBS = [
    Job(
        "notebook's job: 2000x2, (2,2), batch 100, plain sgd, 600 epochs",
        _clouds,
        {"hidden_layer_sizes": (2, 2), "batch_size": 100, "shuffle": False, **SGD},
        600,
        ((20, 25), (20, 20), (20, 20)),
    ),
    Job(
        "2000x2, (2,2), batch 100, adam, 100 epochs",
        _clouds,
        {"hidden_layer_sizes": (2, 2), "batch_size": 100},
        100,
        ((20, 25), (20, 20), (20, 20)),
    ),
    Job(
        "1797x64 digits, (100,), defaults but for stopping, 100 epochs",
        _digits,
        {},
        100,
        ((2, 3.5), (2.8, 4), (3.8, 5.5)),
    ),
    Job(
        "20000x20, 2 classes, (64,64), batch 200, 10 epochs",
        partial(generated, 20_000, 20),
        {"hidden_layer_sizes": (64, 64), "batch_size": 200},
        10,
        ((2.6, 3.5), (4, 5), (4.5, 6)),
    ),
    Job(
        "20000x100, 10 classes, (256,256), batch 256, 5 epochs",
        partial(generated, 20_000, 100, 10),
        {"hidden_layer_sizes": (256, 256), "batch_size": 256},
        5,
        ((1.7, 2), (2.1, 2.6), (3, 3.8)),
    ),
    Job(
        "10000x784, 10 classes, (512,512), batch 256, 3 epochs",
        partial(generated, 10_000, 784, 10),
        {"hidden_layer_sizes": (512, 512), "batch_size": 256},
        3,
        ((1.4, 1.8), (1.85, 2.1), (2.9, 3.4)),
    ),
]


def run(jobs=JOBS, rounds=5):
    """Measure the jobs; return one dict for each job and column."""
    gemm = {dtype: gemm_rate(dtype) for dtype in ("float64", "float32")}
    with tqdm(total=len(jobs) * rounds * 7, desc="paired fits", unit="fit") as progress:
        return [row for job in jobs for row in measure(job, rounds, gemm, progress)]


def measure(job, rounds, gemm, progress):
    """Fit ours in three ways and theirs in four (dtype, BLAS threads), in turn."""
    X, y = job.data()
    X = {dtype: X.astype(dtype) for dtype in ("float64", "float32")}
    parameters = {**job.parameters, **NO_STOPPING, "max_iter": job.epochs}
    fits = {
        ("ours", column, "all"): (LowLevelMLPClassifier(dtype=own_dtype, **parameters), X[dtype])
        for column, (dtype, own_dtype, _) in COLUMNS.items()
    } | {
        ("theirs", dtype, threads): (MLPClassifier(**parameters), X[dtype])
        for dtype in X
        for threads in THREADS
    }
    contestants = {name: partial(estimator.fit, data, y) for name, (estimator, data) in fits.items()}
    in_turn({name: _first_epoch(*fit, y) for name, fit in fits.items()}, rounds=1)
    seconds = in_turn(contestants, rounds, progress)

    rows = []
    for (column, (dtype, own_dtype, their_dtype)), (reach, aim) in zip(COLUMNS.items(), job.targets):
        ours = seconds["ours", column, "all"]
        network, _ = fits["ours", column, "all"]
        rate = _flops(network, len(y)) * job.epochs / np.median(ours)
        row = {"job": job.title, "column": column, "reach": reach, "aim": aim}
        row |= {"ours_seconds": float(np.median(ours)), "gflops": rate / 1e9}
        row["share_of_gemm"] = rate / gemm[own_dtype or dtype]
        for threads in THREADS:
            theirs = seconds["theirs", their_dtype, threads]
            row[f"theirs_seconds_threads_{threads}"] = float(np.median(theirs))
            row[f"ratio_threads_{threads}"] = ratio(theirs, ours)
        row["ratio"] = min(row[f"ratio_threads_{threads}"] for threads in THREADS)
        row["loss_difference"] = abs(network.loss_ - fits["theirs", their_dtype, "1"][0].loss_)
        rows.append(row)
    return rows


def _first_epoch(estimator, X, y):
    """Compile and touch everything once, without changing the estimator."""
    return partial(clone(estimator).set_params(max_iter=1).fit, X, y)


def _flops(network, n_samples):
    """True FLOPs of an epoch: 4 a multiply-add pair of the first layer, which needs no input gradient,
    and 6 of the others.
    """
    first, *others = (kernel.size for kernel in network.coefs_)
    return n_samples * (4 * first + 6 * sum(others))


def gemm_rate(dtype, size=2048, repeats=5):
    """The machine's matrix product, on all cores, in FLOP/s: the best of a few."""
    matrix = np.ones((size, size), dtype)
    seconds = in_turn({(dtype, "all"): partial(np.matmul, matrix, matrix)}, repeats)[dtype, "all"]
    return 2 * size**3 / seconds.min()


def to_markdown(rows):
    """The table of ratios beside those to reach, and the seconds that they come from."""
    table, details = [], []
    for start in range(0, len(rows), len(COLUMNS)):
        of_job = rows[start : start + len(COLUMNS)]
        table.append({"job": of_job[0]["job"]} | {row["column"]: _cell(row) for row in of_job})
    for row in rows:
        details.append(
            {
                "job": row["job"],
                "dtypes": row["column"],
                "ours, s": significant(row["ours_seconds"], 3),
                "theirs, BLAS 1, s": significant(row["theirs_seconds_threads_1"], 3),
                "theirs, BLAS all, s": significant(row["theirs_seconds_threads_all"], 3),
                "GFLOP/s": significant(row["gflops"]),
                "of gemm": f"{row['share_of_gemm']:.0%}",
                "loss difference": f"{row['loss_difference']:.0e}",
            }
        )
    return (
        "MLPClassifier's seconds / ours for the same fit, later fits of one process, in turn, medians. "
        "In a cell: **the smaller ratio**, with BLAS on 1 thread / on all cores, and the ratio to "
        "reach (to aim for).\n\n"
        + markdown_table(table)
        + "\n\nThe seconds behind the ratios, our rate in true FLOPs, its "
        "share of the machine's matrix product in that dtype, and how far the final losses differ:\n\n"
        + markdown_table(details)
    )


def _cell(row):
    reached = "" if row["reach"] is None else f", to reach {row['reach']} ({row['aim']})"
    both = " / ".join(significant(row[f"ratio_threads_{threads}"]) for threads in THREADS)
    return f"**{significant(row['ratio'])}**: {both}{reached}"
