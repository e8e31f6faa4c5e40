"""Pruned searches against searches of all candidates and scikit-learn's halving: seconds and winners.

Every search runs in processes of its own, the last of which repeats it for the seconds. All draw the
same candidates. A third of each data set is new to the searches: there the winners are compared, each
fitted to all other rows.
"""

import warnings
from functools import partial

import numpy as np
import pandas as pd
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_wine,
    make_circles,
    make_classification,
    make_friedman1,
    make_gaussian_quantiles,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    HalvingRandomSearchCV,
    ParameterSampler,
    RandomizedSearchCV,
    train_test_split,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tqdm import tqdm

from benchmarks.process import FOLDERS, fresh, run_twice, time_process
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.search import PrunedSearchCV
from skdense.search.rungs import (
    SHARES,
    best_first,
    forecasts,
    looks_of,
    n_that_go_on,
    rungs_at,
    rungs_of,
)

N_CANDIDATES, N_SPLITS, MAX_ITER = 64, 3, 81
SMALL = 16, 20
"""The candidates and epochs of the quick mode."""
CORES = 2
TENTHS = tuple(i / 10 for i in range(1, 10))
RULES = {  # rungs as shares of the epochs, factor, and whether forecasts decide
    "0.15, 0.25, 0.375, 0.5, 0.75, 1 of 1.6 by forecast, the default": (SHARES, 1.6, True),
    "the same by score": (SHARES, 1.6, False),
    "tenths, 1 of 1.4 by forecast": (TENTHS, 1.4, True),
    "1/6, 1/3, 2/3, a half by forecast": ((1 / 6, 1 / 3, 2 / 3), 2, True),
    "1/6, 1/3, 2/3, a half by score": ((1 / 6, 1 / 3, 2 / 3), 2, False),
    "1/3, 2/3, a third by forecast": ((1 / 3, 2 / 3), 3, True),
    "1/9, 1/3, a third by score, as in 0.3.0": ((1 / 9, 1 / 3), 3, False),
}


class Layers:
    """Draws one or two layers of 8 to 181 units."""

    def rvs(self, random_state):
        n_layers = random_state.randint(1, 3)
        return tuple(int(8 * 2 ** random_state.uniform(0, 4.5)) for _ in range(n_layers))


DISTRIBUTIONS = {
    "activation": ["relu", "tanh"],
    "alpha": loguniform(1e-6, 1),
    "batch_size": [32, 64, 128, 256],
    "hidden_layer_sizes": Layers(),
    "learning_rate_init": loguniform(1e-4, 3e-2),
}
# No search stops a network early: a search of all candidates trains 81 epochs of each.
SETTINGS = {
    "early_stopping": True,
    "max_iter": MAX_ITER,
    "n_iter_no_change": MAX_ITER,
    "random_state": 0,
}


def table(n_samples=2000):
    """Numbers of which some are missing, and two columns of categories."""
    rng = np.random.default_rng(0)
    X, y = make_classification(n_samples, 8, n_informative=5, n_classes=3, random_state=0)
    X = pd.DataFrame(X, columns=[f"x{i}" for i in range(8)])
    for name, n_bins in (("x0", 5), ("x1", 20)):
        X[name] = pd.qcut(X[name], n_bins, labels=[f"{name} {i}" for i in range(n_bins)])
    numbers = X.select_dtypes("number").columns
    return X.assign(**X[numbers].mask(rng.random((n_samples, len(numbers))) < 0.1)), y


def scaled(network):
    return make_pipeline(StandardScaler(), network)


def encoded(network):
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    of_type = make_column_selector
    columns = make_column_transformer(
        (numbers, of_type(dtype_include="number")), (categories, of_type(dtype_include="category"))
    )
    return make_pipeline(columns, network)


def standardized(X, y):
    return X, (y - y.mean()) / y.std()


# Name: the data, and the model that has the network. The seconds are of the first four.
DATA = {
    "digits": (partial(load_digits, return_X_y=True), scaled),
    "breast_cancer": (partial(load_breast_cancer, return_X_y=True), scaled),
    "4,000 x 20": (
        partial(make_classification, 4000, 20, n_informative=10, n_classes=4, random_state=0),
        scaled,
    ),
    "table": (table, encoded),
    "wine": (partial(load_wine, return_X_y=True), scaled),
    "circles": (partial(make_circles, 800, noise=0.2, factor=0.5, random_state=0), scaled),
    "quantiles": (
        partial(make_gaussian_quantiles, n_samples=3000, n_features=6, n_classes=4, random_state=0),
        scaled,
    ),
    "diabetes": (lambda: standardized(*load_diabetes(return_X_y=True)), scaled),
    "friedman1": (lambda: standardized(*make_friedman1(1500, noise=1, random_state=0)), scaled),
}
TIMED = list(DATA)[:4]
OF_REGRESSION = "diabetes", "friedman1"
SEARCHES = "pruned", "exhaustive", "MLPClassifier"
"""Those of which the seconds are measured."""


