"""
Rare classes and class weights
==============================

One sample in fifty is positive. A network that never predicts it is right in 98 % of the cases, and
useless. `class_weight`, which MLPClassifier does not have, moves the balance.
"""

# %%
# No weight, three weights for the rare class, and "balanced", which gives both classes the same total
# weight.

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier, fit_many

X, y = make_classification(
    6000, n_features=10, n_informative=5, weights=[0.98], class_sep=0.7, random_state=0
)
X = StandardScaler().fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
weights = [None, {1: 3}, {1: 10}, {1: 30}, "balanced"]
networks = [
    LowLevelMLPClassifier(
        (16,), class_weight=weight, early_stopping=True, random_state=0
    )
    for weight in weights
]
networks = fit_many(networks, X_train, y_train)

# %%
# A larger weight finds more of the rare samples, and raises more false alarms.

predictions = [network.predict(X_test) for network in networks]
recall = [recall_score(y_test, predicted) for predicted in predictions]
precision = [
    precision_score(y_test, predicted, zero_division=0) for predicted in predictions
]
labels = ["none", "3", "10", "30", "balanced"]
fig, ax = plt.subplots(layout="constrained")
ax.plot(labels, recall, "o-", label="recall: rare samples that are found")
ax.plot(labels, precision, "s-", label="precision: alarms that are right")
ax.set(
    xlabel="weight of the rare class",
    ylim=(0, 1),
    title="Recall and precision on test samples",
)
ax.legend()
plt.show()
