"""`--data FILE.csv --target COLUMN`: the default for tables and its rivals on a table of the user's.

Each model is fitted in a fresh process on three random splits into three quarters and a held-out
quarter, with the settings of `contestants.py`, all on one thread.
"""

import warnings

from benchmarks.process import fresh
from benchmarks.report import SCORES, plain_table, seconds, significant, wrapped

MODELS = ("skdense", "stopped LightGBM", "LightGBM", "CatBoost", "tabular_pipeline")
SPLITS = 3
FEWEST_ROWS = 40
LEGEND = f"""\
first fit, later fits: seconds of processor time of the first fit in a fresh process, which for
skdense imports TensorFlow and compiles, and the mean of the next {SPLITS - 1}. predict: milliseconds
for 1,000 rows. Scores are of held-out rows, means of {SPLITS} splits. stopped LightGBM: early stopping
by a fifth of the training rows; tabular_pipeline: skrub's; all others: default settings."""


def columns(path):
    """The names of the columns of a CSV file."""
    import pandas as pd

    return pd.read_csv(path, nrows=0).columns.tolist()


def read(path, target, task=None):
    """The columns of a CSV file without the target, the target, and its task.

    Numbers of more than two values are a regression, unless `task` says otherwise. Rows without a
    target, and classes with too few rows to be in each part, are dropped.
    """
    import pandas as pd

    from benchmarks.tables import columns_and_target

    table = pd.read_csv(path).dropna(subset=target)
    if task is None:
        is_number = pd.api.types.is_numeric_dtype(table[target]) and table[target].nunique() > 2
        task = "regression" if is_number else "classification"
    return *columns_and_target(table, target, task), task


def fit(path, target, task, model):
    """The figures of a model on the table, in this process."""
    from benchmarks import contestants
    from benchmarks.tables import split_rows

    warnings.simplefilter("ignore")
    X, y, task = read(path, target, task)
    splits = []
    for seed in range(SPLITS):
        X_train, X_test, y_train, y_test = split_rows(X, y, task, seed)
        splits.append(contestants.figures(model, task, X_train, y_train, X_test, y_test, seed))
    first, *later = splits
    return {
        "model": model,
        "task": task,
        "first": first["seconds"],
        "later": sum(split["seconds"] for split in later) / len(later),
        "predict": min(split["predict"] for split in splits),
        **{name: sum(split[name] for split in splits) / SPLITS for name in ("score", "loss")},
    }


def jobs(path, target, task):
    """Each model that is installed."""
    from benchmarks import contestants

    there = contestants.present()
    return [
        {"path": str(path), "target": target, "task": task, "model": name}
        for name in MODELS
        if name in there
    ]


def measure(**job):
    """The figures of a model, or the error with which a rival fails."""
    try:
        return [fresh(fit, **job)]
    except RuntimeError as error:
        if job["model"] == MODELS[0]:
            raise
        return [{"model": job["model"], "error": str(error).strip().splitlines()[-1]}]


def to_text(rows):
    """The table for a terminal, and below it what its columns are."""
    failed = [f"{row['model']} failed: {row['error']}" for row in rows if "error" in row]
    rows = [row for row in rows if "error" not in row]
    score, loss = SCORES[rows[0]["task"]]
    columns = {
        "model": ("model", str),
        "first fit": ("first", seconds),
        "later fits": ("later", seconds),
        "predict": ("predict", lambda value: significant(1000 * value)),
        score: ("score", "{:.3f}".format),
        loss: ("loss", "{:.4f}".format),
    }
    note = " The RMSE is divided by the standard deviation of the target." if loss == "RMSE" else ""
    return "\n\n".join([plain_table(rows, columns), *map(wrapped, failed), wrapped(LEGEND + note)])


def sentence(rows):
    """What the table shows, in one sentence."""
    ours, *rivals = [row for row in rows if "error" not in row]
    kind = "TabularClassifier" if ours["task"] == "classification" else "TabularRegressor"
    loss = SCORES[ours["task"]][1]
    if not rivals:
        return f"{kind} has a {loss} of {ours['loss']:.4f}; no other model is installed."
    best = min(rivals, key=lambda row: row["loss"])
    ratio, seconds = ours["loss"] / best["loss"], ours["later"] / best["later"]
    order = "lower than" if ratio < 1 else "higher than" if ratio > 1 else "equal to"
    return (
        f"{kind}'s {loss} is {abs(1 - ratio):.1%} {order} that of {best['model']}, the best of the "
        f"others here, and a later fit takes {significant(seconds)} times its processor time; three "
        "splits of one table do not tell small differences from chance."
    )
