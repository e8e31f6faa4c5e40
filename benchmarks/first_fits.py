"""The first minute: whole processes, as a script runs for the first time, again, and goes on."""

import warnings

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import process, search
from benchmarks.process import FOLDERS, run_twice, time_process
from benchmarks.report import markdown_table, significant
from benchmarks.table_sizes import table

ROUNDS = 5
SEARCHES = (
    "random search, breast_cancer, 30 x 5 folds",
    "random search, digits, 30 candidates x 5 folds",
)


def fit_table(started, again):
    """Seconds of a process that fits the default for tables to 1,000 rows, and of a later fit."""
    warnings.simplefilter("ignore")
    from skdense import make_tabular_classifier

    X, y = table(1000)
    return time_process(lambda: make_tabular_classifier(random_state=0).fit(X, y), started, again)[1]


# Job: what is measured, and its arguments for ours and for MLPClassifier, where this can do it.
JOBS = {
    "one fit, breast_cancer": (
        process.script,
        {"estimator": search.OURS, "data": "breast_cancer"},
        {"estimator": search.THEIRS, "data": "breast_cancer"},
    ),
    **{
        title: (search.measure, {"title": title, "way": "threads"}, {"title": title, "way": "theirs"})
        for title in SEARCHES
    },
    "default for tables, 1,000 rows of 20 mixed columns": (fit_table, {}, None),
}


def run(rounds=ROUNDS):
    """The seconds of each job in each round, ours and MLPClassifier's."""
    found = []
    for title, (function, ours, theirs) in tqdm(rounds * list(JOBS.items()), desc="first", leave=False):
        for name, arguments in (("skdense", ours), ("MLPClassifier", theirs)):
            if arguments is not None:
                seconds = run_twice(function, compiles=name == "skdense", **arguments)
                row = {"job": title, "estimator": name}
                found.append(row | {turn: seconds[turn] for turn in ("empty", "full", "later")})
    return found


def medians(rows):
    """For each job a row: the seconds of our three turns, and MLPClassifier's of two."""
    turns = pd.DataFrame(rows).groupby(["job", "estimator"], sort=False).median().unstack()
    turns = turns.reindex(index=dict.fromkeys(row["job"] for row in rows))
    ours = {
        f"{name}, s": turns[turn, "skdense"]
        for turn, name in {"empty": "empty folder", "full": "full folder", "later": "later"}.items()
    }
    theirs = {
        "MLPClassifier, s": turns["full", "MLPClassifier"],
        "MLPClassifier, later, s": turns["later", "MLPClassifier"],
    }
    return pd.DataFrame(ours | theirs)


def to_markdown(rows):
    """What was measured, and a row for each job."""
    shown = medians(rows).map(lambda seconds: "" if np.isnan(seconds) else significant(seconds))
    rounds = sum(row["estimator"] == "skdense" for row in rows) // len(shown)
    text = (
        f"{FOLDERS} For one fit, *later* is its fit alone. Searches run in two threads of\n"
        f"joblib, those of MLPClassifier in two processes. Medians, rounds: {rounds}."
    )
    return f"{text}\n\n{markdown_table(shown.reset_index().to_dict('records'))}"
