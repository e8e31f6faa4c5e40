"""What a fit costs besides its epochs: imports, the first fit, programs, memory; and growth with X."""

import time
import warnings
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from tqdm import tqdm

from benchmarks import speed
from benchmarks.benchmark_utils.data import clouds, generated
from benchmarks.benchmark_utils.estimators import OURS, THEIRS
from benchmarks.process import fresh, import_seconds, peak_bytes, script, start_tensorflow
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier, fit_many

PROCESSES = 5
N_SHAPES = 200


def run(rounds=PROCESSES):
    """Measure all; return the number of processes and `{figure: what was measured}`."""
    found = {}
    measures = [importing, first_fit, one_program, compiling, memory, cores]
    for measure in tqdm(measures, desc="costs", leave=False):
        found |= measure(rounds)
    return {"rounds": rounds, "measured": found}


def to_markdown(figures):
    """The figures as a table."""
    rows = [{"figure": figure, "measured": found} for figure, found in figures["measured"].items()]
    return (
        f"Medians of {figures['rounds']} fresh processes; memory and programs are those of one. The "
        "folder of compiled programs is empty, or full: all that the process needs are in it.\n\n"
        f"{markdown_table(rows)}"
    )


def importing(rounds):
    modules = ["sklearn", "skdense", "tensorflow"]
    turns = [
        [*(fresh(import_seconds, module=name) for name in modules), fresh(start_tensorflow)]
        for _ in range(rounds)
    ]
    sklearn, skdense, tensorflow, needed = np.median(turns, axis=0)
    return {
        "`import skdense` over `import sklearn`": f"{skdense - sklearn:.2f} s",
        "`import tensorflow`": f"{tensorflow:.1f} s",
        "the part of it that the first fit imports": f"{needed:.1f} s",
    }


def first_fit(rounds):
    found = {}
    for data in ("two_clouds", "digits"):
        figure = f"first fit of a process over a later one, {data}, TensorFlow imported"
        turns = [first_and_later(data) for _ in range(rounds)]
        compiled, read = np.median(turns, axis=0)
        found |= {
            f"{figure}, empty folder": f"{compiled:.2f} s",
            f"{figure}, full folder": f"{read:.2f} s",
        }
    return found


def first_and_later(data):
    """How much longer the first fit takes than a later one, with an empty and with a full folder."""
    arguments = {"again": True, "estimator": OURS, "data": data, "max_iter": 20}
    with TemporaryDirectory() as kept:
        jobs = [fresh(script, kept, started=time.time(), **arguments) for _ in range(2)]
    return [job["first_fit"] - job["later"] for job in jobs]


def one_program(rounds):
    """What a program consists of, and the seconds that its parts take to make."""
    found = {}
    for name, early_stopping in (("", False), (", with early stopping", True)):
        with TemporaryDirectory() as kept:
            made, read = (fresh(program_parts, kept, early_stopping=early_stopping) for _ in range(2))
        parts = {
            "operations": made["operations"],
            "kernels": made["kernels"],
            "tracing, wall and processor": "{:.2f} s, {:.2f} s".format(*made["__init__"]),
            "XLA, wall and processor": "{:.2f} s, {:.2f} s".format(*made["_first_call"]),
            "from disk instead, wall and processor": "{:.2f} s, {:.2f} s".format(
                *np.add(read["__init__"], read["_first_call"])
            ),
        }
        figure = f"a program of (64, 32) units, float64{name}"
        found |= {f"{figure}: {part}": measured for part, measured in parts.items()}
    return found


def program_parts(early_stopping):
    """The operations and kernels of a program; medians of the seconds of several.

    A program is traced or read when it is made, and compiled or handed over when it is called.
    """
    from skdense.core.machine import compiling
    from skdense.core.machine.tensorflow import tf

    warnings.simplefilter("ignore", ConvergenceWarning)
    rng, seconds, programs = np.random.default_rng(0), {}, []
    X, y = rng.normal(size=(1000, 64)), rng.integers(0, 10, 1000)

    def timed(name):
        method = getattr(compiling._Compiled, name)

        def run(self, *arguments):
            wall, processor = time.perf_counter(), time.process_time()
            result = method(self, *arguments)
            taken = time.perf_counter() - wall, time.process_time() - processor
            seconds.setdefault(name, []).append(taken)
            programs.append(self)
            return result

        setattr(compiling._Compiled, name, run)

    timed("__init__")
    timed("_first_call")
    for width in (8, 64, 56, 48, 40, 32):  # the first one starts TensorFlow
        LowLevelMLPClassifier(
            (width, 32), batch_size=64, max_iter=1, early_stopping=early_stopping, random_state=0
        ).fit(X, y)
    function, arguments = programs[-1]._make(*programs[-1]._key)
    signature = tf.nest.flatten(arguments)

    def flat(*tensors):
        return function(*tf.nest.pack_sequence_as(arguments, tensors))

    program = tf.function(flat, signature, autograph=False, jit_compile=True)
    graph = program.get_concrete_function().graph.as_graph_def()
    n_operations = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    text = program.experimental_get_compiler_ir(*signature)(stage="optimized_hlo")
    parts = {name: np.median(taken[1:], axis=0).tolist() for name, taken in seconds.items()}
    return {"operations": n_operations, "kernels": text.count(" fusion(")} | parts


