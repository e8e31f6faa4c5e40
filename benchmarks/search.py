"""Many fits at once: scikit-learn's tools over ours and over MLPClassifier, first and later runs.

Each run has fresh processes, timed from their start to the result, and then does the same again. Ours
runs in two threads of joblib and in two of its worker processes, MLPClassifier in two processes. The
ways take turns.
"""

import time
import warnings
from functools import partial

import joblib
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks import workers
from benchmarks.benchmark_utils.data import clouds
from benchmarks.benchmark_utils.estimators import OURS, THEIRS, make
from benchmarks.process import FOLDERS, fresh, run_twice, time_process
from benchmarks.report import markdown_table, significant

ROUNDS = 3
# Way: the network's class, joblib's backend and parameters of the network.
WAYS = {
    "threads": (OURS, "threading", {}),
    "float32": (OURS, "threading", {"dtype": "float32"}),
    "loky": (OURS, "loky", {}),
    "theirs": (THEIRS, "loky", {}),
}
WIDTHS = {"hidden_layer_sizes": [(width, width) for width in (2, 4, 6, 8, 10, 12, 16, 20)]}
RATES = {
    "hidden_layer_sizes": [(width, width) for width in (2, 5, 10, 20)],
    "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
}
DIGITS_WIDTHS = {"network__hidden_layer_sizes": [(width,) for width in (16, 32, 48, 64, 96, 128)]}
RANDOM = {
    "network__hidden_layer_sizes": [(32,), (64,), (100,), (64, 32), (100, 50), (128, 64)],
    "network__activation": ["relu", "tanh"],
    "network__batch_size": [32, 64, 128, 200],
    "network__alpha": loguniform(1e-5, 1e-1),
    "network__learning_rate_init": loguniform(1e-4, 1e-2),
}
digits = partial(load_digits, return_X_y=True)


def plain(name, **parameters):
    network = make(name, random_state=0)
    return network.set_params(**parameters)


def scaled(name, **parameters):
    return Pipeline([("scale", StandardScaler()), ("network", plain(name, **parameters))])


def search(grid, network, X, y):
    return GridSearchCV(network, grid, cv=5).fit(X, y).cv_results_["mean_test_score"]


def random_search(network, X, y):
    search = RandomizedSearchCV(network, RANDOM, n_iter=30, cv=5, random_state=0)
    return search.fit(X, y).cv_results_["mean_test_score"]


def bagging(network, X, y):
    return BaggingClassifier(network, 20, random_state=0).fit(X, y).predict_proba(X)


def one_vs_rest(network, X, y):
    return OneVsRestClassifier(network).fit(X, y).predict_proba(X)


def curve(network, X, y):
    return learning_curve(network, X, y)[2]


def nested(network, X, y):
    return cross_val_score(GridSearchCV(network, WIDTHS, cv=4), X, y, cv=4)


digits_widths = partial(search, DIGITS_WIDTHS)
small, middle = (partial(plain, hidden_layer_sizes=(width,)) for width in (16, 32))
stopped = partial(scaled, early_stopping=True)
breast_cancer = partial(load_breast_cancer, return_X_y=True)
generated = partial(make_classification, 5000, 20, n_informative=10, random_state=0)
# Title: data; what makes a network of a class; what is timed, of network, X and y to scores.
JOBS = {
    "random search, digits, 30 candidates x 5 folds": (digits, stopped, random_search),
    "random search, breast_cancer, 30 x 5 folds": (breast_cancer, stopped, random_search),
    "random search, 5000 x 20, 30 x 5 folds": (generated, stopped, random_search),
    "GridSearchCV, digits pipeline, 6 widths x 5 folds": (digits, scaled, digits_widths),
    "GridSearchCV, clouds, 8 widths x 5 folds": (clouds, plain, partial(search, WIDTHS)),
    "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds": (clouds, plain, partial(search, RATES)),
    "nested cross-validation, 4 x 4 folds, 8 widths, clouds": (clouds, plain, nested),
    "cross_val_score(cv=10), digits pipeline": (digits, scaled, partial(cross_val_score, cv=10)),
    "learning_curve of (16,), digits": (digits, small, curve),
    "BaggingClassifier of 20 (32,), digits": (digits, middle, bagging),
    "OneVsRestClassifier of (16,), digits": (digits, small, one_vs_rest),
}


