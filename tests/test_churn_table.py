"""A table as in practice: fitted, explained, calibrated, saved, and loaded without TensorFlow."""

import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.metrics import roc_auc_score

from skdense import TabularClassifier

N, N_NEW = 2000, 1000


def churn(n_rows, seed):
    """Customers of whom some leave, and their probability to leave."""
    rng = np.random.default_rng(seed)
    joined = pd.Timestamp("2023-01-01") + pd.to_timedelta(
        rng.integers(0, 700 * 24 * 60, n_rows), unit="min"
    )
    X = pd.DataFrame(
        {
            "customer": [f"{i:07d}" for i in rng.permutation(10 * n_rows)[:n_rows]],
            "joined": joined,
            "last_login": joined + pd.to_timedelta(rng.exponential(40, n_rows), unit="D"),
            "on_hold": pd.Series(pd.to_timedelta(rng.exponential(6, n_rows), unit="h")),
            "town": [f"town {i}" for i in rng.integers(0, 2000, n_rows)],
            "plan": rng.choice(["free", "basic", "gold"], n_rows),
            "fee": np.round(rng.gamma(3, 10, n_rows), 2).astype(str),
            "calls": rng.poisson(2, n_rows),
            "paperless": rng.random(n_rows) < 0.6,
            "country": "NO",
        }
    )
    by_night = ~X.joined.dt.hour.between(7, 22)
    score = 2.5 * by_night + 1.5 * (X.plan == "free") + 0.7 * (X.calls - 2) - 1.5
    for name in ("on_hold", "plan", "fee"):
        X.loc[rng.random(n_rows) < 0.1, name] = None
    probability = expit(score.to_numpy())
    return X, np.where(rng.random(n_rows) < probability, "leaves", "stays"), probability


def in_polars(X):
    known = X.astype(object).where(X.notna(), None)
    columns = {name: known[name].tolist() for name in X}
    # Before 1.40, polars knows no objects of pandas' Timedelta.
    return polars.DataFrame(columns | {"on_hold": X["on_hold"].to_numpy()})


@pytest.fixture(scope="module")
def fitted():
    """A model that was fitted in polars, new customers in pandas, and their true probabilities."""
    X, y, _ = churn(N, seed=0)
    X_new, y_new, probability = churn(N_NEW, seed=1)
    X_new.loc[:5, ["plan", "joined", "calls"]] = ["platinum", None, None]
    network = {
        "hidden_layer_sizes": (16,), "batch_size": 128, "learning_rate_init": 0.01, "max_iter": 15
    }  # fmt: skip
    model = TabularClassifier(cv=2, random_state=0, network_params=network)
    with pytest.warns(UserWarning, match="country"):
        model.fit(in_polars(X), y)
    return model, X_new, y_new, probability


def test_it_predicts_about_as_well_as_the_truth_and_its_probabilities_mean_what_they_say(fitted):
    model, X, y, probability = fitted
    found = model.predict_proba(X)[:, 0]
    assert roc_auc_score(y == "leaves", found) > roc_auc_score(y == "leaves", probability) - 0.05
    for part in np.array_split(np.argsort(found), 5):
        assert abs(found[part].mean() - probability[part].mean()) < 0.08


def test_it_tells_which_columns_matter(fitted):
    model, X, y, _ = fitted
    importance = permutation_importance(model, X, y, n_repeats=1, random_state=0).importances_mean
    assert set(X.columns[np.argsort(importance)[-3:]]) == {"joined", "plan", "calls"}
    assert importance[X.columns.get_loc("country")] == 0


def test_it_tells_how_a_column_matters(fitted):
    model, X, _, _ = fitted
    known = X.iloc[6:206].astype({"calls": float})
    [to_leave] = partial_dependence(
        model, known, "calls", grid_resolution=4, response_method="predict_proba"
    )["average"]
    assert (np.diff(to_leave) < 0).all()  # of the class "stays"


def test_it_is_loaded_and_predicts_without_tensorflow(fitted, tmp_path):
    model, X, _, _ = fitted
    joblib.dump((model, X, model.predict_proba(X)), tmp_path / "model")
    code = (
        "import joblib, sys; import numpy as np\n"
        f"model, X, probabilities = joblib.load({str(tmp_path / 'model')!r})\n"
        "np.testing.assert_array_equal(model.predict_proba(X), probabilities)\n"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tables_of_pandas_and_polars_get_the_same_predictions(fitted):
    model, X, _, _ = fitted
    assert_allclose(model.predict_proba(X), model.predict_proba(in_polars(X)), rtol=1e-5)
