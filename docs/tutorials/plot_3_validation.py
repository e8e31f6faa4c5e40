"""
Your own validation set, and callbacks
======================================

A random part of the samples is the wrong validation set where samples come in groups or in order.
This example stops a training by samples of other groups, and watches it with scikit-learn's callbacks.
"""

# %%
# Samples in groups
# -----------------
# Forty patients with twenty measurements each. A network can learn to tell patients apart, which helps
# for other measurements of the same patients, but not for new patients.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.callback import ProgressBar
from sklearn.model_selection import GroupShuffleSplit

from skdense import LowLevelMLPClassifier

rng = np.random.default_rng(0)
patient = np.repeat(np.arange(40), 20)
profile = rng.normal(size=(40, 10))
ill = profile[:, 0] + rng.normal(size=40) > 0
X, y = profile[patient] + 0.3 * rng.normal(size=(800, 10)), ill[patient]
train, validation = next(
    GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, patient)
)

# %%
# Two ways to stop early
# ----------------------
# `early_stopping=True` alone sets random samples aside, of patients that are in the training too. With
# `X_val` and `y_val` your own samples decide.

settings = {
    "early_stopping": True,
    "max_iter": 200,
    "n_iter_no_change": 20,
    "random_state": 0,
}
by_chance = LowLevelMLPClassifier(**settings).fit(X[train], y[train])
by_patient = LowLevelMLPClassifier(**settings)
by_patient.fit(X[train], y[train], X_val=X[validation], y_val=y[validation])

fig, ax = plt.subplots(layout="constrained")
for model, label in ((by_chance, "random samples"), (by_patient, "other patients")):
    ax.plot(model.validation_scores_, label=f"validated on {label}")
ax.set(
    xlabel="epoch",
    ylabel="validation accuracy",
    title="Random samples promise too much",
)
ax.legend()
plt.show()
print(f"accuracy on random samples: {by_chance.best_validation_score_:.2f}")
print(
    f"accuracy for new patients:  {by_chance.score(X[validation], y[validation]):.2f}"
)

# %%
# Callbacks
# ---------
# scikit-learn's callbacks are called after every epoch: this one draws a progress bar.

by_patient.set_callbacks(ProgressBar()).set_params(max_iter=20)
by_patient.fit(X[train], y[train], X_val=X[validation], y_val=y[validation])
