"""Settings of the whole suite: hypothesis draws the same examples in every run, and Ctrl-C works."""

import faulthandler
import gc
import itertools
import os
import signal
import tempfile
import threading
from contextlib import nullcontext
from functools import partial

import joblib
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from scipy.optimize import OptimizeResult

from helpers import ANSWER_SECONDS, COMPILES, TIME_LIMIT, press_ctrl_c, uncompiled_programs
from skdense.core.machine import costs, threads
from skdense.core.machine.tensorflow import tf
from skdense.fit import prepare

collect_ignore = ["saved", "types_of_users.py"]  # programs, which looking for doctests would run

settings.register_profile(
    "skdense",
    max_examples=50,
    deadline=None,  # the first example of a shape compiles
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skdense")


def pytest_configure(config):
    """Let all processes of a run share what they compile, in a folder of its own.

    Who has set SKDENSE_CACHE_DIR keeps it for the next run.
    """
    if "SKDENSE_CACHE_DIR" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="skdense-tests-")
        config.add_cleanup(folder.cleanup)
        config.add_cleanup(threads.wait_for_all)  # before it, as fits that ended may still compile
        os.environ["SKDENSE_CACHE_DIR"] = folder.name


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Use some processes, where pytest-xdist is installed and nothing else was asked for.

    There is one more than there are cores, as tests also wait, for instance for other processes. The
    tests of a file share programs, so they stay together. Threads of OpenMP and OpenBLAS sleep where
    they wait, as there are more of them than cores.
    """
    is_worker = hasattr(config, "workerinput")
    if config.pluginmanager.hasplugin("xdist") and not is_worker and config.option.numprocesses is None:
        config.option.numprocesses = min(4, joblib.cpu_count() + 1)
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session):
    """Import TensorFlow, so that no test depends on whether another one has.

    Unless all programs compile, its operations have one thread each: more threads wait actively beside
    small graphs, which takes a fifth of the time. Fits still run in as many threads as by default.
    """
    if session.config.pluginmanager.hasplugin("dsession"):
        return  # tests run in other processes
    with pytest.MonkeyPatch.context() as patch:
        if not COMPILES and "TF_NUM_INTRAOP_THREADS" not in os.environ:
            patch.setenv("TF_NUM_INTRAOP_THREADS", "1")
        assert tf.executing_eagerly()
        assert tf.add(1, 1) == 2  # imports the operators of tensors


LONG = ("docs/tables.rst", "tests/test_lazy_tensorflow.py", "tests/test_memory.py")
"""Files of few tests that take long."""
SLOW = (
    *LONG, "docs/", "tests/test_blend.py", "tests/test_churn_table.py", "tests/test_compiling.py",
    "tests/test_conformance.py", "tests/test_continuing.py", "tests/test_contributions.py",
    "tests/test_disk.py", "tests/test_ensemble", "tests/test_interrupts.py",
    "tests/test_intervals.py", "tests/test_large.py", "tests/test_levels.py",
    "tests/test_machine_threads.py", "tests/test_many.py", "tests/test_notebook.py",
    "tests/test_onnx.py", "tests/test_pages.py", "tests/test_parity.py",
    "tests/test_persistence.py", "tests/test_probabilities.py", "tests/test_processes.py",
    "tests/test_regressor.py", "tests/test_regularization.py", "tests/test_resumed.py",
    "tests/test_search", "tests/test_sparse.py", "tests/test_tabular.py::test_every_check",
    "tests/test_threads.py", "tests/test_training.py", "tests/test_validation_set.py",
    "tests/test_weights.py",
)  # fmt: skip
"""Files, or tests, that compile many programs, start processes or fit ensembles: most of the time."""


COMPILED = (
    "tests/test_blas.py", "tests/test_compiling.py", "tests/test_disk.py", "tests/test_interrupts.py",
    "tests/test_large.py", "tests/test_lazy_tensorflow.py", "tests/test_machine_threads.py",
    "tests/test_memory.py", "tests/test_parity.py", "tests/test_processes.py",
    "tests/test_training.py",
)  # fmt: skip
"""Files whose trainings run compiled programs: they are about programs, or start processes that fit."""


def pytest_collection_modifyitems(items):
    """Mark slow tests, and begin with them, so that at the end no process waits for a long file."""
    items.sort(
        key=lambda item: item.nodeid.startswith(LONG) + item.nodeid.startswith(SLOW), reverse=True
    )
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts():
    """Let SIGINT interrupt the tests even where they were started with it ignored, as by `nohup`.

    The processes that they start inherit an ignored signal, but not a handler.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.fixture(autouse=True)
def _signals_are_answered():
    """Let no signal get lost in the garbage collector, nor a test wait for ever for one.

    hypothesis and Dask register callbacks of it, and models of earlier tests, such as LightGBM's, have
    finalizers. If a signal comes while one runs, CPython discards what the signal's handler raises.
    """
    callbacks, gc.callbacks[:] = gc.callbacks[:], []
    gc.freeze()
    if not hasattr(signal, "setitimer"):
        yield
    else:
        previous = signal.signal(signal.SIGALRM, _fail_unanswered)
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    gc.unfreeze()
    gc.callbacks[:0] = callbacks


