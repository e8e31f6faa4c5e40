"""`--widths`: GridSearchCV over the width of the hidden layer, for our network and for MLPClassifier.

Both stand in a Pipeline after a StandardScaler. Each search has a fresh process: ours runs in joblib's
threads, MLPClassifier in worker processes, as each is fastest.
"""

import time
import warnings
from contextlib import nullcontext

from benchmarks.comparison import FLOAT32, OURS, THEIRS, load, make
from benchmarks.process import fresh
from benchmarks.report import plain_table, ratio_range, seconds, wrapped

WIDTHS = (8, 16, 32, 64, 128)
FOLDS = 5
MODELS = (OURS, FLOAT32, THEIRS)
DATA = ("breast_cancer",)
LEGEND = f"""\
GridSearchCV over hidden_layer_sizes of {", ".join(map(str, WIDTHS))} with {FOLDS} folds, on all
cores. process: seconds from the start of Python to the end of the search, with all imports and,
for ours, compiling. again: the same search once more in that process. cv, held out: the accuracy of
the best width in cross-validation, and on a quarter of the rows that the search did not see."""


def fit(started, data, model):
    """The figures of a search in this process, which began at `started`."""
    import joblib
    from sklearn.model_selection import GridSearchCV, train_test_split

    warnings.simplefilter("ignore")
    X, y = load(data)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    pipeline = make(model, 0)
    grid = {f"{pipeline.steps[-1][0]}__hidden_layer_sizes": [(width,) for width in WIDTHS]}
    is_theirs = model == THEIRS
    backend = nullcontext() if is_theirs else joblib.parallel_config("threading", n_jobs=-1)
    with backend:
        search = GridSearchCV(pipeline, grid, cv=FOLDS, n_jobs=-1 if is_theirs else None).fit(X, y)
        process, start = time.time() - started, time.time()
        search.fit(X, y)
    (best,) = search.best_params_.values()
    return {
        "data": data,
        "model": model,
        "process": process,
        "later": time.time() - start,
        "width": best[0],
        "cv": search.best_score_,
        "held out": search.score(X_test, y_test),
    }


def jobs(data=DATA):
    return [{"data": name, "model": model} for name in data for model in MODELS]


def measure(data, model):
    return [fresh(fit, started=time.time(), data=data, model=model)]


COLUMNS = {
    "data": ("data", str),
    "model": ("model", str),
    "process": ("process", seconds),
    "again": ("later", seconds),
    "best width": ("width", str),
    "cv": ("cv", "{:.3f}".format),
    "held out": ("held out", "{:.3f}".format),
}


def to_text(rows):
    """The table for a terminal, and below it what its columns are."""
    return f"{plain_table(rows, COLUMNS, group='data')}\n\n{wrapped(LEGEND)}"


def sentence(rows):
    """What the table shows, in one sentence."""
    figures = {(row["data"], row["model"]): row for row in rows}
    data = list(dict.fromkeys(row["data"] for row in rows))
    pairs = [(figures[name, OURS], figures[name, THEIRS]) for name in data]
    n_same = sum(a["width"] == b["width"] for a, b in pairs)
    where = f"On {data[0]}" if len(data) == 1 else f"On {n_same} of {len(data)} data sets"
    found = "different widths are best" if n_same == 0 else "the same width is best"
    process = ratio_range([b["process"] / a["process"] for a, b in pairs])
    again = ratio_range([b["later"] / a["later"] for a, b in pairs])
    return (
        f"{where} {found} for {OURS} and {THEIRS}; ours searches {process} as fast in a whole first "
        f"process, and {again} when the search runs again."
    )
