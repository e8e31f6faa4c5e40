"""Fits among processes, threads and signals: what repeats, what is left untouched, and what stops."""

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

from helpers import PACKAGE, TIME_LIMIT, press_ctrl_c, running_python, without_log
from skdense import LowLevelMLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
needs_fork = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="this platform cannot fork"
)
needs_posix_signals = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

X, y = load_iris(return_X_y=True)


def small(**parameters):
    """A small estimator, whose programs other files use, too."""
    defaults = {"batch_size": 25, "max_iter": 10, "random_state": 0}
    return LowLevelMLPClassifier((7, 4), **defaults | parameters)


def weights_of(model):
    return [array.tolist() for array in model.coefs_ + model.intercepts_]


def outcome(model):
    return weights_of(model), model.loss_curve_, model.accuracy_curve_, model.predict_proba(X).tolist()


REPEATED = [{"early_stopping": True}, {"dtype": "float32"}]

A_FIRST_FIT = """
import json, os, sys
from concurrent.futures import ThreadPoolExecutor

before = set(sys.modules)
import skdense, skdense.datasets
imported = sorted(set(sys.modules) - before)

from sklearn.datasets import load_iris
from skdense import LowLevelMLPClassifier

def fit(setting):
    model = LowLevelMLPClassifier((7, 4), batch_size=25, max_iter=50, random_state=0, **setting)
    model.fit(X, y)
    return [model.loss_curve_, [array.tolist() for array in model.coefs_ + model.intercepts_]]

def settings():  # TensorFlow leaves variables of other names
    return {name: value for name, value in os.environ.items() if name.startswith(("TF_", "OMP_"))}

X, y = load_iris(return_X_y=True)
settings_of_fits = json.loads(sys.argv[1]) * 2
before = settings()
with ThreadPoolExecutor(4) as threads:
    in_threads = list(threads.map(fit, settings_of_fits))
after = settings()

print(json.dumps({"imported": imported, "settings": [before, after], "in threads": in_threads}))
"""


@pytest.fixture(scope="module")
def a_first_fit():
    """What a process saw that imports the package and then fits for the first time, in threads.

    Each of the settings `REPEATED` is fitted twice.
    """
    with running_python(A_FIRST_FIT, json.dumps(REPEATED), PYTHONHASHSEED="1") as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, errors
    return json.loads(output) | {"errors": errors}


class TestRepetition:
    def test_an_int_repeats_a_fit_bit_for_bit_in_another_process(self, a_first_fit):
        models = [small(max_iter=50, **setting).fit(X, y) for setting in REPEATED]
        assert a_first_fit["in threads"][:2] == [[m.loss_curve_, weights_of(m)] for m in models]

    @pytest.mark.parametrize("shuffle", [True, False])
    def test_partial_fit_leaves_a_random_state_where_mlpclassifier_does(self, shuffle):
        states = [np.random.RandomState(1), np.random.RandomState(1)]
        for Model, state in zip((LowLevelMLPClassifier, MLPClassifier), states):
            model = Model((7, 4), batch_size=25, random_state=state, shuffle=shuffle)
            for start in (0, 50, 100):
                rows = slice(start, start + 50)
                model.partial_fit(X[rows], y[rows], classes=[0, 1, 2])
            model.fit(X, y)
            model.partial_fit(X, y)
        np.testing.assert_equal(states[0].get_state(), states[1].get_state())


