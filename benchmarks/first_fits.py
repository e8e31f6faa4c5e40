"""Seconds of whole scripts: their first run on a machine, the next ones, and the same work later.

A job runs in a fresh process with an empty folder of compiled programs, in a second one with the
programs of the first, and once more in the second. With MLPClassifier, it runs in one process. Searches
run in two threads of joblib, those of MLPClassifier in two worker processes, as each is fastest.
Medians of three rounds.
"""

import time
import warnings
from functools import partial

import joblib
import numpy as np
import pandas as pd
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import plots
from benchmarks.networks import OURS, THEIRS, clouds, make
from benchmarks.process import run_twice
from benchmarks.report import markdown_table, significant
from benchmarks.table_sizes import made, table

SIX = {"network__hidden_layer_sizes": [(width,) for width in (16, 32, 48, 64, 96, 128)]}
RATES = {
    "hidden_layer_sizes": [(width, width) for width in (2, 5, 10, 20)],
    "learning_rate_init": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2],
}
RANDOM = {
    "network__hidden_layer_sizes": [(32,), (64,), (100,), (64, 32), (100, 50), (128, 64)],
    "network__activation": ["relu", "tanh"],
    "network__batch_size": [32, 64, 128, 200],
    "network__alpha": loguniform(1e-5, 1e-1),
    "network__learning_rate_init": loguniform(1e-4, 1e-2),
}


def scaled(estimator, **parameters):
    """The network of that class after a StandardScaler."""
    return Pipeline([("scale", StandardScaler()), ("network", make(estimator, **parameters))])


def fit_once(estimator):
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, _ = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    scaled(estimator).fit(X, y).predict(X_test)


def search(load, network, grid, estimator):
    """A GridSearchCV, or a random search if the grid has distributions."""
    model = network(estimator)
    if grid is RANDOM:
        model = RandomizedSearchCV(model, grid, n_iter=30, cv=5, random_state=0)
    else:
        model = GridSearchCV(model, grid, cv=5)
    with joblib.parallel_config("loky" if estimator == THEIRS else "threading", n_jobs=2):
        model.fit(*load())


def pruned_search(load, estimator):
    from skdense.search import PrunedSearchCV

    model = PrunedSearchCV(stopped(estimator), RANDOM, n_candidates=30, cv=5, random_state=0)
    with joblib.parallel_config("threading", n_jobs=2):
        model.fit(*load())


def fit_table(estimator):
    made("skdense")[0].fit(*table(1000))


stopped = partial(scaled, early_stopping=True)
breast_cancer = partial(load_breast_cancer, return_X_y=True)
digits = partial(load_digits, return_X_y=True)
BOTH = OURS, THEIRS
# Title: what is run, and with which estimators. The picture has the first four.
JOBS = {
    "one fit, breast_cancer": (fit_once, BOTH),
    "random search, breast_cancer, 30 x 5 folds": (
        partial(search, breast_cancer, stopped, RANDOM), BOTH,
    ),
    "random search, digits, 30 candidates x 5 folds": (partial(search, digits, stopped, RANDOM), BOTH),
    "default for tables, 1,000 rows of 20 mixed columns": (fit_table, (OURS,)),
    "pruned search, breast_cancer, 30 x 5 folds": (partial(pruned_search, breast_cancer), (OURS,)),
    "pruned search, digits, 30 candidates x 5 folds": (partial(pruned_search, digits), (OURS,)),
    "GridSearchCV, digits pipeline, 6 widths x 5 folds": (partial(search, digits, scaled, SIX), BOTH),
    "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds": (partial(search, clouds, make, RATES), BOTH),
}  # fmt: skip


def jobs(rounds=3):
    """Each job for ours and for MLPClassifier, round by round."""
    return [
        {"job": title, "estimator": estimator, "round": turn}
        for turn in range(rounds)
        for title, (_, estimators) in JOBS.items()
        for estimator in estimators
    ]


def measure(job, estimator, round):
    """The seconds of the processes, and of the same work later."""
    seconds = run_twice(in_process, compiles=estimator == OURS, title=job, estimator=estimator)
    return {turn: seconds[turn] for turn in ("empty", "full", "later")}


def in_process(started, again, title, estimator):
    """Seconds from the start of the process until the job is done, and of the same again."""
    warnings.simplefilter("ignore")
    run, _ = JOBS[title]
    run(estimator)
    process, start = time.time() - started, time.time()
    if again:
        run(estimator)
    return {"process": process, "later": time.time() - start}


def medians(rows):
    """For each job a row: the seconds of our three turns, and MLPClassifier's of two."""
    turns = pd.DataFrame(rows).drop(columns="round")
    turns = turns.groupby(["job", "estimator"], sort=False).median().unstack()
    turns = turns.reindex(index=dict.fromkeys(row["job"] for row in rows))
    headings = {
        "empty folder, s": ("empty", OURS),
        "full folder, s": ("full", OURS),
        "later, s": ("later", OURS),
        f"{THEIRS}, s": ("full", THEIRS),
        f"{THEIRS}, later, s": ("later", THEIRS),
    }
    seconds = {heading: turns.get(key, np.nan) for heading, key in headings.items()}
    return pd.DataFrame(seconds, turns.index)


def draw(rows, path):
    plots.first_fits(medians(rows)[:4], path)


REPORT = """\
*empty folder*: seconds of a whole fresh process, from its start to its result, as when a script runs
for the first time; it imports TensorFlow and compiles. *full folder*: a second process, which finds all
compiled programs on disk, as from the second run on. *later*: the same code again in this process.
Searches run in two threads of joblib, those of MLPClassifier in two processes. Medians, rounds: {}.

{}"""


def to_markdown(rows):
    """What was measured, and a row for each job."""
    shown = medians(rows).map(lambda seconds: "" if np.isnan(seconds) else significant(seconds))
    rounds = 1 + max(row["round"] for row in rows)
    return REPORT.format(rounds, markdown_table(shown.reset_index().to_dict("records")))
