"""One fit in a fresh process: imports, first fit, later fits, predict, the whole process, its memory.

`python -m benchmarks.process '{"estimator": ..., "data": ...}'` measures itself and prints JSON;
`measure` starts such a process. Nothing of benchopt, pandas or matplotlib is imported in it.
"""

import json
import subprocess
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path


def measure(estimator, data, **settings):
    """Run `_main` in a fresh process and return what it found; settings are those of `_main`."""
    job = {"estimator": estimator, "data": data, **settings, "started": time.time()}
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.process", json.dumps(job)],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def _main(estimator, data, started, seed=0, epochs=None, threads="all", hold_out=True, later_fits=3):
    """Fit and predict once as a script would, then look at later fits.

    The import of TensorFlow belongs to the first fit of `skdense`; here it is taken out of it and
    counted as import. `process_seconds` is what one waits for: from the start of the process to
    the first predictions.
    """
    start = time.perf_counter()
    from sklearn.exceptions import ConvergenceWarning

    from benchmarks.benchmark_utils.estimators import CONTESTANTS

    warnings.simplefilter("ignore", ConvergenceWarning)
    contestant = CONTESTANTS[estimator]
    for module in contestant.modules:
        import_module(module)
    import_seconds = time.perf_counter() - start
    imported_bytes = peak_bytes()

    from benchmarks.benchmark_utils.data import load, split
    from benchmarks.timing import limited

    X, y = load(data)
    X_test = X[:1000]
    if hold_out:
        X, X_test, y, _ = split(X, y, seed)
    options = {} if epochs is None else {"epochs": epochs}

    def fit():
        fresh = contestant.make(random_state=seed, **options)
        start = time.perf_counter()
        fresh.fit(X, y)
        return fresh, time.perf_counter() - start

    with limited(threads):
        fitted, first_fit_seconds = fit()
        start = time.perf_counter()
        fitted.predict(X_test)
        first_predict_seconds = time.perf_counter() - start
        process_seconds = time.time() - started
        peak = peak_bytes()
        later_fit_seconds = [fit()[1] for _ in range(later_fits)]
    return {
        "estimator": estimator,
        "data": data,
        "threads": threads,
        "import_seconds": import_seconds,
        "first_fit_seconds": first_fit_seconds,
        "later_fit_seconds": later_fit_seconds,
        "first_predict_seconds": first_predict_seconds,
        "process_seconds": process_seconds,
        "imported_bytes": imported_bytes,
        "data_bytes": X.nbytes,
        "peak_bytes": peak,
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
    print(json.dumps(_main(**json.loads(sys.argv[1]))))
