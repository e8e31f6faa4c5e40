"""Pruned searches against searches of all candidates and scikit-learn's halving: seconds and winners.

Every search runs in processes of its own, the last of which repeats it. All draw the same candidates.
The scores of all candidates at many epochs, from one more search, tell what each rule of pruning would
have kept.
"""

import time
import warnings
from functools import partial

import numpy as np
import pandas as pd
from joblib import parallel_config
from scipy.stats import loguniform
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.impute import SimpleImputer
from sklearn.model_selection import HalvingRandomSearchCV, ParameterSampler, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tqdm import tqdm

from benchmarks.process import FOLDERS, fresh, run_twice
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier
from skdense.search import PrunedSearchCV
from skdense.search.rungs import best_first, n_that_go_on, rungs_of

N_CANDIDATES, N_SPLITS, MAX_ITER = 64, 3, 81
CORES = 2
RULE_DRAWS = 3
RULES = [  # rungs and factor
    ((3, 9, 27), 3),
    ((5, 15, 45), 3),
    ((9, 27), 3),
    ((27,), 3),
    ((10, 20, 40), 3),
    ((10, 20, 40), 2),
]
DEFAULT = (9, 27), 3


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


# Name: the data, and the model that has the network.
DATA = {
    "digits": (partial(load_digits, return_X_y=True), scaled),
    "breast_cancer": (partial(load_breast_cancer, return_X_y=True), scaled),
    "4,000 x 20": (
        partial(make_classification, 4000, 20, n_informative=10, n_classes=4, random_state=0),
        scaled,
    ),
    "table": (table, encoded),
}
SEARCHES = ("pruned", "halving", "exhaustive", "MLPClassifier")


def searcher(name, model, distributions, seed, cv, max_iter, **settings):
    """The search of this name."""
    settings |= {"cv": cv, "random_state": seed}
    if name == "pruned":
        return PrunedSearchCV(model, distributions, n_candidates=N_CANDIDATES, **settings)
    if name == "halving":
        first = rungs_of(None, 3, max_iter)[0]
        resources = {
            "resource": f"{model.steps[-1][0]}__max_iter",
            "min_resources": first,
            "max_resources": max_iter,
        }
        settings |= resources | {"n_candidates": N_CANDIDATES, "return_train_score": False}
        return HalvingRandomSearchCV(model, distributions, **settings)
    return RandomizedSearchCV(model, distributions, n_iter=N_CANDIDATES, **settings)


def named(model, distributions):
    """Distributions by the names that they have in a Pipeline."""
    return {f"{model.steps[-1][0]}__{name}": values for name, values in distributions.items()}


def run_search(search, X, y, name, started, again):
    """Fit in threads, MLPClassifier in processes; return the seconds of the process and later ones."""
    with parallel_config("loky" if name == "MLPClassifier" else "threading", n_jobs=CORES):
        search.fit(X, y)
        process, start = time.time() - started, time.time()
        if again:
            search.fit(X, y)
    return {"process": process, "later": time.time() - start}


def measure(started, again, name, data, seed):
    """Seconds of a search and of a later one, the epochs it trained, and which one won."""
    warnings.simplefilter("ignore")
    load, model_with = DATA[data]
    X, y = load()
    network = (MLPClassifier if name == "MLPClassifier" else LowLevelMLPClassifier)(**SETTINGS)
    model = model_with(network)
    distributions = named(model, DISTRIBUTIONS)
    settings = {"scoring": "neg_log_loss", "refit": name == "halving"}
    search = searcher(name, model, distributions, seed, N_SPLITS, MAX_ITER, **settings)
    seconds = run_search(search, X, y, name, started, again)
    candidates = list(ParameterSampler(distributions, N_CANDIDATES, random_state=seed))
    if name == "halving":
        epochs = np.dot(search.n_candidates_, search.n_resources_)
    elif name == "pruned":
        epochs = np.dot(search.n_candidates_, np.diff([0, *search.n_resources_]))
    else:
        epochs = N_CANDIDATES * MAX_ITER
    best = {key: value for key, value in search.best_params_.items() if not key.endswith("max_iter")}
    return {
        "search": name,
        "data": data,
        "seed": seed,
        "epochs": epochs / (N_CANDIDATES * MAX_ITER),
        "best": candidates.index(best),
    } | seconds


