"""The two networks that the suites compare, data for them, and a script that fits one of them."""

import time
import warnings
from importlib import import_module

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.process import peak_bytes

OURS, THEIRS = "LowLevelMLPClassifier", "MLPClassifier"


def make(name, **parameters):
    """The network of that name, with its defaults but these parameters."""
    module = "skdense" if name.startswith("LowLevel") else "sklearn.neural_network"
    return getattr(import_module(module), name)(random_state=0, **parameters)


def generated(n_samples, n_features, n_classes=2, dtype="float32", seed=0):
    """Standard normal features; classes are equal slices along a random direction."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features), dtype=dtype)
    along = X @ rng.standard_normal(n_features).astype(dtype)
    edges = np.quantile(along, np.arange(1, n_classes) / n_classes)
    return X, np.searchsorted(edges, along)


def clouds(n_samples_per_class=1000):
    """The two Gaussian clouds of the tutorial, in float64."""
    from skdense.datasets import make_two_clouds

    X, y = make_two_clouds(n_samples_per_class, random_state=0)
    return X.astype(np.float64), y


def start_tensorflow():
    """Import TensorFlow as the first fit does; return how long that takes."""
    from skdense.core.machine.tensorflow import tf

    start = time.perf_counter()
    tf.executing_eagerly()
    return time.perf_counter() - start


def script(estimator, data, max_iter=200):
    """Fit and predict once, as a script would; return the bytes of the process.

    `data` is a data set of scikit-learn, of which a quarter is held out, or NxP to generate it.
    """
    make(estimator)
    if estimator == OURS:
        start_tensorflow()
    imported_bytes = peak_bytes()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if data[0].isdigit():
        X, y = generated(*map(int, data.split("x")))
        X_test = X[:1000]
    else:
        X, y = getattr(datasets, f"load_{data}")(return_X_y=True)
        X, X_test, y, _ = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
        scaler = StandardScaler().fit(X)
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    make(estimator, max_iter=max_iter).fit(X, y).predict(X_test)
    return {"peak_bytes": peak_bytes(), "imported_bytes": imported_bytes, "data_bytes": X.nbytes}
