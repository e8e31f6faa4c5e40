"""Pruned searches against searches of all candidates: the winners, and seconds of whole processes.

Both draw the same candidates. A third of each data set is held out; there the winners are compared,
each refitted to the other two thirds.
"""

import warnings
from functools import partial

import numpy as np
import pandas as pd
from joblib import parallel_config
from sklearn import datasets
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV, train_test_split

from benchmarks.networks import OURS, THEIRS
from benchmarks.process import FOLDERS, fresh, run_twice, time_process
from benchmarks.report import markdown_table, significant
from benchmarks.search import RANDOM, scaled

N_CANDIDATES, N_SPLITS, MAX_ITER = 64, 3, 81
N_TIMED, TIMED_SPLITS = 30, 5
# No search stops a network early: a search of all candidates trains 81 epochs of each.
SETTINGS = {"early_stopping": True, "max_iter": MAX_ITER, "n_iter_no_change": MAX_ITER}
made = partial(datasets.make_classification, n_informative=10, random_state=0)


def standardized(X, y):
    return X, (y - y.mean()) / y.std()


# Data to find winners on: its loader, and whether numbers are predicted.
DATA = {
    "digits": (partial(datasets.load_digits, return_X_y=True), False),
    "breast_cancer": (partial(datasets.load_breast_cancer, return_X_y=True), False),
    "4,000 x 20": (partial(made, 4000, 20, n_classes=4), False),
    "wine": (partial(datasets.load_wine, return_X_y=True), False),
    "circles": (partial(datasets.make_circles, 800, noise=0.2, factor=0.5, random_state=0), False),
    "diabetes": (lambda: standardized(*datasets.load_diabetes(return_X_y=True)), True),
    "friedman1": (lambda: standardized(*datasets.make_friedman1(1500, noise=1, random_state=0)), True),
}
TIMED = "digits", "breast_cancer"
SEARCHES = "pruned", "exhaustive", "MLPClassifier"
"""Those of which the seconds are measured."""


def jobs(rounds=2):
    """So many draws of candidates of each data set, and whole processes with another search."""
    return [
        *({"data": data, "seed": seed} for data in DATA for seed in range(rounds)),
        *({"data": data, "search": name} for data in TIMED for name in SEARCHES),
    ]


def measure(data, seed=None, search=None):
    if search is None:
        return fresh(found, data=data, seed=seed)
    return run_twice(timed, compiles=search != "MLPClassifier", data=data, name=search)


def timed(started, again, data, name):
    """Seconds of a process with one search, and of a later one."""
    warnings.simplefilter("ignore")
    model = scaled(THEIRS if name == "MLPClassifier" else OURS, early_stopping=True)
    given = {"cv": TIMED_SPLITS, "random_state": 0}
    search = RandomizedSearchCV(model, RANDOM, n_iter=N_TIMED, **given)
    if name == "pruned":
        from skdense.search import PrunedSearchCV

        search = PrunedSearchCV(model, RANDOM, n_candidates=N_TIMED, **given)
    with parallel_config("loky" if name == "MLPClassifier" else "threading", n_jobs=2):
        return time_process(partial(search.fit, *DATA[data][0]()), started, again)[1]


