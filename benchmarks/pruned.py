"""Whether pruned searches find what searches of all candidates find.

Both draw the same candidates. A third of each data set is held out; there the winners are compared,
each refitted to the other two thirds. `first_fits.py` has the seconds of such searches.
"""

import warnings
from functools import partial

import numpy as np
from joblib import parallel_config
from sklearn import datasets
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import ParameterSampler, train_test_split

from benchmarks.first_fits import RANDOM, scaled
from benchmarks.networks import OURS
from benchmarks.process import fresh
from benchmarks.report import markdown_table

N_CANDIDATES, N_SPLITS, MAX_ITER = 64, 3, 81
# No search stops a network early: a search of all candidates trains 81 epochs of each.
SETTINGS = {"early_stopping": True, "max_iter": MAX_ITER, "n_iter_no_change": MAX_ITER}
made = partial(datasets.make_classification, n_informative=10, random_state=0)


def standardized(X, y):
    return X, (y - y.mean()) / y.std()


# The loader of each data set, and whether it is a regression.
DATA = {
    "digits": (partial(datasets.load_digits, return_X_y=True), False),
    "breast_cancer": (partial(datasets.load_breast_cancer, return_X_y=True), False),
    "4,000 x 20": (partial(made, 4000, 20, n_classes=4), False),
    "wine": (partial(datasets.load_wine, return_X_y=True), False),
    "circles": (partial(datasets.make_circles, 800, noise=0.2, factor=0.5, random_state=0), False),
    "diabetes": (lambda: standardized(*datasets.load_diabetes(return_X_y=True)), True),
    "friedman1": (lambda: standardized(*datasets.make_friedman1(1500, noise=1, random_state=0)), True),
}


def jobs(rounds=2):
    """So many draws of candidates of each data set."""
    return [{"data": data, "seed": seed} for data in DATA for seed in range(rounds)]


def measure(data, seed):
    return fresh(both_searches, data=data, seed=seed)


def both_searches(data, seed):
    """The winner of each search, the epochs that it took, and the winner's loss on new rows."""
    from skdense.search import PrunedSearchCV

    warnings.simplefilter("ignore")
    load, is_regression = DATA[data]
    X, y = load()
    X, X_new, y, y_new = train_test_split(
        X, y, test_size=1 / 3, random_state=0, stratify=None if is_regression else y
    )
    model = scaled("LowLevelMLPRegressor" if is_regression else OURS, **SETTINGS)
    scoring = "neg_mean_squared_error" if is_regression else "neg_log_loss"
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
        fitted = clone(model).set_params(**best).fit(X, y)
        row["new"][name] = -get_scorer(scoring)(fitted, X_new, y_new)
    return row


REPORT = f"""\
Random searches of {N_CANDIDATES} candidates, {N_SPLITS} splits, {MAX_ITER} epochs, early stopping
by the best epoch, on two thirds of each data set: `PrunedSearchCV` with the default rungs, and all
candidates to the end. Draws of candidates for each data set: {{draws}}. *epochs*: the share of those
of all candidates. *same winner*: how often both searches have the same one. *on new rows*: how much
larger the log-loss, or the squared error of diabetes and friedman1, of the pruned search's winner is on
the last third than that of the other winner, both refitted. Mean / largest.

{{table}}"""


def to_markdown(rows):
    """What was found by data set, and in all."""
    by_data = {name: [row for row in rows if row["data"] == name] for name in DATA}
    table = [summary(name, part) for name, part in (by_data | {"all": rows}).items() if part]
    draws = len({row["seed"] for row in rows})
    return REPORT.format(draws=draws, table=markdown_table(table))


def summary(name, rows):
    n_same = sum(row["best"]["pruned"] == row["best"]["exhaustive"] for row in rows)
    new = [100 * (row["new"]["pruned"] / row["new"]["exhaustive"] - 1) for row in rows]
    return {
        "data": name,
        "epochs, pruned": f"{np.mean([row['epochs']['pruned'] for row in rows]):.2f}",
        "same winner, pruned": f"{n_same} of {len(rows)}",
        "on new rows, pruned": f"{np.mean(new):.1f} % / {np.max(new):.1f} %",
    }
