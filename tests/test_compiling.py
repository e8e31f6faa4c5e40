"""Compiled programs: made by XLA, called by public names of TensorFlow, equal to plain functions."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_iris

from skdense import LowLevelMLPClassifier
from skdense.core.host import lbfgs, run
from skdense.core.machine.compiling import compiled
from skdense.core.machine.runtime import tf


def sums_and_parts():
    """A function of nested arguments and results, and its TensorSpecs."""

    def function(pair, empty, number):
        (a, b), () = pair, empty
        return (a + b, ()), [a @ b * number]

    matrix = tf.TensorSpec([2, 2], tf.float64)
    return function, [(matrix, matrix), (), tf.TensorSpec([], tf.float64)]


def test_a_program_takes_and_returns_flat_tensors():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2)

    total, product = compiled(sums_and_parts)(*map(tf.constant, (a, b, np.float64(3))))

    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(product, 3 * a)


def test_a_key_is_compiled_once():
    assert compiled(sums_and_parts) is compiled(sums_and_parts)


def only_outside_of_xla():
    return tf.strings.as_string, [tf.TensorSpec([2], tf.float64)]


def test_programs_are_compiled_by_xla():
    """It knows no strings."""
    program = compiled(only_outside_of_xla)

    with pytest.raises(tf.errors.InvalidArgumentError, match="XLA"):
        program(tf.constant([1.0, 2.0], tf.float64))


def called_as_usual(make, *key):
    """What `compiled` gives, by nothing but `tf.function`."""
    function, arguments = make(*key)
    program = tf.function(function, arguments, autograph=False, jit_compile=True)

    def run(*tensors):
        return tf.nest.flatten(program(*tf.nest.pack_sequence_as(arguments, tensors)))

    return run


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_fit_is_that_of_functions_called_as_usual(solver, monkeypatch):
    fit = partial(
        LowLevelMLPClassifier((12,), batch_size=50, max_iter=5, solver=solver, random_state=0).fit,
        *load_iris(return_X_y=True),
    )
    ours = [array.copy() for array in fit().coefs_]
    for module in (run, lbfgs):
        monkeypatch.setattr(module, "compiled", called_as_usual)

    for kernel, usual in zip(ours, fit().coefs_, strict=True):
        np.testing.assert_array_equal(kernel, usual)
