"""How good and how quick each estimator is on each data set: benchopt's splits, fresh processes."""

import json
import re
import sys
from contextlib import redirect_stdout
from itertools import chain, product
from pathlib import Path

import pandas as pd
from benchopt import run_benchmark

from benchmarks.benchmark_utils.data import DATA
from benchmarks.benchmark_utils.estimators import BASELINE, CONTESTANTS, THREADS
from benchmarks.process import resumed, run_twice, script
from benchmarks.report import SCORES, markdown_table, significant

# By the task of the data.
QUICK_ESTIMATORS = {
    "classification": ["LowLevelMLPClassifier", "MLPClassifier", "LogisticRegression"],
    "regression": ["LowLevelMLPRegressor", "MLPRegressor", "Ridge"],
}
QUICK_DATA = ["two_clouds", "breast_cancer", "wine", "digits"]
FRESH = ["first_fit", "empty", "full", "peak_bytes"]
PROCESSES = 3  # of each estimator on each data set
NETWORKS = "LowLevelMLPClassifier", "LowLevelMLPRegressor", "skorch", "Keras"  # that have a speed-up
LEGEND = """\
Mean ± standard deviation over five splits, the same for all; every parameter at its default, but
LogisticRegression's `max_iter=1000`. *fit*: median seconds of a later fit of the process, with BLAS and
OpenMP on 1 thread / on all cores; what TensorFlow trains has threads of its own, on all cores.
*speed-up* of a network: the seconds of MLPClassifier (MLPRegressor) / the row's in the same split, the
median, and of both thread settings the smaller."""
LEGEND_OF_PROCESSES = """\
The rest are medians of fresh processes on all cores: *first fit*, after imports; *process*, from
its start to the first predictions, imports included; *peak*, its largest resident memory. Ours have
two processes: one with an empty folder of compiled programs / a second one, which finds its program
there; *first fit* and *peak* are of the second."""
SHORT_LEGEND = """\
Default parameters, float64; mean accuracy and median seconds over five splits. *whole process* is a
Python process from its start to the first predictions, imports included: ours when the script runs for
the first time / ours from its second run on, its program on disk / MLPClassifier's. *times as fast* has
three ratios: of these two processes / of later fits, the median ratio in the same split. Below 1,
LowLevelMLPClassifier is slower. *first fit* is after imports, *peak* the memory of the process, both
from the second run on. MLPClassifier's later fits run with BLAS on one thread and on all cores; the
better counts."""


def run(full, data=None, rounds=None):
    """Measure, with so many fresh processes of each; return one row for each data set and estimator.

    `data` names one data set, by default without fresh processes. A run that was stopped goes on there.
    """
    names = [data] if data else list(DATA) if full else QUICK_DATA
    if rounds is None:
        rounds = 0 if data else PROCESSES
    suite = "_".join(["full" if full else "quick", *([data] if data else [])])
    jobs = [{"data": name, "full": full} for name in names]
    splits = pd.DataFrame(chain.from_iterable(resumed(f"{suite}_splits", _splits, jobs)))
    pairs = splits[["data", "estimator"]].drop_duplicates().to_dict("records")
    jobs = [pair | {"turn": turn} for turn in range(rounds) for pair in pairs]
    processes = resumed(f"{suite}_processes", _process, jobs)
    return summarize(splits, pd.DataFrame(processes, columns=["data", "estimator", *FRESH]))


def _splits(data, full):
    """One row for each split, estimator and setting of the threads."""
    names = ",".join(CONTESTANTS if full else QUICK_ESTIMATORS[DATA[data][0]])
    with redirect_stdout(sys.stderr):
        path = run_benchmark(
            Path(__file__).parent,
            solver_names=[f"contestant[estimator=[{names}]]"],
            dataset_names=[f"source[data=[{data}]]"],
            no_cache=True,  # a cached time is another day's
            plot_result=False,
        )
    if path is None:  # this machine does not have the data
        return []
    table = pd.read_parquet(path).rename(
        columns=lambda name: re.sub("^(objective|p_[a-z]+)_", "", name)
    )
    return json.loads(table.to_json(orient="records"))


def _process(data, estimator, turn):
    compiles = estimator.startswith("LowLevel")
    found = run_twice(script, compiles=compiles, data=data, estimator=estimator)
    return {"data": data, "estimator": estimator, **{name: found[name] for name in FRESH}}


