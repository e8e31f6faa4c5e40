"""
From messy data to deployment
=============================

A complete example: parse the columns, find leaks, fit, save, export, and monitor new data.
"""

# %%
# Messy data
# ----------
# The rows are members of an invented sports club at the end of a month. The target is whether they left
# in the next month. Strings contain amounts of money, percentages and two date formats, some postcodes
# begin with a zero, some rows are duplicated, and `refund` is paid to members who have left. The
# function `members` that generates the rows is in the script, which you can download below.

import tempfile
import textwrap
import warnings
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pandas as pd
from sklearn.metrics import log_loss

from skdense import TabularClassifier
from skdense.inspection import feature_importance, plot_importance
from skdense.onnx import onnx_inputs, to_onnx

# sphinx_gallery_start_ignore
plt.rcParams["figure.constrained_layout.use"] = True


def members(n, first_month, n_months, seed):
    """Draw rows in the order of their months."""
    rng = np.random.default_rng(seed)
    days = 30 * np.sort(rng.integers(0, n_months, n))
    month = pd.Timestamp(first_month) + pd.to_timedelta(days, "D")
    since = month - pd.to_timedelta(rng.gamma(2, 300, n).astype(int), "D")
    fee, discount = rng.lognormal(6.5, 0.6, n), rng.choice([0, 5, 12.5, 20], n)
    region, visits = rng.integers(0, 20, n), rng.poisson(5, n)
    words = ["asked about classes", "app broken", "angry", "thanks", "great coach"]
    notes = [" ".join(rng.choice(words, 2)) for _ in range(n)]
    leaving = 1.6 * np.array(["angry" in note or "broken" in note for note in notes])
    leaving += np.log(fee) - 0.08 * discount - 0.3 * visits - 6.5
    leaving += 1.5 * (region % 5 == 0)
    left = rng.random(n) < 1 / (1 + np.exp(-leaving))
    table = pd.DataFrame(
        {
            "member": [f"M-{i:05d}" for i in rng.integers(0, n, n)],
            "month": month.strftime("%Y-%m-%d"),
            "since": since.strftime("%Y-%m-%d"),
            "fee": [f"€{each:,.2f}" for each in fee],
            "discount": [f"{each:g}%" for each in discount],
            "postcode": [f"{each:02d}{rng.integers(1000):03d}" for each in region],
            "plan": rng.choice(["basic", "plus", "family"], n),
            "visits": np.where(rng.random(n) < 0.2, np.nan, visits),
            "note": notes,
            "refund": left * (rng.random(n) < 0.8) * rng.gamma(2, 20, n).round(2),
            "left": np.where(left, "left", "stayed"),
        }
    )
    other = rng.random(n) < 0.4
    table.loc[other, "since"] = since[other].strftime("%d/%m/%Y")
    return table.iloc[np.sort(np.append(np.arange(n), rng.choice(n, n // 30)))]


# sphinx_gallery_end_ignore
table = members(1500, "2024-01-01", 18, seed=0)
table.drop(columns="left").head()

# %%
# Parse the columns
# -----------------
# The newest rows are the test set, because future rows will also be newer. `fit` warns how strings are
# parsed and which columns are not used. Three models and three folds keep the example fast.

X, y = table.drop(columns="left"), table["left"]
is_new = X["month"] >= "2025-03-01"
model = TabularClassifier(models=["ramps", "trees", "linear"], cv=3, random_state=0)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model.fit(X[~is_new], y[~is_new])
for warning in caught:
    print(textwrap.fill(f"- {warning.message}", 88, subsequent_indent="  "))
print(f"out-of-fold log-loss {model.oof_loss_:.3f}")

# %%
# Amounts, percentages and dates are parsed, and conversions that may be wrong are reported. IDs are not
# used. `model.encoder_.dropped_` contains the reasons; for the postcode, it suggests to use a part of
# the digits.
#
# Check for leaks
# ---------------
# Such a log-loss is too good to be true. Compute the permutation importance on the new rows: if the
# score depends on one column, ask whether its values are known at the time of the prediction.

warnings.filterwarnings("ignore", category=UserWarning)  # shown above

importance = feature_importance(
    model, X[is_new], y[is_new], n_repeats=2, random_state=0
)
plot_importance(importance)
plt.show()

# %%
# Refunds are paid after members have left, so drop this column. Duplicated rows, and rows of one
# member, must not be in different folds: drop the duplicates, and pass the members as groups. The first
# digits of a postcode are the region.


def prepared(table):
    """The data without duplicates and without the leak, with regions."""
    table = table.drop_duplicates().drop(columns="refund")
    return table.assign(region=table["postcode"].str[:2])


table = prepared(table)
X, y = table.drop(columns="left"), table["left"]
is_new = X["month"] >= "2025-03-01"
model.fit(X[~is_new], y[~is_new], groups=X["member"][~is_new])

probabilities = model.predict_proba(X[is_new])
print(f"out-of-fold log-loss {model.oof_loss_:.3f}")
print(f"log-loss of newer rows {log_loss(y[is_new], probabilities):.3f}")
model.summary()[["weight", "oof_loss", "oof_score"]].round(3)

# %%
# Expect the score on the newer rows in practice. :doc:`plot_b_understanding` explains such a model.
#
# Save and export
# ---------------
# joblib saves the model for Python; prediction does not import TensorFlow. ONNX is for other languages
# and small containers. `onnx_inputs` converts a data frame to the inputs of the ONNX model, including
# dates.

folder = Path(tempfile.mkdtemp())
joblib.dump(model, folder / "members.joblib")
loaded = joblib.load(folder / "members.joblib")
session = onnxruntime.InferenceSession(to_onnx(loaded).SerializeToString())
(portable,) = session.run(["probabilities"], onnx_inputs(loaded, X[is_new]))
difference = abs(portable - probabilities).max()
print(f"largest difference of the probabilities: {difference:.0e}")

# %%
# Monitor new data
# ----------------
# Half a year later, there is a new plan, and a broken join has lost the visits. `predict` warns about
# each column that differs from the training data. `compare` returns the differences as a DataFrame:

later = prepared(members(700, "2025-06-24", 6, seed=1))
later.loc[::9, "plan"] = "student"
loaded.encoder_.compare(later.assign(visits=np.nan)).drop(columns="text")

# %%
# Later dates are expected. :doc:`/serving` explains monitoring, :doc:`/new_rows` compares an old and a
# new model, and :doc:`/tables` describes the parameters.
