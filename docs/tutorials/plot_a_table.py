"""
A table with categories and missing values
==========================================

:class:`~skdense.TabularClassifier` takes a DataFrame as it is, and knows its score without a test set.
"""

# %%
# Customers of an imagined shop, and whether they come back. That depends on the price (articles sell
# best between 20 and 50), on the town, and on channel and delay together: a late parcel matters online
# only. A fifth of the delays is unknown.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from scipy.special import expit
from sklearn.calibration import CalibrationDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skdense import TabularClassifier

rng = np.random.default_rng(0)
n = 2000
table = pd.DataFrame(
    {
        "price": rng.lognormal(3.5, 0.8, n),
        "delay": rng.exponential(3, n),
        "town": rng.choice(
            ["Arles", "Bergen", "Cork", "Delft"], n, p=[0.4, 0.3, 0.2, 0.1]
        ),
        "channel": rng.choice(["online", "shop"], n),
    }
).astype({"town": "category", "channel": "category"})
pull = 4 * table.price.between(20, 50) - 3 * (table.delay > 2) * (
    table.channel == "online"
)
pull += 1.0 * (table.town == "Arles") - 2.0 * (table.town == "Cork") - 1
comes_back = np.where(rng.random(n) < expit(pull), "back", "gone")
table.loc[rng.random(n) < 0.2, "delay"] = np.nan
X, X_test, y, y_test = train_test_split(table, comes_back, random_state=0)
X.head()

# %%
# Trees cut such steps exactly, while a network has to approximate them. `cv=4` is quicker than the
# default.

models = {
    "LightGBM": LGBMClassifier(verbosity=-1, random_state=0),
    "TabularClassifier": TabularClassifier(cv=4, random_state=0),
}
for name, model in models.items():
    model.fit(X, y)
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:18} accuracy {model.score(X_test, y_test):.3f}, log-loss {loss:.3f}")

# %%
# Every customer was held out from one member of each model. These predictions give the weights of the
# models, a score that needs no test set, and a temperature that makes probabilities reliable.

print(f"out-of-fold log-loss {model.oof_loss_:.3f}, accuracy {model.oof_score_:.3f}")
model.summary()[["weight", "oof_loss", "oof_score", "n_members"]].round(3)

# %%
# Of the customers with a probability of 80 %, about 80 % should have left: on the diagonal,
# probabilities mean what they say.

figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, model in models.items():
    CalibrationDisplay.from_estimator(
        model, X_test, y_test, n_bins=6, name=name, ax=axes
    )
axes.set(xlabel="predicted probability", ylabel="fraction that left")
plt.show()