def compiling(rounds):
    with TemporaryDirectory() as kept:
        made, read = (fresh(programs, kept) for _ in range(2))
    cross_validation, ten_widths, shapes, n_bytes = made
    return {
        "programs that cross_val_score(cv=5) needs": cross_validation,
        "programs that GridSearchCV over ten small widths needs": ten_widths,
        f"programs of {N_SHAPES} shapes, to 1000 x 40 and 64 units": shapes,
        "memory of these programs": f"{n_bytes / 1e6:.0f} MB",
        "memory of these programs, read from disk": f"{read[-1] / 1e6:.0f} MB",
    }


def programs():
    """Count the programs of a cross-validation, a search and fits of many shapes; bytes of the last."""
    from skdense.core.machine.compiling import programs

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = clouds(200)
    network = LowLevelMLPClassifier((5, 5), max_iter=2, random_state=0)
    widths = [(width, width) for width in (2, 3, 4, 6, 8, 10, 12, 14, 16, 20)]
    rng = np.random.RandomState(0)
    shapes = set()
    while len(shapes) < N_SHAPES:
        shapes.add(tuple(rng.randint((50, 1, 1), (1000, 41, 65)).tolist()))

    def fit_shapes():
        for n_samples, n_features, width in sorted(shapes):
            X = rng.normal(size=(n_samples, n_features))
            LowLevelMLPClassifier((width,), max_iter=2, random_state=0).fit(X, X[:, 0] > X[:, 0].mean())

    cross_val_score(network, X, y, cv=5)
    counts = [len(programs)]
    GridSearchCV(network, {"hidden_layer_sizes": widths}).fit(X, y)
    counts.append(len(programs))
    start = peak_bytes()
    fit_shapes()
    counts.append(len(programs))
    return [*np.diff(counts, prepend=0).tolist(), peak_bytes() - start]


def memory(rounds):
    small, large = {}, {}
    for name in (OURS, THEIRS):
        figure = "peak memory of a process that fits the digits, and of its imports"
        folders = (", empty folder", ", full folder") if name == OURS else ("",)
        with TemporaryDirectory() as kept:
            for folder in folders:
                job = fresh(
                    script, kept, started=time.time(), again=False, estimator=name, data="digits"
                )
                small[f"{figure}: {name}{folder}"] = (
                    f"{job['peak_bytes'] / 1e6:.0f} MB, {job['imported_bytes'] / 1e6:.0f} MB"
                )
        arguments = {"again": False, "estimator": name, "data": "1000000x100", "max_iter": 1}
        job = fresh(script, started=time.time(), **arguments)
        times = (job["peak_bytes"] - job["imported_bytes"]) / job["data_bytes"]
        large[f"peak memory of fit, 1000000x100 float32, over imports: {name}"] = f"{times:.1f} times X"
    return small | large


def cores(rounds):
    return {
        f"cores that networks of {hidden} in one process can fill at most, float32": (
            f"{np.median([fresh(processor_over_drawing, hidden=hidden) for _ in range(rounds)]):.0f}"
        )
        for hidden in ((2, 2), (32,), (100,))
    }


def processor_over_drawing(hidden):
    """The processor time of fits over that of drawing their orders, which one thread does at a time."""
    from skdense.core.host.orders import Orders

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = generated(1500, 20)
    drawing, take = [], Orders.next_chunk

    def timed(self, n_steps):
        start = time.thread_time()
        chunk = take(self, n_steps)
        drawing.append(time.thread_time() - start)
        return chunk

    Orders.next_chunk = timed
    networks = [
        LowLevelMLPClassifier(
            hidden, dtype="float32", max_iter=100, tol=0, n_iter_no_change=100, random_state=k
        )
        for k in range(16)
    ]
    fit_many(networks, X, y)  # compiles
    drawing.clear()
    start = time.process_time()
    fit_many(networks, X, y)
    return (time.process_time() - start) / sum(drawing)


def growth(rounds=3):
    """Microseconds a sample and epoch against rows, features and width: one dict for each point."""
    rows, features, width = (10**3, 10**4, 10**5, 10**6), (10, 100, 1000), (16, 64, 256, 1024)
    points = [
        *[("rows (20 features, 64-64)", n, n, 20, (64, 64), max(2, 10**5 // n)) for n in rows],
        *[("features (5000 rows, 64-64)", p, 5000, p, (64, 64), 5) for p in features],
        *[("width of both layers (5000 rows, 50 features)", w, 5000, 50, (w, w), 5) for w in width],
    ]
    found = []
    for axis, value, n_samples, n_features, hidden, epochs in tqdm(points, desc="growth", leave=False):
        data = partial(generated, n_samples, n_features)
        job = speed.fit(axis, data, epochs, hidden, columns=(speed.FLOAT32,))
        [row] = speed.measure(job, rounds)
        seconds = {
            OURS: row["ours"]["cores"],
            f"{THEIRS}, BLAS on 1 thread": row["theirs"]["1"],
            f"{THEIRS}, BLAS on all cores": row["theirs"]["cores"],
        }
        scale = 1e6 / (n_samples * epochs)
        found.append({"axis": axis, "value": value} | {name: scale * t for name, t in seconds.items()})
    return found


def growth_to_markdown(points):
    """A table for each axis, the columns being the contestants."""
    tables = {}
    for point in points:
        axis, value, *microseconds = point.values()
        cells = map(significant, microseconds)
        tables.setdefault(axis, []).append({axis: value} | dict(zip(list(point)[2:], cells)))
    text = "Microseconds a sample and epoch: float32, batches of 200, medians of three later fits."
    return "\n\n".join([text, *map(markdown_table, tables.values())])
