"""The pictures of the comparison and of the suites."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.report import SCORES, significant

# Okabe and Ito's colours, told apart by readers who are colour-blind; a marker for each as well.
OURS, THEIRS = "#0072B2", "#D55E00"


def comparison(rows, path, models):
    """For each data set the seconds of a whole process and of later fits, and the log-loss."""
    data = list(dict.fromkeys(row["data"] for row in rows))
    figure, (left, right) = plt.subplots(
        1,
        2,
        figsize=(10, 1.6 + 0.75 * len(data)),
        sharey=True,
        width_ratios=[1.6, 1],
        layout="constrained",
    )
    styles = (OURS, "o"), ("#56B4E9", "s"), (THEIRS, "D"), ("#009E73", "^")
    for place, (model, (colour, marker)) in enumerate(zip(models, styles)):
        shown = [row for row in rows if row["model"] == model]
        places = [data.index(row["data"]) + 0.18 * (place - 1.5) for row in shown]
        later = [row["later"] for row in shown]
        style = {"color": colour, "marker": marker, "ls": "none"}
        left.plot(later, places, label=model, **style)
        if all(row["process"] for row in shown):  # else it followed another model in its process
            process = [row["process"] for row in shown]
            left.hlines(places, later, process, color=colour, lw=1, alpha=0.6)
            left.plot(process, places, markerfacecolor="white", **style)
        right.plot([row["loss"] for row in shown], places, **style)
    left.set(xscale="log", ylim=(len(data) - 0.5, -0.5))
    left.set_xlabel("seconds, log scale; filled: a later fit, hollow: a whole process")
    left.set_yticks(range(len(data)), data)
    left.xaxis.set_major_formatter("{x:g}")
    right.set_xlim(0, 1.08 * max(row["loss"] for row in rows))
    right.set_xlabel("log-loss of held-out rows")
    for axis in (left, right):
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        for edge in range(1, len(data)):
            axis.axhline(edge - 0.5, color="0.85", lw=1)
    figure.suptitle("Further left is better", fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(models))
    _save(figure, path)


def speed(rows, path):
    """For each job, the smaller ratio in each pair of dtypes as a mark on one line."""
    from benchmarks.speed import JOBS

    table = pd.DataFrame(row for row in rows if row["title"] in JOBS)
    jobs = list(table.title.unique())
    figure, axis = plt.subplots(figsize=(9, 1.2 + 0.28 * len(jobs)), layout="constrained")
    styles = (OURS, "o"), (THEIRS, "D")
    for (column, group), (colour, marker) in zip(table.groupby("column", sort=False), styles):
        places = [jobs.index(job) for job in group.title]
        axis.plot(group.ratio, places, ls="none", color=colour, marker=marker, alpha=0.85, label=column)
    axis.axvline(1, color="0.4", lw=1)
    axis.set(xscale="log", ylim=(len(jobs) - 0.5, -0.5))
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if tick >= 0.7 * table.ratio.min()]
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_yticks(range(len(jobs)), jobs, fontsize=8)
    axis.grid(alpha=0.3)
    axis.set_xlabel(
        "MLPClassifier's seconds / ours (log), the smaller of BLAS on 1 thread and on all cores",
        fontsize=9,
    )
    figure.legend(loc="outside upper center", ncols=3)
    _save(figure, path)


def first_fits(rows, path):
    """A panel for each job: the seconds of a script's first run, of the next ones, and of more fits."""
    from benchmarks.first_fits import medians

    bars = {
        "empty folder, s": ("the first run of all", OURS, 1),
        "full folder, s": ("every run after it", OURS, 0.7),
        "later, s": ("again in the same process", OURS, 0.4),
        "MLPClassifier, s": ("with MLPClassifier", THEIRS, 0.7),
    }
    jobs = medians(rows)
    with plt.rc_context({"font.size": 13}):  # legible where the picture is 500 pixels wide
        size = (8.5, 1.9 * len(jobs))
        figure, axes = plt.subplots(len(jobs), figsize=size, sharex=True, layout="constrained")
        for axis, (title, seconds) in zip(axes, jobs.iterrows()):
            shown = {name: bar for name, bar in bars.items() if pd.notna(seconds[name])}
            for place, (name, (_, colour, alpha)) in enumerate(shown.items()):
                bar = axis.barh(place, seconds[name], color=colour, alpha=alpha)
                axis.bar_label(bar, [f"{significant(seconds[name])} s"], padding=4)
            axis.set_yticks(range(len(shown)), [label for label, *_ in shown.values()])
            axis.set_title(title, fontsize=13, loc="left")
            axis.margins(x=0.12)
            axis.invert_yaxis()
            axis.tick_params(length=0, labelbottom=axis is axes[-1])
            axis.spines[:].set_visible(False)
        axes[-1].set_xlabel("seconds")
        _save(figure, path)


def tabular(rows, path):
    """For each task, rivals' losses over ours: means over all tables, and over the confirming half."""
    from benchmarks.standings import losses, mean_ratio, ratios
    from benchmarks.tables import TO_CHOOSE_ON

    loss = losses(rows)
    tasks = [task for task in SCORES if task in loss.index.unique("task")]
    with plt.rc_context({"font.size": 15}):  # legible where the picture is 400 pixels wide
        size = (8.5, 0.8 + len(tasks) * (1.2 + 0.42 * loss.shape[1]))
        figure, axes = plt.subplots(len(tasks), figsize=size, squeeze=False, layout="constrained")
        for axis, task in zip(axes.flat, tasks):
            of_tables = ratios(loss.loc[[task]]).dropna(axis=1, how="all")
            of_tables = of_tables[np.log(of_tables).mean().sort_values().index]
            confirming = of_tables[~of_tables.index.isin(TO_CHOOSE_ON)]
            drawn = {
                "all tables": (of_tables, OURS, "o", -0.14),
                "those on which nothing was chosen": (confirming, THEIRS, "D", 0.14),
            }
            for label, (found, colour, marker, shift) in drawn.items():
                found = found.dropna(axis=1, how="all")
                if found.empty:
                    continue
                means = pd.DataFrame({name: mean_ratio(found[name]) for name in found})
                places = [of_tables.columns.get_loc(name) + shift for name in found]
                errors = [means.loc[0] - means.loc[1], means.loc[2] - means.loc[0]]
                style = {"color": colour, "fmt": marker, "capsize": 4, "label": label}
                axis.errorbar(means.loc[0], places, xerr=errors, **style)
            axis.axvline(1, color="0.4", lw=1)
            axis.set_yticks(range(of_tables.shape[1]), of_tables.columns)
            axis.invert_yaxis()
            axis.grid(axis="x", alpha=0.3)
            loss_name = SCORES[task][1]
            axis.set_title(f"{task}: {loss_name} over ours, {len(of_tables)} tables", fontsize=15)
        axes[-1, 0].set_xlabel(
            "above 1: ours has the lower loss; bars: 95 % over the tables", fontsize=13
        )
        handles = axes[0, 0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=2, fontsize=13)
        _save(figure, path)


def _save(figure, path):
    figure.savefig(path, dpi=130)
    plt.close(figure)
