"""Compiled programs: made by XLA, called by public names of TensorFlow, equal to plain functions."""

from contextlib import ExitStack
from functools import partial

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris

from skdense import LowLevelMLPClassifier
from skdense.core.host import lbfgs, train
from skdense.core.host.planning import lone_bucket
from skdense.core.machine import tensorflow
from skdense.core.machine.compiling import program_of
from skdense.core.machine.tensorflow import tf, threads_of_joblib, to_tensor
from skdense.core.program.epochs import training_program
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def sums_and_parts():
    """A function of nested arguments and results, and its TensorSpecs."""

    def function(pair, empty, number):
        (a, b), () = pair, empty
        return (a + b, ()), [a @ b * number]

    matrix = tf.TensorSpec([2, 2], tf.float64)
    return function, [(matrix, matrix), (), tf.TensorSpec([], tf.float64)]


def test_a_program_takes_and_returns_flat_tensors_and_is_compiled_once():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.eye(2)

    total, product = program_of(sums_and_parts)(*map(to_tensor, (a, b, np.array(3.0))))

    np.testing.assert_array_equal(total, a + b)
    np.testing.assert_array_equal(product, 3 * a)
    assert program_of(sums_and_parts) is program_of(sums_and_parts)


def only_outside_of_xla():
    return tf.strings.as_string, [tf.TensorSpec([2], tf.float64)]


def test_programs_are_compiled_by_xla():
    program = program_of(only_outside_of_xla)

    with pytest.raises(tf.errors.InvalidArgumentError, match="XLA"):
        program(to_tensor(np.array([1.0, 2.0])))


def called_as_usual(make, *key):
    """What `program_of` gives, by nothing but `tf.function`."""
    function, arguments = make(*key)
    program = tf.function(function, arguments, autograph=False, jit_compile=True)

    def run(*tensors):
        return tf.nest.flatten(program(*tf.nest.pack_sequence_as(arguments, tensors)))

    return run


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_fit_is_that_of_functions_called_as_usual(solver, monkeypatch):
    fit = partial(
        LowLevelMLPClassifier((7, 4), batch_size=25, max_iter=5, solver=solver, random_state=0).fit,
        *load_iris(return_X_y=True),
    )
    ours = [array.copy() for array in fit().coefs_]
    monkeypatch.setattr(tensorflow, "_own_context", None)
    for module in (train, lbfgs):
        monkeypatch.setattr(module, "program_of", called_as_usual)

    for kernel, usual in zip(ours, fit().coefs_, strict=True):
        np.testing.assert_array_equal(kernel, usual)


def checking_numerics():
    """TensorFlow looks for NaN in the results of one thread only, here of this one."""
    tf.debugging.enable_check_numerics()
    stack = ExitStack()
    stack.callback(tf.debugging.disable_check_numerics)
    return stack


@pytest.mark.parametrize(
    "within",
    [checking_numerics, lambda: tf.Graph().as_default(), lambda: tf.device("/GPU:7")],
    ids=["check_numerics", "a graph", "a device"],
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_what_the_callers_thread_has_chosen_does_not_reach_a_fit(within, solver):
    model = LowLevelMLPClassifier((6, 3), batch_size=25, max_iter=5, solver=solver, random_state=0)
    X, y = load_iris(return_X_y=True)
    with within():
        losses = model.fit(X, y).loss_
    assert model.fit(X, y).loss_ == losses


@pytest.mark.parametrize(
    ("early_stopping", "most_operations", "most_kernels"), [(False, 420, 50), (True, 590, 70)]
)
def test_a_program_has_few_operations_and_kernels(early_stopping, most_operations, most_kernels):
    """Tracing takes a quarter of a millisecond for an operation, and XLA 10 ms for a kernel."""
    X, y = load_iris(return_X_y=True)
    model = LowLevelMLPClassifier((64, 32), early_stopping=early_stopping, random_state=0)
    [network], spec = (job := prepare(model, FitInput(X, y))).networks, job.spec
    function, arguments = training_program(spec, lone_bucket(spec, network).shape)
    signature = tf.nest.flatten(arguments)

    def flat(*tensors):
        return function(*tf.nest.pack_sequence_as(arguments, tensors))

    program = tf.function(flat, signature, autograph=False, jit_compile=True)
    graph = program.get_concrete_function().graph.as_graph_def()
    n_operations = len(graph.node) + sum(len(f.node_def) for f in graph.library.function)
    kernels = program.experimental_get_compiler_ir(*signature)(stage="optimized_hlo").count(" fusion(")
    assert n_operations <= most_operations
    assert kernels <= most_kernels


@pytest.mark.parametrize(
    ("environment", "threads"),
    [
        ({}, (joblib.cpu_count(), 0)),
        ({"LOKY_MAX_CPU_COUNT": "1"}, (1, 0)),
        ({"OMP_NUM_THREADS": "3"}, (3, 1)),
        ({"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "2"}, (0, 0)),
    ],
)
def test_training_takes_the_cores_that_joblib_counts_unless_told_otherwise(
    environment, threads, monkeypatch
):
    for name in ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert threads_of_joblib() == threads
