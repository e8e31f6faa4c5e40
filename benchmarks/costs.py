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
from benchmarks.process import fresh, import_seconds, peak_bytes, script
from benchmarks.report import markdown_table, significant
from skdense import LowLevelMLPClassifier, fit_many

OURS, THEIRS = "LowLevelMLPClassifier", "MLPClassifier"
PROCESSES = 5
N_SHAPES = 200


def run():
    """Measure all; return `{figure: what was measured}`."""
    found = {}
    measures = [importing, first_fit, one_program, compiling, memory, cores]
    for measure in tqdm(measures, desc="costs", leave=False):
        found |= measure()
    return found


def to_markdown(figures):
    """The figures as a table."""
    rows = [{"figure": figure, "measured": measured} for figure, measured in figures.items()]
    return f"Seconds are medians of {PROCESSES} fresh processes.\n\n{markdown_table(rows)}"


def importing():
    modules = ["sklearn", "skdense", "tensorflow"]
    turns = [[fresh(import_seconds, module=name) for name in modules] for _ in range(PROCESSES)]
    sklearn, skdense, tensorflow = np.median(turns, axis=0)
    return {
        "`import skdense` over `import sklearn`": f"{skdense - sklearn:.2f} s",
        "`import tensorflow`, of which the first fit does a part": f"{tensorflow:.1f} s",
    }


def first_fit():
    def surplus(data, environment=()):
        fits = {"estimator": OURS, "data": data, "max_iter": 20, "later_fits": 3}
        job = fresh(script, environment, started=time.time(), **fits)
        return job["first_fit_seconds"] - np.median(job["later_fit_seconds"])

    found = {}
    for data in ("two_clouds", "digits"):
        figure = f"first fit of a process over a later one, {data}, TensorFlow imported"
        with TemporaryDirectory() as folder:
            kept = {"TF_XLA_FLAGS": f"--tf_xla_persistent_cache_directory={folder}"}
            surplus(data, kept)
            turns = [[surplus(data), surplus(data, kept)] for _ in range(PROCESSES)]
        compiled, read = np.median(turns, axis=0)
        found |= {figure: f"{compiled:.2f} s", f"{figure}, its program on disk": f"{read:.2f} s"}
    return found


def one_program():
    """What a program consists of, and the seconds that its parts take to make."""
    found = {}
    for name, early_stopping in (("", False), (", with early stopping", True)):
        parts = fresh(program_parts, early_stopping=early_stopping)
        figure = f"a program of (64, 32) units, float64{name}"
        found |= {f"{figure}: {part}": measured for part, measured in parts.items()}
    return found


def program_parts(early_stopping):
    """The operations and kernels of a program; medians of the seconds of several."""
    from skdense.core.machine import compiling
    from skdense.core.machine.tensorflow import tf

    warnings.simplefilter("ignore", ConvergenceWarning)
    rng, made = np.random.default_rng(0), []
    X, y = rng.normal(size=(1000, 64)), rng.integers(0, 10, 1000)
    compile_once = compiling._compiled

    def timed(make, *key):
        made.append({"key": (make, *key)})
        program = seconds_of("tracing", compile_once.__wrapped__, make, *key)

        def run(*tensors):
            # The first call compiles.
            return seconds_of("XLA", program, *tensors) if "XLA" not in made[-1] else program(*tensors)

        return run

    def seconds_of(part, function, *arguments):
        wall, processor = time.perf_counter(), time.process_time()
        result = function(*arguments)
        made[-1][part] = time.perf_counter() - wall, time.process_time() - processor
        return result

    compiling._compiled = timed
    for width in (8, 64, 56, 48, 40, 32):  # the first one starts TensorFlow
        LowLevelMLPClassifier(
            (width, 32), batch_size=64, max_iter=1, early_stopping=early_stopping, random_state=0
        ).fit(X, y)
    parts = {
        f"{part}, wall and processor": "{:.2f} s, {:.2f} s".format(
            *np.median([program[part] for program in made[1:]], axis=0)
        )
        for part in ("tracing", "XLA")
    }
    make, *key = made[1]["key"]
    function, arguments = make(*key)
    signature = tf.nest.flatten(arguments)

    def flat(*tensors):
        return function(*tf.nest.pack_sequence_as(arguments, tensors))

    program = tf.function(flat, signature, autograph=False, jit_compile=True)
    graph = program.get_concrete_function().graph.as_graph_def()
    n_operations = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    text = program.experimental_get_compiler_ir(*signature)(stage="optimized_hlo")
    return {"operations": n_operations, "kernels": text.count(" fusion(")} | parts


def compiling():
    cross_validation, ten_widths, shapes, n_bytes = fresh(programs)
    return {
        "programs that cross_val_score(cv=5) compiles": cross_validation,
        "programs that GridSearchCV over ten small widths compiles": ten_widths,
        f"programs of {N_SHAPES} shapes, to 1000 x 40 and 64 units": shapes,
        "memory of these programs": f"{n_bytes / 1e6:.0f} MB",
    }


def programs():
    """Count what a cross-validation, a search and fits of many shapes compile; bytes of the last."""
    from skdense.core.machine.compiling import n_compiled

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
    counts = [n_compiled()]
    GridSearchCV(network, {"hidden_layer_sizes": widths}).fit(X, y)
    counts.append(n_compiled())
    start = peak_bytes()
    fit_shapes()
    counts.append(n_compiled())
    return [*np.diff(counts, prepend=0).tolist(), peak_bytes() - start]


def memory():
    small, large = {}, {}
    for name in (OURS, THEIRS):
        job = fresh(script, started=time.time(), estimator=name, data="digits")
        small[f"peak memory of a process that fits the digits, and of its imports: {name}"] = (
            f"{job['peak_bytes'] / 1e6:.0f} MB, {job['imported_bytes'] / 1e6:.0f} MB"
        )
        job = fresh(script, started=time.time(), estimator=name, data="1000000x100", max_iter=1)
        times = (job["peak_bytes"] - job["imported_bytes"]) / job["data_bytes"]
        large[f"peak memory of fit, 1000000x100 float32, over imports: {name}"] = f"{times:.1f} times X"
    return small | large


def cores():
    return {
        f"cores that networks of {hidden} in one process can fill at most, float32": (
            f"{np.median([fresh(processor_over_drawing, hidden=hidden) for _ in range(PROCESSES)]):.0f}"
        )
        for hidden in ((2, 2), (32,), (100,))
    }


def processor_over_drawing(hidden):
    """The processor time of fits over that of drawing their orders, which one thread does at a time."""
    from skdense.core.host.orders import Orders

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = generated(1500, 20)
    drawing, take = [], Orders.take

    def timed(self, n_steps):
        start = time.thread_time()
        chunk = take(self, n_steps)
        drawing.append(time.thread_time() - start)
        return chunk

    Orders.take = timed
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


def growth():
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
        [row] = speed.measure(job, rounds=3)
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
