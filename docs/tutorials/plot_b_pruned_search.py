"""
A search that leaves candidates out early
=========================================

:class:`~skdense.search.PrunedSearchCV` trains many candidates for a few epochs, lets those go on that
are forecast to end well, and repeats this. This example searches over five parameters of a network, and
draws what happened.
"""

# %%
# Draw 64 candidates
# ------------------
# The features are scaled within the search, so no split knows the mean of its held-out samples. The
# scaler is fitted once for each split.

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import loguniform
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier
from skdense.search import PrunedSearchCV

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_breast_cancer(return_X_y=True)
network = LowLevelMLPClassifier(
    max_iter=81, n_iter_no_change=81, dtype="float32", random_state=0
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
# A slow starter wins
# -------------------
# Each line is a candidate, from rung to rung. Those that are far below the others are cut off. A dotted
# line leads to the forecast for which a candidate was left out. A search of all candidates would have
# trained each of the 64 lines to the right end.

table = pd.DataFrame(search.cv_results_)
winner = table[[params is search.best_params_ for params in table["params"]]]
end = table["n_resources"].max()

_, ax = plt.subplots(layout="constrained")
for _, rows in table.groupby(table["params"].map(id)):
    ax.plot(rows["n_resources"], rows["mean_test_score"], ".-", color="0.6", lw=1)
    last = rows.iloc[-1]
    scores = last[["mean_test_score", "forecast_test_score"]]
    ax.plot([last["n_resources"], end], scores, ":", color="0.75", lw=1, zorder=1)
style = {"color": "C1", "lw": 2.5, "label": f"winner: {search.best_score_:.4g}"}
ax.plot(winner["n_resources"], winner["mean_test_score"], "o-", **style)
ax.set(
    xlabel="epochs", ylabel="mean score", xticks=search.n_resources_, ylim=(-0.3, -0.06)
)
ax.legend()
plt.show()

# %%
# An epoch of 379 samples has few steps, so large learning rates lead at first. The winner has a
# moderate rate. By its scores alone it would have been left out; its forecasts kept it.

of_rung = table.groupby("iter")
table["rank"] = of_rung["mean_test_score"].rank(ascending=False).astype(int)
table["rank of forecast"] = (
    of_rung["forecast_test_score"].rank(ascending=False).astype(int)
)
table["of"] = of_rung["iter"].transform("size")
shown = ["n_resources", "rank", "rank of forecast", "of"]
print(table.loc[winner.index, shown].to_string(index=False))

# %%
# Scores against a parameter
# --------------------------
# The last score of each candidate, coloured by the rung that it reached, tells which learning rates are
# worth a second search.

_, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
for rung, rows in table.groupby(table["params"].map(id)).tail(1).groupby("n_resources"):
    rates, widths = (
        rows[f"param_network__{name}"]
        for name in ("learning_rate_init", "hidden_layer_sizes")
    )
    for ax, values in zip(axes, (rates.astype(float), widths.astype(str)), strict=True):
        ax.plot(values, rows["mean_test_score"], "o", alpha=0.7, label=f"{rung} epochs")
axes[0].set(xscale="log", xlabel="learning_rate_init", ylabel="mean score")
axes[1].set(xlabel="hidden_layer_sizes", ylim=(-0.3, -0.06))
axes[1].legend(fontsize="small")
plt.show()

# %%
# :doc:`/pruned_search` says when such a search is the right one, and what its rungs do.
