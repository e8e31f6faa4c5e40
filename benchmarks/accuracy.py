"""How good and how fast the default models for tables are, beside their rivals on real tables.

Each contestant (`contestants.py`) is fitted to each table (`tables.py`) on three random splits into
three quarters and a held-out quarter. Each fit has a fresh process and one thread, and its
processor time counts, so two run at the same time. `standings.py` writes the report. `--size large`
takes the tables of 10,000 rows and more.
"""

import multiprocessing
import os
import signal
import warnings
from tempfile import TemporaryDirectory

from benchmarks import contestants, standings, tables

try:
    import resource
except ImportError:  # on Windows, where nothing limits the minutes
    resource = None

SPLITS = 3
MINUTES = {"small": 3, "large": 30}  # of processor time, by the size of the table
PROCESSES = 2  # at the same time, as only their processor time counts
TOO_LONG = "more than {} minutes of processor time"

to_markdown, draw = standings.to_markdown, standings.draw


def jobs(rounds=SPLITS, size="small"):
    """Each contestant on each table."""
    return [
        {"data": data, "estimator": name, "splits": rounds}
        for data in tables.present(size)
        for name in contestants.present()
    ]


def measures_skdense(data, estimator, splits):
    """Whether a job measures skdense; results of other libraries stay when only skdense changes."""
    return estimator == "skdense"


def measure(data, estimator, splits):
    """The rows of a contestant on the splits of a table, of each in a fresh process.

    They share a folder of compiled programs, so that the first split has a first run and the others
    have later ones. After a split that has taken too long there is no other.
    """
    rows = []
    with TemporaryDirectory() as programs:
        for seed in range(splits):
            found = _in_fresh_process(data, estimator, seed, programs)
            rows.append({"task": tables.TABLES[data].task, "seed": seed} | found)
            if found.get("error") == TOO_LONG.format(minutes(data)):
                break
    return rows


def minutes(data):
    """The minutes of processor time after which a process is ended."""
    return MINUTES[tables.TABLES[data].size]


def one_split(data, estimator, seed):
    """The scores and seconds of a contestant on one split of a table, in this process."""
    warnings.simplefilter("ignore")
    X, X_test, y, y_test = tables.split(data, seed)
    task = tables.TABLES[data].task
    return contestants.figures(estimator, task, X, y, X_test, y_test, seed)


def _in_fresh_process(data, estimator, seed, programs):
    """What `one_split` returns, or the error that it ended with.

    Processes start as copies of one that has imported this module and done nothing else: more than a
    thousand fits start more quickly than as whole Python processes.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, data, estimator, seed, programs))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:  # it was ended from outside
        found = None
    process.join()
    if process.exitcode == -signal.SIGINT:
        raise KeyboardInterrupt
    if found is None:
        is_slow = process.exitcode == -getattr(signal, "SIGXCPU", 0)
        reason = TOO_LONG.format(minutes(data)) if is_slow else f"ended with {process.exitcode}"
        found = {"error": reason}
    return found


def _send(sender, data, estimator, seed, programs):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ["SKDENSE_CACHE_DIR"] = programs
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (60 * minutes(data), resource.RLIM_INFINITY))
    try:
        sender.send(one_split(data, estimator, seed))
    except Exception as error:  # whatever it is, the report tells it
        sender.send({"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]})
