"""
Quick start
===========

Classify handwritten digits: a network in the place of any other classifier of scikit-learn.
"""

# %%
# Networks train best on features of a similar scale, so a scaler comes first.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = make_pipeline(StandardScaler(), LowLevelMLPClassifier(random_state=0))
model.fit(X_train, y_train)
print(f"accuracy on the test samples: {model.score(X_test, y_test):.3f}")

# %%
# Which digits are taken for which?

ConfusionMatrixDisplay.from_estimator(model, X_test, y_test, colorbar=False)
plt.show()

# %%
# The fitted network has the attributes of MLPClassifier, and the accuracy of every epoch.

network = model[-1]
print(f"{network.n_iter_} epochs, loss {network.loss_:.4f}")
print(f"accuracy on the training samples: {network.accuracy_curve_[-1]:.3f}")
