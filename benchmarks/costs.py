"""What a fit costs besides its epochs: imports, compiled programs, memory, cores that threads fill.

Each figure is the median of several fresh processes, with an empty or a full folder of compiled
programs; memory is that of one process.
"""

import os
import time
import warnings
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pandas as pd

from benchmarks.networks import OURS, THEIRS, generated, make, script, start_tensorflow
from benchmarks.process import fresh, peak_bytes
from benchmarks.report import markdown_table

N_SHAPES = 200
N_WORKERS = 4
LEGEND = """\
Medians of {rounds} fresh processes; memory and programs are those of one. The folder of compiled
programs is empty, or full: all that the process needs are in it."""
WIDTHS = (2, 2), (32,), (100,)  # of networks in threads


def importing():
    """Seconds of the import of TensorFlow, and of what the first fit imports of it."""
    return {
        "`import tensorflow`": fresh(import_seconds),
        "the part of it that the first fit imports": fresh(start_tensorflow),
    }


def import_seconds():
    start = time.perf_counter()
    import_module("tensorflow")
    return time.perf_counter() - start


def compiling():
    """How many programs many shapes need, and their megabytes, compiled and read from disk."""
    with TemporaryDirectory() as kept:
        (shapes, compiled), (_, read) = (fresh(programs, kept) for _ in range(2))
    return {
        f"programs of {N_SHAPES} shapes, to 1000 x 40 and 64 units": shapes,
        "memory of these programs": compiled / 1e6,
        "memory of these programs, read from disk": read / 1e6,
    }


def programs():
    """Count the programs of fits of many shapes, and their bytes."""
    from skdense.core.machine.compiling import programs

    warnings.simplefilter("ignore")
    rng, shapes = np.random.RandomState(0), set()
    while len(shapes) < N_SHAPES:
        shapes.add(tuple(rng.randint((50, 1, 1), (1000, 41, 65)).tolist()))
    make(OURS, max_iter=2).fit(*generated(50, 2))  # starts TensorFlow
    before, start = len(programs), peak_bytes()
    for n_samples, n_features, width in sorted(shapes):
        X = rng.normal(size=(n_samples, n_features))
        make(OURS, hidden_layer_sizes=(width,), max_iter=2).fit(X, X[:, 0] > X[:, 0].mean())
    return len(programs) - before, peak_bytes() - start


def memory():
    """Megabytes of processes that fit the digits, and the memory of a large fit over that of X."""
    small, large = {}, {}
    for name in (OURS, THEIRS):
        with TemporaryDirectory() as kept:
            for folder in (", empty folder", ", full folder") if name == OURS else ("",):
                job = fresh(
                    script, kept, started=time.time(), again=False, estimator=name, data="digits"
                )
                figure = f"peak memory of a process that fits the digits: {name}{folder}"
                small[figure] = job["peak_bytes"] / 1e6
        arguments = {"again": False, "estimator": name, "data": "1000000x100", "max_iter": 1}
        job = fresh(script, started=time.time(), **arguments)
        times = (job["peak_bytes"] - job["imported_bytes"]) / job["data_bytes"]
        large[f"peak memory of fit, 1000000x100 float32, over imports: {name}"] = times
    return small | large


def workers():
    """Megabytes of a worker of joblib, with an empty and with a full folder of programs."""
    found = {}
    with TemporaryDirectory() as kept:
        for folder in ("empty", "full"):
            sizes = fresh(memory_of_workers, kept)
            for kind, size in sizes.items():
                found[f"{kind} memory of one of {N_WORKERS} such workers, {folder} folder"] = size
    return found


def memory_of_workers():
    seen = joblib.Parallel(n_jobs=N_WORKERS)(joblib.delayed(_worker)() for _ in range(N_WORKERS))
    return pd.DataFrame(dict(seen)).mean(axis=1).to_dict()


def _worker():
    """The process and its resident, proportional and private megabytes after a fit of the digits."""
    script(time.time(), again=False, estimator=OURS, data="digits")
    time.sleep(2)  # so that each worker has one of the fits
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) / 1000 for name, value in (line.split(":") for line in lines)}
    private = sizes["Private_Clean"] + sizes["Private_Dirty"]
    return os.getpid(), {"resident": sizes["Rss"], "proportional": sizes["Pss"], "private": private}


def cores():
    """How many cores the threads of a process can fill."""
    return {
        f"cores that networks of {hidden} in one process can fill at most, float32": fresh(
            processor_over_drawing, hidden=hidden
        )
        for hidden in WIDTHS
    }


def processor_over_drawing(hidden):
    """The processor time of fits over that of drawing their orders, which one thread does at a time."""
    from skdense import LowLevelMLPClassifier, fit_many
    from skdense.core.host.train import Orders

    warnings.simplefilter("ignore")
    X, y = generated(1500, 20)
    drawing, take = [], Orders.next_chunk

    def timed(self, n_steps):
        start = time.thread_time()
        chunk = take(self, n_steps)
        drawing.append(time.thread_time() - start)
        return chunk

    Orders.next_chunk = timed
    settings = {"dtype": "float32", "max_iter": 100, "tol": 0, "n_iter_no_change": 100}
    networks = [LowLevelMLPClassifier(hidden, **settings, random_state=k) for k in range(16)]
    fit_many(networks, X, y)  # compiles
    drawing.clear()
    start = time.process_time()
    fit_many(networks, X, y)
    return (time.process_time() - start) / sum(drawing)


MEASURES = {function.__name__: function for function in (importing, compiling, memory, workers, cores)}
ONCE = "compiling", "memory", "workers"
# How a figure begins, and how it is written.
UNITS = {
    "memory of these": "{:.0f} MB",
    "peak memory of a process": "{:.0f} MB",
    "peak memory of fit": "{:.1f} times X",
    "programs": "{:.0f}",
    "cores": "{:.0f}",
    "": "{:.1f} s",
} | dict.fromkeys(("resident", "proportional", "private"), "{:.0f} MB")


def jobs(rounds=3):
    """Each measurement; those of memory and of programs once."""
    return [
        {"figures": name, "round": turn}
        for name in MEASURES
        for turn in range(1 if name in ONCE else rounds)
    ]


def measure(figures, round):
    return {"found": MEASURES[figures]()}


def to_markdown(rows):
    """The medians of the figures as a table."""
    table = []
    for figure, found in pd.DataFrame([row["found"] for row in rows]).median().items():
        unit = max((start for start in UNITS if figure.startswith(start)), key=len)
        table.append({"figure": figure, "measured": UNITS[unit].format(found)})
    rounds = 1 + max(row["round"] for row in rows)
    return f"{LEGEND.format(rounds=rounds)}\n\n{markdown_table(table)}"
