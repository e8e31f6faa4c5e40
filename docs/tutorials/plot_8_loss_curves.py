"""
Reading loss curves
===================

What loss curves show about the learning rate and overfitting.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier, fit_many
from skdense.inspection import dead_unit_masks

warnings.simplefilter("ignore", ConvergenceWarning)  # only 40 epochs

X, y = load_digits(return_X_y=True)
X = StandardScaler().fit_transform(X)
X_train, X_val, y_train, y_val = train_test_split(X, y, train_size=0.5, random_state=0)


def make_network(**parameters):
    """A network for the digits, trained by plain gradient descent."""
    settings = {"solver": "sgd", "momentum": 0, "tol": 0, "max_iter": 40}
    settings |= {"dtype": "float32", "random_state": 1}
    return LowLevelMLPClassifier((32, 32), **settings | parameters)


# %%
# The learning rate
# -----------------
# If the learning rate is too small, the loss still decreases when training ends. With a good learning
# rate, the loss decreases quickly and levels off. If the learning rate is too large, the loss
# oscillates or stays above the loss of random guessing, which is 2.3.

rates = [0.001, 0.03, 1, 4]
networks = [make_network(learning_rate_init=rate) for rate in rates]
networks = fit_many(networks, X_train, y_train)

figure, axes = plt.subplots(layout="constrained")
for rate, network in zip(rates, networks):
    axes.plot(network.loss_curve_, label=f"rate {rate}")
axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, 3))
axes.legend()
plt.show()

# %%
# With the largest rate, all units of the second layer die: their output is the same for every sample,
# so they carry no information. `fit` reports this with a ``CollapseWarning``, which is a
# ConvergenceWarning.

for rate, network in zip(rates, networks):
    shares = ", ".join(
        f"{dead.mean():.0%}" for dead in dead_unit_masks(network, X_train)
    )
    print(f"rate {rate:<5}  dead units of layer 1 and 2: {shares}")

# %%
# Overfitting
# -----------
# The network overfits when the validation loss increases while the training loss still decreases. More
# samples help, and so do a larger ``alpha``, ``early_stopping=True``, which keeps the best epoch,
# dropout and weight decay (:doc:`/better_models`):

ways = {
    "the defaults": {"solver": "adam"},
    "dropout": {"solver": "adam", "dropout": 0.3},
    "weight decay": {"solver": "adamw", "weight_decay": 1},
}
figure, axes = plt.subplots(layout="constrained")
for name, changes in ways.items():
    network = make_network(learning_rate_init=0.01, **changes)
    network.fit(X_train[:100], y_train[:100], X_val=X_val, y_val=y_val)
    (line,) = axes.plot(network.validation_loss_curve_, label=name)
    axes.plot(network.loss_curve_, ":", color=line.get_color())
axes.set(xlabel="epoch", ylabel="loss (dotted: training)", ylim=(0, 2))
axes.legend()
plt.show()

# %%
# A single curve depends on the seed. To train the same network with many seeds, see :doc:`/many_fits`.
