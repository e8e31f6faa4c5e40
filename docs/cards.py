"""The pictures of the index's cards: bars of figures from the benchmarks' reports, and of collapses."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from figures import TASKS, column, standing, tables, turns
from sklearn.exceptions import ConvergenceWarning

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.inspection import dead_units

OURS, OTHERS = "#2f8fc9", "#a0a0a0"
TEXT = {"": "#222832", "-dark": "#ced6dd"}
COLORED = ("text.color", "xtick.color", "ytick.color")


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
    return str(sum(any(map(np.all, dead_units(network, X))) for network in networks))


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