def searcher(name, model, distributions, seed, size, **settings):
    """The search of this name; `size` is the number of candidates and of epochs."""
    n_candidates, max_iter = size
    settings = {"cv": N_SPLITS, "random_state": seed} | settings
    if name == "pruned":
        return PrunedSearchCV(model, distributions, n_candidates=n_candidates, **settings)
    if name == "halving":
        resources = {
            "resource": f"{model.steps[-1][0]}__max_iter",
            "min_resources": max_iter // 9,
            "max_resources": max_iter,
        }
        settings |= resources | {"n_candidates": n_candidates, "return_train_score": False}
        return HalvingRandomSearchCV(model, distributions, **settings)
    return RandomizedSearchCV(model, distributions, n_iter=n_candidates, **settings)


def named(model, distributions):
    """Distributions by the names that they have in a Pipeline."""
    return {f"{model.steps[-1][0]}__{name}": values for name, values in distributions.items()}


def run_search(search, X, y, name, started=0, again=False):
    """Fit in threads, MLPClassifier in processes; return the seconds of the process and later ones."""
    with parallel_config("loky" if name == "MLPClassifier" else "threading", n_jobs=CORES):
        return time_process(partial(search.fit, X, y), started, again)[1]


def problem(data, max_iter, network=LowLevelMLPClassifier):
    """The rows to search on, new rows, the model, its distributions, and the scorer's name."""
    load, model_with = DATA[data]
    scoring, stratify = "neg_log_loss", True
    if data in OF_REGRESSION:
        network, scoring, stratify = LowLevelMLPRegressor, "neg_mean_squared_error", False
    model = model_with(network(**SETTINGS | {"max_iter": max_iter, "n_iter_no_change": max_iter}))
    X, y = load()
    X, X_new, y, y_new = train_test_split(
        X, y, test_size=1 / 3, random_state=0, stratify=y if stratify else None
    )
    return (X, y), (X_new, y_new), model, named(model, DISTRIBUTIONS), scoring


def winner(search, candidates):
    """Which of the candidates has won."""
    best = {key: value for key, value in search.best_params_.items() if not key.endswith("max_iter")}
    return candidates.index(best)


def measure(started, again, name, data, seed, size):
    """Seconds of a process with one search, and of a later one."""
    warnings.simplefilter("ignore")
    network = MLPClassifier if name == "MLPClassifier" else LowLevelMLPClassifier
    (X, y), _, model, distributions, scoring = problem(data, size[1], network)
    search = searcher(name, model, distributions, seed, size, scoring=scoring, refit=False)
    seconds = run_search(search, X, y, name, started, again)
    return {"search": name, "data": data, "seed": seed} | seconds


def found(data, seed, size):
    """What the searches find: winners, their losses on new rows, and the scores of all candidates."""
    warnings.simplefilter("ignore")
    n_candidates, max_iter = size
    (X, y), (X_new, y_new), model, distributions, scoring = problem(data, max_iter)
    candidates = list(ParameterSampler(distributions, n_candidates, random_state=seed))
    scored = {
        epochs
        for shares, *_ in RULES.values()
        for looks in looks_of(rungs_of(rungs_at(shares, max_iter), max_iter))
        for epochs in looks
    }
    given = {
        "exhaustive": {"rungs": sorted(scored), "factor": 1 + 1e-9},
        "pruned": {},
        "halving": {},
    }
    row = {"data": data, "seed": seed, "best": {}, "epochs": {}}
    for name, settings in given.items():
        kind = "halving" if name == "halving" else "pruned"
        settings = settings | {"scoring": scoring, "refit": kind == "halving"}
        search = searcher(kind, model, distributions, seed, size, **settings)
        run_search(search, X, y, name)
        row["best"][name] = winner(search, candidates)
        again = kind == "halving"  # each survivor trains from the start
        n_epochs = search.n_resources_ if again else np.diff(search.n_resources_, prepend=0)
        row["epochs"][name] = np.dot(search.n_candidates_, n_epochs) / (n_candidates * max_iter)
        if name == "exhaustive":
            means = search.cv_results_["mean_test_score"].reshape(-1, n_candidates)
            row["scores"] = dict(zip(search.n_resources_, means.tolist(), strict=True))
    losses = {}
    for best in set(row["best"].values()):
        fitted = clone(model).set_params(**candidates[best]).fit(X, y)
        losses[best] = -get_scorer(scoring)(fitted, X_new, y_new)
    row["new"] = {name: losses[best] for name, best in row["best"].items()}
    return row


