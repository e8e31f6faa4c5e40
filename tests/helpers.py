"""What tests share: data, comparisons of models, Ctrl-C, and programs run in a Python of their own."""

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from copy import deepcopy
from itertools import combinations, product
from pathlib import Path
from shutil import which
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from sklearn.base import is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import ThreadpoolController

import skdense
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.core.formulas.layers import hidden_and_output, initial_parameters

# --- data --------------------------------------------------------------------------------------------

OF_NOTEBOOK = {
    "solver": "sgd", "momentum": 0, "learning_rate_init": 0.1, "shuffle": False, "alpha": 0,
    "loss": "squared_error", "init": "uniform", "tol": 0, "n_iter_no_change": np.inf,
}  # fmt: skip
"""The settings of the notebook's classifier, whose wide layers collapse."""

PROBLEMS = ("binary", "three classes", "multilabel")


def make_problem(kind="binary", n_samples=120, seed=0):
    """X `(n_samples, 4)` and noisy labels: binary strings, three classes, or three labels at once."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 4))
    scores = X @ rng.normal(size=(4, 3)) + 0.5 * rng.normal(size=(n_samples, 3))
    if kind == "binary":
        return X, np.where(scores[:, 0] > 0, "yes", "no")
    return X, scores.argmax(axis=1) if kind == "three classes" else (scores > 0).astype(int)


SETTINGS = {
    "hidden_layer_sizes": (7, 4), "batch_size": 25, "learning_rate_init": 0.05, "max_iter": 5,
    "random_state": 0,
}  # fmt: skip
"""What most fits to `make_problem` share, so that their compiled programs are few."""


def one_ulp_away(X):
    return np.nextafter(X, np.inf, dtype=X.dtype)


def covering_rows(factors, size=2, is_allowed=lambda row: True):
    """Rows, chosen greedily, that show the levels of every two factors, or more, in all combinations.

    Only rows that are allowed are used, which must have all of these combinations.
    """
    combinations_in = {
        row: set(combinations(enumerate(row), size)) for row in product(*factors.values())
    }
    missing = set.union(*combinations_in.values())
    allowed = {row: shown for row, shown in combinations_in.items() if is_allowed(row)}
    assert missing == set.union(*allowed.values())
    while missing:
        row = max(allowed, key=lambda row: len(allowed[row] & missing))
        missing -= allowed[row]
        yield dict(zip(factors, row))


def parameters_of_both(largest_rate, **others):
    """A strategy that draws parameters of ours and of scikit-learn's class, few of which compile."""
    return st.fixed_dictionaries(
        {},
        optional={
            "hidden_layer_sizes": st.tuples(st.integers(5, 8), st.integers(3, 4)),
            "learning_rate_init": st.floats(1e-4, largest_rate),
            "alpha": st.floats(0, 2),
            "momentum": st.floats(0, 1),
            "nesterovs_momentum": st.booleans(),
            "learning_rate": st.sampled_from(["constant", "invscaling", "adaptive"]),
            "tol": st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
            "n_iter_no_change": st.one_of(st.integers(1, 12), st.just(np.inf)),
            "max_iter": st.integers(1, 40),
            "batch_size": st.integers(25, 32),
            "validation_fraction": st.floats(0.05, 0.25),
            "shuffle": st.booleans(),
            "random_state": st.integers(0, 2**32 - 1),
            **others,
        },
    )


def drawn_parameters(layer_sizes, activation, random_state, dtype, init="glorot_uniform"):
    """The initial parameters of a network of dense layers."""
    n_features, *widths, n_outputs = layer_sizes
    layers = hidden_and_output(widths, activation, n_outputs)
    return initial_parameters(layers, n_features, init, activation, random_state, dtype)


def hashed(key, counter):
    """The 32 bits that dropout makes of a key and a number, in NumPy."""
    bits = (np.asarray(key, np.uint64) + np.asarray(counter, np.uint64) + 0x9E3779B9) % 2**32
    bits = (bits ^ bits >> 16) * 0x7FEB352D % 2**32
    bits = (bits ^ bits >> 15) * 0x846CA68B % 2**32
    return bits ^ bits >> 16


