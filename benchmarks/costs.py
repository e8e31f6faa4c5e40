"""What a fit costs besides its epochs: imports, the first fit, prediction, memory, growth with X."""

import subprocess
import sys
import traceback
from functools import partial
from itertools import product

import numpy as np
from scipy import sparse
from sklearn.neural_network import MLPClassifier
from tqdm import tqdm

from benchmarks import process, programs, search, speed
from benchmarks.benchmark_utils.data import generated
from benchmarks.report import markdown_table, significant
from benchmarks.timing import THREADS, in_turn, ratio
from skdense import LowLevelMLPClassifier

OURS, THEIRS = "LowLevelMLPClassifier", "MLPClassifier"


def run():
    """Measure all figures; one that fails is a row that says so, and the others go on."""
    rows = []
    for figure in tqdm(FIGURES, desc="other figures", unit="figure"):
        try:
            rows += figure()
        except Exception as error:
            traceback.print_exc()
            title = figure.__doc__.partition("\n")[0].rstrip(".")
            rows.append(_row(title, f"failed: {type(error).__name__}: {error}", ""))
    return rows


def to_markdown(rows):
    """The figures beside those to reach."""
    return markdown_table(rows)


def _row(figure, measured, to_reach):
    return {"figure": figure, "measured": measured, "to reach": to_reach}


def _compare(figure, ours, theirs, to_reach, rounds=5):
    """A row of the ratio theirs / ours of two callables, BLAS on one thread and on all cores."""
    contestants = {
        (side, threads): call
        for side, call in (("ours", ours), ("theirs", theirs))
        for threads in THREADS
    }
    in_turn(contestants, 1)
    seconds = in_turn(contestants, rounds)
    ratios = [ratio(seconds["theirs", threads], seconds["ours", threads]) for threads in THREADS]
    medians = [np.median(seconds[side, threads]) for side in ("ours", "theirs") for threads in THREADS]
    ours_1, ours_all, theirs_1, theirs_all = map(significant, medians)
    measured = (
        f"**{significant(min(ratios))}** times: {significant(ratios[0])} / {significant(ratios[1])} "
        f"(ours {ours_1} / {ours_all} s, theirs {theirs_1} / {theirs_all} s)"
    )
    return _row(figure, measured, to_reach)


def importing():
    """Importing."""
    statements = {"import sklearn": [], "import skdense": [], "import tensorflow": []}
    for _ in range(5):
        for statement, seconds in statements.items():
            timed = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
            output = subprocess.run(
                [sys.executable, "-c", timed], capture_output=True, text=True, check=True
            ).stdout
            seconds.append(float(output))
    sklearn, skdense, tensorflow = map(np.median, statements.values())
    return [
        _row("`import skdense` over `import sklearn`", f"{skdense - sklearn:.2f} s", "at most 0.1 s"),
        _row("`import tensorflow`, which the first fit does", f"{tensorflow:.1f} s", ""),
    ]


def first_fit():
    """First fit."""
    rows = []
    for data in ("two_clouds", "digits"):
        fresh = process.measure(OURS, data, epochs=20)
        surplus = fresh["first_fit_seconds"] - np.median(fresh["later_fit_seconds"])
        title = f"first fit of a process over a later one, {data}, TensorFlow imported"
        rows.append(_row(title, f"{surplus:.2f} s", "at most 1.0 s"))
    return rows


def predicting():
    """Predicting."""
    X, y = generated(1_000_000, 20, dtype="float64")
    rows = []
    for dtype, to_reach in (("float64", 1.8), ("float32", 3)):
        data = X.astype(dtype)
        ours, theirs = (
            estimator((64, 64), max_iter=2, batch_size=200, random_state=0).fit(data[:5000], y[:5000])
            for estimator in (LowLevelMLPClassifier, MLPClassifier)
        )
        rows.append(
            _compare(
                f"predict, one row, {dtype}, 300 calls",
                partial(_repeat, 300, ours.predict, data[:1]),
                partial(_repeat, 300, theirs.predict, data[:1]),
                "at least 1",
            )
        )
        rows.append(
            _compare(
                f"predict, 1000000x20, (64,64), {dtype}",
                partial(ours.predict, data),
                partial(theirs.predict, data),
                f"at least {to_reach}",
            )
        )
    return rows


def _repeat(times, call, argument):
    for _ in range(times):
        call(argument)


def memory():
    """Memory."""
    rows = []
    for estimator in (OURS, THEIRS):
        fresh = process.measure(
            estimator, "generated-1000000x100", epochs=1, hold_out=False, later_fits=0
        )
        times = (fresh["peak_bytes"] - fresh["imported_bytes"]) / fresh["data_bytes"]
        title = f"peak memory of fit, 1000000x100 float32, over imports: {estimator}"
        rows.append(_row(title, f"{times:.1f} times X", "at most 2" if estimator == OURS else ""))
    return rows


