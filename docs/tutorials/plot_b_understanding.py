"""
Explain a tabular model
=======================

Feature importance, Shapley values of individual predictions, and residuals.
"""

# %%
# The target is the progression of diabetes in 442 patients after one year. The features are age, sex,
# body mass index, blood pressure and six blood measurements.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.metrics import PredictionErrorDisplay
from sklearn.model_selection import train_test_split

from skdense import TabularRegressor
from skdense.inspection import contributions, feature_importance, plot_importance

plt.rcParams["figure.constrained_layout.use"] = True

data = load_diabetes(as_frame=True, scaled=False)
names = "age sex bmi pressure cholesterol ldl hdl ratio triglycerides glucose"
table = data.data.set_axis(names.split(), axis=1)
table["sex"] = table["sex"].map({1.0: "a", 2.0: "b"})  # the data set does not say which
X, X_test, y, y_test = train_test_split(table, data.target, random_state=0)

# %%
# The models
# ----------
# The blend and its models, evaluated with out-of-fold predictions:

model = TabularRegressor(random_state=0).fit(X, y)
model.summary()[["weight", "oof_loss", "oof_score", "n_members"]].round(3)

# %%
# .. index:: ! feature importance, ! SHAP
#
# Feature importance
# ------------------
# Permutation importance is the increase of the error on test rows, here the root mean squared error,
# when one column is permuted. The lines are standard deviations over five permutations.

importance = feature_importance(model, X_test, y_test, random_state=0)
plot_importance(importance)
plt.show()

# %%
# The importance of correlated columns, such as the three cholesterol values here, can be low: if one of
# them is permuted, the model can still use the others.
#
# .. index:: ! Shapley values
#
# Explain one prediction
# ----------------------
# Why is the prediction for this patient so high? :func:`~skdense.inspection.contributions` computes how
# much each column changes the prediction from the mean. These are Shapley values, as in the package
# shap, for columns of any type. They are estimated by sampling; error bars are two standard errors.

predicted = model.predict(X_test)
patient = X_test.iloc[[np.argmax(predicted)]]
shapley = contributions(model, X, patient, n_samples=100, random_state=0)

names = [f"{name} = {value}" for name, value in patient.iloc[0].items()]
moved = {"change": shapley.values[0], "error": 2 * shapley.standard_errors[0]}
moved = pd.DataFrame(moved, index=names).sort_values("change", key=abs)
figure, axes = plt.subplots(figsize=(6.4, 4))
axes.barh(moved.index, moved.change, xerr=moved.error, ecolor="gray")
mean, this = shapley.base, shapley.predictions[0]
axes.set_xlabel(f"change of the prediction\nmean {mean:.0f}, this row {this:.0f}")
plt.show()

# %%
# Residuals
# ---------
# Out-of-fold predictions give an honest residual for each training row. :doc:`/trust` explains the
# prediction intervals that are based on them. Other tools of scikit-learn, such as
# ``PartialDependenceDisplay``, also work with the model.

PredictionErrorDisplay.from_predictions(y, model.oof_prediction_)
plt.show()
