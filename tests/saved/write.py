"""Save small models, which later versions have to load: `python tests/saved/write.py`.

A folder has the name of the version that wrote it. Beside each model are rows, and what it predicted.
"""

import json
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

import skdense
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, TabularClassifier, TabularRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor

SETTINGS = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}
QUANTILES = [("predict", {}), ("predict_quantiles", {"quantiles": [0.05, 0.5, 0.95]})]
PREDICTIONS = [("predict", {}), ("predict_proba", {})]


def models():
    """Names, fitted models, the rows to predict and what to ask: methods and arguments."""
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    network = LowLevelMLPClassifier(early_stopping=True, **SETTINGS)
    yield "classifier.joblib", network.fit(X, names), X[::30], PREDICTIONS
    kinds = [
        (
            solver,
            CrossFitClassifier(LowLevelMLPClassifier(solver=solver, **SETTINGS), 2, random_state=0),
        )
        for solver in ("adam", "sgd")
    ]
    yield (
        "blend.joblib",
        BlendClassifier(kinds).fit(X, names),
        X[::30],
        [*PREDICTIONS, ("predict_set", {})],
    )
    members = CrossFitClassifier(LogisticRegression(), cv=2, random_state=0)
    yield "members.joblib", members.fit(X, names), X[::30], [*PREDICTIONS, ("predict_set", {})]

    X, y = (each[:200] for each in load_diabetes(return_X_y=True))
    network = LowLevelMLPRegressor(**SETTINGS)
    yield "regressor.skops", network.fit(X, y), X[::40], [("predict", {})]
    ensemble = CrossFitRegressor(network, cv=2, random_state=0, scale_y=True)
    yield "ensemble.joblib", ensemble.fit(X, y), X[::40], QUANTILES

    models = [("networks", ensemble), ("linear", CrossFitRegressor(Ridge(), cv=2, random_state=0))]
    blend = BlendRegressor(models).fit(X, y)
    yield "numbers.joblib", blend, X[::40], [("predict", {}), ("predict_interval", {})]

    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.integers(18, 90, 120).astype(float)})
    table["town"] = rng.choice(["Arles", "Bergen", "Cork"], 120)
    table["joined"] = [
        f"2024-{month:02}-{day:02}" for month, day in rng.integers(1, 28, (120, 2)) % 12 + 1
    ]
    spent = table["age"] + 20 * (table["town"] == "Cork") + rng.normal(size=120, scale=5)
    table.loc[::10, "age"] = None
    network_params = {"hidden_layer_sizes": (8,), "max_iter": 20}
    settings = {"cv": 2, "network_params": network_params, "random_state": 0}
    model = TabularRegressor(**settings)
    yield "table.joblib", model.fit(table, spent), table[:6], QUANTILES
    model = TabularClassifier(**settings).fit(table, np.where(spent > 60, "much", "little"))
    yield "classes.joblib", model, table[:6], [*PREDICTIONS, ("predict_set", {})]


def main():
    """Write a folder of this version."""
    folder = Path(__file__).parent / skdense.__version__
    folder.mkdir()  # a release is never written again
    for name, model, rows, asked in models():
        save = skops.io.dump if name.endswith(".skops") else joblib.dump
        save(model, folder / name, **({} if name.endswith(".skops") else {"compress": 3}))
        answers = [
            {
                "method": method,
                "arguments": arguments,
                "answer": getattr(model, method)(rows, **arguments),
            }
            for method, arguments in asked
        ]
        rows = rows.to_dict("list") if isinstance(rows, pd.DataFrame) else rows
        kept = {"rows": rows, "answers": answers}
        text = json.dumps(kept, default=lambda array: array.tolist())
        (folder / name).with_suffix(".json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore", ConvergenceWarning)
    main()
