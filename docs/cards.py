"""Pictures of figures from the reports: the index's cards, and losses against seconds of all models."""

import sys

import matplotlib.pyplot as plt
from figures import (
    DOCS,
    FOLDERS,
    REPORTS,
    STATIC,
    TASKS,
    medians,
    seconds,
    table,
    tables,
)

sys.path.append(str(DOCS.parent))  # for the modules of the benchmarks
from benchmarks import plots

OURS, SLOWER = plots.LIGHT, "#d08770"
TEXT = {"": "#222832", "-dark": "#ced6dd"}
COLORED = ("text.color", "xtick.color", "ytick.color")


def draw(folder):
    """Draw all cards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    speed = table("speed", "both float64")["both float64"]
    speed = speed.str.extract(r"\*\*([\d.]+)", expand=False)
    jobs = {
        "2 features, 2 + 2 units": "fit, 2000x2, plain sgd, batch 100, (2, 2), 600 epochs",
        "20 features, 64 + 64 units": "fit, 20000x20, batch 200, (64, 64), 10 epochs",
        "64 features, 100 units": "fit, 1797x64 digits, (100,), 100 epochs",
        "784 features, 512 + 512 units": "fit, 10000x784, 10 classes, batch 256, (512, 512), 3 epochs",
    }
    ratios = {name: speed[job] for name, job in jobs.items()}
    bars(folder / "speed.svg", "one fit, after the first of the process", ratios)
    jobs = {
        "digits, random search": "random search, digits, 30 candidates x 5 folds",
        "breast_cancer, random search": "random search, breast_cancer, 30 x 5 folds",
        "digits, six widths": "GridSearchCV, digits pipeline, 6 widths x 5 folds",
        "small networks": "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds",
    }
    times = tables("first_fits")[0][[*FOLDERS.values()]]
    times = times.loc[[*jobs.values()]].astype(float)
    ratios = {
        f"{name}, {turn}": f"{times.loc[job, FOLDERS['theirs']] / times.loc[job, heading]:.2g}"
        for name, job in jobs.items()
        for turn, heading in (
            ("first run", FOLDERS["empty"]),
            ("next runs", FOLDERS["full"]),
        )
    }
    bars(folder / "search.svg", "whole scripts with a search, n_jobs=2", ratios)


def points(task, report):
    """Of each model the CPU seconds of a fit, and its loss over ours, on the held-out data sets."""
    times, losses = seconds(task, report), medians(task, report)
    return {name: (times[name], losses[name]) for name in losses.index}


def losses_and_seconds():
    """Draw the loss of each model against its seconds, for light and for dark pages.

    The figures stand in the file as well, so that a test can compare them with the report's.
    Large data sets have a picture of their own, if there is a report on them.
    """
    kinds = {"classifier": "Classification", "regressor": "Regression"}
    for report in ("accuracy", "accuracy_large"):
        if not (REPORTS / report).exists():
            continue
        panels = {
            f"{kinds[task]}: {loss}": points(task, report)
            for task, loss in TASKS.items()
        }
        for suffix, color in TEXT.items():
            name = report.replace("accuracy", "loss_and_seconds") + suffix
            metadata = {"Date": None, "Description": described(report)}
            path = STATIC / f"{name}.svg"
            plots.losses_and_seconds(
                panels, path, color, metadata=metadata, transparent=True
            )


def described(report):
    """The figures of the picture as text."""
    return "; ".join(
        f"{task} {name} {seconds:.3g} {loss:.3f}"
        for task in TASKS
        for name, (seconds, loss) in points(task, report).items()
    )


def bars(path, title, values):
    """Draw a bar for each ratio to MLPClassifier's seconds, for light and for dark pages."""
    for suffix, color in TEXT.items():
        with plt.rc_context(dict.fromkeys(COLORED, color)):
            draw_bars(path.with_stem(path.stem + suffix), title, values, color)


def draw_bars(path, title, values, color):
    """Draw one picture with a transparent background and a line at 1."""
    figure, axes = plt.subplots(figsize=(4.6, 2.3), layout="constrained")
    ratios = [float(value) for value in values.values()]
    colors = [OURS if ratio >= 1 else SLOWER for ratio in ratios]
    axes.barh(list(values), ratios, color=colors)
    axes.axvline(1, color=color, linewidth=1)
    for place, (ratio, value) in enumerate(zip(ratios, values.values())):
        axes.annotate(
            f"{value} x",
            (max(ratio, 1), place),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(length=0)
    axes.set_xticks([1], ["1: as fast as MLPClassifier"])
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, metadata={"Date": None}, transparent=True)
    plt.close(figure)