def winner_of_rule(scores, shares, factor, by_forecast):
    """Who wins with rungs at these shares, and the share of all epochs that it takes.

    `scores` are those of all candidates by epochs.
    """
    scores = {int(epochs): np.array(column) for epochs, column in scores.items()}
    end = max(scores)
    rungs = rungs_of(rungs_at(shares, end), end)
    going = np.arange(len(scores[end]))
    scored, n_epochs, before = [], 0, 0
    for rung, looks in zip(rungs, looks_of(rungs), strict=True):
        n_epochs, before = n_epochs + len(going) * (rung - before), rung
        scored += looks
        now = scores[rung][going]
        if by_forecast:
            seen = np.stack([scores[epochs][going] for epochs in scored], axis=1)
            now = forecasts(scored, seen, np.full(len(going), end))
        order = going[best_first(now)]
        going = np.sort(order[: n_that_go_on(len(going), factor)])
    return int(order[0]), n_epochs / (len(scores[end]) * end)


def excess(scores, best):
    """How much larger the loss of a candidate is than the least, as a share of that."""
    losses = -np.array(scores[max(scores, key=int)])
    return losses[best] / np.nanmin(losses) - 1


# --- a whole process: imports, compiling, one search -------------------------------------------------

FIRST_GRID = {
    "hidden_layer_sizes": [(32,), (64,), (100,), (64, 32), (100, 50), (128, 64)],
    "activation": ["relu", "tanh"],
    "alpha": loguniform(1e-5, 1e-1),
    "learning_rate_init": loguniform(1e-4, 1e-2),
    "batch_size": [32, 64, 128, 200],
}
FIRST_DATA = {
    "digits": partial(load_digits, return_X_y=True),
    "breast_cancer": partial(load_breast_cancer, return_X_y=True),
    "5,000 x 20": partial(make_classification, 5000, 20, n_informative=10, random_state=0),
}


def first_search(started, again, name, data):
    """Seconds of a process with one search of 30 candidates, and of a later one."""
    warnings.simplefilter("ignore")
    X, y = FIRST_DATA[data]()
    network = MLPClassifier if name == "MLPClassifier" else LowLevelMLPClassifier
    model = scaled(network(early_stopping=True, random_state=0))
    search = searcher(name, model, named(model, FIRST_GRID), seed=0, size=(30, None), cv=5)
    return {"search": name, "data": data} | run_search(search, X, y, name, started, again)


def run(rounds=5):
    """Measure so many draws of candidates of each data set; with 0, one draw of small searches."""
    size = (N_CANDIDATES, MAX_ITER) if rounds else SMALL
    timed, seeds = (TIMED, range(rounds)) if rounds else (["breast_cancer"], range(1))

    def timed_twice(function, name, **arguments):
        return run_twice(function, compiles=name != "MLPClassifier", name=name, **arguments)

    bar = partial(tqdm, leave=False, unit="search")
    return {
        "size": size,
        "searches": [
            timed_twice(measure, name, data=data, seed=seed, size=size)
            for data in bar(timed, desc="pruned searches")
            for seed in seeds
            for name in SEARCHES
        ],
        "found": [
            fresh(found, data=data, seed=seed, size=size)
            for data in bar(DATA, desc="what they find")
            for seed in range(rounds or 1)
        ],
        "processes": [
            timed_twice(first_search, name, data=data)
            for data in bar(FIRST_DATA if rounds else ["breast_cancer"], desc="whole processes")
            for name in SEARCHES
        ],
    }


