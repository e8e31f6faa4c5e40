"""The main job: LowLevelMLPClassifier against MLPClassifier and LogisticRegression, in a minute.

LowLevelMLPClassifier and MLPClassifier are fitted to each data set in a fresh Python process of their
own, after a StandardScaler and with default settings, on three random splits into three quarters and a
held-out quarter. The folder of compiled programs is empty, as on a machine that has never run ours.
This module is all that such a process imports, so that its seconds are those of a user's script. After
that, each process fits a second model: ours in float32, and LogisticRegression.
"""

import time
import warnings

from benchmarks.process import fresh
from benchmarks.report import plain_table, ratio_range, seconds, wrapped

DATA = ("iris", "wine", "breast_cancer", "digits", "two_clouds")
OURS, FLOAT32 = "LowLevelMLPClassifier", "LowLevelMLPClassifier, float32"
THEIRS, LINEAR = "MLPClassifier", "LogisticRegression"
MODELS = (OURS, FLOAT32, THEIRS, LINEAR)
PROCESSES = (OURS, FLOAT32), (THEIRS, LINEAR)
SPLITS = 3
LEGEND = f"""\
process: seconds from the start of Python to the first predictions, with all imports, the data
and the first fit, which compiles for ours. float32 and LogisticRegression follow in the process
above them. first fit, later fits: that fit alone, and the mean of the next {SPLITS - 1}. BLAS has one
thread for scikit-learn's models: more threads gain little here, and lose on a busy machine. accuracy,
log-loss: of held-out rows, means of {SPLITS} splits.
"""


def load(data):
    """X in float64 and the classes of a data set."""
    if data == "two_clouds":
        from skdense.datasets import make_two_clouds

        X, y = make_two_clouds(random_state=0)
        return X.astype("float64"), y
    from sklearn import datasets

    return getattr(datasets, f"load_{data}")(return_X_y=True)


def make(model, seed):
    """The model of that name with its default settings, after a StandardScaler."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if model == LINEAR:
        from sklearn.linear_model import LogisticRegression

        classifier = LogisticRegression()
    elif model == THEIRS:
        from sklearn.neural_network import MLPClassifier

        classifier = MLPClassifier(random_state=seed)
    else:
        from skdense import LowLevelMLPClassifier

        dtype = "float32" if model == FLOAT32 else None
        classifier = LowLevelMLPClassifier(random_state=seed, dtype=dtype)
    return make_pipeline(StandardScaler(), classifier)


def fit(started, data, models):
    """The figures of models on a data set, in this process, which began at `started`."""
    warnings.simplefilter("ignore")  # MLPClassifier stops at 200 epochs with a ConvergenceWarning
    X, y = load(data)
    first, *others = models
    rows = [{"data": data, "model": first, **fit_splits(first, X, y, started)}]
    return rows + [{"data": data, "model": model, **fit_splits(model, X, y)} for model in others]


def fit_splits(model, X, y, started=None):
    """Seconds and scores of a model; those of the process only if it is the first model there."""
    from sklearn.metrics import accuracy_score, log_loss
    from sklearn.model_selection import train_test_split
    from threadpoolctl import threadpool_limits

    process, times, scores = None, [], []
    with threadpool_limits(1 if model in (THEIRS, LINEAR) else None):
        for seed in range(SPLITS):
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, test_size=0.25, stratify=y, random_state=seed
            )
            pipeline = make(model, seed)
            start = time.perf_counter()
            pipeline.fit(X_train, y_train)
            times.append(time.perf_counter() - start)
            proba = pipeline.predict_proba(X_test)
            if started and process is None:
                process = time.time() - started
            scores.append((accuracy_score(y_test, proba.argmax(axis=1)), log_loss(y_test, proba)))
    accuracy, loss = (sum(values) / SPLITS for values in zip(*scores))
    return {
        "process": process,
        "first": times[0],
        "later": sum(times[1:]) / (SPLITS - 1),
        "accuracy": accuracy,
        "loss": loss,
    }


def jobs(data=DATA):
    """What `measure` is called with: the processes of each data set."""
    return [{"data": name, "models": models} for name in data for models in PROCESSES]


def measure(data, models):
    return fresh(fit, started=time.time(), data=data, models=models)


COLUMNS = {
    "data": ("data", str),
    "model": ("model", str),
    "process": ("process", seconds),
    "first fit": ("first", seconds),
    "later fits": ("later", seconds),
    "accuracy": ("accuracy", "{:.3f}".format),
    "log-loss": ("loss", "{:.4f}".format),
}


def to_text(rows):
    """The table for a terminal, and below it what its columns are."""
    return f"{plain_table(rows, COLUMNS, group='data')}\n\n{wrapped(LEGEND)}"


def sentence(rows):
    """What the table shows, in one sentence, whoever is ahead."""
    figures = {(row["data"], row["model"]): row for row in rows}
    data = list(dict.fromkeys(row["data"] for row in rows))
    ours, theirs, linear = ([figures[name, model] for name in data] for model in (OURS, THEIRS, LINEAR))
    later = [b["later"] / a["later"] for a, b in zip(ours, theirs)]
    process = [a["process"] / b["process"] for a, b in zip(ours, theirs)]
    difference = max(abs(a["accuracy"] - b["accuracy"]) for a, b in zip(ours, theirs))
    same = "the accuracy" if difference < 0.0005 else f"within {difference:.3f} the accuracy"
    n_lower = sum(b["loss"] < a["loss"] for a, b in zip(ours, linear))
    if len(data) == 1:
        where, lower = f"On {data[0]}", f"the {'lower' if n_lower else 'higher'} log-loss"
    else:
        where, lower = f"On these {len(data)} data sets", f"the lower log-loss on {n_lower} of them"
    return (
        f"{where} {OURS} has {same} of {THEIRS}; its later fits are {ratio_range(later)} as fast, "
        f"a whole first process takes {ratio_range(process)} as long, and {LINEAR} has {lower}."
    )


def draw(rows, path):
    """Save the picture: a row for each data set, seconds on the left and log-loss on the right."""
    from benchmarks import plots

    plots.comparison(rows, path, MODELS)
