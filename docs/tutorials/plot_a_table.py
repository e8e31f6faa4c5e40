"""
A table with categories and missing values
==========================================

:func:`~skdense.make_tabular_classifier` takes a DataFrame as it is. This example compares it with a
plain network and with boosted trees, shows which score the ensemble has without a test set, and checks
whether its probabilities can be trusted.
"""

# %%
# The table
# ---------
# Customers of an imagined shop, some of whom come back. Whether they do depends on the price (articles
# sell best between 20 and 50), on the town, and on the channel and the delay together: a late parcel
# matters online only. A fifth of the delays is unknown.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdense import LowLevelMLPClassifier, make_tabular_classifier

rng = np.random.default_rng(0)
n_customers = 2000
towns = ["Arles", "Bergen", "Cork", "Delft", "Espoo"]
table = pd.DataFrame(
    {
        "price": rng.lognormal(3.5, 0.8, n_customers),
        "delay": rng.exponential(3, n_customers),
        "town": pd.Categorical(
            rng.choice(towns, n_customers, p=[0.4, 0.3, 0.2, 0.097, 0.003])
        ),
        "channel": pd.Categorical(rng.choice(["online", "shop"], n_customers)),
    }
)
pull = (
    4 * table.price.between(20, 50)
    - 3 * (table.delay > 2) * (table.channel == "online")
    + table.town.map(
        {"Arles": 1, "Bergen": 0, "Cork": -2, "Delft": 0, "Espoo": 0}
    ).astype(float)
    - 1
)
comes_back = rng.random(n_customers) < expit(pull)
table.loc[rng.random(n_customers) < 0.2, "delay"] = np.nan
print(table.head())

X, X_test, y, y_test = train_test_split(table, comes_back, random_state=0)

# %%
# Three models
# ------------
# The plain network needs to be told what to do with each column.

numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
columns = make_column_transformer(
    (numbers, make_column_selector(dtype_include="number")),
    (
        OneHotEncoder(handle_unknown="ignore"),
        make_column_selector(dtype_include="category"),
    ),
)
models = {
    "one network": make_pipeline(
        columns, LowLevelMLPClassifier(random_state=0, tol=1e-3)
    ),
    "boosted trees": HistGradientBoostingClassifier(random_state=0),
    "make_tabular_classifier": make_tabular_classifier(random_state=0),
}
for name, model in models.items():
    model.fit(X, y)
    loss = log_loss(y_test, model.predict_proba(X_test))
    print(f"{name:24} accuracy {model.score(X_test, y_test):.3f}, log-loss {loss:.3f}")

# %%
# This table suits trees. A price between 20 and 50, and a delay of more than two days online, are steps
# that a tree cuts exactly, while a network has to approximate them. The ensemble has the best
# probabilities all the same. On most of the real tables of :doc:`/benchmarks` it is more accurate, too.
#
# What the ensemble knows by itself
# ---------------------------------
# There are eight networks that see the columns, eight that also see ramps between their quantiles,
# eight models of boosted trees, eight linear ones, and eight that are constant and have no weight here.
# Every sample was held out from one model of each kind. Their predictions give the weights of the
# kinds, a score that needs no test set, and the temperature.

ensemble = models["make_tabular_classifier"].named_steps["ensemble"]
for name, weight in zip(ensemble.named_estimators_, ensemble.weights_, strict=True):
    print(f"weight of {name!r}: {weight:.2f}")
print(f"out-of-fold accuracy {ensemble.oof_score_:.3f}")
print(f"temperature {ensemble.temperature_:.2f}")
networks = ensemble.named_estimators_["plain"].estimators_
kept = [1 + int(np.argmin(network.validation_loss_curve_)) for network in networks]
print(f"epochs kept: {kept}, of {networks[0].max_iter}")

# %%
# Probabilities
# -------------
# Of the customers who are given a probability of 80 %, about 80 % should come back: on the diagonal the
# probabilities mean what they say.

figure, axis = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, model in models.items():
    CalibrationDisplay.from_estimator(
        model, X_test, y_test, n_bins=6, name=name, ax=axis
    )
axis.set(
    xlabel="predicted probability",
    ylabel="fraction that came back",
    title="Calibration",
)
plt.show()
