"""Measurements that need a process of their own: how to start it, and a fit as a script does it.

`fresh` calls a function of the suite there, by `python -m benchmarks.process MODULE NAME ARGUMENTS`.
Nothing of benchopt, pandas or matplotlib is imported in it.
"""

import json
import os
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path


def fresh(function, environment=(), **arguments):
    """Call a function in a fresh process, with further environment variables.

    Arguments and result travel as JSON.
    """
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__]
    output = subprocess.run(
        [*command, json.dumps(arguments)],
        cwd=Path(__file__).parent.parent,
        env=os.environ | dict(environment),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def import_seconds(module):
    """How long an import takes."""
    start = time.perf_counter()
    import_module(module)
    return time.perf_counter() - start


def script(started, estimator, data, seed=0, max_iter=None, later_fits=0):
    """Fit and predict once as a script would, then look at later fits.

    `data` is the name of a data set, whose split with that seed is taken, or NxP to generate it.

    The import of TensorFlow, which the first fit of `skdense` does, is taken out of it here.
    `process_seconds` is what one waits for: from `started`, when the process was asked for, to the
    first predictions.
    """
    from benchmarks.benchmark_utils.estimators import make

    parameters = {"random_state": seed} | ({} if max_iter is None else {"max_iter": max_iter})
    make(estimator, **parameters)
    if estimator.startswith("LowLevel"):
        import_module("skdense.core.host.train")
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

    fitted, first_fit_seconds = fit()
    fitted.predict(X_test)
    return {
        "process_seconds": time.time() - started,
        "peak_bytes": peak_bytes(),
        "imported_bytes": imported_bytes,
        "data_bytes": X.nbytes,
        "first_fit_seconds": first_fit_seconds,
        "later_fit_seconds": [fit()[1] for _ in range(later_fits)],
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
    print(json.dumps(getattr(import_module(module), name)(**json.loads(arguments))))
