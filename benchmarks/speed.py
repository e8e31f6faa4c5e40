"""How many times faster than MLPClassifier: the jobs, and the ratios measured.

benchopt is left out here: it finishes one solver before it starts the next, so a busy minute of the
machine would fall on one side only. Both sides do the same epochs from the same draws, with stopping
off (tol=0, n_iter_no_change=inf), and so end with the same loss; the report shows how far they differ.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import cycle

import numpy as np
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.benchmark_utils.data import clouds, generated
from benchmarks.benchmark_utils.estimators import THREADS
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier

NO_STOPPING = {"tol": 0, "n_iter_no_change": np.inf, "random_state": 0}
# Column: dtype of the X that we fit, our own `dtype`, dtype of the X that MLPClassifier fits.
# The last is what one who has float64 arrays gains by dtype="float32".
COLUMNS = {
    "both float64": ("float64", None, "float64"),
    "both float32": ("float32", None, "float32"),
    "ours float32, theirs float64": ("float64", "float32", "float64"),
}
FLOAT64, FLOAT32, _ = COLUMNS
BOTH = (FLOAT64, FLOAT32)
SGD = {
    "solver": "sgd",
    "momentum": 0,
    "nesterovs_momentum": False,
    "learning_rate_init": 0.1,
    "alpha": 0,
    "shuffle": False,
}


def fitting(estimator, X, y):
    """A whole fit."""
    return partial(estimator.fit, X, y)


def feeding(n_rows, estimator, X, y):
    """A partial_fit of the next so many rows, after the first call."""
    starts = range(0, len(y) - n_rows + 1, n_rows)
    chunks = cycle([(X[start : start + n_rows], y[start : start + n_rows]) for start in starts])
    estimator.partial_fit(*next(chunks), classes=np.unique(y))
    return lambda: estimator.partial_fit(*next(chunks))


def predicting(n_rows, estimator, X, y):
    """A prediction of the first rows."""
    estimator.fit(X[:5000], y[:5000])
    return partial(estimator.predict, X[:n_rows])


@dataclass(frozen=True)
class Job:
    """What is timed: `prepare(estimator, X, y)` returns a callable, called so often in a round."""

    title: str
    data: Callable
    parameters: dict
    prepare: Callable = fitting
    calls: int = 1
    columns: tuple = tuple(COLUMNS)
    epochs: int | None = None  # of a fit by minibatches, whose rate of arithmetic is reported


def fit(title, data, epochs, hidden=(100,), columns=tuple(COLUMNS), calls=1, **parameters):
    """A fit by minibatches."""
    parameters |= {"hidden_layer_sizes": hidden, "max_iter": epochs}
    title = f"fit, {title}, {hidden}, {epochs} epochs"
    return Job(title, data, parameters, fitting, calls, columns, epochs)


def _lbfgs(title, data, iterations, hidden):
    parameters = {"hidden_layer_sizes": hidden, "solver": "lbfgs", "max_iter": iterations}
    title = f"lbfgs, {title}, {hidden}, {iterations} iterations"
    return Job(title, data, parameters, columns=(FLOAT64,))


def _calls(title, prepare, data, hidden, calls_of_rows, columns=tuple(COLUMNS)):
    """A job for each number of rows, with so many calls."""
    parameters = {"hidden_layer_sizes": hidden, "max_iter": 2}
    return [
        Job(f"{title}, {hidden}, {n} rows", data, parameters, partial(prepare, n), calls, columns)
        for n, calls in calls_of_rows.items()
    ]


def _scaled(load):
    X, y = load(return_X_y=True)
    return StandardScaler().fit_transform(X), y


def _sparse():
    X = sparse.random_array((5000, 20_000), density=0.005, format="csr", rng=np.random.default_rng(0))
    return X, np.arange(5000) % 2


_digits, _iris = partial(_scaled, load_digits), partial(_scaled, load_iris)
_binary, _medium = partial(generated, 20_000, 20), partial(generated, 20_000, 100, 10)
_wide, _million = partial(generated, 10_000, 784, 10), partial(generated, 1_000_000, 20)
JOBS = [
    fit("2000x2, plain sgd, batch 100", clouds, 600, (2, 2), batch_size=100, **SGD),
    fit("2000x2, batch 100", clouds, 100, (2, 2), batch_size=100),
    fit("1797x64 digits", _digits, 100),
    fit("1797x64 digits, early stopping", _digits, 100, early_stopping=True),
    fit("1797x64 digits, tanh", _digits, 100, activation="tanh"),
    fit("20000x20, batch 200", _binary, 10, (64, 64)),
    fit("20000x100, 10 classes, batch 256", _medium, 5, (256, 256), batch_size=256),
    fit("10000x784, 10 classes, batch 256", _wide, 3, (512, 512), batch_size=256),
    fit("20x4", partial(generated, 20, 4), 20, (5,), calls=10),
    fit("150x4 iris", _iris, 20, calls=10),
    fit("sparse 5000x20000, 100 non-zeros a row", _sparse, 2, columns=BOTH),
    _lbfgs("150x4 iris", _iris, 50, (5,)),
    _lbfgs("150x4 iris", _iris, 50, (100,)),
    _lbfgs("1797x64 digits", _digits, 100, (100,)),
    _lbfgs("2000x20", partial(generated, 2000, 20), 100, (20,)),
    _lbfgs("20000x20", _binary, 20, (64, 64)),
    *_calls("partial_fit, digits", feeding, _digits, (100,), {1: 100, 32: 100, 200: 50, 1797: 10}),
    *_calls("partial_fit, 20 features", feeding, _binary, (64, 64), {200: 100, 2000: 20, 20_000: 4}),
    *_calls("predict, digits", predicting, _digits, (100,), {1: 300, 100: 300, 1797: 50}, BOTH),
    *_calls("predict, 20 features", predicting, _million, (64, 64), {1_000_000: 1}, BOTH),
]


def run(rounds=5):
    """Measure the jobs; return one dict for each job and column."""
    jobs = tqdm(JOBS, desc="jobs", unit="job", leave=False)
    return [row for job in jobs for row in measure(job, rounds)]


def measure(job, rounds):
    """Time ours and theirs alternately in each dtype, both with each setting of BLAS's threads."""
    X, y = job.data()
    X = {dtype: X.astype(dtype) for dtype in ("float64", "float32")}
    parameters = {**NO_STOPPING, **job.parameters}
    estimators, contestants = {}, {}
    for threads in THREADS:
        for column in job.columns:
            dtype, own_dtype, their_dtype = COLUMNS[column]
            ours = LowLevelMLPClassifier(**parameters, dtype=own_dtype)
            estimators["ours", column, threads] = ours, X[dtype]
            estimators["theirs", their_dtype, threads] = MLPClassifier(**parameters), X[their_dtype]
    for key, (estimator, data) in estimators.items():
        contestants[key] = partial(_repeat, job.calls, job.prepare(estimator, data, y))
    seconds = {key: values / job.calls for key, values in in_turn(contestants, rounds).items()}

    rows = []
    for column in job.columns:
        dtype, own_dtype, their_dtype = COLUMNS[column]
        keys = ("ours", column), ("theirs", their_dtype)
        ours, theirs = ({threads: seconds[*key, threads] for threads in THREADS} for key in keys)
        networks = [estimators[*key, "cores"][0] for key in keys]
        row = {
            "job": job.title,
            "column": column,
            "ours": _medians(ours),
            "theirs": _medians(theirs),
            # Not the ratio of the medians: what both met in the same round cancels.
            "ratios": _medians({threads: theirs[threads] / ours[threads] for threads in THREADS}),
            "loss_difference": abs(networks[0].loss_ - networks[1].loss_),
        }
        if job.epochs and not sparse.issparse(X[dtype]):
            rate = _flops(networks[0], len(y)) * job.epochs / row["ours"]["cores"]
            row |= {"gflops": rate / 1e9, "share_of_gemm": rate / gemm_rate(own_dtype or dtype)}
        rows.append(row | {"ratio": min(row["ratios"].values())})
    return rows


