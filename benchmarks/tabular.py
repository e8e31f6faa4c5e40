"""How good the default for tables is: `make_tabular_classifier` and its rivals on real tables.

Each takes a DataFrame with categories and missing values, with the steps before it that it needs.
"""

import time
import warnings

import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tqdm import tqdm

from benchmarks.benchmark_utils.tables import reported_on, split
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

SPLITS = 5
NUMBERS = make_column_selector(dtype_include="number")
CATEGORIES = make_column_selector(dtype_include="category")


def columns(last):
    """Numbers imputed and scaled, categories one-hot, before an estimator that takes numbers only."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    return make_pipeline(make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES)), last)


def imputed(last):
    """Numbers imputed, categories as they are, for RealMLP."""
    numbers = SimpleImputer(strategy="median", add_indicator=True)
    steps = make_column_transformer(
        (numbers, NUMBERS), ("passthrough", CATEGORIES), verbose_feature_names_out=False
    )
    return make_pipeline(steps.set_output(transform="pandas"), last)


def scaled_target(regressor):
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def tabular_classifier(seed):
    from skdense import make_tabular_classifier

    return make_tabular_classifier(random_state=seed)


def tabular_regressor(seed):
    from skdense import make_tabular_regressor

    return make_tabular_regressor(random_state=seed)


def realmlp(name):
    def make(seed):
        import pytabkit

        return imputed(getattr(pytabkit, name)(random_state=seed, device="cpu"))

    return make


CONTESTANTS = {
    "classification": {
        "make_tabular_classifier": tabular_classifier,
        "RealMLP_TD_S": realmlp("RealMLP_TD_S_Classifier"),
        "HistGradientBoosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
        "MLPClassifier": lambda seed: columns(MLPClassifier(random_state=seed)),
        "LogisticRegression": lambda seed: columns(LogisticRegression(max_iter=1000)),
    },
    "regression": {
        "make_tabular_regressor": tabular_regressor,
        "RealMLP_TD_S": realmlp("RealMLP_TD_S_Regressor"),
        "HistGradientBoosting": lambda seed: HistGradientBoostingRegressor(random_state=seed),
        "MLPRegressor": lambda seed: scaled_target(columns(MLPRegressor(random_state=seed))),
        "Ridge": lambda seed: columns(Ridge()),
    },
}


def measure(task, data, n_splits):
    """The scores and seconds of all contestants on splits of a data set, in turn."""
    warnings.simplefilter("ignore")
    rows = []
    for seed in range(n_splits):
        X, X_test, y, y_test = split(task, data, seed)
        for name, make in CONTESTANTS[task].items():
            model = make(seed)
            start = time.process_time()
            model.fit(X, y)
            seconds = time.process_time() - start
            row = {"task": task, "data": data, "seed": seed, "estimator": name, "seconds": seconds}
            rows.append(row | _scores(task, model, X_test, y_test, y.std()))
    return rows


def _scores(task, model, X, y, scale):
    """The score, higher is better, and the loss, lower is better."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


if __name__ == "__main__":
    import sys

    task, name, n = sys.argv[1:]
    print(pd.DataFrame(measure(task, name, int(n))).to_string())
