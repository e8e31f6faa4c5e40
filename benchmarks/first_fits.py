"""Seconds of whole processes: a script's first run on a machine, and its next runs.

Three scripts, a fit, a search and a table, run with an empty folder of compiled programs, again
with the programs of that run, and once more in the second process; MLPClassifier's runs beside
them. Medians of three rounds.
"""

import warnings

import numpy as np
import pandas as pd

from benchmarks import plots, search
from benchmarks.networks import OURS, THEIRS, script
from benchmarks.process import FOLDERS, run_twice, time_process
from benchmarks.report import markdown_table, significant
from benchmarks.table_sizes import made, table

SEARCHES = (
    "random search, breast_cancer, 30 x 5 folds",
    "random search, digits, 30 candidates x 5 folds",
)
draw = plots.first_fits


def fit_table(started, again):
    """Seconds of a process that fits the default for tables to 1,000 rows, and of a later fit."""
    warnings.simplefilter("ignore")
    X, y = table(1000)
    return time_process(lambda: made("skdense")[0].fit(X, y), started, again)[1]


# Job: what is measured, and its arguments for ours and for MLPClassifier, where this can do it.
JOBS = {
    "one fit, breast_cancer": (
        script,
        {"estimator": OURS, "data": "breast_cancer"},
        {"estimator": THEIRS, "data": "breast_cancer"},
    ),
    **{
        title: (
            search.in_process,
            {"title": title, "way": "threads"},
            {"title": title, "way": "theirs"},
        )
        for title in SEARCHES
    },
    "default for tables, 1,000 rows of 20 mixed columns": (fit_table, {}, None),
}


def jobs(rounds=3):
    """Each job for ours and for MLPClassifier, round by round."""
    return [
        {"job": title, "estimator": name, "round": turn}
        for turn in range(rounds)
        for title, (_, *given) in JOBS.items()
        for name, arguments in zip((OURS, THEIRS), given)
        if arguments is not None
    ]


def measure(job, estimator, round):
    """The seconds of the processes, and of later ones."""
    function, *given = JOBS[job]
    arguments = given[(OURS, THEIRS).index(estimator)]
    seconds = run_twice(function, compiles=estimator == OURS, **arguments)
    return {turn: seconds[turn] for turn in ("empty", "full", "later")}


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


def to_markdown(rows):
    """What was measured, and a row for each job."""
    shown = medians(rows).map(lambda seconds: "" if np.isnan(seconds) else significant(seconds))
    rounds = 1 + max(row["round"] for row in rows)
    text = (
        f"{FOLDERS} For one fit, *later* is its fit alone. Searches run in two threads of\n"
        f"joblib, those of MLPClassifier in two processes. Medians, rounds: {rounds}."
    )
    return f"{text}\n\n{markdown_table(shown.reset_index().to_dict('records'))}"
