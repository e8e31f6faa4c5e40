"""What a served model costs: the start and the memory of a process that predicts, and one row or 1,000.

Ours by joblib and by ONNX Runtime, CatBoost, LightGBM and skrub's `tabular_pipeline`, on one thread.
Each model is fitted and saved in one process, then new ones load it and predict. Memory needs Linux.
"""

import pickle
import statistics
import warnings
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits

from benchmarks import contestants
from benchmarks.networks import OURS, make
from benchmarks.predicting import predict
from benchmarks.process import fresh
from benchmarks.report import markdown_table, significant

N_PROCESSES, N_CALLS, MANY = 3, 30, 1_000
LEGEND = f"""\
*mixed*: 1,500 rows of ten columns of numbers and five of strings, two classes; *numbers*: breast
cancer, an array of 30; *digits*: one network of 100 units. Models are loaded by joblib, or by ONNX
Runtime on one thread, with its inputs ready. *start*: the processor time of a new process until its
first prediction is done, and *memory* its peak until then. *first row*: the first prediction of a
process; *one row*, *{MANY:,} rows*: milliseconds, the fastest of {N_CALLS} later calls. Medians of
{{rounds}} processes."""
RIVALS = "skdense", "CatBoost", "LightGBM", "tabular_pipeline"


def mixed():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"number {i}": rng.normal(size=1500) for i in range(10)})
    X = X.assign(**{f"string {i}": rng.choice(list("abcdef"), 1500) for i in range(5)})
    return X, (X["number 0"] + (X["string 0"] == "a") > 0.5).to_numpy().astype(int)


DATA = {
    "mixed": mixed,
    "numbers": partial(load_breast_cancer, return_X_y=True),
    "digits": partial(load_digits, return_X_y=True),
}


def jobs(rounds=N_PROCESSES):
    """Each model on each data set."""
    names = [name for name in RIVALS if name in contestants.present()]
    return [
        {"data": data, "model": name, "rounds": rounds}
        for data in DATA
        for name in ([OURS] if data == "digits" else names)
    ]


def measure(data, model, rounds):
    """Fit, then predict in new processes: a row for each way to serve the model."""
    rows = []
    with TemporaryDirectory() as folder:
        for way, size in fresh(save, data=data, name=model, folder=folder).items():
            runs = [fresh(predict, folder=folder, way=way, calls=N_CALLS) for _ in range(rounds)]
            medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            rows.append({"way": way, "bytes": size} | medians)
    return rows


def save(data, name, folder):
    """Fit a model; save it with rows to predict, and what is ours as ONNX with its inputs."""
    warnings.simplefilter("ignore")
    X, y = DATA[data]()
    model = made(name, X).fit(X, y)
    more = pd.concat([X] * 3) if isinstance(X, pd.DataFrame) else np.concatenate([X] * 3)
    some = [more[:1], more[:MANY]]
    joblib.dump(model, Path(folder, "joblib"))
    inputs = {"joblib": some}
    if name in (OURS, "skdense"):
        from skdense import onnx

        Path(folder, "ONNX").write_bytes(onnx.to_onnx(model).SerializeToString())
        inputs["ONNX"] = [onnx.onnx_inputs(model, each) for each in some]
    for way, given in inputs.items():
        Path(folder, f"{way}.rows").write_bytes(pickle.dumps(given))
    return {way: Path(folder, way).stat().st_size for way in inputs}


def made(name, X):
    if name == OURS:
        return make(name)
    if isinstance(X, pd.DataFrame) or name in ("skdense", "tabular_pipeline"):
        return contestants.make(name, "classification", X, seed=0)
    # The other contestants make DataFrames; an array of numbers is what they take as it is.
    return contestants.make(name, "classification", pd.DataFrame(X), seed=0)[-1]


def to_markdown(rows):
    """A row for each data set, model and way."""
    table = [
        {
            "data": row["data"],
            "model": f"{row['model']}, {row['way']}",
            "file, MB": significant(row["bytes"] / 1e6),
            "start, s": significant(row["start"]),
            "memory, MB": f"{row['memory'] / 1e6:.0f}",
            "first row, ms": significant(1000 * row["first"]),
            "one row, ms": significant(1000 * row["one"]),
            f"{MANY:,} rows, ms": significant(1000 * row["many"]),
        }
        for row in sorted(rows, key=lambda row: list(DATA).index(row["data"]))
    ]
    return f"{LEGEND.format(rounds=rows[0]['rounds'])}\n\n{markdown_table(table)}"
