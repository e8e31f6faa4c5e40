"""Pictures of figures from the reports: the index's cards, and losses against seconds of all models."""

import warnings
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
from figures import TASKS, column, lists, standing, tables, turns
from matplotlib.transforms import Bbox
from sklearn.exceptions import ConvergenceWarning

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.inspection import dead_unit_masks

OURS, OTHERS = "#2f8fc9", "#a0a0a0"
TEXT = {"": "#222832", "-dark": "#ced6dd"}
COLORED = ("text.color", "xtick.color", "ytick.color")
OF_AXES = (*COLORED, "axes.labelcolor", "axes.edgecolor")
# Where a name may stand beside its point, in typographic points.
BESIDE = [
    (x * far, y * far, "left" if x > 0 else "right" if x < 0 else "center")
    for far in (8, 14, 20)
    for x, y in (
        (1, 0),
        (-1, 0),
        (1, 1),
        (1, -1),
        (-1, 1),
        (-1, -1),
        (0, 1.3),
        (0, -1.3),
    )
]


def draw(folder):
    """Draw all cards into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ratios = {"ours": "1"} | {
        f"{name}, {loss}": f"{ratio:.3f}"
        for task, loss in TASKS.items()
        for name, ratio in standing(task)["ratio"].nsmallest(3).items()
    }
    bars(folder / "tables.svg", "the lowest of the rivals' losses, over ours", ratios)
    speed = column("speed", "both float64")
    jobs = {
        "2 features, 2 + 2 units": "fit, 2000x2, plain sgd, batch 100, (2, 2), 600 epochs",
        "20 features, 64 + 64 units": "fit, 20000x20, batch 200, (64, 64), 10 epochs",
        "64 features, 100 units": "fit, 1797x64 digits, (100,), 100 epochs",
        "784 features, 512 + 512 units": "fit, 10000x784, 10 classes, batch 256, (512, 512), 3 epochs",
    }
    ratios = {name: speed[job] for name, job in jobs.items()}
    bars(
        folder / "speed.svg",
        "later fits: times as fast as MLPClassifier",
        ratios,
        ours=len(ratios),
    )
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
    title = "whole scripts: times as fast as MLPClassifier, n_jobs=2"
    bars(folder / "search.svg", title, ratios, ours=len(ratios))
    inits = {
        "weights of both signs": "glorot_uniform",
        "weights of one sign": "uniform",
    }
    collapsed = {name: n_collapsed(init) for name, init in inits.items()}
    bars(folder / "collapse.svg", "collapsed networks (of 40)", collapsed)


def points(task):
    """Of each model its seconds, and its loss over ours: on all tables, then on the confirming ones."""
    found = {"skdense": []}
    for confirming, table in enumerate(lists()[task]):
        found["skdense"].append((float(table["fit, s"].iloc[0]), 1.0))
        for name, row in standing(task, confirming).iterrows():
            found.setdefault(name, []).append((row["seconds"], row["ratio"]))
    return found


def losses_and_seconds(folder):
    """Draw the loss of each model against its seconds, for light and for dark pages.

    The figures stand in the file as well, so that a test can compare them with the report's.
    """
    for suffix, color in TEXT.items():
        with plt.rc_context(
            {"svg.hashsalt": "skdense"} | dict.fromkeys(OF_AXES, color)
        ):
            figure, panels = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
            for axes, (task, loss) in zip(panels, TASKS.items()):
                draw_models(axes, points(task))
                kind = "classes" if task == "classifier" else "numbers"
                axes.set_title(f"{kind}: {loss} over ours", fontsize="medium")
            label = "seconds of processor time of the median fit"
            halves = (
                "full points: tables on which no setting was chosen, open: all tables"
            )
            figure.supxlabel(f"{label}; {halves}", fontsize="medium")
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
        f"{task} {name} {values}"
        for task in TASKS
        for name, values in points(task).items()
    )


def draw_models(axes, models):
    """For each model a full point, of the confirming tables, and an open one, of all tables."""
    axes.set(xscale="log", yscale="log")
    for name, values in models.items():
        own = OURS if name == "skdense" else OTHERS
        axes.plot(*zip(*values), color=own, linewidth=1)
        for (seconds, ratio), face in zip(values, ("none", own)):
            axes.plot(
                seconds, ratio, "o", color=own, markerfacecolor=face, markersize=7
            )
    axes.margins(0.25, 0.12)
    for axis, limits, ticks in (
        (axes.xaxis, axes.get_xlim(), (0.1, 0.3, 1, 3, 10, 30, 100)),
        (axes.yaxis, axes.get_ylim(), (0.9, 1, 1.1, 1.2, 1.3, 1.5, 1.8, 2.2)),
    ):
        shown = [tick for tick in ticks if limits[0] < tick < limits[1]]
        axis.set_ticks(shown, [f"{tick:g}" for tick in shown])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)


def name_models(axes, models):
    """Write each name beside one of its two points, where nothing else is."""
    places = axes.transData.transform(
        [point for values in models.values() for point in values]
    )
    taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    for name, values in models.items():
        for point, (x, y, align) in product(values[::-1], BESIDE):
            text = axes.annotate(
                name, point, (x, y), textcoords="offset points", ha=align, va="center"
            )
            text.set(fontsize="small", in_layout=False)
            box = text.get_window_extent()
            inside = axes.bbox.containsx(box.x0) and axes.bbox.containsx(box.x1)
            if inside and not any(box.overlaps(other) for other in taken):
                break
            text.remove()
        else:
            raise ValueError(f"there is no place for the name of {name}")
        taken.append(box)


def n_collapsed(init):
    """Of 40 networks like those of the tutorial on two clouds, how many have a layer of dead units."""
    plain = {
        "solver": "sgd",
        "momentum": 0,
        "learning_rate_init": 0.1,
        "batch_size": 100,
        "max_iter": 20,
    }
    plain |= {"loss": "squared_error", "init": init}
    networks = [
        LowLevelMLPClassifier((20, 20), random_state=seed, **plain)
        for seed in range(40)
    ]
    X, y = make_two_clouds(random_state=0)
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        fit_many(networks, X, y)
    return str(
        sum(any(map(np.all, dead_unit_masks(network, X))) for network in networks)
    )


def bars(path, title, values, ours=1):
    """Draw a bar for each entry, for light and for dark pages; the first ones are ours."""
    for suffix, color in TEXT.items():
        with plt.rc_context(dict.fromkeys(COLORED, color)):
            draw_bars(path.with_stem(path.stem + suffix), title, values, ours)


def draw_bars(path, title, values, ours):
    """Draw one picture with a transparent background."""
    figure, axes = plt.subplots(figsize=(4.6, 2.1), layout="constrained")
    colors = [OURS] * ours + [OTHERS] * (len(values) - ours)
    drawn = axes.barh(
        list(values), [float(value) for value in values.values()], color=colors
    )
    axes.bar_label(drawn, list(values.values()), padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    figure.suptitle(title, fontsize="medium")
    figure.savefig(path, metadata={"Date": None}, transparent=True)
    plt.close(figure)
