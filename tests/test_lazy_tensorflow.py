"""A fit executes only what it needs of TensorFlow, and the user's `tf` is the ordinary one.

Each program runs in a Python of its own, since TensorFlow can be imported but once.
"""

import json
import os
from pathlib import Path

import pytest

from helpers import TIME_LIMIT, running_python
from skdense.core.machine import lazy_import
from skdense.core.machine.tensorflow import tf

FIT = """
import json, os, sys, threading
from concurrent.futures import ThreadPoolExecutor
from sklearn.datasets import load_iris
from skdense import LowLevelMLPClassifier

X, y = load_iris(return_X_y=True)

def fit(**parameters):
    model = LowLevelMLPClassifier((7, 4), batch_size=25, max_iter=5, random_state=0, **parameters)
    model.fit(X, y)
    return [model.loss_curve_, [array.tolist() for array in model.coefs_ + model.intercepts_]]

def executed():
    return "data" in object.__getattribute__(sys.modules["tensorflow"], "__dict__")

"""

USES = (
    FIT
    + """
seen = {"fit": fit(), "executed by a fit": executed()}
seen["modules"] = sorted(name for name in sys.modules if name.startswith(("tensorflow", "keras")))

import matplotlib.pyplot as plt
plt.switch_backend("agg")
plt.plot([1, 2])
seen["executed by a plot"] = executed()

import tensorflow as tf

errors = []
sys.modules["tensorflow._api.v2.lite"] = None
for _ in range(2):
    try:
        tf.data
    except ImportError as error:
        errors.append(str(error))
del sys.modules["tensorflow._api.v2.lite"]
seen["errors"] = errors

at_once = threading.Barrier(8, timeout=120)

def use(number):
    at_once.wait()
    if number % 3 == 0:
        return sum(int(n) for n in tf.data.Dataset.range(4).map(lambda n: 2 * n))
    if number % 3 == 1:
        return tf.io.decode_raw(tf.constant(b"\\x0c"), tf.uint8).numpy().tolist()
    return float(tf.keras.losses.MeanSquaredError()([0.0], [1.0]))

with ThreadPoolExecutor(8) as threads:
    seen["threads"] = list(threads.map(use, range(8)))
seen["executed by its user"] = executed()
seen["names"] = dir(tf)
seen["is the module"] = [tf is sys.modules["tensorflow"], str(type(tf))]

import importlib, pickle, tempfile
import tensorflow.data
import tensorflow.compat.v1 as tf1

seen["data"] = tensorflow.data.Dataset is tf.data.Dataset
seen["compat"] = tf1.placeholder is tf.compat.v1.placeholder
pickled = [tf.data.Dataset, tf.io.decode_raw, tf.data.AUTOTUNE, tf.TensorShape([2, None])]
seen["pickle"] = pickle.loads(pickle.dumps(pickled)) == pickled
network = tf.keras.Sequential([tf.keras.layers.Dense(2, kernel_initializer="ones")])
seen["network"] = network(tf.ones((1, 3))).numpy().tolist()

class Doubles(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None])])
    def __call__(self, a):
        return 2 * a

with tempfile.TemporaryDirectory() as folder:
    tf.saved_model.save(Doubles(), folder)
    doubles = tf.saved_model.load(folder)
    seen["saved"] = doubles(tf.constant([3.0])).numpy().tolist()
ragged = tf.ragged.constant([[1.0], [2.0, 3.0]])
seen["ragged"] = tf.reduce_sum(tf.concat([ragged, ragged], axis=1), axis=1).numpy().tolist()
seen["round"] = hasattr(tf.Tensor, "__round__")
variable = tf.Variable([1.0, 2.0])
with tf.GradientTape() as tape:
    result = tf.norm(variable) ** 2
seen["gradient"] = tape.gradient(result, variable).numpy().round(4).tolist()
seen["reloaded"] = [importlib.reload(module) is module for module in (tf.data, tf)]
seen["fit later"] = fit()
tf.experimental.numpy.experimental_enable_numpy_behavior(dtype_conversion_mode="all")
os.environ["SKDENSE_CACHE_DIR"] = ""  # so that this process itself makes the program
with tf.distribute.MirroredStrategy().scope():
    seen["fit with dropout"] = fit(dropout=0.2)
print(json.dumps(seen))
"""
)

MEANWHILE = (
    FIT
    + """
starts = threading.Event()

class Finder:  # tells when TensorFlow begins to be imported
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("tensorflow.python.framework"):
            starts.set()

sys.meta_path.insert(0, Finder)

def use():
    assert starts.wait(120)
    import tensorflow as tf
    return int(tf.data.Dataset.range(4).reduce(tf.constant(0, tf.int64), tf.add)), dir(tf)

with ThreadPoolExecutor(1) as thread:
    user = thread.submit(use)
    fitted = fit()
    total, names = user.result(120)
print(json.dumps({"fit": fitted, "total": total, "names": names}))
"""
)

SUBMODULES = (
    FIT
    + """
fitted, by_fit = fit(), executed()
from tensorflow.keras import layers
import tensorflow.experimental.numpy as tnp
from tensorflow.data import Dataset
import keras
import tensorflow as tf

same = [
    layers.Dense is tf.keras.layers.Dense is keras.layers.Dense,
    tnp.ndarray is tf.experimental.numpy.ndarray,
    Dataset is tf.data.Dataset,
]
print(json.dumps({"fit": fitted, "executed": by_fit, "same": same}))
"""
)

