"""
Your own validation set
=======================

Stop training by the samples of other groups, where random samples would promise too much.
"""

# %%
# Twenty measurements of each of forty patients. A network that tells patients apart does well for other
# measurements of them, but not for new patients.

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
# `early_stopping=True` alone sets random samples aside. With `X_val` and `y_val`, yours decide.

settings = {"early_stopping": True, "n_iter_no_change": 20, "random_state": 0}
by_chance = LowLevelMLPClassifier(**settings).fit(X[train], y[train])
by_patient = LowLevelMLPClassifier(**settings)
by_patient.fit(X[train], y[train], X_val=X[validation], y_val=y[validation])

fig, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.plot(by_chance.validation_scores_, label="validated on random samples")
ax.plot(by_patient.validation_scores_, label="validated on other patients")
ax.set(xlabel="epoch", ylabel="validation accuracy")
ax.legend()
plt.show()
print(f"on random samples: {by_chance.best_validation_score_:.2f}")
print(f"for new patients:  {by_chance.score(X[validation], y[validation]):.2f}")
