"""
Your own validation set
=======================

If random validation samples would be too optimistic, use samples of other groups for early stopping.
"""

# %%
# The data are twenty measurements of each of forty patients. A network that recognizes the patients
# predicts further measurements of the same patients well, but not measurements of new patients.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdense import LowLevelMLPClassifier

rng = np.random.default_rng(0)
patient = np.repeat(np.arange(40), 20)
profile = rng.normal(size=(40, 10))
ill = profile[:, 0] + rng.normal(size=40) > 0
X, y = profile[patient] + 0.3 * rng.normal(size=(800, 10)), ill[patient]
splits = GroupShuffleSplit(1, test_size=0.3, random_state=0).split(X, y, patient)
train, validation = next(splits)

# %%
# `early_stopping=True` alone holds out random samples. With `X_val` and `y_val`, early stopping uses
# your validation set.

settings = {"early_stopping": True, "n_iter_no_change": 20, "random_state": 0}
random_split = LowLevelMLPClassifier(**settings).fit(X[train], y[train])
patient_split = LowLevelMLPClassifier(**settings)
patient_split.fit(X[train], y[train], X_val=X[validation], y_val=y[validation])

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(random_split.validation_scores_, label="validated on random samples")
ax.plot(patient_split.validation_scores_, label="validated on other patients")
ax.set(xlabel="epoch", ylabel="validation accuracy")
ax.legend()
plt.show()
print(f"random samples: {random_split.best_validation_score_:.2f}")
print(f"new patients:   {random_split.score(X[validation], y[validation]):.2f}")
