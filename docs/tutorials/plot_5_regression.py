"""
Regression, with an interval around the prediction
==================================================

:class:`~skdense.LowLevelMLPRegressor` is to MLPRegressor what the classifier is to MLPClassifier. It
also has a loss for quantiles: three networks, trained together, predict a median and an interval.
"""

# %%
# The spread of these samples grows from left to right.

import matplotlib.pyplot as plt
import numpy as np

from skdense import LowLevelMLPRegressor, fit_many

rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, 1000)
y = np.sin(2 * x) + 0.15 * (x + 2.5) * rng.normal(size=1000)
X = x[:, None]

quantiles = [0.05, 0.5, 0.95]
networks = [
    LowLevelMLPRegressor(
        "quantile", (32, 32), quantile=quantile, learning_rate_init=0.005, max_iter=150, random_state=0
    )
    for quantile in quantiles
]
networks = fit_many(networks, X, y)

# %%
# Nine samples in ten should lie in the band.

grid = np.linspace(-2, 2, 200)
low, median, high = (network.predict(grid[:, None]) for network in networks)
fig, ax = plt.subplots(layout="constrained")
ax.plot(x, y, ".", color="0.7", ms=3)
ax.fill_between(grid, low, high, alpha=0.3, label="5 % to 95 %")
ax.plot(grid, median, label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend()
plt.show()

inside = (networks[0].predict(X) <= y) & (y <= networks[2].predict(X))
print(f"{inside.mean():.1%} of the samples lie in the band")
