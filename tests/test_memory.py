"""Large X is trained without copies of it: what a process of its own takes in memory."""

import json
import sys

import pytest

from helpers import run_python

pytest.importorskip("resource", reason="memory is read and limited by calls of Unix")

PROGRAM = '''
import json
import math
import resource
import sys
import tempfile
import warnings

import numpy as np
import scipy.sparse as sp

from skdense import LowLevelMLPClassifier
from skdense.ensemble import CrossFitClassifier

warnings.simplefilter("ignore")


def forbid_large(method):
    def checked(matrix, *args, **kwargs):
        assert math.prod(matrix.shape) < 10**7, "a large sparse matrix is made dense"
        return method(matrix, *args, **kwargs)

    return checked


for format in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia"):
    for kind in (getattr(sp, f"{format}_array"), getattr(sp, f"{format}_matrix")):
        kind.toarray = forbid_large(kind.toarray)
        kind.todense = forbid_large(kind.todense)


def fit_sparse(n_rows, n_features, n_entries):
    """Fit and predict; return the peak of the memory so far."""
    rng = np.random.default_rng(0)
    columns = rng.integers(n_features, size=n_rows * n_entries)
    starts = np.arange(0, n_rows * n_entries + 1, n_entries)
    X = sp.csr_array((rng.normal(size=len(columns)), columns, starts), shape=(n_rows, n_features))
    y = rng.integers(2, size=n_rows)
    LowLevelMLPClassifier((8,), max_iter=1).fit(X, y).predict(X)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fit_folds(n_rows):
    """Fit an ensemble to features of 1 kB a row; return the peak of the memory so far."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal(size=(n_rows, 256), dtype=np.float32)
    network = LowLevelMLPClassifier((2,), batch_size=1000, max_iter=1, early_stopping=True)
    CrossFitClassifier(network, cv=4).fit(X, X[:, 0] > 0)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fit_mapped(n_rows):
    """Fit to a file of zeros, which takes no room on the disk; return its bytes."""
    model = LowLevelMLPClassifier((2,), solver="sgd", batch_size=50_000, max_iter=1, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        np.memmap(f"{folder}/X", np.float32, "w+", shape=(n_rows, 100)).flush()
        X = np.memmap(f"{folder}/X", np.float32, "r", shape=(n_rows, 100))
        model.fit(X, np.arange(n_rows, dtype=np.int8) % 2)
        return X.nbytes


def private_memory():
    with open("/proc/self/status") as status:
        return 1024 * int(next(line for line in status if line.startswith("VmData")).split()[1])


before = fit_sparse(1000, 100, 20)
seen = {"growth": fit_sparse(5000, 50_000, 20) - before}
before = fit_folds(1000)
seen["folds"] = fit_folds(100_000) - before
if sys.platform.startswith("linux"):
    fit_mapped(100_000)  # compiles
    limit = private_memory() + 200_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        seen["mapped"] = fit_mapped(750_000)
    except MemoryError as error:
        seen["mapped"] = str(error)
print(json.dumps(seen))
'''


@pytest.fixture(scope="module")
def seen():
    return json.loads(run_python(PROGRAM))


def test_memory_grows_with_the_non_zeros_not_with_the_features(seen):
    kilobytes = seen["growth"] / (1024 if sys.platform == "darwin" else 1)
    # The dense matrix would take 2 GB; its non-zeros take 1.2 MB, kernel, gradient and slots 16 MB.
    assert kilobytes < 200_000


def test_the_folds_of_an_ensemble_are_rows_of_one_table(seen):
    kilobytes = seen["folds"] / (1024 if sys.platform == "darwin" else 1)
    assert kilobytes < 2 * 100_000  # the features themselves are half of it


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is one of Linux")
def test_a_mapped_file_is_trained_without_a_copy_in_memory(seen):
    assert seen["mapped"] == 300_000_000