UNKNOWN = (
    FIT
    + """
import logging
from skdense.core.machine import lazy_import

told, log = [], logging.getLogger("skdense")
log.setLevel(logging.INFO)
log.addHandler(logging.Handler())
log.handlers[-1].emit = lambda record: told.append(record.getMessage())
lazy_import.TESTED = ("1.",)
of_another_version = lazy_import.import_tensorflow()
lazy_import._Names.__init__ = lambda self, root: open(root / "names.py")
of_another_layout = lazy_import.import_tensorflow()
of_another_version.compat.v1.disable_eager_execution()
try:
    fit()
except RuntimeError as error:
    seen = {"error": str(error)}
of_another_version.compat.v1.enable_eager_execution()
seen |= {"fit": fit(), "fit with dropout": fit(dropout=0.2), "told": told, "executed": executed()}

import tensorflow as tf

seen["same"] = [of_another_version is tf, of_another_layout is tf]
print(json.dumps(seen | {"names": dir(tf), "module": str(type(tf))}))
"""
)


def run(program):
    """What a program prints as JSON. TensorFlow may write to its stderr when the user imports it."""
    with running_python(program) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1])


@pytest.fixture(scope="module")
def as_usual():
    """A process in which TensorFlow is imported as usual, since its version or its layout is not known.

    Its eager execution is disabled before, and enabled again.
    """
    return run(UNKNOWN)


@pytest.fixture(scope="module")
def uses():
    """A process whose user uses much of TensorFlow after the first fit."""
    return run(USES)


def test_the_installed_tensorflow_is_one_of_which_a_fit_executes_little():
    """If this fails, let `TESTED` name the installed version, and look which of these tests pass."""
    assert lazy_import.is_tested(tf.__version__)


def test_a_fit_is_equal_bit_for_bit_however_tensorflow_was_imported(as_usual, uses):
    assert uses["fit"] == uses["fit later"] == as_usual["fit"]


def test_a_fit_is_the_same_with_promotion_as_in_numpy_and_within_a_strategy(as_usual, uses):
    assert uses["fit with dropout"] == as_usual["fit with dropout"]


def test_neither_a_fit_nor_a_plot_of_a_list_executes_the_package_or_keras(uses):
    """If this fails, a fit, or the first plot of a loss curve, takes seconds more than needed."""
    assert not uses["executed by a fit"]
    assert not uses["executed by a plot"]
    unused = ("keras", "tensorflow.python.keras", "tensorflow.python.data", "tensorflow._api")
    assert not [name for name in uses["modules"] if name.startswith(unused)]
    assert len(uses["modules"]) < 700


def test_the_users_tensorflow_has_all_its_names_afterwards(as_usual, uses):
    assert uses["executed by its user"]
    assert uses["names"] == as_usual["names"]
    assert uses["is the module"] == [True, as_usual["module"]]


def test_data_keras_functions_and_saved_models_work_afterwards_also_in_eight_threads_at_once(uses):
    assert uses["threads"] == [12, [12], 1.0, 12, [12], 1.0, 12, [12]]
    assert uses["data"]
    assert uses["compat"]
    assert uses["pickle"]
    assert uses["network"] == [[3.0, 3.0]]
    assert uses["saved"] == [6.0]
    assert uses["ragged"] == [2.0, 10.0]
    assert uses["round"]
    assert uses["gradient"] == [2.0, 4.0]
    assert uses["reloaded"] == [True, True]


def test_another_thread_may_import_it_during_the_first_fit(as_usual):
    seen = run(MEANWHILE)
    assert seen["total"] == 6
    assert seen["fit"] == as_usual["fit"]
    assert set(seen["names"]) >= set(as_usual["names"])


def test_public_submodules_can_be_the_first_that_is_imported_after_a_fit(as_usual):
    """`from tensorflow.keras import layers`, say: Python looks for it where the package tells."""
    seen = run(SUBMODULES)
    assert not seen["executed"]
    assert all(seen["same"])
    assert seen["fit"] == as_usual["fit"]


def test_an_error_within_it_is_raised_at_each_use_until_its_cause_is_gone(uses):
    assert len(uses["errors"]) == 2
    assert all("tensorflow._api.v2.lite" in error for error in uses["errors"])
    assert uses["executed by its user"]


def test_without_eager_execution_a_fit_says_what_it_needs(as_usual):
    assert "disable_eager_execution() " in as_usual["error"]


def test_what_is_not_known_is_imported_as_usual(as_usual):
    """Be it another version or another layout. The log says once that the version is not known."""
    [told] = as_usual["told"]
    assert f"TensorFlow {tf.__version__} is not tested" in told
    assert as_usual["executed"]
    assert as_usual["same"] == [True, True]


def test_plugins_are_loaded_before_tensorflow_starts(monkeypatch, tmp_path):
    monkeypatch.delenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", raising=False)
    assert not lazy_import._has_plugins()
    monkeypatch.syspath_prepend(tmp_path)
    Path(tmp_path, "tensorflow-plugins").mkdir()
    assert lazy_import._has_plugins()
    os.rmdir(tmp_path / "tensorflow-plugins")
    monkeypatch.setenv("TF_PLUGGABLE_DEVICE_LIBRARY_PATH", str(tmp_path))
    assert lazy_import._has_plugins()
