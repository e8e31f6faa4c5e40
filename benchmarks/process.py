"""Fresh processes for measurements, and results that outlive a run which was stopped.

`fresh` calls a function of a suite in a new Python process, by `python -m benchmarks.process MODULE
NAME ARGUMENTS`; what it prints on stderr is shown only if it fails. `resumed` measures the jobs of
a suite and keeps each result in a file at once.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

RESULTS = Path(__file__).parent / "results"


def fresh(function, kept=None, **arguments):
    """Call a function in a fresh process; its arguments and its result travel as JSON.

    Compiled programs are kept in the folder `kept`. By default, that is an empty one which nobody else
    uses, so that no figure depends on what this machine has compiled before.
    """
    command = [sys.executable, "-m", __name__, function.__module__, function.__name__]
    with TemporaryDirectory() as empty:
        finished = subprocess.run(
            [*command, json.dumps(arguments)],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"SKDENSE_CACHE_DIR": kept or empty},
            capture_output=True,  # the log lines of TensorFlow, too
            text=True,
        )
    if finished.returncode:
        raise RuntimeError(f"{function.__name__}({arguments}) failed:\n{finished.stderr[-4000:]}")
    return json.loads(finished.stdout.splitlines()[-1])


def counted(items, title, total):
    """The items, with a line on stderr that counts them."""
    for place, item in enumerate(items, 1):
        end = "\n" if place == total else ""
        print(f"\r{title}: {place} of {total}", end=end, file=sys.stderr, flush=True)
        yield item


def resumed(suite, measure, jobs, states, processes=1):
    """For each job what `measure(**job)` returns, and the load of the machine; so many at a time.

    Each result is kept in a file of `RESULTS` at once. A run that was stopped goes on where it was:
    the results of a job stay while its state, of the code and the machine, is the same.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{suite}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = {json.dumps(key): found for key, found in map(json.loads, lines)}
    keys = [json.dumps([state, job]) for state, job in zip(states, jobs)]
    if any(key in kept for key in keys):
        print(f"goes on from {path}; remove it to measure all anew", file=sys.stderr)

    def measured(key, job):
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")  # on Windows
        kept[key] = found = [measure(**job), load]
        with path.open("a") as file:
            file.write(json.dumps([json.loads(key), found], default=float) + "\n")

    with ThreadPoolExecutor(processes) as pool:
        waiting = [pool.submit(measured, key, job) for key, job in zip(keys, jobs) if key not in kept]
        try:
            for done in counted(as_completed(waiting), suite, len(waiting)):
                done.result()
        except BaseException:  # Ctrl-C ends the processes that run; no other starts
            pool.shutdown(cancel_futures=True)
            raise
    return [kept[key] for key in keys]


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
    print(json.dumps(getattr(import_module(module), name)(**json.loads(arguments)), default=float))
