"""Start, memory and time a row of processes that predict, and memory of workers that fit.

`python docs/serving.py` prints the tables of the page on serving. It needs Linux, joblib's workers, the
extra for tables, onnx and onnxruntime, and takes a minute or two.
"""

import json
import os
import pickle
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from skdense import LowLevelMLPClassifier, make_tabular_classifier
from skdense.tabular import onnx_inputs, to_onnx

N_PROCESSES = 5
LOADED = """
import joblib
model = joblib.load("{name}.joblib")
rows = joblib.load("{name}-rows.joblib")
predict = model.predict_proba
"""
CONVERTED = """
import onnxruntime, pickle
session = onnxruntime.InferenceSession("{name}.onnx")
rows = pickle.load(open("{name}-inputs.pickle", "rb"))
predict = lambda inputs: session.run(None, inputs)
"""
MEASURED = """
import json, re, time
def seconds(inputs):
    start = time.perf_counter()
    predict(inputs)
    return time.perf_counter() - start
seconds(rows[0])
start = time.process_time()
memory = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1000
times = [min(seconds(inputs) for _ in range(30)) for inputs in rows]
print(json.dumps([start, memory, *times]))
"""


def table(n, rng):
    """A table of ten columns of numbers and five of strings."""
    columns = {f"number {i}": rng.normal(size=n) for i in range(10)}
    columns |= {f"string {i}": rng.choice(list("abcdef"), n) for i in range(5)}
    return pd.DataFrame(columns)


def save(folder):
    """Fit both models; save them, one row and a thousand to predict, and their ONNX with its inputs."""
    X, y = load_digits(return_X_y=True)
    mixed = table(1500, np.random.default_rng(0))
    is_large = mixed["number 0"] + (mixed["string 0"] == "a") > 0.5
    models = {
        "network": (LowLevelMLPClassifier(max_iter=100, random_state=0), X, y),
        "table": (make_tabular_classifier(random_state=0), mixed, is_large),
    }
    for name, (model, rows, targets) in models.items():
        model.fit(rows, targets)
        some = [rows[:1], rows[:1000]]
        joblib.dump(model, folder / f"{name}.joblib")
        joblib.dump(some, folder / f"{name}-rows.joblib")
        (folder / f"{name}.onnx").write_bytes(to_onnx(model).SerializeToString())
        inputs = [onnx_inputs(model, each) for each in some]
        (folder / f"{name}-inputs.pickle").write_bytes(pickle.dumps(inputs))


def measure(code, folder):
    """Seconds to the first prediction, megabytes, and milliseconds for one row and for a thousand.

    Medians of several processes: of the processor time of the start, of the peak of the memory, and of
    the fastest of 30 predictions, as they depend the least on what else the machine does.
    """
    runs = []
    for _ in range(N_PROCESSES):
        command = [sys.executable, "-W", "ignore", "-c", code + MEASURED]
        printed = subprocess.run(
            command, cwd=folder, capture_output=True, check=True, text=True
        )
        start, memory, one, thousand = json.loads(printed.stdout)
        runs.append((start, memory, 1000 * one, 1000 * thousand))
    return [statistics.median(values) for values in zip(*runs, strict=True)]


def memory_of_a_worker(seed):
    """The process and its resident, proportional and private megabytes after a fit of the digits."""
    LowLevelMLPClassifier(max_iter=5, random_state=seed).fit(
        *load_digits(return_X_y=True)
    )
    time.sleep(2)  # so that each worker has one of the fits
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    sizes = {
        name: int(value.split()[0]) / 1000
        for name, value in (line.split(":") for line in lines)
    }
    return (
        os.getpid(),
        sizes["Rss"],
        sizes["Pss"],
        sizes["Private_Clean"] + sizes["Private_Dirty"],
    )


def main():
    """Print both tables."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        save(folder)
        for name in ("network", "table"):
            for kind, code in {"joblib": LOADED, "ONNX": CONVERTED}.items():
                start, memory, one, thousand = measure(code.format(name=name), folder)
                size = (folder / f"{name}.{kind.lower()}").stat().st_size / 1e6
                print(
                    f"{name}, {kind}: file {size:.1f} MB, start {start:.1f} s, {memory:.0f} MB, "
                    f"one row {one:.2f} ms, 1,000 rows {thousand:.1f} ms",
                    flush=True,
                )
    workers = joblib.Parallel(n_jobs=4)(
        map(joblib.delayed(memory_of_a_worker), range(4))
    )
    for sizes in {pid: sizes for pid, *sizes in workers}.values():
        print(
            "worker: resident {:.0f}, proportional {:.0f}, private {:.0f} MB".format(
                *sizes
            )
        )


if __name__ == "__main__":
    main()
