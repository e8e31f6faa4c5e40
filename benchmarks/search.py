"""Many fits at once: scikit-learn's tools under the joblib backend of skdense, and over MLPClassifier.

Both sides run the same code with the same settings; ours in `joblib.parallel_config("skdense")`,
MLPClassifier's on two processes. Each job has a process of its own, where both are timed alternately.
"""

import time
import warnings
from functools import partial

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.benchmark_utils.data import clouds
from benchmarks.process import fresh, import_seconds
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier

ROUNDS = 3
WIDTHS = {"hidden_layer_sizes": [(width, width) for width in (2, 4, 6, 8, 10, 12, 16, 20)]}
RATES = {
    "hidden_layer_sizes": [(width, width) for width in (2, 5, 10, 20)],
    "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
}
DIGITS_WIDTHS = {"network__hidden_layer_sizes": [(width,) for width in (16, 32, 48, 64, 96, 128)]}
FLOAT64_SEARCH = "GridSearchCV, digits pipeline, 6 widths x 5 folds"
digits = partial(load_digits, return_X_y=True)


def plain(estimator, **parameters):
    return estimator(random_state=0, **parameters)


def scaled(estimator, **parameters):
    return Pipeline([("scale", StandardScaler()), ("network", plain(estimator, **parameters))])


def search(grid, network, X, y):
    return GridSearchCV(network, grid, cv=5).fit(X, y).cv_results_["mean_test_score"]


def bagging(network, X, y):
    return BaggingClassifier(network, 20, random_state=0).fit(X, y).predict_proba(X)


def one_vs_rest(network, X, y):
    return OneVsRestClassifier(network).fit(X, y).predict_proba(X)


def curve(network, X, y):
    return learning_curve(network, X, y)[2]


def nested(network, X, y):
    return cross_val_score(GridSearchCV(network, WIDTHS, cv=4), X, y, cv=4)


small, middle = (partial(plain, hidden_layer_sizes=(width,)) for width in (16, 32))
# Title: data; what makes a network of its class; what is timed, of network, X and y to scores.
JOBS = {
    "GridSearchCV, clouds, 8 widths x 5 folds": (clouds, plain, partial(search, WIDTHS)),
    "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds": (clouds, plain, partial(search, RATES)),
    FLOAT64_SEARCH: (digits, scaled, partial(search, DIGITS_WIDTHS)),
    f"{FLOAT64_SEARCH}, ours float32": (digits, scaled, partial(search, DIGITS_WIDTHS), "float32"),
    "BaggingClassifier of 20 (32,), digits": (digits, middle, bagging),
    "cross_val_score(cv=10), digits pipeline": (digits, scaled, partial(cross_val_score, cv=10)),
    "OneVsRestClassifier of (16,), digits": (digits, small, one_vs_rest),
    "learning_curve of (16,), digits": (digits, small, curve),
    "nested cross-validation, 4 x 4 folds, 8 widths, clouds": (clouds, plain, nested),
}


def run():
    """Measure every job in a process of its own."""
    return {
        "jobs": [fresh(compare, title=title) for title in tqdm(JOBS, desc="many fits", leave=False)],
        "alone": fresh(without_backend),
        "restarts": restarts(),
    }


def compare(title):
    """Run a job on both sides in turn; return seconds, the first ones first, and how scores differ."""

    def both(load, make, run, dtype=None):
        with joblib.parallel_config("skdense"):
            ours, our_scores = _timed(run, make(LowLevelMLPClassifier, dtype=dtype), *load())
        with joblib.parallel_config("loky", n_jobs=2):
            theirs, their_scores = _timed(run, make(MLPClassifier), *load())
        return ours, theirs, float(np.abs(our_scores - their_scores).max())

    warnings.simplefilter("ignore", ConvergenceWarning)
    found = {"title": title, "import": import_seconds("skdense.core.host.training")}
    turns = [both(*JOBS[title]) for _ in range(1 + ROUNDS)]
    return found | dict(zip(("ours", "theirs", "differences"), zip(*turns)))


def without_backend():
    """Seconds of the digits' search over ours without the backend, first and later, by n_jobs."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    load, make, run = JOBS[FLOAT64_SEARCH]
    seconds = {}
    for n_jobs in (1, 2):
        with joblib.parallel_config("loky", n_jobs=n_jobs):
            seconds[n_jobs] = [_timed(run, make(LowLevelMLPClassifier), *load())[0] for _ in range(2)]
    return seconds


def restarts():
    """Seconds of n_init=1 and n_init=20, later fits in turn, on the clouds."""
    X, y = clouds()
    seconds = {1: [], 20: []}
    for _ in range(1 + 2 * ROUNDS):
        for n_init, values in seconds.items():
            network = LowLevelMLPClassifier((2, 2), n_init=n_init, random_state=0, n_iter_no_change=200)
            values.append(_timed(network.fit, X, y)[0])
    return {n_init: values[1:] for n_init, values in seconds.items()}


def _timed(run, *arguments):
    start = time.perf_counter()
    result = run(*arguments)
    return time.perf_counter() - start, result


REPORT = """\
The same code on both sides: ours in `joblib.parallel_config("skdense")`, MLPClassifier's on two
processes, `n_jobs=2`. Seconds and ratios are of the first run in a process with TensorFlow's import /
of the first without that import / **of later runs**, medians of {rounds}, timed alternately.
The first run of ours compiles its programs. MLPClassifier's first run starts its two worker processes,
which is in both ratios of a first run.

{table}

{equality} The digits' search over ours without the backend takes {alone}, first / later, with
TensorFlow's import in each first one. n_init=20 on the clouds, (2, 2), 200 epochs, takes {times} times
as long as n_init=1."""


def to_markdown(figures):
    """Seconds and ratios by job; whether the scores are equal; two figures more."""
    rows, unequal = [], []
    for job in figures["jobs"]:
        ours, theirs = np.array(job["ours"]), np.array(job["theirs"])
        cold, first, later = ours[0] + job["import"], ours[0], np.median(theirs[1:] / ours[1:])
        rows.append(
            {
                "job": job["title"],
                "ours, s": f"{cold:.1f} / {first:.1f} / {np.median(ours[1:]):.2f}",
                "MLPClassifier, s": f"{theirs[0]:.1f} / {np.median(theirs[1:]):.2f}",
                "ratio": f"{theirs[0] / cold:.1f} / {theirs[0] / first:.1f} / **{later:.1f}**",
                "largest score difference": f"{max(job['differences']):.0e}",
            }
        )
        unequal += [job["title"]] * (max(job["differences"]) > 1e-9)
    one, twenty = map(np.array, figures["restarts"].values())
    alone = [
        f"{first:.1f} / {later:.1f} s with n_jobs={n_jobs}"
        for n_jobs, (first, later) in figures["alone"].items()
    ]
    return REPORT.format(
        rounds=ROUNDS,
        table=markdown_table(rows),
        equality=f"Scores differ: {'; '.join(unequal)}." if unequal else "All scores agree to 1e-9.",
        alone=" and ".join(alone),
        times=significant(np.median(twenty / one)),
    )