def summarize(splits, processes):
    """One row for each data set and estimator: means and spreads over splits, medians of seconds."""
    seconds = splits.pivot(index=["data", "seed"], columns=["estimator", "threads"], values="time")
    fresh_ones = processes.groupby(["data", "estimator"])[FRESH].median()
    rows = []
    for data, estimator in product(splits.data.unique(), CONTESTANTS):
        group = splits[(splits.data == data) & (splits.estimator == estimator)]
        if group.empty:
            continue
        runs = group[group.threads == "cores"]
        settings = CONTESTANTS[estimator].threads
        baseline, own = (seconds.loc[data][name] for name in (BASELINE[runs.task.iloc[0]], estimator))
        ratios = [baseline[name] / own[name if name in settings else "cores"] for name in THREADS]
        scores, spreads = runs[["score", "value"]].mean(), runs[["score", "value"]].std()
        row = {
            "estimator": estimator,
            "score": (scores.score, spreads.score),
            "loss": (scores.value, spreads.value),
            "fit_seconds": {name: own[name].median() for name in settings},
            "predict_seconds": runs.predict_seconds.median(),
            "speedup": min(ratio.median() for ratio in ratios),
        }
        same = ["data", "task", "n_train", "n_features", "n_classes", "dtype"]
        fresh_one = fresh_ones.loc[data, estimator].to_dict() if len(fresh_ones) else {}
        rows.append(runs.iloc[0][same].to_dict() | row | fresh_one)
    return rows


def to_markdown(rows):
    """What the columns mean, and a table for each task."""
    tables = [
        markdown_table(_table([row for row in rows if row["task"] == task]))
        for task in dict.fromkeys(row["task"] for row in rows)
    ]
    legends = [LEGEND, LEGEND_OF_PROCESSES] if "full" in rows[0] else [LEGEND]
    return "\n\n".join([*legends, *tables])


def to_short(rows):
    """A narrow table of classifications: in each cell LowLevelMLPClassifier / MLPClassifier."""
    figures = {
        "accuracy": lambda row: f"{row['score'][0]:.4f}",
        "whole process, s": _whole_process,
        "first fit, s": lambda row: significant(row["first_fit"]),
        "later fit, s": lambda row: significant(min(row["fit_seconds"].values())),
        "peak, MB": lambda row: significant(1e-6 * row["peak_bytes"]),
    }
    found = {(row["data"], row["estimator"]): row for row in rows}
    table = []
    for data in dict.fromkeys(row["data"] for row in rows):
        pair = [found[data, name] for name in ("LowLevelMLPClassifier", "MLPClassifier")]
        cells = {name: " / ".join(map(figure, pair)) for name, figure in figures.items()}
        size = f"{pair[0]['n_train']} x {pair[0]['n_features']}"
        ours, theirs = pair
        ratios = [theirs["full"] / ours["empty"], theirs["full"] / ours["full"], ours["speedup"]]
        times = " / ".join(map(significant, ratios))
        table.append({"data": f"{data} ({size})", "times as fast": times, **cells})
    return f"{markdown_table(table)}\n\n{SHORT_LEGEND}"


def _whole_process(row):
    """The seconds of processes: ours with an empty and with a full folder of programs."""
    folders = ["empty", "full"] if row["estimator"].startswith("LowLevel") else ["full"]
    return " / ".join(significant(row[folder]) for folder in folders)


def _table(rows):
    """One dict of cells for each row."""
    table, before = [], None
    for row in rows:
        classes = "" if row["task"] == "regression" else f", {row['n_classes']:.0f} classes"
        data = f"{row['data']} ({row['n_train']} x {row['n_features']} {row['dtype']}{classes})"
        score, loss = SCORES[row["task"]]
        speedup = significant(row["speedup"]) if row["estimator"] in NETWORKS else ""
        cells = {
            "data": "" if row["data"] == before else data,
            "estimator": row["estimator"],
            score: "{:.4f} ± {:.4f}".format(*row["score"]),
            loss: "{:.4f} ± {:.4f}".format(*row["loss"]),
            "fit, s": " / ".join(map(significant, row["fit_seconds"].values())),
            "speed-up": speedup,
            "predict, ms": significant(1000 * row["predict_seconds"]),
        }
        if "full" in row:
            cells |= {
                "first fit, s": significant(row["first_fit"]),
                "process, s": _whole_process(row),
                "peak, MB": significant(1e-6 * row["peak_bytes"]),
            }
        table.append(cells)
        before = row["data"]
    return table
