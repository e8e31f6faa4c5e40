"""
Dropout and weight decay at work
================================

A wide network can learn wrong labels by heart. Dropout and decoupled weight decay prevent it.
"""

# %%
# Of 600 handwritten digits to train on, a fifth get random labels. The validation labels are right.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skdense import LowLevelMLPClassifier

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_val, y_train, y_val = train_test_split(
    X, y, train_size=600, stratify=y, random_state=0
)
rng = np.random.default_rng(0)
y_noisy = np.where(rng.random(600) < 0.2, rng.integers(10, size=600), y_train)

# %%
# Three networks differ in dropout and weight decay only. None stops early.

settings = {"learning_rate_init": 0.003, "batch_size": 50, "max_iter": 100}
settings |= {"n_iter_no_change": np.inf, "random_state": 0}
regularizers = {
    "the defaults": {},
    "weight decay": {"solver": "adamw", "weight_decay": 0.5},
    "dropout": {"dropout": 0.5},
}

figure, axes = plt.subplots(layout="constrained")
print("agrees with    noisy labels  true labels   on validation: accuracy  log-loss")
for name, changes in regularizers.items():
    network = LowLevelMLPClassifier(**settings, **changes)
    network.fit(X_train, y_noisy, X_val=X_val, y_val=y_val)
    noisy, true = network.score(X_train, y_noisy), network.score(X_train, y_train)
    score, losses = network.validation_scores_[-1], network.validation_loss_curve_
    print(f"{name:16}{noisy:11.3f}{true:13.3f}{score:26.3f}{losses[-1]:10.3f}")
    axes.plot(losses, label=name)
axes.set(xlabel="epoch", ylabel="validation loss", ylim=(0.3, 1))
axes.legend()
plt.show()

# %%
# The default network agrees with labels that are wrong, and its validation loss rises as it learns
# them. The others correct most of them. A search finds the right strength.
