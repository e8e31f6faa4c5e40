"""The pictures of "Train better networks": activations, and schedules of the learning rate."""

import matplotlib.pyplot as plt
import numpy as np

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.schedules import SCHEDULES, SLOWDOWN


def draw(folder):
    """Draw both pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(
        {"font.size": 12}
    ):  # legible where a picture is 500 pixels wide
        draw_activations(folder / "activations.svg")
        draw_schedules(folder / "schedules.svg")


def draw_activations(path):
    """Those with a corner or an arc on the left, the three smooth ones on the right, "relu" in both."""
    groups = ["leaky_relu", "elu", "selu"], ["gelu", "silu", "mish"]
    z = np.linspace(-4, 2, 301)
    figure, panels = plt.subplots(
        1, 2, figsize=(8, 3.6), sharey=True, layout="constrained"
    )
    for axes, names in zip(panels, groups):
        axes.plot(
            z, ACTIVATIONS["relu"].array(z.copy()), color="0.6", lw=5, label="relu"
        )
        for name, style in zip(names, ("-", "--", ":")):
            axes.plot(z, ACTIVATIONS[name].array(z.copy()), style, lw=2, label=name)
        axes.set_xlabel("z")
        axes.legend(loc="upper left")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("output of a unit")
    save(figure, path)


def draw_schedules(path):
    """The learning rate over 50 epochs of 20 steps, as a share of `learning_rate_init`."""
    epoch = np.linspace(0, 50, 1001)
    schedules = {
        "constant": np.ones_like(epoch),
        "invscaling": SCHEDULES["invscaling"].after_epoch(
            2000 * np.floor(epoch), 1, 0.5
        ),
        "adaptive, plateaus at 20 and 35": (
            1 / SLOWDOWN ** np.searchsorted([20, 35], epoch, side="right")
        ),
        "cosine": (1 + np.cos(np.pi * epoch / 50)) / 2,
        "cosine, warmup_epochs=5": np.where(
            epoch < 5, epoch / 5, (1 + np.cos(np.pi * (epoch - 5) / 45)) / 2
        ),
    }
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for (name, rates), style in zip(schedules.items(), (":", "-.", "--", "-", "-")):
        axes.plot(epoch, rates, style, lw=2, label=name)
    axes.set(
        xlabel="epoch (max_iter=50, 2000 samples)", ylabel="rate / learning_rate_init"
    )
    axes.grid(alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3)
    save(figure, path)


def save(figure, path):
    """Write a picture that is the same in every build."""
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