REPORT = """\
Random searches of {candidates} candidates (one or two layers of 8 to 181 units, activation, rate,
alpha, batch size), {splits} splits, {epochs} epochs, early stopping by the best epoch, on two thirds of
each data set. *pruned*: `PrunedSearchCV` with the default rungs; *halving*: `HalvingRandomSearchCV`
with a third going on after a ninth and a third of the epochs; *exhaustive*: all candidates to the end.

What was found in {n_found} searches, draws of each data set: {found_draws}. *Excess in CV* is how much
larger the log-loss, or the squared error of diabetes and friedman1, of the winner is than the least of
all candidates; *on new rows*, how much larger it is on the last third for the refitted winner than for
the one of the exhaustive search. Mean / largest.

{found}

What other rungs would have found in these searches:

{rules}

Seconds: ours in an empty folder / in a full folder / **later**, MLPClassifier's of a process /
**later**, medians; the ratios are of later ones. Draws of each data set: {draws}. *exhaustive*:
`RandomizedSearchCV` in threads; *MLPClassifier*: its `RandomizedSearchCV` on {cores} processes.
{folders}

{seconds}

A search of 30 candidates, 5 splits, early stopping, in the same columns; the ratios are of whole
processes, with an empty and with a full folder.

{processes}"""


def to_markdown(figures):
    """What was found by data set and by rule, the seconds, and whole processes."""
    rows = figures["found"]
    by_data = {name: [row for row in rows if row["data"] == name] for name in DATA}
    what = [_found(name, part) for name, part in by_data.items() if part] + [_found("all", rows)]
    rules = []
    for name, rule in RULES.items():
        best, epochs = zip(*(winner_of_rule(row["scores"], *rule) for row in rows), strict=True)
        values = [excess(row["scores"], one) for row, one in zip(rows, best, strict=True)]
        rules.append(
            {
                "rule": name,
                "epochs": f"{np.mean(epochs):.2f}",
                "same winner": _n_zero(values),
                "excess in CV": _mean_and_largest(values),
            }
        )
    table = pd.DataFrame(figures["searches"])
    seconds = []
    for data, part in table.groupby("data", sort=False):
        medians = part.groupby("search")[["empty", "full", "later"]].median()
        cells = {name: _seconds(medians.loc[name]) for name in SEARCHES}
        ratio = (medians["later"]["pruned"] / medians["later"]).drop("pruned")
        ratios = {f"pruned / {name}": significant(ratio[name]) for name in SEARCHES[1:]}
        seconds.append({"data": data} | cells | ratios)
    whole = []
    for data, part in pd.DataFrame(figures["processes"]).groupby("data", sort=False):
        part = part.set_index("search")
        ratios = part.loc["pruned", ["empty", "full"]] / part.loc["MLPClassifier", "full"]
        cells = {name: _seconds(part.loc[name]) for name in SEARCHES}
        whole.append(
            {"data": data} | cells | {"pruned / MLPClassifier": " / ".join(map(significant, ratios))}
        )
    n_candidates, max_iter = figures["size"]
    return REPORT.format(
        candidates=n_candidates,
        splits=N_SPLITS,
        epochs=max_iter,
        draws=table["seed"].nunique(),
        n_found=len(rows),
        found_draws=len({row["seed"] for row in rows}),
        cores=CORES,
        folders=FOLDERS,
        found=markdown_table(what),
        rules=markdown_table(rules),
        seconds=markdown_table(seconds),
        processes=markdown_table(whole),
    )


def _seconds(row):
    """The seconds of a search's processes and of a later run; MLPClassifier has one process."""
    folders = ["full"] if row.name == "MLPClassifier" else ["empty", "full"]
    return " / ".join([*(f"{row[folder]:.1f}" for folder in folders), f"**{row['later']:.1f}**"])


def _found(name, rows):
    """A row of the table of what the searches of a data set, or of all, have found."""
    cells = {"data": name}
    for search in ("pruned", "halving"):
        worse = [excess(row["scores"], row["best"][search]) for row in rows]
        new = [row["new"][search] / row["new"]["exhaustive"] - 1 for row in rows]
        cells |= {
            f"epochs, {search}": f"{np.mean([row['epochs'][search] for row in rows]):.2f}",
            f"same winner, {search}": _n_zero(worse),
            f"excess in CV, {search}": _mean_and_largest(worse),
            f"on new rows, {search}": _mean_and_largest(new),
        }
    return cells


def _n_zero(values):
    return f"{sum(value == 0 for value in values)} of {len(values)}"


def _mean_and_largest(values):
    return f"{100 * np.mean(values):.1f} % / {100 * np.max(values):.1f} %"
