"""Searches, bagging and cross-validation of scikit-learn, over our network and over MLPClassifier.

Each runs in two threads of joblib and in two worker processes (ours), and in two worker processes
(MLPClassifier): as a whole fresh process with an empty and with a full folder of compiled programs, and
once more in that process. The report says where scores differ.
"""

import warnings
from functools import partial

import joblib
import numpy as np
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.networks import OURS, THEIRS, clouds, make
from benchmarks.process import FOLDERS, run_twice, time_process
from benchmarks.report import markdown_table, significant

# Way: the network's class, joblib's backend and parameters of the network.
WAYS = {
    "threads": (OURS, "threading", {}),
    "float32": (OURS, "threading", {"dtype": "float32"}),
    "loky": (OURS, "loky", {}),
    "theirs": (THEIRS, "loky", {}),
}
RATES = {
    "hidden_layer_sizes": [(width, width) for width in (2, 5, 10, 20)],
    "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
}
SIX = {"network__hidden_layer_sizes": [(width,) for width in (16, 32, 48, 64, 96, 128)]}
RANDOM = {
    "network__hidden_layer_sizes": [(32,), (64,), (100,), (64, 32), (100, 50), (128, 64)],
    "network__activation": ["relu", "tanh"],
    "network__batch_size": [32, 64, 128, 200],
    "network__alpha": loguniform(1e-5, 1e-1),
    "network__learning_rate_init": loguniform(1e-4, 1e-2),
}
digits = partial(load_digits, return_X_y=True)


def scaled(name, **parameters):
    return Pipeline([("scale", StandardScaler()), ("network", make(name, **parameters))])


def search(grid, network, X, y):
    return GridSearchCV(network, grid, cv=5).fit(X, y).cv_results_["mean_test_score"]


def random_search(network, X, y):
    search = RandomizedSearchCV(network, RANDOM, n_iter=30, cv=5, random_state=0)
    return search.fit(X, y).cv_results_["mean_test_score"]


def bagging(network, X, y):
    return BaggingClassifier(network, 20, random_state=0).fit(X, y).predict_proba(X)


stopped = partial(scaled, early_stopping=True)
small = partial(make, hidden_layer_sizes=(32,))
breast_cancer = partial(load_breast_cancer, return_X_y=True)
# Title: data; what makes a network of a class; what is timed, of network, X and y to scores.
JOBS = {
    "random search, digits, 30 candidates x 5 folds": (digits, stopped, random_search),
    "random search, breast_cancer, 30 x 5 folds": (breast_cancer, stopped, random_search),
    "GridSearchCV, digits pipeline, 6 widths x 5 folds": (digits, scaled, partial(search, SIX)),
    "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds": (clouds, make, partial(search, RATES)),
    "cross_val_score(cv=10), digits pipeline": (digits, scaled, partial(cross_val_score, cv=10)),
    "BaggingClassifier of 20 (32,), digits": (digits, small, bagging),
}


def jobs(rounds=1):
    """Every job in every way, round by round."""
    return [
        {"title": title, "way": way, "round": turn}
        for turn in range(rounds)
        for title in JOBS
        for way in WAYS
    ]


def measure(title, way, round):
    """Seconds of whole processes, of the same again, and scores."""
    return run_twice(in_process, compiles=way != "theirs", title=title, way=way)


def in_process(started, again, title, way):
    """Seconds from the start of the process to the result, those of the same again, scores."""
    warnings.simplefilter("ignore")
    load, network_of, job = JOBS[title]
    name, backend, parameters = WAYS[way]

    def call():
        return job(network_of(name, **parameters), *load())

    with joblib.parallel_config(backend, n_jobs=2):
        scores, seconds = time_process(call, started, again)
    return seconds | {"scores": scores.tolist()}


REPORT = f"""\
The same code everywhere: ours in two threads, `joblib.parallel_config("threading", n_jobs=2)`, in
float64 and float32, and in two worker processes of `"loky"`; MLPClassifier in two worker processes.
Each cell of ours has **empty folder / full folder / later**, one of MLPClassifier **process / later**.
{FOLDERS} Seconds are medians
over rounds ({{rounds}} here). *times as fast* is MLPClassifier's seconds over ours in threads, the
median over the rounds; below 1, ours is slower.

{{table}}

{{equality}}."""


def to_markdown(rows):
    """Seconds by job, way and folder of programs, and their ratios; whether the scores are equal."""
    table, unequal = [], []
    for title in dict.fromkeys(row["title"] for row in rows):
        of_ways = {
            way: [row for row in rows if (row["title"], row["way"]) == (title, way)] for way in WAYS
        }
        seconds = {
            way: np.array([[row[name] for name in ("empty", "full", "later")] for row in found])
            for way, found in of_ways.items()
        }
        scores = {way: np.array(found[0]["scores"]) for way, found in of_ways.items()}
        if np.abs(scores["threads"] - scores["theirs"]).max() > 1e-9:
            unequal.append(title)
        if not np.array_equal(scores["threads"], scores["loky"]):
            unequal.append(f"{title}, loky")
        table.append(
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
    rounds = 1 + max(row["round"] for row in rows)
    return REPORT.format(rounds=rounds, table=markdown_table(table), equality=equality)


def _medians(rounds):
    """The medians of each column of the rounds."""
    return " / ".join(map(significant, np.median(rounds, axis=0)))
