"""
Understanding a model of a table
================================

Which columns matter, why one row has its prediction, how predictions depend on columns, how sure the
model is, and where it errs: feature importance, Shapley values, partial dependence, calibration,
residuals and intervals of the default for tables.
"""

# %%
# The table
# ---------
# How much the diabetes of 442 patients has progressed after a year, with their age and sex, body
# mass index, blood pressure, and six measurements of their blood. It comes with scikit-learn. Three
# quarters of the rows are for training.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_diabetes
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.metrics import PredictionErrorDisplay, log_loss
from sklearn.model_selection import train_test_split

from skdense import make_tabular_classifier, make_tabular_regressor
from skdense.inspection import contributions

data = load_diabetes(as_frame=True, scaled=False)
names = "age sex bmi pressure cholesterol ldl hdl cholesterol/hdl triglycerides glucose"
table = data.data.set_axis(names.split(), axis=1)
# The data do not say which sex is which.
table["sex"] = table["sex"].map({1.0: "a", 2.0: "b"})
X, X_test, y, y_test = train_test_split(table, data.target, random_state=0)
X.head()

# %%
# Its members
# -----------
# The model blends networks that see the columns, networks that also see ramps, boosted trees, linear
# and constant models, and kernel ridge regressions. Each row was held out from one member of each kind.
# The predictions of these members, which are called out-of-fold, tell how good each kind is, and how
# much weight it gets.

model = make_tabular_regressor(random_state=0).fit(X, y)
model[-1].members_.round(3)

# %%
# .. index:: ! feature importance, ! SHAP
#
# Feature importance of the columns
# ---------------------------------
# Permutation importance, one kind of feature importance, is the fall of a score if the values of
# one column are shuffled. :func:`sklearn.inspection.permutation_importance` takes the model and its
# DataFrame as they are, here rows that the model has not seen. A table of polars is converted by
# ``to_pandas()`` first. The error bars are standard deviations over repeated shuffles.

importance = permutation_importance(model, X_test, y_test, n_repeats=10, random_state=0)
order = np.argsort(importance.importances_mean)
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
axes.barh(
    X_test.columns[order],
    importance.importances_mean[order],
    xerr=importance.importances_std[order],
    ecolor="gray",
)
axes.set_xlabel("drop in R2 when the column is shuffled")
plt.show()

# %%
# Correlated columns share importance: if one of them is shuffled, the model still has the others.
# Here the total cholesterol, its LDL and the ratio of cholesterol to HDL are such columns. Importance
# is also about this model: a column without importance may matter to another one.
#
# .. index:: ! Shapley values
#
# One row explained
# -----------------
# Why does the model expect so much for this patient? :func:`~skdense.inspection.contributions` computes
# how much each column moved this prediction from the mean prediction. The contributions sum to the
# difference, up to rounding. They are Shapley values, which the package shap also computes, for columns
# of any type: nothing has to be converted. They are sampled, and the error bars are two standard errors
# in each direction.

predicted = model.predict(X_test)
patient = X_test.iloc[[np.argmax(predicted)]]
(values,), (errors,), mean, (prediction,) = contributions(
    model, X, patient, random_state=0
)
print(f"{mean:.2f} + {values.sum():.2f} = {prediction:.2f}")

names = [f"{name} = {value}" for name, value in patient.iloc[0].items()]
moved = pd.DataFrame({"change": values, "error": 2 * errors}, index=names)
moved = moved.sort_values("change", key=abs)
colors = np.where(moved.change > 0, "tab:orange", "tab:blue")
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
axes.barh(moved.index, moved.change, xerr=moved.error, color=colors, ecolor="gray")
axes.set_xlabel(f"change of the prediction\nmean {mean:.0f}, this row {prediction:.0f}")
plt.show()

# %%
# The mean sizes of the contributions to many rows are another kind of importance, in the unit of the
# predictions. For a classifier, contributions are to the probability of one class.

sizes = abs(contributions(model, X, X_test[:20], n_samples=50, random_state=0).values)
for name, size in sorted(zip(X.columns, sizes.mean(axis=0)), key=lambda pair: -pair[1])[
    :3
]:
    print(f"{name:14} {size:5.1f}")

# %%
# How predictions depend on a column
# ----------------------------------
# Partial dependence is the mean prediction if a column has the same value in all rows. Each thin
# line is one row. A column of categories is named in `categorical_features`.

display = PartialDependenceDisplay.from_estimator(
    model,
    X_test,
    ["bmi", "triglycerides", "pressure", "sex"],
    categorical_features=["sex"],
    kind=["both", "both", "both", "average"],
    grid_resolution=20,
    subsample=40,
    random_state=0,
    n_cols=2,
)
display.figure_.set_size_inches(7, 6)
display.figure_.set_layout_engine("constrained")
plt.show()

# %%
# Residuals
# ---------
# The out-of-fold predictions show the errors of all training rows as if they were new: no test set
# is needed. Errors are smaller where predictions are low.

PredictionErrorDisplay.from_predictions(
    y, model[-1].oof_prediction_, kind="residual_vs_predicted"
)
plt.show()

# %%
# Intervals
# ---------
# Quantiles of these errors give intervals for new rows. Where rows are harder to predict, intervals are
# wider (:doc:`/worth`). About 90 % of the values should be in these:

low, high = model.predict(X_test, quantiles=[0.05, 0.95]).T
inside = (low <= y_test) & (y_test <= high)
print(f"{inside.mean():.0%} of the new rows are in their interval of 90 %")

order = np.argsort(predicted)
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.fill_between(np.arange(len(order)), low[order], high[order], alpha=0.3)
axes.plot(y_test.to_numpy()[order], ".")
axes.set(xlabel="new rows, in the order of their predictions", ylabel="progression")
plt.show()

# %%
# Calibration
# -----------
# A classifier tells how sure it is. Here it predicts whether the progression is above 140. On the
# diagonal of a calibration plot, probabilities mean what they say. The logits of each kind of
# members are divided by a temperature, which out-of-fold predictions choose such that the log-loss
# is lowest. The probabilities before that are those at a temperature of 1:

classifier = make_tabular_classifier(random_state=0).fit(X, y > 140)
networks = classifier[-1].named_estimators_["plain"]
after = networks.oof_probabilities_
before = softmax(networks.temperature_ * np.log(after), axis=1)

figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
for name, probabilities in {"before": before, "after": after}.items():
    loss = log_loss(y > 140, probabilities)
    print(f"{name} the temperature: log-loss {loss:.4f}")
    CalibrationDisplay.from_predictions(
        y > 140, probabilities[:, 1], n_bins=6, name=f"{name} the temperature", ax=axes
    )
axes.set_title(f"The plain networks, temperature {networks.temperature_:.2f}")
plt.show()

# %%
# The scores of a classifier's members are accuracies:

classifier[-1].members_.round(3)
