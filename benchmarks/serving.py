"""Seconds of predictions for one row and for 1,000, start and memory of a process, and the fit before.

Ours by joblib and by ONNX Runtime, an older version (`--against`), CatBoost, LightGBM and skrub's
`tabular_pipeline`, on one thread. Each fit and each start has a fresh process. Memory needs Linux.
"""

import pickle
import statistics
import time
import warnings
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from benchmarks import contestants, tables
from benchmarks.networks import OURS, make
from benchmarks.predicting import predict
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

N_PROCESSES, N_CALLS, MANY = 3, 30, 1_000
LEGEND = f"""\
*mixed*: 1,500 rows of ten columns of numbers and five of strings, two classes; *numbers*: breast
cancer, an array of 30; *weather*: 4,500 rows of the real table with a date, a number is predicted;
*digits*: one network of 100 units. Models are loaded by joblib, or by ONNX Runtime on one thread,
with its inputs ready. *fit*: seconds in the first run on a machine, which compiles, / **in the next
process**; *processor*: the processor time of the second one, and *wall / processor* their ratio.
*start*: the processor time of a new process until its first prediction is done, and *memory* its
peak until then. *first row*: the first prediction of a process; *one row*, *{MANY:,} rows*:
milliseconds, the fastest of {N_CALLS} later calls."""
RIVALS = "skdense", "CatBoost", "LightGBM", "tabular_pipeline"


def _mixed():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"number {i}": rng.normal(size=1500) for i in range(10)})
    X = X.assign(**{f"string {i}": rng.choice(list("abcdef"), 1500) for i in range(5)})
    return X, (X["number 0"] + (X["string 0"] == "a") > 0.5).to_numpy().astype(int)


def _weather():
    X, _, y, _ = tables.split("weather", 0)
    return X, y


# Name: the task, and what loads X and y.
DATA = {
    "mixed": ("classification", _mixed),
    "numbers": ("classification", lambda: load_breast_cancer(return_X_y=True)),
    "weather": ("regression", _weather),
    "digits": ("classification", lambda: load_digits(return_X_y=True)),
}


def jobs(rounds=N_PROCESSES, against=None):
    """Each model on each data set; `against` is the checkout of an older version."""
    names = [name for name in RIVALS if name in contestants.present()]
    found = [
        {"data": data, "model": name, "rounds": rounds, "checkout": None}
        for data in DATA
        if data != "weather" or data in tables.present()
        for name in ([OURS] if data == "digits" else names)
    ]
    if against:
        found += [job | {"checkout": against} for job in found if job["model"] == "skdense"]
    return found


def measure(data, model, rounds, checkout):
    """Fit twice, then predict in new processes: a row for each way to serve the model."""
    with TemporaryDirectory() as folder, TemporaryDirectory() as programs:
        arguments = {"data": data, "name": model, "folder": folder}
        first, second = (fresh(save, programs, checkout, **arguments) for _ in range(2))
        rows = []
        for way, size in second.pop("bytes").items():
            older = checkout if way == "joblib" else None
            arguments = {"folder": folder, "way": way, "calls": N_CALLS}
            runs = [fresh(predict, None, older, **arguments) for _ in range(rounds)]
            medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            row = {"way": way, "bytes": size, "first_wall": first["wall"]}
            rows.append(row | second | medians)
        return rows


def save(data, name, folder):
    """Fit a model; save it with rows to predict, and what is ours as ONNX with its inputs."""
    warnings.simplefilter("ignore")
    task, load = DATA[data]
    X, y = load()
    model = make(name) if name == OURS else _made(name, task, X)
    start, processor = time.perf_counter(), time.process_time()
    model.fit(X, y)
    seconds = {"wall": time.perf_counter() - start, "processor": time.process_time() - processor}
    more = pd.concat([X] * 3) if isinstance(X, pd.DataFrame) else np.concatenate([X] * 3)
    some = [more[:1], more[:MANY]]
    method = "predict_proba" if task == "classification" else "predict"
    joblib.dump(model, Path(folder, "joblib"))
    rows = {"joblib": (method, some)}
    if name in (OURS, "skdense"):
        import skdense

        onnx = import_module("skdense.onnx" if find_spec("skdense.onnx") else "skdense.tabular")
        Path(folder, "ONNX").write_bytes(onnx.to_onnx(model).SerializeToString())
        rows["ONNX"] = None, [onnx.onnx_inputs(model, each) for each in some]
        seconds["version"] = skdense.__version__
    for way, given in rows.items():
        Path(folder, f"{way}.rows").write_bytes(pickle.dumps(given))
    sizes = {way: Path(folder, way).stat().st_size for way in rows}
    return seconds | {"bytes": sizes}


def _made(name, task, X):
    if isinstance(X, pd.DataFrame) or name in ("skdense", "tabular_pipeline"):
        return contestants.make(name, task, X, seed=0)
    # The other contestants make DataFrames; an array of numbers is what they take as it is.
    return contestants.make(name, task, pd.DataFrame(X), seed=0)[-1]


def to_markdown(rows):
    """A row for each table, model and way."""
    table = []
    for row in sorted(rows, key=lambda row: list(DATA).index(row["data"])):
        older = f" {row['version']}" if row["checkout"] else ""
        table.append(
            {
                "data": row["data"],
                "model": f"{row['model']}{older}, {row['way']}",
                "file, MB": significant(row["bytes"] / 1e6),
                "start, s": significant(row["start"]),
                "memory, MB": f"{row['memory'] / 1e6:.0f}",
                "first row, ms": significant(1000 * row["first"]),
                "one row, ms": significant(1000 * row["one"]),
                f"{MANY:,} rows, ms": significant(1000 * row["many"]),
                "fit, s": f"{significant(row['first_wall'])} / **{significant(row['wall'])}**",
                "processor, s": significant(row["processor"]),
                "wall / processor": f"{row['wall'] / row['processor']:.2f}",
            }
        )
    of_each = f"Medians of {rows[0]['rounds']} processes."
    return f"{LEGEND} {of_each}\n\n{markdown_table(table)}"