def run(rounds=ROUNDS):
    """Measure every job in every way, round by round; then workers and restarts."""
    turns = tqdm(
        [(title, way) for title in JOBS for _ in range(rounds) for way in WAYS],
        desc="many fits",
        leave=False,
    )
    jobs = {title: {way: [] for way in WAYS} for title in JOBS}
    for title, way in turns:
        seconds = run_twice(measure, compiles=way != "theirs", title=title, way=way)
        jobs[title][way].append(seconds)
    return {"jobs": jobs, "workers": workers.run(), "restarts": fresh(restarts)}


def measure(started, again, title, way):
    """Seconds from the start of the process to the result, those of the same again, scores."""
    warnings.simplefilter("ignore")
    load, network_of, job = JOBS[title]
    name, backend, parameters = WAYS[way]

    def call():
        return job(network_of(name, **parameters), *load())

    with joblib.parallel_config(backend, n_jobs=2):
        scores, seconds = time_process(call, started, again)
    return seconds | {"scores": scores.tolist()}


def restarts():
    """Seconds of n_init=1 and n_init=20, later fits in turn, on the clouds."""
    warnings.simplefilter("ignore")
    X, y = clouds()
    seconds = {1: [], 20: []}
    for _ in range(1 + 2 * ROUNDS):
        for n_init, values in seconds.items():
            network = plain(OURS, hidden_layer_sizes=(2, 2), n_init=n_init, n_iter_no_change=200)
            start = time.perf_counter()
            network.fit(X, y)
            values.append(time.perf_counter() - start)
    return {n_init: values[1:] for n_init, values in seconds.items()}


REPORT = f"""\
The same code everywhere: ours in two threads, `joblib.parallel_config("threading", n_jobs=2)`, in
float64 and float32, and in two worker processes of `"loky"`; MLPClassifier in two worker processes.
Each cell of ours has **empty folder / full folder / later**, one of MLPClassifier **process / later**.
{FOLDERS} Seconds are medians
over rounds ({{rounds}} here), in which the ways take turns. *times as fast* is MLPClassifier's seconds
over ours in threads, the median over the rounds; below 1, ours is slower.

{{table}}

{{equality}}. n_init=20 on the clouds, (2, 2), 200 epochs, takes {{times}} times as long as n_init=1.

{{workers}}"""


def to_markdown(figures):
    """Seconds by job, way and folder of programs, and their ratios; whether the scores are equal."""
    rows, unequal = [], []
    for title, ways in figures["jobs"].items():
        seconds = {
            way: np.array([[turn[name] for name in ("empty", "full", "later")] for turn in turns])
            for way, turns in ways.items()
        }
        scores = {way: np.array(turns[0]["scores"]) for way, turns in ways.items()}
        if np.abs(scores["threads"] - scores["theirs"]).max() > 1e-9:
            unequal.append(title)
        if not np.array_equal(scores["threads"], scores["loky"]):
            unequal.append(f"{title}, loky")
        rows.append(
            {
                "job": title,
                "times as fast": _medians(seconds["theirs"] / seconds["threads"]),
                "float32, times as fast": _medians(seconds["theirs"] / seconds["float32"]),
                "threads, s": _medians(seconds["threads"]),
                "threads, float32, s": _medians(seconds["float32"]),
                "loky, s": _medians(seconds["loky"]),
                "MLPClassifier, s": _medians(seconds["theirs"][:, 1:]),
            }
        )
    equality = "Scores differ: " + "; ".join(unequal)
    if not unequal:
        equality = "In float64 all scores agree to 1e-9, and those in threads and processes are equal"
    one, twenty = map(np.array, figures["restarts"].values())
    return REPORT.format(
        rounds=len(seconds["theirs"]),
        table=markdown_table(rows),
        equality=equality,
        times=significant(np.median(twenty / one)),
        workers=workers.to_markdown(figures["workers"]),
    )


def _medians(rounds):
    """The medians of each column of the rounds."""
    return " / ".join(map(significant, np.median(rounds, axis=0)))
