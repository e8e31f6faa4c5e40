"""
From a messy table to a model in use
====================================

The whole path with one table: clean it, fit, score, see what matters, explain one row, give intervals,
export the model, fit it again when new rows arrive, and tune it.
"""

# %%
# A messy table
# -------------
# Invented repairs of a bicycle workshop, as they might come out of a spreadsheet: European dates,
# prices of which a tenth has a unit, a note, missing values, and a number for each order.

import tempfile
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import clone
from sklearn.inspection import permutation_importance
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import ParameterGrid

from skdense import make_tabular_regressor
from skdense.inspection import contributions
from skdense.tabular import to_onnx


def repairs(n_orders, first_day, seed):
    """Draw repairs of a year, in the order of their dates, and the minutes that each took."""
    rng = np.random.default_rng(seed)
    days = pd.Timestamp(first_day) + pd.to_timedelta(
        np.sort(rng.integers(0, 365, n_orders)), unit="D"
    )
    parts = rng.lognormal(3, 0.7, n_orders).round(2)
    km = rng.gamma(2, 2000, n_orders).round()
    kind = rng.choice(["city", "mountain", "race", "electric"], n_orders)
    adult = rng.random(n_orders) < 0.8
    words = (
        "squeaks wobbles brake chain light tyre saddle gear slow loud old new".split()
    )
    notes = [" ".join(rng.choice(words, 3)) for _ in range(n_orders)]
    minutes = (
        15
        + 8 * np.log(parts)
        + 10 * (kind == "electric") * (km > 4000)
        + 15 * np.array(["gear" in note for note in notes])
        + 5 * np.cos(2 * np.pi * days.day_of_year / 365)
        + 5 * rng.normal(size=n_orders)
    )
    table = pd.DataFrame(
        {
            "order": [f"R-{seed}{i:05d}" for i in range(n_orders)],
            "received": days.strftime("%d.%m.%Y"),
            "parts": [
                f"{price} EUR" if rng.random() < 0.1 else price for price in parts
            ],
            "kind": kind,
            "km": km,
            "adult": adult,
            "note": notes,
        }
    )
    table.loc[rng.random(n_orders) < 0.2, "km"] = np.nan
    table.loc[rng.random(n_orders) < 0.1, "kind"] = None
    return table, minutes


def clean(table):
    """Convert prices to numbers and days to dates; leave out the number of the order."""
    return table.drop(columns="order").assign(
        parts=pd.to_numeric(table["parts"].astype(str).str.removesuffix(" EUR")),
        received=pd.to_datetime(table["received"], format="%d.%m.%Y"),
    )


raw, minutes = repairs(1200, "2024-01-01", seed=0)
raw.head()

# %%
# Two things are left to you. The unit has to go, since a column of numbers and strings is taken for
# categories or text. So has the number of the order, which identifies rows but carries no signal. The
# model handles dates, categories, texts and missing values.

X, y = clean(raw), minutes
print(X.dtypes)

# %%
# Fit and score
# -------------
# The newest quarter of the rows is the test set, since new rows will be newer, too. `cv=4` is quicker
# than the eight folds that are the default for tables of this size.

is_new = X["received"] >= "2024-10-01"
X_train, X_test, y_train, y_test = X[~is_new], X[is_new], y[~is_new], y[is_new]
model = make_tabular_regressor(random_state=0, cv=4).fit(X_train, y_train)
print(f"out-of-fold R2 {model[-1].oof_score_:.2f}")
print(f"R2 of newer rows {model.score(X_test, y_test):.2f}")
print(f"mean error {mean_absolute_error(y_test, model.predict(X_test)):.1f} minutes")
model[-1].members_.round(2)

# %%
# Random folds hold out rows of weeks that the model has seen. The newer rows are of an autumn that it
# has not seen, and are harder to predict. :doc:`/new_rows` shows folds that do not flatter.
#
# What matters
# ------------
# How much the score falls when the values of one column are shuffled, in rows that the model has not
# seen:

drop = permutation_importance(
    model, X_test, y_test, n_repeats=3, random_state=0
).importances_mean
order = np.argsort(drop)
figure, axes = plt.subplots(figsize=(6.4, 3), layout="constrained")
axes.barh(X_test.columns[order], drop[order])
axes.set_xlabel("drop in R2 when the column is shuffled")
plt.show()

