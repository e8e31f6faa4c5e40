"""
Quantile regression
===================

Three networks with the quantile loss, trained in parallel, predict a median and an interval.
"""

# %%
# The noise of these samples increases from left to right.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split

from skdense import LowLevelMLPRegressor, fit_many

rng = np.random.default_rng(0)
X = rng.uniform(-2, 2, (2000, 1))
y = np.sin(2 * X[:, 0]) + 0.15 * (X[:, 0] + 2.5) * rng.normal(size=2000)
X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, random_state=0)

settings = {"hidden_layer_sizes": (32, 32), "learning_rate_init": 0.005}
settings |= {"max_iter": 150, "random_state": 0}
networks = [
    LowLevelMLPRegressor("quantile", quantile=quantile, **settings)
    for quantile in (0.05, 0.5, 0.95)
]
networks = fit_many(networks, X, y)

# %%
# The coverage of the band from the 5% to the 95% quantile should be 90% on the test samples.

low, _, high = (network.predict(X_test) for network in networks)
inside = (low <= y_test) & (y_test <= high)
print(f"coverage on the test samples: {inside.mean():.1%}")

grid = np.linspace(-2, 2, 200)
low, median, high = (network.predict(grid[:, None]) for network in networks)
fig, ax = plt.subplots(layout="constrained")
ax.plot(X_test, y_test, ".", color="0.7", ms=3, label="test samples")
ax.fill_between(grid, low, high, alpha=0.3, label="5% to 95%")
ax.plot(grid, median, label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend(loc="upper left")
plt.show()
