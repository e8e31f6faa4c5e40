"""How good and how quick each estimator is on each data set: benchopt's splits, fresh processes."""

import sys
from contextlib import redirect_stdout
from itertools import product
from pathlib import Path

import pandas as pd
from benchopt import run_benchmark
from tqdm import tqdm

from benchmarks import process
from benchmarks.report import markdown_table, significant
from benchmarks.timing import THREADS

OURS, THEIRS = "LowLevelMLPClassifier", "MLPClassifier"
FRESH = ["import_seconds", "first_fit_seconds", "process_seconds", "peak_bytes"]
QUICK_SOLVERS = [OURS, THEIRS, "LogisticRegression"]
QUICK_DATASETS = ["clouds", "bundled"]


def run(folder, full):
    """Measure; return one row for each data set and estimator, and leave all figures in the folder."""
    splits = _run_splits(folder, full)
    processes = _run_processes(splits, full)
    processes.to_json(folder / "processes.json", orient="records", indent=1)
    summary = summarize(splits, processes)
    summary.to_json(folder / "accuracy.json", orient="records", indent=1)
    return summary


def _run_splits(folder, full):
    path = folder / "accuracy.parquet"
    path.unlink(missing_ok=True)
    with redirect_stdout(sys.stderr):
        run_benchmark(
            Path(__file__).parent,
            solver_names=None if full else QUICK_SOLVERS,
            dataset_names=None if full else QUICK_DATASETS,
            no_cache=True,  # a cached time is another day's
            plot_result=False,
            output_file=str(path),
        )
    splits = pd.read_parquet(path)
    return splits.assign(
        estimator=splits.solver_name.str.partition("[")[0],
        data=splits.p_dataset_dataset,
        threads=splits.p_solver_threads,
    ).rename(columns=lambda name: name.removeprefix("objective_"))


def _run_processes(splits, full):
    """Measure each pair in a fresh process; the quick form only with one thread."""
    pairs = splits[["data", "estimator"]].drop_duplicates().itertuples(index=False)
    jobs = list(product(pairs, THREADS if full else THREADS[:1]))
    return pd.DataFrame(
        process.measure(pair.estimator, pair.data, threads=threads, later_fits=0)
        for pair, threads in tqdm(jobs, desc="fresh processes", unit="process")
    )


def summarize(splits, processes):
    """One row for each data set and estimator: means and spreads over splits, medians of seconds.

    `speedup` compares each side at its better thread setting, split by split.
    """
    seconds = splits.pivot_table(
        index=["data", "p_obj_seed"], columns=["estimator", "threads"], values="time"
    )
    best = seconds.T.groupby("estimator").min().T
    rows = []
    for (data, estimator), group in splits.groupby(["data", "estimator"], sort=False):
        runs = group[group.threads == group.threads.iloc[0]]
        row = {
            "data": data,
            "n_train": int(runs.n_train.iloc[0]),
            "n_features": int(runs.n_features.iloc[0]),
            "n_classes": int(runs.n_classes.iloc[0]),
            "estimator": estimator,
            "n_splits": len(runs),
            "predict_seconds": runs.predict_seconds.median(),
            "speedup": (best.loc[data][THEIRS] / best.loc[data][estimator]).median(),
        }
        for score in ("accuracy", "log_loss"):
            row |= {score: runs[score].mean(), f"{score}_spread": runs[score].std()}
        fresh = processes[(processes.data == data) & (processes.estimator == estimator)]
        for threads in THREADS:
            row[f"fit_seconds_threads_{threads}"] = group[group.threads == threads].time.median()
            for _, one in fresh[fresh.threads == threads].iterrows():
                row |= {f"{name}_threads_{threads}": one[name] for name in FRESH}
        rows.append(row)
    return pd.DataFrame(rows)


def to_readme(summary):
    """The table of the columns that the README shows."""
    columns = ["data", "estimator", "accuracy", "log-loss", "fit, s", "speed-up", "first fit, s"]
    return markdown_table([{name: row[name] for name in columns} for row in _table(summary)])


def to_markdown(summary):
    """The table, under a line that says what its columns mean."""
    return (
        f"Mean ± standard deviation over {summary.n_splits.min()} splits, the same for all. Seconds "
        "are medians, with BLAS and OpenMP on 1 thread / on all cores. *fit*: a later fit of the "
        "process; *speed-up*: MLPClassifier's / the row's, each at its better setting; *first fit*: of "
        "a fresh process, after imports; *process*: from its start to the first predictions, imports "
        "included; *peak*: its largest resident memory.\n\n" + markdown_table(_table(summary))
    )


def _table(summary):
    """One dict of cells for each row."""

    def pair(row, name, scale=1.0):
        """A figure with one thread / all cores, where both were measured."""
        found = [row.get(f"{name}_threads_{threads}") for threads in THREADS]
        return " / ".join(significant(value * scale) for value in found if pd.notna(value))

    def data(index, row):
        """The data set, named once for all of its rows."""
        if index and summary.data[index] == summary.data[index - 1]:
            return ""
        return f"{row.data} ({row.n_train} x {row.n_features}, {row.n_classes} classes)"

    return [
        {
            "data": data(index, row),
            "estimator": row.estimator,
            "accuracy": f"{row.accuracy:.4f} ± {row.accuracy_spread:.4f}",
            "log-loss": f"{row.log_loss:.4f} ± {row.log_loss_spread:.4f}",
            "fit, s": pair(row, "fit_seconds"),
            "speed-up": "" if row.estimator == THEIRS else significant(row.speedup),
            "first fit, s": pair(row, "first_fit_seconds"),
            "predict, ms": significant(1000 * row.predict_seconds),
            "process, s": pair(row, "process_seconds"),
            "peak, MB": pair(row, "peak_bytes", 1e-6),
        }
        for index, row in summary.iterrows()
    ]