def scores(data, seed):
    """The mean scores of all candidates after the epochs of all rules: a row for each rung."""
    warnings.simplefilter("ignore")
    load, model_with = DATA[data]
    X, y = load()
    model = model_with(LowLevelMLPClassifier(**SETTINGS))
    rungs = sorted({rung for rungs, _ in RULES for rung in rungs})
    search = searcher(
        "pruned",
        model,
        named(model, DISTRIBUTIONS),
        seed,
        N_SPLITS,
        MAX_ITER,
        rungs=rungs,
        factor=1 + 1e-9,
        scoring="neg_log_loss",
        refit=False,
    )
    search.fit(X, y)
    means = search.cv_results_["mean_test_score"].reshape(-1, N_CANDIDATES)
    table = dict(zip(search.n_resources_, means.tolist(), strict=True))
    return {"data": data, "seed": seed, "scores": table}


def winner(scores, rungs, factor):
    """Who wins with these rungs, and the share of all epochs that it takes; `scores` by epochs."""
    going, epochs, before = np.arange(N_CANDIDATES), 0, 0
    for rung in (*rungs, MAX_ITER):
        epochs, before = epochs + len(going) * (rung - before), rung
        order = going[best_first(np.array(scores[str(rung)])[going])]
        going = np.sort(order[: n_that_go_on(len(going), factor)])
    return int(order[0]), epochs / (N_CANDIDATES * MAX_ITER)


def excess(scores, best):
    """How much larger the log-loss of a candidate is than the least, as a share of that."""
    losses = -np.array(scores[str(MAX_ITER)])
    return losses[best] / np.nanmin(losses) - 1


# --- a whole process: imports, compiling, one search -------------------------------------------------

FIRST_GRID = {
    "hidden_layer_sizes": [(32,), (64,), (100,), (64, 32), (100, 50), (128, 64)],
    "activation": ["relu", "tanh"],
    "alpha": loguniform(1e-5, 1e-1),
    "learning_rate_init": loguniform(1e-4, 1e-2),
    "batch_size": [32, 64, 128, 200],
}
FIRST_SEARCHES = ("pruned", "exhaustive", "MLPClassifier")
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
    distributions, settings = named(model, FIRST_GRID), {"cv": 5, "random_state": 0}
    if name == "pruned":
        search = PrunedSearchCV(model, distributions, n_candidates=30, **settings)
    else:
        search = RandomizedSearchCV(model, distributions, n_iter=30, **settings)
    return {"search": name, "data": data} | run_search(search, X, y, name, started, again)


def run(rounds=5):
    """Measure so many draws of candidates of each data set, and the rungs on `RULE_DRAWS` at least."""

    def each(draws):
        return [(data, seed) for data in DATA for seed in range(draws)]

    bar = partial(tqdm, leave=False, unit="search")
    return {
        "searches": [
            run_twice(measure, compiles=name != "MLPClassifier", name=name, data=data, seed=seed)
            for data, seed in bar(each(rounds), desc="pruned searches")
            for name in SEARCHES
        ],
        "scores": [
            fresh(scores, data=data, seed=seed)
            for data, seed in bar(each(max(rounds, RULE_DRAWS)), desc="scores")
        ],
        "processes": [
            run_twice(first_search, compiles=name != "MLPClassifier", name=name, data=data)
            for data in bar(FIRST_DATA, desc="whole processes")
            for name in FIRST_SEARCHES
        ],
    }


