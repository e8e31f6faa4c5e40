"""
Reading loss curves
===================

What the curves of a training say about its learning rate, about overfitting and about dead units.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier, fit_many
from skdense.inspection import dead_units

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_val, y_train, y_val = train_test_split(X, y, train_size=0.5, random_state=0)


def make_network(**parameters):
    """A network for the digits, trained for 40 epochs by plain gradient descent."""
    settings = {
        "solver": "sgd",
        "momentum": 0,
        "tol": 0,
        "max_iter": 40,
        "random_state": 1,
    }
    return LowLevelMLPClassifier((32, 32), dtype="float32", **settings | parameters)


# %%
# The learning rate
# -----------------
# Four learning rates, trained side by side. With a rate that is too small, the loss still falls when
# training ends: a larger rate, or more epochs, would help. With a good one it falls fast and levels
# off. With one that is too large it jumps, or never gets below the loss of a guess, 2.3.

rates = [0.001, 0.03, 1, 4]
networks = fit_many(
    [make_network(learning_rate_init=rate) for rate in rates], X_train, y_train
)

figure, axes = plt.subplots(layout="constrained")
for rate, network in zip(rates, networks):
    axes.plot(network.loss_curve_, label=f"rate {rate}")
axes.set(
    title="Too small, slow, good and too large a rate",
    xlabel="epoch",
    ylabel="training loss",
    ylim=(0, 3),
)
axes.legend()
plt.show()

# %%
# With the largest rate all units of the second layer have died: their output is the same for every
# sample, and no gradient reaches them any more. The fit warned of it with a ``CollapseWarning``.

for rate, network in zip(rates, networks):
    accuracy = network.score(X_val, y_val)
    shares = ", ".join(f"{dead.mean():.0%}" for dead in dead_units(network, X_train))
    print(f"rate {rate:<5}  accuracy {accuracy:.3f}  dead units {shares}")

# %%
# How much each unit varies between samples takes three lines of NumPy:

figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for ax, i in zip(axes, (2, 3)):
    outputs = X_train
    for layer, kernel in enumerate(networks[i].coefs_[:-1]):
        outputs = np.maximum(outputs @ kernel + networks[i].intercepts_[layer], 0)
        ax.plot(outputs.std(axis=0), ".", label=f"layer {layer + 1}")
    ax.set(
        title=f"rate {rates[i]}",
        xlabel="unit",
        ylabel="standard deviation of the output",
    )
axes[0].legend()
figure.suptitle("A rate that is too large kills the second layer")
plt.show()

# %%
# Overfitting
# -----------
# With your own validation set, the loss of samples that the network is not trained on is recorded too.
# Where it rises while the training loss still falls, the network overfits. More samples help, or a
# larger ``alpha``, or ``early_stopping=True``, which keeps the parameters of the best epoch.

small = X_train[:100], y_train[:100]
network = make_network(solver="adam", learning_rate_init=0.01, max_iter=60)
network.fit(*small, X_val=X_val, y_val=y_val)

losses = {"training": network.loss_curve_, "validation": network.validation_loss_curve_}
scores = {"training": network.accuracy_curve_, "validation": network.validation_scores_}
figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
pd.DataFrame(losses).plot(ax=axes[0], xlabel="epoch", ylabel="loss")
pd.DataFrame(scores).plot(ax=axes[1], xlabel="epoch", ylabel="accuracy")
figure.suptitle("100 training samples: the validation loss rises")
plt.show()

# %%
# One seed or many
# ----------------
# A single curve may be luck. :func:`~skdense.fit_many` trains one setting under many seeds. NumPy
# computes the median of their losses in each epoch, and the percentiles between which eight of ten lie.

networks = [
    make_network(learning_rate_init=0.1, random_state=seed) for seed in range(20)
]
curves = [network.loss_curve_ for network in fit_many(networks, X_train, y_train)]
low, median, high = np.quantile(curves, [0.1, 0.5, 0.9], axis=0)

figure, axes = plt.subplots(layout="constrained")
axes.fill_between(
    range(len(median)), low, high, alpha=0.2, label="10th to 90th percentile"
)
axes.plot(median, label="median")
axes.set(
    title="20 seeds: the median, and a band of eight in ten",
    xlabel="epoch",
    ylabel="training loss",
)
axes.legend()
plt.show()
