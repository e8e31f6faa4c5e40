"""What several files of tests need: comparisons, and programs in a Python of their own."""

import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import combinations, product
from pathlib import Path
from threading import Timer

import numpy as np

import skdense

PACKAGE = Path(skdense.__file__).parent
TIME_LIMIT = 120
"""The seconds that a program may take; none takes nearly as long."""


def one_ulp_away(X):
    return np.nextafter(X, np.inf, dtype=X.dtype)


def assert_close(name, ours, theirs, nearby, floor=1e-9):
    """To `floor`, or to 100 times what an oracle itself changes from `theirs` to `nearby`."""
    assert np.shape(ours) == np.shape(theirs) == np.shape(nearby), name
    change = np.max(np.abs(np.subtract(theirs, nearby)), initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(floor, 100 * change), err_msg=name)


def pairwise_cover(factors):
    """Rows, chosen greedily, that show every two levels of different factors together."""

    def pairs(row):
        return set(combinations(enumerate(row), 2))

    candidates = {row: pairs(row) for row in product(*factors.values())}
    missing = set.union(*candidates.values())
    while missing:
        row = max(candidates, key=lambda row: len(candidates[row] & missing))
        missing -= candidates[row]
        yield dict(zip(factors, row))


@contextmanager
def running_python(program, *arguments, **environment):
    """A process that runs a program text, killed after `TIME_LIMIT` or when the block ends.

    skdense can be imported there, and no TF_ variable is set.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-u", "-c", program, *map(str, arguments)],
        cwd=PACKAGE.parent,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = Timer(TIME_LIMIT, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def run_python(program, *arguments, **environment):
    """The standard output of a program, which must end well and write no error."""
    with running_python(program, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert errors == ""
    assert process.returncode == 0
    return output
