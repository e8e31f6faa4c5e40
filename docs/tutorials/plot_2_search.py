"""
A grid search in threads
========================

GridSearchCV in joblib's threads: all cores train, and all fits share a few compiled programs.
"""

# %%
# Only the ``with`` statement is new. The scores are the same as without it.

import warnings

import joblib
import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = make_two_clouds(random_state=0)
network = LowLevelMLPClassifier(solver="sgd", max_iter=20, random_state=0)
grid = {
    "hidden_layer_sizes": [(2, 2), (4, 4), (8, 8), (16, 16)],
    "learning_rate_init": [1e-3, 1e-2, 1e-1, 1.0],
}
search = GridSearchCV(network, grid, scoring="neg_log_loss", cv=3)
with joblib.parallel_config("threading", n_jobs=-1):
    search.fit(X, y)
print(search.best_params_)

# %%
# Every candidate's log-loss. It tells candidates apart that have the same accuracy.

losses = -search.cv_results_["mean_test_score"].reshape(4, 4)
fig, ax = plt.subplots(layout="constrained")
ax.imshow(-losses)
ax.set_xticks(range(4), grid["learning_rate_init"])
ax.set_yticks(range(4), grid["hidden_layer_sizes"])
ax.set(xlabel="learning_rate_init", ylabel="hidden_layer_sizes")
for (row, column), loss in np.ndenumerate(losses):
    color = "k" if loss < 0.3 else "w"
    ax.text(column, row, f"{loss:.3f}", ha="center", va="center", color=color)
plt.show()

# %%
# The same line serves cross-validation, bagging and nested searches: :doc:`/many_fits`.