class TestInterruption:
    PROGRAM = """
import signal, sys, threading, warnings
import numpy as np
from skdense import LowLevelMLPClassifier

def endless(widths, X, y, **parameters):
    forever = {"max_iter": 10**9, "tol": 0, "n_iter_no_change": np.inf}
    return LowLevelMLPClassifier(widths, **forever, random_state=0, **parameters).fit(X, y)

for n_samples, n_features, widths in [(200, 2, (2, 2)), (20_000, 20, (64, 64))]:
    random_state = np.random.RandomState(0)
    X = random_state.rand(n_samples, n_features)
    y = random_state.randint(2, size=len(X))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = endless(widths, X, y, verbose=True)
    print("returned")
    for warning in caught:
        print(f"{warning.category.__name__}: {warning.message}")
    assert np.isfinite(model.predict_proba(X)).all()
    assert len(model.loss_curve_) == model.n_iter_ > 0
    assert model.t_ == model.n_iter_ * len(X)
    model.set_params(verbose=False).partial_fit(X, y)
    print("usable", flush=True)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
X, y = X[:200, :2], y[:200]
threading.Thread(target=endless, args=((2, 2), X, y), daemon=True).start()
endless((2, 2), X, y, verbose=True)
"""

    @needs_posix_signals
    def test_a_process_answers_ctrl_c_in_half_a_second_keeps_its_models_and_ends_by_sigterm(self):
        """The last comes during fits of its main thread and of a daemon thread."""

        def wait_for_iteration(number):
            while not process.stdout.readline().startswith(f"Iteration {number},"):
                assert process.poll() is None, process.stderr.read()

        with running_python(self.PROGRAM) as process:
            for _ in ("a small network", "a large one"):
                wait_for_iteration(3)
                process.send_signal(signal.SIGINT)
                start = time.monotonic()
                # The interrupted print may not have ended its line.
                while not (line := process.stdout.readline()).endswith("returned\n"):
                    assert line.startswith("Iteration"), line + process.stderr.read()
                assert time.monotonic() - start < 0.5
                assert process.stdout.readline() == "UserWarning: Training interrupted by user.\n"
                assert process.stdout.readline() == "usable\n"
            wait_for_iteration(9)
            process.terminate()
            assert without_log(process.communicate(timeout=TIME_LIMIT)[1]) == []
            assert process.returncode == 7

    @needs_posix_signals
    @pytest.mark.parametrize("early_stopping", [False, True])
    def test_ctrl_c_at_any_moment_keeps_a_usable_model_or_the_one_that_was(self, early_stopping):
        small(early_stopping=early_stopping).fit(X, y)  # compiles
        for seconds in np.geomspace(1e-4, 0.05, 20):
            model = small(early_stopping=False).fit(X, y)
            before = outcome(model)
            endless = {"max_iter": 10**9, "tol": 0, "n_iter_no_change": np.inf}
            model.set_params(early_stopping=early_stopping, **endless)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    threading.Timer(seconds, press_ctrl_c).start()
                    model.fit(X, y)
                except KeyboardInterrupt:
                    assert outcome(model) == before
                    continue
            assert [str(w.message) for w in caught] == ["Training interrupted by user."]
            assert len(model.loss_curve_) == model.n_iter_
            assert np.isfinite(model.predict_proba(X)).all()


IN_CHILD = """
import json, os, signal
import numpy as np
from skdense import LowLevelMLPClassifier

X, y = np.eye(8), [0, 1] * 4

def in_child(work):
    # What the work returns in a forked child, or its error.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(240)  # ends a child that hangs
        try:
            result = work()
        except RuntimeError as error:
            result = str(error)
        os.write(writer, json.dumps(result).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as result:
        text = result.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(text)

def net(**parameters):
    return LowLevelMLPClassifier((4,), max_iter=3, random_state=0, **parameters)
"""

FORKS = """
import sys, threading
from pathlib import Path

def first_fit():
    os.close(2)
    return net().fit(X, y).loss_

seen = {"first fit": in_child(first_fit)}
assert "tensorflow" not in sys.modules

os.environ["TF_NUM_INTRAOP_THREADS"] = "3"

import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
tf.function(lambda a: a @ a, jit_compile=True)(tf.ones((9, 9)))
seen["fit after the user's import"] = in_child(lambda: net().fit(X, y).loss_)

from joblib import parallel_config
from sklearn.model_selection import cross_val_score

with tf.device("/CPU:1"):
    model = net().fit(X, y)

def names_of_threads():
    for path in Path("/proc/self/task").glob("*/comm"):
        yield path.read_text().strip()

seen |= {
    "threads": [*names_of_threads()],
    "fit here": model.loss_,
    "fit": in_child(lambda: net().fit(X, y).loss_),
    "prediction here": model.predict_proba(X).tolist(),
    "prediction": in_child(lambda: model.predict_proba(X).tolist()),
}
try:
    with parallel_config(backend="multiprocessing", n_jobs=2):
        cross_val_score(model, X, y, cv=2, error_score="raise")
except RuntimeError as error:
    seen["fit by joblib"] = str(error)

def after_the_end():
    threading.main_thread().join()
    rows = np.resize(X, (40_000, 8))
    seen["fits after the end"] = net().fit(X, y).loss_, net(solver="lbfgs").fit(X, y).loss_
    seen["predictions after the end"] = np.unique(model.predict_proba(rows), axis=0).shape
    print(json.dumps(seen))

seen["fits"] = model.loss_, net(solver="lbfgs").fit(X, y).loss_
threading.Thread(target=after_the_end).start()
"""


@pytest.fixture(scope="module")
def forks():
    """What came of fits and predictions in a process and in children that were forked from it.

    The first child has no stderr. Then the user imports TensorFlow, with two devices. What came of it
    is written in a thread that goes on after the main thread has ended.
    """
    with running_python(IN_CHILD + FORKS) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)  # the user's import writes to stderr
    assert process.returncode == 0, errors
    return json.loads(output)