def found(data, seed):
    """What the searches find: winners, their losses on new rows, and the losses of all candidates."""
    from skdense.search import PrunedSearchCV

    warnings.simplefilter("ignore")
    load, of_numbers = DATA[data]
    X, y = load()
    X, X_new, y, y_new = train_test_split(
        X, y, test_size=1 / 3, random_state=0, stratify=None if of_numbers else y
    )
    model = scaled("LowLevelMLPRegressor" if of_numbers else OURS, **SETTINGS)
    scoring = "neg_mean_squared_error" if of_numbers else "neg_log_loss"
    candidates = list(ParameterSampler(RANDOM, N_CANDIDATES, random_state=seed))
    row = {"best": {}, "epochs": {}, "new": {}}
    # With one rung, which is the end, all candidates have a score.
    for name, settings in {"exhaustive": {"rung_epochs": [MAX_ITER]}, "pruned": {}}.items():
        settings |= {"cv": N_SPLITS, "scoring": scoring, "refit": False, "random_state": seed}
        search = PrunedSearchCV(model, RANDOM, n_candidates=N_CANDIDATES, **settings)
        with parallel_config("threading", n_jobs=2):
            search.fit(X, y)
        best = {key: value for key, value in search.best_params_.items() if key in RANDOM}
        row["best"][name] = candidates.index(best)
        n_epochs = np.diff(search.n_resources_, prepend=0)
        row["epochs"][name] = np.dot(search.n_candidates_, n_epochs) / (N_CANDIDATES * MAX_ITER)
        if name == "exhaustive":
            row["losses"] = (-search.cv_results_["mean_test_score"]).tolist()
        fitted = clone(model).set_params(**best).fit(X, y)
        row["new"][name] = -get_scorer(scoring)(fitted, X_new, y_new)
    return row


REPORT = f"""\
Random searches of {N_CANDIDATES} candidates, {N_SPLITS} splits, {MAX_ITER} epochs, early stopping
by the best epoch, on two thirds of each data set. *pruned*: `PrunedSearchCV` with the default
rungs; *exhaustive*: all candidates to the end. Draws of candidates for each data set: {{draws}}.
*Excess in CV* is how much larger the log-loss, or the squared error of diabetes and friedman1, of
the winner is than the least of all candidates; *on new rows*, how much larger it is on the last
third for the refitted winner than for the one of the exhaustive search. Mean / largest.

{{found}}

A search of {N_TIMED} candidates, {TIMED_SPLITS} splits, early stopping. Seconds: ours in an empty
folder / in a full folder / **later**, MLPClassifier's of a process / **later**; the ratios are of
whole processes, with an empty and with a full folder. *exhaustive*: `RandomizedSearchCV` in
threads; *MLPClassifier*: its `RandomizedSearchCV` on 2 processes. {FOLDERS}

{{processes}}"""


def to_markdown(rows):
    """What was found by data set, and the seconds of whole processes."""
    searches = [row for row in rows if "seed" in row]
    by_data = {name: [row for row in searches if row["data"] == name] for name in DATA}
    what = [_found(name, part) for name, part in by_data.items() if part] + [_found("all", searches)]
    processes = []
    whole = pd.DataFrame([row for row in rows if "search" in row])
    for data, part in whole.groupby("data", sort=False):
        part = part.set_index("search")
        ratios = part.loc["pruned", ["empty", "full"]] / part.loc["MLPClassifier", "full"]
        cells = {name: _seconds(part.loc[name]) for name in SEARCHES}
        ratio = " / ".join(map(significant, ratios))
        processes.append({"data": data} | cells | {"pruned / MLPClassifier": ratio})
    return REPORT.format(
        draws=len({row["seed"] for row in searches}),
        found=markdown_table(what),
        processes=markdown_table(processes),
    )


def _seconds(row):
    """The seconds of a search's processes and of a later run; MLPClassifier has one process."""
    folders = ["full"] if row.name == "MLPClassifier" else ["empty", "full"]
    return " / ".join([*(f"{row[folder]:.1f}" for folder in folders), f"**{row['later']:.1f}**"])


def _found(name, rows):
    """A row of the table of what the pruned searches of a data set, or of all, have found."""
    excess = [row["losses"][row["best"]["pruned"]] / min(row["losses"]) - 1 for row in rows]
    new = [row["new"]["pruned"] / row["new"]["exhaustive"] - 1 for row in rows]
    return {
        "data": name,
        "epochs, pruned": f"{np.mean([row['epochs']['pruned'] for row in rows]):.2f}",
        "same winner, pruned": f"{sum(value == 0 for value in excess)} of {len(excess)}",
        "excess in CV, pruned": _mean_and_largest(excess),
        "on new rows, pruned": _mean_and_largest(new),
    }


def _mean_and_largest(values):
    return f"{100 * np.mean(values):.1f} % / {100 * np.max(values):.1f} %"