def compiling():
    """Compiled programs."""
    found = programs.measure()
    title = f"fits of {found['shapes']} shapes, up to 1000 x 40 and 64 units: programs, memory of all"
    return [
        _row("programs that cross_val_score(cv=5) compiles", found["cross_val_score"], "1"),
        _row(
            "programs that GridSearchCV over ten small widths compiles",
            found["ten_widths"],
            "at most 4",
        ),
        _row(
            title,
            f"{found['shapes_programs']}, {found['shapes_bytes'] / 1e6:.0f} MB",
            "bounded, say so",
        ),
    ]


def workers():
    """n_jobs=2 in scikit-learn's GridSearchCV, on the digits."""
    seconds = search.n_jobs_seconds()
    return [
        _row(
            "scikit-learn's GridSearchCV over ours, digits, 6 widths x 5 folds: n_jobs=1 / n_jobs=2, "
            "first / later",
            " / ".join(f"{first:.1f} / {later:.1f} s" for first, later in seconds),
            "2 not slower than 1 but for the workers' start",
        )
    ]


def partial_fitting():
    """partial_fit on small data."""
    X, y = generated(10_000, 20)
    chunks = [slice(start, start + 100) for start in range(0, len(X), 100)]

    def fit_chunks(estimator):
        network = estimator((64, 64), random_state=0)
        for chunk in chunks:
            network.partial_fit(X[chunk], y[chunk], classes=[0, 1])

    return [
        _compare(
            "partial_fit, 100 chunks of 100x20, (64,64), float32",
            partial(fit_chunks, LowLevelMLPClassifier),
            partial(fit_chunks, MLPClassifier),
            "",
        )
    ]


def lbfgs():
    """lbfgs on small data."""
    X, y = generated(2000, 20, dtype="float64")
    ours, theirs = (
        partial(estimator((20,), solver="lbfgs", max_iter=100, random_state=0).fit, X, y)
        for estimator in (LowLevelMLPClassifier, MLPClassifier)
    )
    return [_compare("lbfgs, 2000x20, (20,), float64, 100 iterations", ours, theirs, "")]


def sparse_fit():
    """Sparse X."""
    X = sparse.random_array((5000, 20_000), density=0.005, format="csr", rng=np.random.default_rng(0))
    y = np.arange(5000) % 2
    rows = []
    for dtype, to_reach in (("float32", "more than 1"), ("float64", "at least 0.87")):
        ours, theirs = (
            partial(estimator(max_iter=2, random_state=0).fit, X.astype(dtype), y)
            for estimator in (LowLevelMLPClassifier, MLPClassifier)
        )
        title = f"fit, sparse 5000x20000, 100 non-zeros a row, (100,), {dtype}"
        rows.append(_compare(title, ours, theirs, to_reach, rounds=3))
    return rows


FIGURES = [
    importing, first_fit, compiling, workers, predicting, memory, partial_fitting, lbfgs, sparse_fit,
]  # fmt: skip


def growth():
    """Seconds a sample and epoch against rows, features and width: one dict for each point."""
    rows, features, width = (1000, 10_000, 100_000, 1_000_000), (10, 100, 1000), (16, 64, 256, 1024)
    points = (
        [("rows", n, n, 20, (64, 64), max(2, 100_000 // n)) for n in rows]
        + [("features", p, 5000, p, (64, 64), 5) for p in features]
        + [("width", w, 5000, 50, (w, w), 5) for w in width]
    )
    found = []
    for axis, value, n_samples, n_features, hidden, epochs in tqdm(points, desc="growth", unit="point"):
        X, y = generated(n_samples, n_features)
        parameters = {
            "hidden_layer_sizes": hidden,
            "batch_size": 200,
            "max_iter": epochs,
            **speed.NO_STOPPING,
        }
        contestants = {
            (estimator.__name__, threads): partial(estimator(**parameters).fit, X, y)
            for estimator, threads in (
                (LowLevelMLPClassifier, "all"),
                *product([MLPClassifier], THREADS),
            )
        }
        compiling = LowLevelMLPClassifier(**{**parameters, "max_iter": 1})
        in_turn({("compile", "all"): partial(compiling.fit, X, y)}, 1)
        for (estimator, threads), seconds in in_turn(contestants, 3 if n_samples < 1e6 else 1).items():
            point = {"axis": axis, "value": value, "estimator": estimator, "threads": threads}
            found.append(point | {"seconds_a_sample": float(np.median(seconds)) / (n_samples * epochs)})
    return found


def growth_to_markdown(points):
    """One row for each size, the columns being the contestants."""
    rows = {}
    for point in points:
        threads = "" if point["estimator"] == OURS else f", BLAS {point['threads']}"
        row = rows.setdefault((point["axis"], point["value"]), {point["axis"]: point["value"]})
        row[point["estimator"] + threads] = significant(1e6 * point["seconds_a_sample"])
    tables = [
        markdown_table([row for (name, _), row in rows.items() if name == axis])
        for axis in dict.fromkeys(name for name, _ in rows)
    ]
    return "Microseconds a sample and epoch, float32, medians of later fits.\n\n" + "\n\n".join(tables)