def is_kept(seed, step, layer, row, unit, rate):
    """Whether dropout keeps a unit, by NumPy."""
    key = hashed(hashed(hashed(seed, 0), step), layer)
    return hashed(hashed(key, row), unit) >= rate * 2**32


# --- programs ----------------------------------------------------------------------------------------

NIGHTLY = bool(os.environ.get("SKDENSE_NIGHTLY"))
"""Whether to compile all programs, and to test more combinations of parameters."""
COMPILES = NIGHTLY or bool(os.environ.get("SKDENSE_COMPILE"))
"""Whether to compile all programs."""

_graphs, _making_graphs = {}, threading.Lock()


def graph_of(make, *key):
    """The program that `make(*key)` describes, as a graph that XLA does not compile."""
    from skdense.core.machine.tensorflow import tf

    with _making_graphs:
        if (make, key) not in _graphs:
            function, arguments = make(*key)
            signature = tf.nest.flatten(arguments)

            @tf.function(input_signature=signature, autograph=False)
            def on_tensors(*tensors):
                return tf.nest.flatten(function(*tf.nest.pack_sequence_as(arguments, tensors)))

            _graphs[make, key] = on_tensors.get_concrete_function()
        return _graphs[make, key]


@contextmanager
def uncompiled_programs():
    """Let trainings run graphs, which are made in a third of the time, unless all programs compile."""
    from skdense.core.host import lbfgs, train  # imports TensorFlow

    modules = () if COMPILES else (train, lbfgs)
    before = [module.program_of for module in modules]
    for module in modules:
        module.program_of = graph_of
    try:
        yield
    finally:
        for module, program_of in zip(modules, before):
            module.program_of = program_of


def train_alone(spec, network, **arguments):
    """Train a network in its own program; return whether Ctrl-C ended it."""
    from skdense.core.host.planning import lone_bucket  # imports TensorFlow
    from skdense.core.host.train import train

    return train([lone_bucket(spec, network)], **arguments)


# --- comparisons -------------------------------------------------------------------------------------


def assert_close(ours, theirs, nearby, name="", floor=1e-9):
    """Equal within the floor, or 100 times what differs in `nearby`, made from X one ulp away.

    Training amplifies rounding: where a last bit of X changes the oracle, it is known no better.
    """
    assert np.shape(ours) == np.shape(theirs) == np.shape(nearby), f"{name} is chaotic"
    change = np.nanmax(np.abs(np.subtract(theirs, nearby)), initial=0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(floor, 100 * change), err_msg=name)


NUMBERS = (
    "loss_", "best_loss_", "best_validation_score_", "loss_curve_", "accuracy_curve_",
    "validation_scores_", "validation_loss_curve_", "init_losses_",
)  # fmt: skip
OURS = {"accuracy_curve_", "validation_loss_curve_", "init_losses_"}
"""What models of scikit-learn do not have."""


def numbers_of(model):
    """What a model consists of and what its training left, each as an array by its name."""
    numbers = {name: getattr(model, name, None) for name in NUMBERS}
    for name in ("coefs_", "intercepts_"):
        assert isinstance(getattr(model, name), list)
        numbers |= {f"{name}[{i}]": array for i, array in enumerate(getattr(model, name))}
    return {name: number for name, number in numbers.items() if number is not None}


def assert_identical(model, other):
    """Two fits are equal bit for bit."""
    ours, theirs = numbers_of(model), numbers_of(other)
    assert ours.keys() == theirs.keys()
    for name, number in ours.items():
        np.testing.assert_array_equal(number, theirs[name], err_msg=name)


def assert_same_stream(random_state, other):
    """Both are in the same place; the draws that show it are made from copies."""
    assert deepcopy(random_state).uniform() == deepcopy(other).uniform()


COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "n_features_in_", "out_activation_")