REPORT = f"""\
Random searches of {{candidates}} candidates (one or two layers of 8 to 181 units, activation, rate,
alpha, batch size), {{splits}} splits, {{epochs}} epochs, log-loss; draws of each data set: {{draws}}.
*pruned*: `PrunedSearchCV` with the default rungs; *halving*: `HalvingRandomSearchCV` with the same
rungs, in threads; *exhaustive*: `RandomizedSearchCV` in threads; *MLPClassifier*: its
`RandomizedSearchCV` on {{cores}} processes. Each cell of ours has empty folder / full folder /
**later**, a cell of MLPClassifier process / **later**. {FOLDERS} Medians.

{{seconds}}

Ratios of later runs, and what was found: *excess* is how much larger the log-loss of the winner is than
the least of all candidates, mean / largest.

{{ratios}}

What other rungs would have kept, in {{n_scores}} searches, {{rule_draws}} draws of each data set:

{{rules}}

A search of 30 candidates, 5 splits, early stopping, in the same columns. The ratios are those of whole
processes with an empty and with a full folder.

{{processes}}"""


def to_markdown(figures):
    """The seconds and winners by data set, what each rule keeps, and whole processes."""
    table = pd.DataFrame(figures["searches"])
    all_scores = {(row["data"], row["seed"]): row["scores"] for row in figures["scores"]}
    seconds, ratios = [], []
    for data, part in table.groupby("data", sort=False):
        by_search = part.groupby("search")
        medians = by_search[["empty", "full", "later"]].median()
        seconds.append({"data": data} | {name: _seconds(medians.loc[name]) for name in SEARCHES})
        runs = part.pivot(index="seed", columns="search", values="later")
        pruned = part[part["search"] == "pruned"].set_index("seed")
        halving = part[part["search"] == "halving"].set_index("seed")
        of = {seed: all_scores[data, seed] for seed in pruned.index}
        worse = {
            name: [excess(of[seed], best) for seed, best in rows["best"].items()]
            for name, rows in (("pruned", pruned), ("halving", halving))
        }
        row = {"data": data}
        for name in SEARCHES[1:]:
            row[f"time of {name}"] = significant((runs["pruned"] / runs[name]).median())
        row["epochs"] = f"{pruned['epochs'].mean():.2f}"
        row["same winner"] = f"{sum(value == 0 for value in worse['pruned'])} of {len(pruned)}"
        row |= {f"excess, {name}": _mean_and_largest(values) for name, values in worse.items()}
        ratios.append(row)
    rules = []
    for rungs, factor in RULES:
        found = [winner(scores, rungs, factor) for scores in all_scores.values()]
        values = [excess(scores, best) for scores, (best, _) in zip(all_scores.values(), found)]
        name = f"`rungs={rungs}, factor={factor}`"
        rules.append(
            {
                "rule": f"{name}, the default" if (rungs, factor) == DEFAULT else name,
                "epochs": f"{found[0][1]:.2f}",
                "same winner": f"{sum(value == 0 for value in values)} of {len(values)}",
                "excess": _mean_and_largest(values),
            }
        )
    processes = {(row["data"], row["search"]): pd.Series(row) for row in figures["processes"]}
    whole = []
    for data in FIRST_DATA:
        rows = {name: processes[data, name].rename(name) for name in FIRST_SEARCHES}
        ratios_of = [
            significant(rows["pruned"][folder] / rows["MLPClassifier"]["full"])
            for folder in ("empty", "full")
        ]
        cells = {name: _seconds(row) for name, row in rows.items()}
        whole.append({"data": data} | cells | {"pruned / MLPClassifier": " / ".join(ratios_of)})
    return REPORT.format(
        candidates=N_CANDIDATES,
        splits=N_SPLITS,
        epochs=MAX_ITER,
        draws=table["seed"].nunique(),
        n_scores=len(figures["scores"]),
        rule_draws=len(figures["scores"]) // len(DATA),
        cores=CORES,
        seconds=markdown_table(seconds),
        ratios=markdown_table(ratios),
        rules=markdown_table(rules),
        processes=markdown_table(whole),
    )


def _seconds(row):
    """The seconds of a search's processes and of a later run; MLPClassifier has one process."""
    folders = ["full"] if row.name == "MLPClassifier" else ["empty", "full"]
    return " / ".join([*(f"{row[folder]:.1f}" for folder in folders), f"**{row['later']:.1f}**"])


def _mean_and_largest(values):
    return f"{100 * np.mean(values):.1f} % / {100 * np.max(values):.1f} %"
