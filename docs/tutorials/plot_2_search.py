"""
A grid search in threads
========================

scikit-learn's own GridSearchCV fits every candidate on every fold. In joblib's threads all cores
train, and all of these fits share a few compiled programs.
"""

# %%
# Only the ``with`` statement is new. Four widths, five learning rates and five folds are 100 fits.

import warnings
from time import perf_counter

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
    "learning_rate_init": [1e-4, 1e-3, 1e-2, 1e-1, 1.0],
}
search = GridSearchCV(network, grid, cv=5)

start = perf_counter()
with joblib.parallel_config("threading", n_jobs=-1):
    search.fit(X, y)
print(f"The first search of this process, with imports: {perf_counter() - start:.1f} s")
print(search.best_params_, f"{search.best_score_:.4f}")

# %%
# The scores are the same as without threads; only the time differs.

scores = search.cv_results_["mean_test_score"].reshape(4, 5)
fig, ax = plt.subplots(layout="constrained")
image = ax.imshow(scores, vmin=0.5, vmax=1)
ax.set_xticks(range(5), grid["learning_rate_init"])
ax.set_yticks(range(4), grid["hidden_layer_sizes"])
ax.set(
    xlabel="learning_rate_init",
    ylabel="hidden_layer_sizes",
    title="Mean accuracy of five folds",
)
for place, score in np.ndenumerate(scores):
    ax.text(
        *place[::-1],
        f"{score:.2f}",
        ha="center",
        va="center",
        color="w" if score < 0.8 else "k",
    )
plt.show()

# %%
# The same line serves cross-validation, bagging, stacking, one-vs-rest and nested searches:
# :doc:`/many_fits` lists them.