def in_turn(contestants, rounds):
    """Time zero-argument callables in turn; return `{name: array of seconds}` of shape (rounds,).

    A name is a tuple that ends with a setting of BLAS and OpenMP: on one thread ('1'), or as the
    environment has them ('cores'); TensorFlow has threads of its own, which this does not touch. A
    round before the others is not counted: it compiles programs, and touches everything once.
    """
    seconds = {name: [] for name in contestants}
    for _ in range(1 + rounds):
        for name, run in contestants.items():
            with threadpool_limits(1 if name[-1] == "1" else None):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def _medians(values):
    return {name: np.median(of_name) for name, of_name in values.items()}


def _repeat(times, call):
    for _ in range(times):
        call()


def _flops(network, n_samples):
    """True FLOPs of an epoch: 4 a weight of the first layer, without input gradient, 6 of others."""
    first, *others = (kernel.size for kernel in network.coefs_)
    return n_samples * (4 * first + 6 * sum(others))


@cache
def gemm_rate(dtype, size=2048, repeats=5):
    """The machine's matrix product, on all cores, in FLOP/s: the best of a few."""
    matrix = np.ones((size, size), dtype)
    [seconds] = in_turn({("gemm", "cores"): partial(np.matmul, matrix, matrix)}, repeats).values()
    return 2 * size**3 / seconds.min()


REPORT = """\
MLPClassifier's seconds / ours for the same work, timed alternately in later calls of one process:
medians. In a cell: **the smaller ratio**, of those with BLAS and OpenMP on 1 thread / on all cores.
TensorFlow has threads of its own, which are on all cores in both.

{ratios}

{below}

The milliseconds of a call behind the ratios, our rate in true FLOPs, its share of the machine's matrix
product in that dtype, and how far the losses differ:

{details}"""


def to_markdown(rows):
    """The table of ratios, which of them are below 1, and the seconds that they come from."""
    table = {}
    for row in rows:
        cells = table.setdefault(row["job"], {"job": row["job"]} | dict.fromkeys(COLUMNS, ""))
        cells[row["column"]] = f"**{significant(row['ratio'])}**: {_both(row['ratios'])}"
    details = [
        {
            "job": row["job"],
            "dtypes": row["column"],
            "ours, ms": _both(row["ours"], 1000),
            "theirs, ms": _both(row["theirs"], 1000),
            "GFLOP/s": significant(row["gflops"]) if "gflops" in row else "",
            "of gemm": f"{row['share_of_gemm']:.0%}" if "gflops" in row else "",
            "loss difference": f"{row['loss_difference']:.0e}",
        }
        for row in rows
    ]
    return REPORT.format(
        ratios=markdown_table(list(table.values())),
        below=_below_one(rows),
        details=markdown_table(details),
    )


def _both(values, scale=1):
    return " / ".join(significant(scale * value) for value in values.values())


def _below_one(rows):
    """Say where MLPClassifier is faster."""
    below = [f"{row['job']}, {row['column']}: {row['ratio']:.2f}" for row in rows if row["ratio"] < 1]
    return f"Below 1 (0.95 is within noise): {'; '.join(below)}." if below else "No ratio is below 1."
