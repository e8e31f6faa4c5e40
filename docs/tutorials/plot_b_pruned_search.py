"""
A search that leaves candidates out early
=========================================

:class:`~skdense.search.PrunedSearchCV` trains many candidates for a few epochs, lets the best third go
on from where they are, and repeats this. This example searches over five parameters of a network, and
draws what happened.
"""

# %%
# Draw 64 candidates
# ------------------
# The digits are scaled within the search, so no split knows the mean of its held-out samples. The
# scaler is fitted once for each split.

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
from scipy.stats import loguniform
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier
from skdense.search import PrunedSearchCV, PrunedSearchDisplay

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
network = LowLevelMLPClassifier(
    max_iter=81,
    early_stopping=True,
    n_iter_no_change=81,
    dtype="float32",
    random_state=0,
)
model = Pipeline([("scale", StandardScaler()), ("network", network)])
candidates = {
    "network__hidden_layer_sizes": [(16,), (32,), (64,), (32, 32), (64, 64)],
    "network__learning_rate_init": loguniform(1e-4, 3e-2),
    "network__alpha": loguniform(1e-6, 1),
    "network__batch_size": [64, 128],
    "network__activation": ["relu", "tanh"],
}
search = PrunedSearchCV(
    model,
    candidates,
    n_candidates=64,
    cv=3,
    scoring="neg_log_loss",
    random_state=0,
    verbose=1,
)
start = perf_counter()
search.fit(X, y)
print(f"{perf_counter() - start:.1f} s, with import and compilation")
for name, value in sorted(search.best_params_.items()):
    print(f"{name:28} {value}")

# %%
# Scores over epochs
# ------------------
# Each line is a candidate, from rung to rung. Those that are far below the others are cut off. A search
# of all candidates would have trained each of the 64 lines to the right end.

PrunedSearchDisplay.from_estimator(search)
plt.show()

# %%
# Scores against a parameter
# --------------------------
# The last score of each candidate, coloured by the rung that it reached, tells which learning rates are
# worth a second search.

_, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
names = ["network__learning_rate_init", "network__hidden_layer_sizes"]
for axis, name in zip(axes, names, strict=True):
    PrunedSearchDisplay.from_estimator(search, parameter=name, ax=axis)
plt.show()

# %%
# :doc:`/pruned_search` says when such a search is the right one, and what its rungs do.
