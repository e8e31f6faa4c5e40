"""The pictures of the comparison and of the suites."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from benchmarks.report import significant

# Okabe and Ito's colours, told apart by readers who are colour-blind; a marker for each as well.
OURS, THEIRS = "#0072B2", "#D55E00"
LIGHT = "#2f8fc9"  # ours, also on dark pages
SECONDS = 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000
"""Where an axis of CPU seconds has ticks."""
DIRECTIONS = (1, 0), (-1, 0), (0, -1.3), (0, 1.3), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8)
BESIDE = [(x * far, y * far) for far in (8, 11, 16) for x, y in DIRECTIONS]
"""Where a name may stand beside its point, in typographic points."""


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
    figures = [
        f"{title}, {column}: {significant(ratio)}"
        for title, column, ratio in zip(table.title, table.column, table.ratio)
    ]
    _save(figure, path, metadata=described(figures))


def first_fits(jobs, path):
    """A panel for each job: the seconds of a script's first run, of the next ones, and of more fits."""
    bars = {
        "empty folder, s": ("the first run of all", OURS, 1),
        "full folder, s": ("every run after it", OURS, 0.7),
        "later, s": ("again in the same process", OURS, 0.4),
        "MLPClassifier, s": ("with MLPClassifier", THEIRS, 0.7),
    }
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
        figures = [
            f"{title}: {', '.join(significant(each) for each in seconds[[*bars]].dropna())}"
            for title, seconds in jobs.iterrows()
        ]
        _save(figure, path, metadata=described(figures))


def losses_and_seconds(panels, path, color="black", **savefig):
    """Each model's loss over ours against the seconds of a fit, with its name beside the point.

    `panels` are models by title, each a pair of seconds and loss; `color` is that of the text.
    """
    colored = ("text.color", "xtick.color", "ytick.color", "axes.labelcolor", "axes.edgecolor")
    style = {"svg.hashsalt": "skdense", "font.size": 11} | dict.fromkeys(colored, color)
    with plt.rc_context(style):
        figure, axes = plt.subplots(
            len(panels), figsize=(4.8, 2.7 * len(panels)), sharex=True, squeeze=False,
            layout="constrained",
        )  # fmt: skip
        for axis, (title, models) in zip(axes.flat, panels.items()):
            _scatter(axis, models)
            axis.set_title(title, fontsize="medium", weight="bold")
        figure.supylabel("loss relative to skdense (median)", fontsize="medium")
        axes[-1, 0].set_xlabel("CPU seconds of a fit (median)")
        figure.draw_without_rendering()  # places the axes, and so the points
        for axis, models in zip(axes.flat, panels.values()):
            _name_points(axis, models)
        _save(figure, path, **savefig)


def _scatter(axis, models):
    """A point for each model, and a remark on which corner is the best."""
    axis.set(xscale="log", yscale="log")
    for name, point in models.items():
        axis.plot(*point, "o", color=LIGHT if name == "skdense" else "#8a8a8a", markersize=8)
    axis.axhline(1, color=LIGHT, linewidth=1, linestyle=":")
    axis.margins(0.2, 0.24)
    least, most = axis.get_xlim()
    axis.set_xticks([tick for tick in SECONDS if least < tick < most])
    axis.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for line in (axis.xaxis, axis.yaxis):
        line.set_major_formatter("{x:g}")
    axis.minorticks_off()
    axis.spines[["top", "right"]].set_visible(False)
    remark = {"ha": "right", "va": "top", "fontsize": "small", "style": "italic"}
    axis.text(0.99, 0.97, "lower left is better", transform=axis.transAxes, **remark)


def _name_points(axis, models):
    """Write each name beside its point, where nothing else is if there is such a place."""
    places = axis.transData.transform([*models.values()])
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    taken += [text.get_window_extent() for text in axis.texts]
    for name, point in models.items():
        text = axis.annotate(
            name.replace("HistGradientBoosting", "HistGB"), point, (0, 0), textcoords="offset points",
            fontsize="small", va="center", in_layout=False,
        )  # fmt: skip
        if name == "skdense":
            text.set(color=LIGHT, weight="bold")
        # Ours lies on the line at 1, so its name stands below.
        for x, y in [(0, -12)] if name == "skdense" else BESIDE:
            text.set_position((x, y))
            text.set_ha("left" if x > 0 else "right" if x < 0 else "center")
            box = text.get_window_extent()
            inside = axis.bbox.containsx(box.x0) and axis.bbox.containsx(box.x1)
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def described(figures):
    """The figures as metadata of a picture, so that a test can compare them with those of a report."""
    return {"Description": "; ".join(figures)}


def _save(figure, path, **savefig):
    figure.savefig(path, dpi=130, **savefig)
    plt.close(figure)