@needs_fork
class TestForked:
    @pytest.mark.parametrize("of", ["fit", "fit after the user's import", "fit by joblib"])
    def test_a_forked_child_says_why_it_cannot_fit_instead_of_hanging(self, forks, of):
        for part in ("forked after TensorFlow was imported", "loky", "spawn"):
            assert part in forks[of]

    def test_a_forked_child_can_predict_and_one_that_was_forked_before_any_fit_can_fit(self, forks):
        """Also where stderr is closed."""
        assert forks["prediction"] == forks["prediction here"]
        assert forks["first fit"] == forks["fit here"]

    def test_after_the_end_of_the_main_thread_another_one_can_fit_and_predict(self, forks):
        assert forks["fits after the end"] == forks["fits"]
        assert forks["predictions after the end"] == [8, 2]

    @pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the names of threads")
    def test_threads_that_the_environment_sets_are_those_of_tensorflow(self, forks):
        assert forks["threads"].count("tf_XLAEigen") == 3


WORKERS = """
import json
import multiprocessing
import warnings
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from skdense import LowLevelMLPClassifier
from skdense.ensemble import CrossFitClassifier

def fit_twice():
    settings = {"batch_size": 25, "max_iter": 10, "random_state": 0}
    models = [LowLevelMLPClassifier((7, 4), **settings) for _ in range(2)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CrossFitClassifier(models[0], cv=2).fit(*load_iris(return_X_y=True))
        losses = [model.fit(*load_iris(return_X_y=True)).loss_curve_ for model in models]
    return losses, [str(w.message) for w in caught if w.category.__name__ == "EfficiencyWarning"]

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        spawned = pool.apply(fit_twice)
    print(json.dumps([spawned, *Parallel(n_jobs=2)([delayed(fit_twice)()])]))
"""


def test_spawned_processes_and_workers_of_joblib_fit_as_this_one_and_the_latter_warn_once(tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(WORKERS)
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert without_log(finished.stderr) == []
    (spawned, none), (of_joblib, messages) = json.loads(finished.stdout)
    assert spawned == of_joblib == [small().fit(X, y).loss_curve_] * 2
    assert none == []
    (message,) = messages
    assert 'parallel_config("threading", n_jobs=-1):' in message


class TestThreads:
    def test_a_fit_leaves_numpys_global_state_where_another_thread_leaves_it(self):
        left = []

        class Draws:
            """A callback; that it draws in the fit's own thread makes no difference."""

            def setup(self, estimator, context):
                pass

            teardown = on_fit_task_begin = setup

            def on_fit_task_end(self, estimator, context):
                if context.task_name == "epoch":
                    np.random.random()  # noqa: NPY002
                    left.append(np.random.get_state())  # noqa: NPY002

        small(random_state=None).set_callbacks(Draws()).fit(X, y)
        np.testing.assert_equal(np.random.get_state(), left[-1])  # noqa: NPY002

    def test_the_first_fits_of_a_process_may_be_in_threads(self, a_first_fit):
        fits = a_first_fit["in threads"]  # the first two equal those of this process
        assert fits[2:] == fits[:2]


class TestLeavingNoTrace:
    def test_importing_the_package_does_not_import_tensorflow(self, a_first_fit):
        assert "skdense" in a_first_fit["imported"]
        assert not [m for m in a_first_fit["imported"] if m.startswith(("tensorflow", "keras"))]

    def test_a_first_fit_leaves_no_setting_in_the_environment(self, a_first_fit):
        before, after = a_first_fit["settings"]
        assert after == before

    def test_a_first_fit_writes_nothing_but_the_first_lines_of_tensorflows_log(self, a_first_fit):
        assert without_log(a_first_fit["errors"]) == []
        assert len(a_first_fit["errors"].splitlines()) < 5

    def test_global_seeds_are_untouched(self):
        import tensorflow as tf

        def draws(fits):
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            tf.random.set_seed(0)
            generator = tf.random.get_global_generator().state.numpy().tolist()
            first = tf.random.uniform([]).numpy()
            if fits:
                small().fit(X, y)
                small(early_stopping=True, random_state=np.random.RandomState(0)).fit(X, y)
            rest = tf.random.uniform([]).numpy(), np.random.rand(), random.random()  # noqa: NPY002
            return generator, first, *rest

        assert draws(fits=True) == draws(fits=False)

    def test_data_that_change_after_a_fit_do_not_change_the_model(self):
        data = X.copy()
        model = small().fit(data, y)
        before = outcome(model)
        data[:] = np.nan
        assert outcome(model) == before
        other = small().fit(X, y)
        assert outcome(other) == before