def _fail_unanswered(*_):
    faulthandler.dump_traceback(2)
    pytest.fail(f"no answer to Ctrl-C in {ANSWER_SECONDS} seconds; stacks are on stderr")


@pytest.fixture
def replace_programs(monkeypatch):
    """A function: let `make(program)` take the place of each program that a training calls."""
    from skdense.core.host import lbfgs, train  # imports TensorFlow

    def replace(make):
        for module in (train, lbfgs):

            def replaced(*key, program_of=module.program_of):
                return make(program_of(*key))

            monkeypatch.setattr(module, "program_of", replaced)

    return replace


@pytest.fixture
def replace_minimize(monkeypatch):
    """A function: call `function(minimize, ...)` in the place of scipy's `minimize(...)` in a fit."""
    from skdense.core.host import lbfgs

    return lambda function: monkeypatch.setattr(lbfgs, "minimize", partial(function, lbfgs.minimize))


@pytest.fixture
def objective_of(replace_minimize):
    """A function of a model, X, y and weights: what its fit by lbfgs gives scipy's `minimize`.

    That is the objective, a function of a flat vector of parameters, and where it starts, where the
    model stays.
    """
    given = []

    def take(minimize, objective, start, **arguments):
        given.append((objective, start))
        return OptimizeResult(x=start, fun=np.nan, nit=0, success=True, message="")

    replace_minimize(take)
    return lambda model, X, y, sample_weight=None: model.fit(X, y, sample_weight) and given.pop()


@pytest.fixture
def compiled_programs(monkeypatch):
    """Let trainings run compiled programs, in whichever file the test is."""
    from skdense.core.host import lbfgs, train  # imports TensorFlow
    from skdense.core.machine.compiling import program_of

    for module in (train, lbfgs):
        monkeypatch.setattr(module, "program_of", program_of)


@pytest.fixture
def compiles(compiled_programs):
    """A function that counts the programs compiled since it was last called."""
    from skdense.core.machine.compiling import programs

    threads.wait_for_all()  # a test that was interrupted may have left a program to be made
    counts = [len(programs)]

    def count():
        counts.append(len(programs))
        return counts[-1] - counts[-2]

    return count


@pytest.fixture
def ctrl_c_at_call(replace_programs):
    """Let Ctrl-C come instead of the n-th call of a program of a training.

    The function returns the list of the calls' results.
    """

    def at_call(n):
        results = []

        def interrupted(program):
            def run(*arguments):
                if len(results) == n - 1:
                    raise KeyboardInterrupt
                results.append(program(*arguments))
                return results[-1]

            return run

        replace_programs(interrupted)
        return results

    return at_call


@pytest.fixture
def ctrl_c_during_call(replace_programs):
    """Press Ctrl-C in the n-th call of a program of a training, which does not go on.

    The function returns one that lets the call go on, and waits for its end.
    """
    over = threading.Event()

    def during_call(n):
        n_calls = itertools.count(1)

        def waiting(program):
            def run(*arguments):
                if next(n_calls) == n:
                    press_ctrl_c()
                    over.wait(TIME_LIMIT)
                return program(*arguments)

            return run

        replace_programs(waiting)
        return go_on

    def go_on():
        over.set()
        threads.wait_for_all()

    yield during_call
    go_on()


@pytest.fixture(scope="module", autouse=True)
def _few_programs_are_compiled(request):
    """Let trainings run graphs, unless the file is one of `COMPILED`."""
    with nullcontext() if request.node.nodeid.startswith(COMPILED) else uncompiled_programs():
        yield


@pytest.fixture
def coarse_buckets(monkeypatch):
    """Pad all sizes to a few, so that fits to data of many shapes share compiled programs.

    Other tests show, with the usual sizes, that padding changes no model.
    """

    def coarse(size):
        return next((coarse for coarse in (104, 208) if coarse >= size), padded(size))

    padded, power_of_two = costs.padded, costs.power_of_two
    monkeypatch.setattr(costs, "padded", coarse)
    # Of rows; 1 is a number of blocks.
    monkeypatch.setattr(costs, "power_of_two", lambda n: power_of_two(n if n == 1 else max(n, 1024)))
    monkeypatch.setattr(costs, "MAX_STEPS", 1024)
    monkeypatch.setattr(prepare, "SMALL_BATCH", 0)  # partial_fit on few rows has no other program


@pytest.fixture
def limit_calls(monkeypatch):
    """Let a call of the program have 8 steps at most."""
    from skdense.core.host.train import Orders

    take = Orders.next_chunk
    monkeypatch.setattr(Orders, "next_chunk", lambda self, n: take(self, min(n, 8)))
