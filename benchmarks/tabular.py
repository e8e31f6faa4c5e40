"""How good the default for tables is: `make_tabular_classifier` and its rivals on real tables."""

import json
import multiprocessing
import signal
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import product

from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks import contestants
from benchmarks.benchmark_utils import tables
from benchmarks.process import RESULTS

try:
    import resource
except ImportError:  # on Windows, where nothing limits the minutes
    resource = None

SO_FAR = RESULTS / "accuracy.jsonl"
SPLITS, MINUTES = 3, 5
TOO_LONG = f"more than {MINUTES} minutes of processor time"


def measure(data, name, seed):
    """The scores and seconds of a contestant on one split of a table."""
    warnings.simplefilter("ignore")
    task = tables.TABLES[data].task
    X, X_test, y, y_test = tables.split(data, seed)
    model = contestants.make(name, task, X, seed)
    start = time.process_time()
    with threadpool_limits(1):
        model.fit(X, y)
    seconds = time.process_time() - start
    return {"seconds": seconds} | _scores(task, model, X_test, y_test, y.std())


def _scores(task, model, X, y, scale):
    """The score, of which more is better, and the loss, of which less is."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


def run(only=None, processes=1):
    """Measure each contestant on each split of each table in a fresh process; return a row for each.

    The first split of all tables is measured before the second. Each row is kept in `SO_FAR` at once,
    and what is there is not measured again; what failed is tried again, if it did not take too long.
    `only` names the contestants; `processes` are measured at the same time.
    """
    SO_FAR.parent.mkdir(exist_ok=True)
    rows = _so_far()
    done = {_key(row) for row in rows if row.get("error") in (None, TOO_LONG)}
    slow = {(row["data"], row["estimator"]) for row in rows if row.get("error") == TOO_LONG}
    names = [name for name in contestants.present() if only is None or name in only]
    jobs = [
        {"data": data, "name": name, "seed": seed}
        for seed, name, data in product(range(SPLITS), names, tables.present())
        if (data, name, seed) not in done
    ]
    if rows:
        print(f"{len(rows)} results are in {SO_FAR}; remove it to measure all anew", file=sys.stderr)

    def measured(job):
        """Keep the row of a job, if its contestant has not taken too long on that table before."""
        if (job["data"], job["name"]) in slow:
            return
        found = _in_fresh_process(job)
        if found is None:
            return
        if found.get("error") == TOO_LONG:
            slow.add((job["data"], job["name"]))
        row = {
            "task": tables.TABLES[job["data"]].task,
            "data": job["data"],
            "estimator": job["name"],
            "seed": job["seed"],
        }
        with SO_FAR.open("a") as file:
            file.write(json.dumps(row | found) + "\n")

    with ThreadPoolExecutor(processes) as pool:
        waiting = [pool.submit(measured, job) for job in jobs]
        try:
            for job in tqdm(as_completed(waiting), total=len(jobs), desc="fits", leave=False):
                job.result()
        except BaseException:  # Ctrl-C ends the fits that run; no other starts
            pool.shutdown(cancel_futures=True)
            raise
    return list({_key(row): row for row in _so_far()}.values())


def _in_fresh_process(job):
    """What `measure` returns, or the error that it ended with; None after Ctrl-C.

    Processes start as copies of one that has imported this module and done nothing else: more than a
    thousand fits start more quickly than as whole Python processes.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([__name__])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, job))
    process.start()
    sender.close()
    try:
        found = receiver.recv()
    except EOFError:  # it was ended from outside
        found = None
    process.join()
    if found is None and process.exitcode != -signal.SIGINT:
        is_slow = process.exitcode == -getattr(signal, "SIGXCPU", 0)
        found = {"error": TOO_LONG if is_slow else f"the process ended with {process.exitcode}"}
    return found


def _send(sender, job):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (60 * MINUTES, resource.RLIM_INFINITY))
    try:
        sender.send(measure(**job))
    except Exception as error:  # whatever it is, the report tells it
        sender.send({"error": f"{type(error).__name__}: {error}".partition("\n")[0][:200]})


def _so_far():
    return [json.loads(line) for line in SO_FAR.open()] if SO_FAR.exists() else []


def _key(row):
    return row["data"], row["estimator"], row["seed"]
