"""Measurements that need a process of their own: how to start it, and a fit as a script does it.

`fresh` calls a function of the suite there, by `python -m benchmarks.process MODULE NAME ARGUMENTS`.
Nothing of benchopt, pandas or matplotlib is imported in it. `resumed` keeps what is measured, for a run
that is stopped.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

RESULTS = Path(__file__).parent / "results"
FOLDERS = """\
*empty folder*: seconds of a whole fresh process, from its start to its result, as when a script runs
for the first time; it imports TensorFlow and compiles. *full folder*: a second process, which finds all
compiled programs on disk, as from the second run on. *later*: the same code again in this process."""


def fresh(function, kept=None, **arguments):
    """Call a function in a fresh process; its arguments and its result travel as JSON.

    Compiled programs are kept in the folder `kept`. By default, that is an empty one which nobody else
    uses, so that no figure depends on what this machine has compiled before.
    """
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__]
    with TemporaryDirectory() as empty:
        output = subprocess.run(
            [*command, json.dumps(arguments)],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"SKDENSE_CACHE_DIR": kept or empty},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
    return json.loads(output.splitlines()[-1])


def resumed(name, measure, jobs):
    """What `measure(**job)` returns for each job: a list.

    Each result is kept in a file of `RESULTS` at once, until `forget` is called after the report: a run
    that was stopped goes on where it was.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.jsonl"
    kept = [json.loads(line) for line in path.open()] if path.exists() else []
    done = {json.dumps(job): result for job, result in kept}
    if done:
        print(f"goes on from {path}; remove it to measure all anew", file=sys.stderr)
    for job in tqdm(jobs, desc=name, leave=False):
        if json.dumps(job) not in done:
            done[json.dumps(job)] = result = measure(**job)
            with path.open("a") as file:
                file.write(json.dumps([job, result], default=float) + "\n")
    _complete.append(path)
    return [done[json.dumps(job)] for job in jobs]


_complete: list[Path] = []
"""The files of `resumed` whose results are all there."""


def forget():
    """Remove the files of `resumed`, as a report has their results."""
    while _complete:
        _complete.pop().unlink(missing_ok=True)


def run_twice(function, compiles=True, **arguments):
    """Run a function in two processes: the second has the programs that the first has compiled.

    The function is told when its process was `started` and whether to do the same `again` in it, and
    returns the seconds of the `process`. They are `empty` and `full` in the result, which is otherwise
    that of the second process. What never `compiles` has one process, which is `full`.
    """
    with TemporaryDirectory() as kept:
        runs = [
            fresh(function, kept, started=time.time(), again=again, **arguments)
            for again in ([False, True] if compiles else [True])
        ]
    return runs[-1] | {"empty": runs[0]["process"], "full": runs[-1]["process"]}


def time_process(call, started, again):
    """The result of a call, the seconds of the `process` until then, and of doing the same `later`."""
    result = call()
    process, start = time.time() - started, time.time()
    if again:
        call()
    return result, {"process": process, "later": time.time() - start}


def import_seconds(module):
    """How long an import takes."""
    start = time.perf_counter()
    import_module(module)
    return time.perf_counter() - start


def start_tensorflow():
    """Import TensorFlow as the first fit does; return how long that takes."""
    from skdense.core.machine.tensorflow import tf

    start = time.perf_counter()
    tf.executing_eagerly()
    return time.perf_counter() - start


def script(started, again, estimator, data, seed=0, max_iter=None):
    """Fit and predict once as a script would, then look at later fits.

    `data` is the name of a data set, whose split with that seed is taken, or NxP to generate it.

    The import of TensorFlow, which the first fit of `skdense` does, is not a part of `first_fit` here.
    """
    from benchmarks.benchmark_utils.estimators import make

    parameters = {"random_state": seed} | ({} if max_iter is None else {"max_iter": max_iter})
    make(estimator, **parameters)
    if estimator.startswith("LowLevel"):
        start_tensorflow()
    imported_bytes = peak_bytes()

    from sklearn.exceptions import ConvergenceWarning

    from benchmarks.benchmark_utils.data import DATA, generated, split

    warnings.simplefilter("ignore", ConvergenceWarning)
    if data in DATA:
        task, load = DATA[data]
        X, X_test, y, _ = split(*load(), task, seed)
    else:
        X, y = generated(*map(int, data.split("x")))
        X_test = X[:1000]

    def fit():
        network = make(estimator, **parameters)
        start = time.perf_counter()
        network.fit(X, y)
        return network, time.perf_counter() - start

    fitted, first_fit = fit()
    fitted.predict(X_test)
    return {
        "process": time.time() - started,
        "peak_bytes": peak_bytes(),
        "imported_bytes": imported_bytes,
        "data_bytes": X.nbytes,
        "first_fit": first_fit,
        "later": np.median([fit()[1] for _ in range(3)]) if again else None,
    }


def peak_bytes():
    """Return the largest resident memory of this process so far.

    On Linux from /proc: `ru_maxrss` there starts at what the parent process had.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    module, name, arguments = sys.argv[1:]
    found = getattr(import_module(module), name)(**json.loads(arguments))
    print(json.dumps(found, default=float))
