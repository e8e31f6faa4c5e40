"""The suite's pictures: time against accuracy, ratio by job, growth with the data."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

# Okabe and Ito's colours, told apart by readers who are colour-blind; a marker for each as well.
STYLE = {
    "LowLevelMLPClassifier": ("#0072B2", "o"),
    "MLPClassifier": ("#D55E00", "s"),
    "LogisticRegression": ("#009E73", "^"),
    "HistGradientBoosting": ("#CC79A7", "D"),
    "skorch": ("#E69F00", "v"),
    "Keras": ("#56B4E9", "P"),
}


def time_against_accuracy(summary, path):
    """One panel a data set: fit seconds at the better thread setting against held-out accuracy."""
    panels = list(summary.groupby("data", sort=False))
    n_columns = min(4, len(panels))
    n_rows = -(-len(panels) // n_columns)
    figure, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(3.2 * n_columns, 2.7 * n_rows + 0.6),
        squeeze=False,
        sharex=True,
        layout="constrained",
    )
    handles = {}
    for axis, (data, rows) in zip(axes.flat, panels):
        for _, row in rows.iterrows():
            colour, marker = STYLE[row.estimator]
            seconds = np.nanmin([row.fit_seconds_threads_1, row.fit_seconds_threads_all])
            handles[row.estimator] = axis.errorbar(
                seconds,
                row.accuracy,
                row.accuracy_spread,
                color=colour,
                marker=marker,
                capsize=3,
                ls="none",
            )
        axis.set_xscale("log")
        axis.margins(x=0.15)
        axis.set_title(data, fontsize=10)
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    figure.supxlabel("seconds of a later fit (log)", fontsize=10)
    figure.supylabel("held-out accuracy, mean ± sd", fontsize=10)
    figure.legend(handles.values(), handles, loc="outside upper center", ncols=min(len(handles), 3))
    _save(figure, path)


def ratio_by_job(rows, path):
    """For each job and pair of dtypes, the smaller ratio as a bar, and the one to reach as a mark."""
    table = pd.DataFrame(rows)
    jobs, columns = list(table.job.unique()), list(table.column.unique())
    height = 0.8 / len(columns)
    figure, axis = plt.subplots(figsize=(9, 1 + 0.8 * len(jobs)), layout="constrained")
    for offset, (column, colour) in enumerate(zip(columns, ("#0072B2", "#56B4E9", "#009E73"))):
        of_column = table[table.column == column]
        places = [jobs.index(job) + (offset - (len(columns) - 1) / 2) * height for job in of_column.job]
        axis.barh(places, of_column.ratio - 1, 0.9 * height, left=1, color=colour, label=column)
        for place, ratio in zip(places, of_column.ratio):
            axis.text(1.01, place, f"{ratio:.2g}", transform=axis.get_yaxis_transform(), va="center")
        axis.plot(of_column.reach.astype(float), places, "|k", ms=14 * height / 0.27, mew=2)
    axis.plot([], [], "|k", ms=12, mew=2, label="to reach")
    axis.axvline(1, color="0.4", lw=1)
    axis.set_xscale("log")
    axis.set_xlim(min(0.8, 0.8 * table.ratio.min()), 1.4 * max(table.ratio.max(), table.reach.max()))
    axis.set_xticks([1, 2, 3, 5, 10, 20], ["1", "2", "3", "5", "10", "20"])
    axis.minorticks_off()
    axis.set_yticks(range(len(jobs)), [job.replace(", ", "\n", 1) for job in jobs], fontsize=8)
    axis.invert_yaxis()
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel(
        "MLPClassifier's seconds / ours (log), the smaller of BLAS on 1 thread and on all cores"
    )
    figure.legend(loc="outside upper center", ncols=4)
    _save(figure, path)


def growth(points, path):
    """Seconds a sample and epoch against rows, features and width; flat means linear in rows."""
    table = pd.DataFrame(points)
    labels = {
        "rows": "rows (20 features, 64-64)",
        "features": "features (5000 rows, 64-64)",
        "width": "width of both layers (5000 rows, 50 features)",
    }
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
    for axis, (name, label) in zip(axes, labels.items()):
        for (estimator, threads), line in table[table.axis == name].groupby(["estimator", "threads"]):
            colour, marker = STYLE[estimator]
            dashed = estimator == "MLPClassifier" and threads == "all"
            text = estimator
            if estimator == "MLPClassifier":
                text += ", BLAS on all cores" if dashed else ", BLAS on 1 thread"
            microseconds = 1e6 * line.seconds_a_sample
            style = "--" if dashed else "-"
            axis.plot(line.value, microseconds, style, color=colour, marker=marker, label=text)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel(label)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel("µs a sample and epoch (log)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    _save(figure, path)


def _save(figure, path):
    figure.savefig(path, dpi=130)
    plt.close(figure)
