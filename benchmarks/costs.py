"""What a fit costs besides its epochs: imports, compiled programs, memory, cores that threads fill.

Each figure is of a fresh process. Those of seconds and cores are medians of three.
"""

import time
import warnings
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import joblib
import numpy as np

from benchmarks.networks import OURS, THEIRS, generated, make, script, start_tensorflow
from benchmarks.process import fresh, peak_bytes
from benchmarks.report import markdown_table

N_SHAPES = 200
N_WORKERS = 4
N_PROCESSES = 3
WIDTHS = (2, 2), (32,), (100,)  # of networks in threads
LEGEND = f"""\
Seconds and cores are medians of {N_PROCESSES} fresh processes, memory and programs are those of one.
The folder of compiled programs is empty, or full: all that the process needs are in it."""


def importing():
    """Seconds of what the first fit imports of TensorFlow."""
    seconds = median(fresh(start_tensorflow) for _ in range(N_PROCESSES))
    return {"import of TensorFlow by the first fit": f"{seconds:.1f} s"}


def compiling():
    """How many programs many shapes need, and their memory."""
    n_programs, n_bytes = fresh(programs)
    return {
        f"programs of {N_SHAPES} shapes, to 1000 x 40 and 64 units": n_programs,
        "memory of these programs": f"{n_bytes / 1e6:.0f} MB",
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
    """The peak of processes that fit the digits, and the memory of a large fit over that of X."""
    small, large = {}, {}
    for name in (OURS, THEIRS):
        with TemporaryDirectory() as kept:
            for folder in (", empty folder", ", full folder") if name == OURS else ("",):
                job = fresh(script, kept, estimator=name, data="digits")
                figure = f"peak memory of a process that fits the digits: {name}{folder}"
                small[figure] = f"{job['peak_bytes'] / 1e6:.0f} MB"
        job = fresh(script, estimator=name, data="1000000x100", max_iter=1)
        times = (job["peak_bytes"] - job["imported_bytes"]) / job["data_bytes"]
        large[f"peak memory of fit, 1000000x100 float32, over imports: {name}"] = f"{times:.1f} times X"
    return small | large


def workers():
    """The memory of a worker of joblib that fits the digits, with a full folder of programs."""
    with TemporaryDirectory() as kept:
        _, sizes = (fresh(memory_of_workers, kept) for _ in range(2))
    return {
        f"{kind} memory of one of {N_WORKERS} such workers, full folder": f"{size:.0f} MB"
        for kind, size in sizes.items()
    }


def memory_of_workers():
    sizes = joblib.Parallel(n_jobs=N_WORKERS)(joblib.delayed(_worker)() for _ in range(N_WORKERS))
    return {kind: np.mean([size[kind] for size in sizes]) for kind in sizes[0]}


def _worker():
    """The resident and the private megabytes of this process after a fit of the digits."""
    script(estimator=OURS, data="digits")
    time.sleep(2)  # so that each worker has one of the fits
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]
    sizes = {name: int(value.split()[0]) / 1000 for name, value in (line.split(":") for line in lines)}
    return {"resident": sizes["Rss"], "private": sizes["Private_Clean"] + sizes["Private_Dirty"]}


def cores():
    """How many cores the threads of a process can fill."""
    return {
        f"cores that networks of {hidden} in one process can fill at most, float32": round(
            median(fresh(processor_over_drawing, hidden=hidden) for _ in range(N_PROCESSES))
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


def jobs():
    return [{"figures": name} for name in MEASURES]


def measure(figures):
    return {"found": MEASURES[figures]()}


def to_markdown(rows):
    """The figures as a table."""
    found = {figure: text for row in rows for figure, text in row["found"].items()}
    table = [{"figure": figure, "measured": text} for figure, text in found.items()]
    return f"{LEGEND}\n\n{markdown_table(table)}"
