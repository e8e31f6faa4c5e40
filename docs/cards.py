"""Pictures of figures from the reports: the index's cards, and losses against seconds of all models."""

import matplotlib.pyplot as plt
from figures import TASKS, column, medians, seconds, tables, turns
from matplotlib.transforms import Bbox

OURS, OTHERS, SLOWER = "#2f8fc9", "#8a8a8a", "#d08770"
TEXT = {"": "#222832", "-dark": "#ced6dd"}
COLORED = ("text.color", "xtick.color", "ytick.color")
OF_AXES = (*COLORED, "axes.labelcolor", "axes.edgecolor")
SHORT = {"HistGradientBoosting": "HistGB"}
# Where a name may stand beside its point, in typographic points.
BESIDE = [
    (x * far, y * far, "left" if x > 0 else "right" if x < 0 else "center")
    for far in (8, 11)
    for x, y in (
        (1, 0),
        (-1, 0),
        (0, -1.3),
        (0, 1.3),
        (0.8, 0.8),
        (0.8, -0.8),
        (-0.8, 0.8),
        (-0.8, -0.8),
    )
]


def draw(folder):
    """Draw all cards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    speed = column("speed", "both float64")
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
        "digits, six widths": "GridSearchCV, digits pipeline, 6 widths x 5 folds",
        "small networks": "GridSearchCV, clouds, 4 widths x 5 rates x 5 folds",
    }
    times = tables("search")[0]["times as fast"]
    ratios = {
        f"{name}, {turn}": ratio
        for name, job in jobs.items()
        for turn, ratio in zip(("first run", "next runs"), turns(times[job]))
    }
    bars(folder / "search.svg", "whole scripts with a search, n_jobs=2", ratios)


def points(task):
    """Of each model the CPU seconds of a fit, and its loss over ours, on the held-out tables."""
    times, losses = seconds(task), medians(task)
    return {name: (times[name], losses[name]) for name in losses.index}


def losses_and_seconds(folder):
    """Draw the loss of each model against its seconds, for light and for dark pages.

    The figures stand in the file as well, so that a test can compare them with the report's.
    """
    for suffix, color in TEXT.items():
        with plt.rc_context(
            {"svg.hashsalt": "skdense", "font.size": 11} | dict.fromkeys(OF_AXES, color)
        ):
            figure, panels = plt.subplots(
                2, 1, figsize=(4.8, 5.4), sharex=True, layout="constrained"
            )
            for axes, (task, loss) in zip(panels, TASKS.items()):
                draw_models(axes, points(task))
                kind = "Classification" if task == "classifier" else "Regression"
                axes.set_title(f"{kind}: {loss}", fontsize="medium", weight="bold")
            figure.supylabel("loss relative to skdense (median)", fontsize="medium")
            panels[-1].set_xlabel("CPU seconds of a fit (median)")
            figure.draw_without_rendering()  # places the axes, and so the points
            for axes, task in zip(panels, TASKS):
                name_models(axes, points(task))
            figure.savefig(
                folder / f"loss_and_seconds{suffix}.svg",
                metadata={"Date": None, "Description": described()},
                transparent=True,
            )
            plt.close(figure)


def described():
    """The figures of the picture as text."""
    return "; ".join(
        f"{task} {name} {seconds:.3g} {loss:.3f}"
        for task in TASKS
        for name, (seconds, loss) in points(task).items()
    )


def draw_models(axes, models):
    """A point for each model, and a remark on which corner is the best."""
    axes.set(xscale="log", yscale="log")
    for name, point in models.items():
        axes.plot(
            *point, "o", color=OURS if name == "skdense" else OTHERS, markersize=8
        )
    axes.axhline(1, color=OURS, linewidth=1, linestyle=":")
    axes.margins(0.2, 0.16)
    for axis, limits, ticks in (
        (axes.xaxis, axes.get_xlim(), (0.1, 0.3, 1, 3, 10, 30, 100)),
        (axes.yaxis, axes.get_ylim(), (0.9, 1, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.2)),
    ):
        shown = [tick for tick in ticks if limits[0] < tick < limits[1]]
        axis.set_ticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.text(
        0.99,
        0.97,
        "lower left is better",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize="small",
        style="italic",
    )


def name_models(axes, models):
    """Write each name beside its point, where nothing else is."""
    places = axes.transData.transform([*models.values()])
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    taken += [text.get_window_extent() for text in axes.texts]
    for name, point in models.items():
        # Ours lies on the line at 1, so its name stands below.
        for x, y, align in [(0, -12, "center")] if name == "skdense" else BESIDE:
            text = axes.annotate(
                SHORT.get(name, name),
                point,
                (x, y),
                textcoords="offset points",
                ha=align,
                va="center",
            )
            text.set(fontsize="small", in_layout=False)
            if name == "skdense":
                text.set(color=OURS, weight="bold")
            box = text.get_window_extent()
            inside = axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)
            if inside and not any(box.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            raise ValueError(f"there is no place for the name of {name}")
        taken.append(box)


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
