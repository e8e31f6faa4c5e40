"""
Dropout and weight decay at work
================================

A wide network can learn its training labels by heart, also those that are wrong. Here a fifth of the
labels is replaced by random ones. Dropout and decoupled weight decay keep the network from learning
them.
"""

# %%
# The data
# --------
# 600 of scikit-learn's handwritten digits to train on, and 1197 to validate with, whose labels are all
# right.

# sphinx_gallery_thumbnail_number = 1
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skdense import LowLevelMLPClassifier

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_val, y_train, y_val = train_test_split(
    X, y, train_size=600, stratify=y, random_state=0
)

rng = np.random.default_rng(0)
is_random = rng.random(len(y_train)) < 0.2
y_noisy = np.where(is_random, rng.integers(10, size=len(y_train)), y_train)
print(f"wrong labels: {(y_noisy != y_train).sum()} of {len(y_train)}")

# %%
# Four networks
# -------------
# They differ in dropout and weight decay only. Stopping is switched off, so that all train for 100
# epochs; the validation samples are only looked at.

warnings.simplefilter("ignore", ConvergenceWarning)

settings = {
    "hidden_layer_sizes": (100,),
    "learning_rate_init": 0.003,
    "batch_size": 50,
    "max_iter": 100,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}
decay = {"solver": "adamw", "weight_decay": 0.5}
regularizers = {
    "the defaults": {},
    "weight decay": decay,
    "dropout": {"dropout": 0.5},
    "both": {"dropout": 0.5, **decay},
}
networks = {
    name: LowLevelMLPClassifier(**settings, **changes).fit(
        X_train, y_noisy, X_val=X_val, y_val=y_val
    )
    for name, changes in regularizers.items()
}

print(f"{'':14}accuracy: noisy training labels   true ones   validation     log-loss")
for name, network in networks.items():
    scores = [network.score(X_train, y_noisy), network.score(X_train, y_train)]
    scores += [network.validation_scores_[-1], network.validation_loss_curve_[-1]]
    print(
        f"{name:14}{scores[0]:31.3f}{scores[1]:12.3f}{scores[2]:13.3f}{scores[3]:13.3f}"
    )

# %%

figure, (losses, accuracies) = plt.subplots(
    1, 2, figsize=(9, 4.2), layout="constrained"
)
for name, network in networks.items():
    losses.plot(network.validation_loss_curve_, label=name)
    accuracies.plot(network.validation_scores_, label=name)
losses.set(xlabel="epoch", ylabel="validation loss", ylim=(0.3, 1))
accuracies.set(xlabel="epoch", ylabel="validation accuracy", ylim=(0.8, 0.96))
losses.set_title("Validation loss")
accuracies.set_title("Validation accuracy")
figure.legend(*losses.get_legend_handles_labels(), loc="outside upper center", ncols=4)
plt.show()

# %%
# The default network agrees with 93 percent of the labels it was given, though only 82 percent of them
# are right: it has learned wrong ones, and its validation loss rises while it does. The others agree
# with the true labels of their training samples more often than with the labels they were trained on,
# so they correct most of the wrong ones.
#
# Both together make the most accurate network. Its probabilities are too cautious, however, so dropout
# alone has the lowest log-loss. Which strength is right depends on the data, and is found by a search,
# on validation samples or by cross-validation.