def assert_same_model(ours, theirs, nearby, X, floor=1e-9):
    """`nearby` is fitted as `theirs`, but to X one unit in the last place away."""
    for name in COUNTS:
        assert getattr(ours, name) == getattr(theirs, name), name
    numbers, expected, changed = (numbers_of(model) for model in (ours, theirs, nearby))
    assert numbers.keys() - OURS == expected.keys() - OURS
    for name, number in expected.items():
        assert_close(numbers[name], number, changed[name], name, floor)
    for coef, same in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_):
        assert coef.dtype == same.dtype
    method = "predict"
    if is_classifier(ours):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        method = "predict_proba"
    assert_close(*(getattr(model, method)(X) for model in (ours, theirs, nearby)), method, floor)


class Parity(NamedTuple):
    """A class of ours, and the one whose models its models are to equal."""

    ours: type
    theirs: type

    def all_three(self, X, **parameters):
        """The three estimators of a comparison, unfitted, and the X of each."""
        estimators = [self.ours(**parameters), self.theirs(**parameters), self.theirs(**parameters)]
        return estimators, [X, X, one_ulp_away(X)]

    def oracles(self, X, y, sample_weight=None, *, random_state=0, **parameters):
        """Theirs fitted to X, and to X one unit in the last place away, each with a RandomState."""
        return [
            self.theirs(random_state=np.random.RandomState(random_state), **parameters).fit(
                its_X, y, sample_weight
            )
            for its_X in (X, one_ulp_away(X))
        ]

    def check(self, X, y, sample_weight=None, *, fitted=None, random_state=0, **parameters):
        """Ours becomes the model that the oracles are, and its RandomState ends in the same place.

        `fitted` are the oracles, if they have been fitted already. Return ours.
        """
        theirs, nearby = fitted or self.oracles(
            X, y, sample_weight, random_state=random_state, **parameters
        )
        ours = self.ours(random_state=np.random.RandomState(random_state), **parameters)
        ours.fit(X, y, sample_weight)
        assert_same_model(ours, theirs, nearby, X)
        assert_same_stream(ours.random_state, theirs.random_state)
        return ours


CLASSIFIERS = Parity(LowLevelMLPClassifier, MLPClassifier)
REGRESSORS = Parity(LowLevelMLPRegressor, MLPRegressor)


def with_parameters_of(theirs):
    """A fitted network of ours with the parameters of one of scikit-learn's; nothing is compiled."""
    ours = (LowLevelMLPClassifier if is_classifier(theirs) else LowLevelMLPRegressor)()
    vars(ours).update(vars(theirs))
    return ours


def blas_threads():
    """How many threads each BLAS library of the process may use now."""
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


def openmp_threads():
    """The numbers of threads that the OpenMP libraries may use in this thread now."""
    return {
        library["num_threads"] for library in ThreadpoolController().select(user_api="openmp").info()
    }


# --- Ctrl-C ------------------------------------------------------------------------------------------


ANSWER_SECONDS = 120
"""How long a test may go on after Ctrl-C; none takes nearly as long."""


def press_ctrl_c(*_):
    """Send SIGINT to the main thread; if that is the caller, KeyboardInterrupt is raised here.

    The test fails if it is not over after `ANSWER_SECONDS`.
    """
    signal.setitimer(signal.ITIMER_REAL, ANSWER_SECONDS)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


# --- programs in a Python of their own ---------------------------------------------------------------

PACKAGE = Path(skdense.__file__).parent
TIME_LIMIT = 300
"""The seconds that a program may take; none takes nearly as long."""


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
    watchdog = threading.Timer(TIME_LIMIT, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def without_log(errors):
    """Lines of stderr; where there is no grep, without those of TensorFlow's log."""
    if which("grep"):
        return errors.splitlines()
    of_log = re.compile(r"WARNING: All log messages before absl|I\d{4} \d\d:\d\d:\d\d")
    return [line for line in errors.splitlines() if not of_log.match(line)]


def run_python(program, *arguments, **environment):
    """The standard output of a program, which must end well and write no error."""
    with running_python(program, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert without_log(errors) == [], errors
    assert process.returncode == 0
    return output