# %%
# One row explained
# -----------------
# Why does this repair take longer than most? :func:`~skdense.inspection.contributions` computes how
# much each column moved this prediction from the mean prediction. The contributions sum to the
# difference, up to rounding. They are Shapley values, as in the package shap, and no column has to be
# converted. The error bars are two standard errors in each direction, since rows and orders of the
# columns are drawn.

predicted = model.predict(X_test)
longest = X_test.iloc[[np.argmax(predicted)]]
(values,), (errors,), mean, (prediction,) = contributions(
    model, X_train, longest, random_state=0
)
names = [f"{name} = {value}" for name, value in longest.astype(str).iloc[0].items()]
moved = pd.DataFrame({"change": values, "error": 2 * errors}, index=names)
moved = moved.sort_values("change", key=abs)
figure, axes = plt.subplots(figsize=(6.4, 3), layout="constrained")
axes.barh(moved.index, moved.change, xerr=moved.error, ecolor="gray")
axes.set_xlabel(
    f"change of the prediction, in minutes\nmean {mean:.0f}, this repair {prediction:.0f}"
)
plt.show()

# %%
# An interval
# -----------
# The errors of the out-of-fold predictions give quantiles, without a further fit.

low, high = model.predict(X_test, quantiles=[0.05, 0.95]).T
inside = (low <= y_test) & (y_test <= high)
at = np.argmax(predicted)
print(f"this repair: 90 % between {low[at]:.0f} and {high[at]:.0f} minutes")
print(f"{inside.mean():.0%} of the newer repairs are in their interval")

# %%
# Export
# ------
# joblib saves the model for Python. TensorFlow is not needed to predict with it.

folder = Path(tempfile.mkdtemp())
joblib.dump(model, folder / "repairs-2024-10.joblib")
loaded = joblib.load(folder / "repairs-2024-10.joblib")
print(np.array_equal(loaded.predict(X_test), predicted))

# %%
# ONNX is for other languages and small containers. It takes numbers, categories and texts,
# but no dates, so this model has a number for the day.


def without_dates(X):
    """Replace the date by the day of the year."""
    return X.drop(columns="received").assign(day=X["received"].dt.day_of_year)


portable = clone(model).fit(without_dates(X_train), y_train)
session = onnxruntime.InferenceSession(to_onnx(portable).SerializeToString())
rows = without_dates(X_test)
inputs = {
    name: (
        rows[[name]].astype(float)
        if is_numeric_dtype(rows[name])
        else rows[[name]].fillna("")
    ).to_numpy()
    for name in rows
}
(outputs,) = session.run(None, inputs)
difference = abs(outputs.ravel() - portable.predict(rows)).max()
print(f"largest difference {difference:.0e} minutes")

# %%
# New rows
# --------
# A year later, the old model has never seen the new rows, so they judge it fairly. The new one is
# fitted to the old and the new rows, except for the newest, on which both are compared.
# :doc:`/new_rows` says more.

more, more_minutes = repairs(800, "2025-01-01", seed=1)
X, y = pd.concat([X, clean(more)], ignore_index=True), np.append(y, more_minutes)
is_newest = X["received"] >= "2025-10-01"
old, new = loaded, clone(model).fit(X[~is_newest], y[~is_newest])
for name, each in {"old": old, "new": new}.items():
    error = mean_absolute_error(y[is_newest], each.predict(X[is_newest]))
    print(f"{name} model: mean error {error:.2f} minutes")

# %%
# Tune
# ----
# The out-of-fold score compares settings without cross-validation: each setting is fitted once. The
# best one is fitted to all rows and saved beside the old one.

scores = {}
for settings in ParameterGrid({"hidden_layer_sizes": [(64, 64), (128, 128)]}):
    tried = clone(model).set_params(**settings).fit(X[~is_newest], y[~is_newest])
    scores[settings["hidden_layer_sizes"]] = tried[-1].oof_score_
    print(settings, f"out-of-fold R2 {tried[-1].oof_score_:.3f}")

best = clone(model).set_params(hidden_layer_sizes=max(scores, key=scores.get)).fit(X, y)
joblib.dump(best, folder / "repairs-2026-01.joblib")
print(sorted(path.name for path in folder.iterdir()))
