"""Whole searches: ours, trained in stacks, against scikit-learn's over MLPClassifier with n_jobs=2.

Each pair runs in a fresh process of its own: the first search of ours includes every compile, that of
the refit too, but not the import of TensorFlow; scikit-learn's first search includes the start of its
worker processes. Later searches take turns.
"""

import json
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.model_selection import GridSearchCV as ScikitLearnSearch
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.report import markdown_table
from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

ROUNDS = 3


def _clouds():
    X, y = make_two_clouds(random_state=0)
    return X.astype(np.float64), y


def _widths(*widths):
    return [(width, width) for width in widths]


def _network(estimator, **parameters):
    return estimator(random_state=0, **parameters)


def _scaled(estimator, **parameters):
    return make_pipeline(StandardScaler(), estimator(random_state=0, **parameters))


DIGITS_GRID = {"{}__hidden_layer_sizes": [(16,), (32,), (48,), (64,), (96,), (128,)]}
# Title: data, model, parameter grid (braces stand for the step's name), ours alone, (first, later) to
# reach and to aim for.
JOBS = {
    "clouds, 8 widths x 5 folds": (
        _clouds,
        _network,
        {"hidden_layer_sizes": _widths(2, 4, 6, 8, 10, 12, 16, 20)},
        {},
        ((2, 6), (4, 12)),
    ),
    "clouds, 4 widths x 5 rates x 5 folds": (
        _clouds,
        _network,
        {
            "hidden_layer_sizes": _widths(2, 5, 10, 20),
            "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
        },
        {},
        ((3, 8), (5, 15)),
    ),
    "digits, scaled, 6 widths x 5 folds": (
        lambda: load_digits(return_X_y=True),
        _scaled,
        DIGITS_GRID,
        {},
        ((1.3, 2), (2, 4)),
    ),
    "digits, the same, ours dtype='float32'": (
        lambda: load_digits(return_X_y=True),
        _scaled,
        DIGITS_GRID,
        {"dtype": "float32"},
        ((1.3, 3.5), (2, 6)),
    ),
}


def run():
    """Measure every job in a process of its own; return their seconds."""
    results = []
    for title in tqdm(JOBS, desc="searches", leave=False):
        output = subprocess.run(
            [sys.executable, "-m", "benchmarks.search", title],
            cwd=Path(__file__).parent.parent,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        results.append(json.loads(output.splitlines()[-1]))
    return results


def _measure(title):
    """Search once on each side, then in turn; print the seconds as JSON."""
    load, model, grid, parameters, _ = JOBS[title]
    X, y = load()
    start = time.perf_counter()
    import skdense.core.training  # noqa: F401

    import_seconds = time.perf_counter() - start

    def search(search_class, estimator, n_jobs, **parameters):
        step = estimator.__name__.lower()
        named = {name.format(step): values for name, values in grid.items()}
        fitted = search_class(model(estimator, **parameters), named, cv=5, n_jobs=n_jobs)
        start = time.perf_counter()
        fitted.fit(X, y)
        return time.perf_counter() - start, fitted.cv_results_["mean_test_score"]

    ours, theirs, differences = [], [], []
    for _ in range(1 + ROUNDS):
        our_seconds, our_scores = search(GridSearchCV, LowLevelMLPClassifier, None, **parameters)
        their_seconds, their_scores = search(ScikitLearnSearch, MLPClassifier, 2)
        ours.append(our_seconds)
        theirs.append(their_seconds)
        differences.append(float(np.abs(our_scores - their_scores).max()))
    figures = {
        "title": title,
        "import_seconds": import_seconds,
        "ours": ours,
        "theirs": theirs,
        "score_difference": max(differences),
    }
    print(json.dumps(figures))


def restarts():
    """The times of n_init=20 over those of n_init=1, later fits in turn, on the clouds."""
    X, y = _clouds()
    seconds = {1: [], 20: []}
    for _ in range(1 + 2 * ROUNDS):
        for n_init, values in seconds.items():
            network = LowLevelMLPClassifier((2, 2), n_init=n_init, random_state=0, n_iter_no_change=200)
            start = time.perf_counter()
            network.fit(X, y)
            values.append(time.perf_counter() - start)
    return {n_init: values[1:] for n_init, values in seconds.items()}


def n_jobs_seconds():
    """Seconds of scikit-learn's search over ours, first and later, with n_jobs=1 and with n_jobs=2."""
    load, model, grid, _, _ = JOBS["digits, scaled, 6 widths x 5 folds"]
    X, y = load()
    named = {name.format("lowlevelmlpclassifier"): values for name, values in grid.items()}
    seconds = []
    for n_jobs in (1, 2):
        seconds.append([])
        for _ in range(2):
            search = ScikitLearnSearch(model(LowLevelMLPClassifier), named, cv=5, n_jobs=n_jobs)
            start = time.perf_counter()
            search.fit(X, y)
            seconds[-1].append(time.perf_counter() - start)
    return seconds


def to_markdown(results, restart_seconds):
    """The ratios beside those to reach."""
    rows = []
    for figures in results:
        *_, (reach, aim) = JOBS[figures["title"]]
        ours, theirs = np.array(figures["ours"]), np.array(figures["theirs"])
        later = np.median(theirs[1:] / ours[1:])
        rows.append(
            {
                "search": figures["title"],
                "ours, s: first / later": f"{ours[0]:.2f} / {np.median(ours[1:]):.2f}",
                "scikit-learn, s": f"{theirs[0]:.2f} / {np.median(theirs[1:]):.2f}",
                "ratio": f"**{theirs[0] / ours[0]:.1f} / {later:.1f}**",
                "to reach": f"{reach[0]} / {reach[1]}",
                "aim": f"{aim[0]} / {aim[1]}",
                "largest score difference": f"{figures['score_difference']:.1g}",
            }
        )
    times = np.median(np.array(restart_seconds[20]) / np.array(restart_seconds[1]))
    imports = np.median([figures["import_seconds"] for figures in results])
    return (
        markdown_table(rows)
        + f"\n\nn_init=20 on the clouds, (2, 2), 200 epochs, takes {times:.1f} times the time of "
        f"n_init=1 (at most 12, aim 8). Importing TensorFlow, not counted: {imports:.1f} s."
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    _measure(sys.argv[1])
