"""How good the default for tables is: `make_tabular_classifier` and other models on real tables.

Each takes a DataFrame with categories and missing values, with the steps before it that it needs.
"""

import sys
import time
import warnings
from importlib.util import find_spec

import pandas as pd
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tqdm import tqdm

from benchmarks.benchmark_utils.data import Unavailable
from benchmarks.benchmark_utils.tables import MAX_ROWS, reported_on, split
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

SPLITS = 5
SCORES = {"classification": ("accuracy", "log-loss"), "regression": ("R²", "RMSE")}
LEGEND = """\
Tables of at most {max_rows} rows; {splits} splits of each, a quarter held out, the same for all.
The settings of `make_tabular_classifier` and `make_tabular_regressor` were chosen on other tables.
The other models have their defaults, but LogisticRegression `max_iter=1000`, and get what they need:
missing numbers imputed; MLP, LogisticRegression and Ridge one-hot categories and scaled numbers;
MLPRegressor a scaled target. *rank*: of the means over the splits, where 1 is the best on a table.
*fit*: seconds of processor time, the median of a table's splits, and their mean over the tables.
The RMSE is divided by the target's standard deviation. In the second table of each task, every cell
is the score / the loss."""
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


def measure(task, data):
    """The scores and seconds of all installed contestants on the splits of a data set, in turn."""
    warnings.simplefilter("ignore")
    rows = []
    for seed in range(SPLITS):
        try:
            X, X_test, y, y_test = split(task, data, seed)
        except Unavailable as reason:
            print(f"{data} is left out: {reason}", file=sys.stderr)
            return []
        for name, make in CONTESTANTS[task].items():
            if name == "RealMLP_TD_S" and not find_spec("pytabkit"):
                continue
            model = make(seed)
            start = time.process_time()
            model.fit(X, y)
            seconds = time.process_time() - start
            row = {"task": task, "data": data, "seed": seed, "estimator": name, "seconds": seconds}
            rows.append(row | _scores(task, model, X_test, y_test, y.std()))
    return rows


def _scores(task, model, X, y, scale):
    """The score, of which more is better, and the loss, of which less is."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


def run():
    """Measure each data set in a fresh process; return a row for each split and contestant."""
    jobs = [(task, data) for task in CONTESTANTS for data in reported_on(task)]
    jobs = tqdm(jobs, desc="tables", unit="table", leave=False)
    return [row for task, data in jobs for row in fresh(measure, task=task, data=data)]


def means(rows, task):
    """For each data set (rows) and contestant (columns): mean score, mean loss, median seconds."""
    table = pd.DataFrame(rows)
    table = table[table.task == task]
    order = [name for name in CONTESTANTS[task] if name in set(table.estimator)]
    groups = table.groupby(["data", "estimator"])
    return [
        column.unstack()[order]
        for column in (groups.score.mean(), groups.loss.mean(), groups.seconds.median())
    ]


def to_markdown(rows):
    """What was done, and for each task the means over the data sets and the figures of each."""
    parts = [LEGEND.format(max_rows=MAX_ROWS, splits=SPLITS)]
    for task, names in SCORES.items():
        parts += [f"**{task.capitalize()}**", *map(markdown_table, _tables(names, *means(rows, task)))]
    return "\n\n".join(parts)


def _tables(names, score, loss, seconds):
    """The rows of the summary and of the table of the data sets."""
    score_name, loss_name = names
    ours = loss.columns[0]
    summary = [
        {
            "estimator": name,
            f"mean {score_name}": f"{score[name].mean():.4f}",
            f"mean {loss_name}": f"{loss[name].mean():.4f}",
            f"mean rank, {score_name}": f"{score.rank(axis=1, ascending=False)[name].mean():.2f}",
            f"mean rank, {loss_name}": f"{loss.rank(axis=1)[name].mean():.2f}",
            f"tables on which ours has the lower {loss_name}": (
                "" if name == ours else f"{(loss[ours] < loss[name]).sum()} of {len(loss)}"
            ),
            "fit, s": significant(seconds[name].mean()),
        }
        for name in loss
    ]
    of_sets = [
        {"data": data}
        | {name: f"{score.loc[data, name]:.3f} / {loss.loc[data, name]:.3f}" for name in loss}
        for data in loss.index
    ]
    return summary, of_sets
