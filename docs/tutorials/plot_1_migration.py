"""
Coming from MLPClassifier
=========================

Change the class name: the model stays the same up to rounding, and repeated fits take less time.
"""

# %%
# With the same `random_state`, both classes draw the same initial weights and the same minibatches.

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skdense import LowLevelMLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_breast_cancer(return_X_y=True)
X = scale(X)
settings = {"hidden_layer_sizes": (50,), "max_iter": 100, "random_state": 0}
theirs = MLPClassifier(**settings).fit(X, y)
ours = LowLevelMLPClassifier(**settings).fit(X, y)

difference = np.abs(np.subtract(ours.loss_curve_, theirs.loss_curve_)).max()
print(f"largest difference of the losses: {difference:.1e}")

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(theirs.loss_curve_, lw=5, alpha=0.4, label="MLPClassifier")
ax.plot(ours.loss_curve_, "k--", label="LowLevelMLPClassifier")
ax.set(xlabel="epoch", ylabel="training loss", yscale="log")
ax.legend()
plt.show()

# %%
# The first fit of a process imports TensorFlow, and compiles a program if this machine has not done so
# before. Later fits of such a shape reuse it, whatever the seed or the learning rate.

for cls in MLPClassifier, LowLevelMLPClassifier:
    start = perf_counter()
    for seed in range(3):
        cls(**settings | {"random_state": seed}).fit(X, y)
    print(f"{cls.__name__:22} {(perf_counter() - start) / 3:.2f} s a fit")

# %%
# `make_pipeline` names a step after its class, so keys of grids change with the class: this one was
# `mlpclassifier__alpha`.

pipeline = make_pipeline(StandardScaler(), LowLevelMLPClassifier(**settings))
pipeline = pipeline.set_params(lowlevelmlpclassifier__alpha=0.01)
