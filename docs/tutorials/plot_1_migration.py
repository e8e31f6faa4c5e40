"""
Coming from MLPClassifier
=========================

Change the class name to :class:`~skdense.LowLevelMLPClassifier`. This example checks on a real data set
that the model stays the same, and shows how much faster it is and which names change in a Pipeline.
"""

# %%
# The same settings for both
# --------------------------

import warnings
from time import perf_counter

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skdense import LowLevelMLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
settings = {"hidden_layer_sizes": (50,), "max_iter": 100, "random_state": 0}
theirs = MLPClassifier(**settings).fit(X, y)
ours = LowLevelMLPClassifier(**settings).fit(X, y)

# %%
# The same model
# --------------
# With the same `random_state` both draw the same initial weights and the same minibatches. What is left
# is rounding: the loss curves lie on each other, and differ in the last digits of a float64 only.

difference = np.abs(np.subtract(ours.loss_curve_, theirs.loss_curve_))
print(f"largest difference of the losses: {difference.max():.1e}")
difference = np.abs(ours.coefs_[0] - theirs.coefs_[0]).max()
print(f"largest difference of the weights: {difference:.1e}")

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(theirs.loss_curve_, lw=5, alpha=0.4, label="MLPClassifier")
ax.plot(ours.loss_curve_, "k--", label="LowLevelMLPClassifier")
ax.set(
    xlabel="epoch",
    ylabel="training loss",
    yscale="log",
    title="The loss curves lie on each other",
)
ax.legend()
plt.show()

# %%
# Repeated fits are faster
# ------------------------
# The first fit after Python has started imports TensorFlow, and compiles a program if this machine has
# not compiled it before. Every later fit of such a shape reuses it, whatever the seed, the learning
# rate or the number of epochs.


def seconds(Estimator, seed):
    """How long a fit takes."""
    start = perf_counter()
    Estimator(**settings | {"random_state": seed}).fit(X, y)
    return perf_counter() - start


times = {
    cls.__name__: [seconds(cls, seed) for seed in range(5)]
    for cls in (type(theirs), type(ours))
}
fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.bar(times.keys(), [np.median(each) for each in times.values()], color=["C0", "k"])
ax.set(ylabel="seconds of a fit, median of 5", title="Later fits take less time")
plt.show()

# %%
# Pipelines and grids
# -------------------
# `make_pipeline` names a step after its class, so the keys of a grid change with the class. A step that
# you name yourself keeps its name.

unnamed = make_pipeline(StandardScaler(), LowLevelMLPClassifier(**settings))
named = Pipeline(
    [("scale", StandardScaler()), ("network", LowLevelMLPClassifier(**settings))]
)
alphas = [1e-4, 1e-2]
with joblib.parallel_config("threading", n_jobs=-1):
    for model, key in [
        (unnamed, "lowlevelmlpclassifier__alpha"),
        (named, "network__alpha"),
    ]:
        search = GridSearchCV(model, {key: alphas}, cv=3).fit(X, y)
        print(search.best_params_, round(search.best_score_, 3))
