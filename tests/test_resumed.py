"""Training that pauses and resumes equals training that does not, over the whole grid of parameters.

The reference is MLPClassifier or MLPRegressor where they have the setting, else our uninterrupted fit.
Equal means what it means in test_parity.py. By default, all pairs of levels occur, and programs
are not compiled. With SKDENSE_NIGHTLY=1 they are, and all triples of levels occur, of more losses.
"""

from itertools import cycle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor

from helpers import NIGHTLY, assert_close, assert_same_model, covering_rows, numbers_of, one_ulp_away
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.compat import validate_parameters
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

N_EPOCHS = 5
SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.1},
    "momentum": {"solver": "sgd", "momentum": 0.8, "learning_rate_init": 0.05},
    "adam": {"solver": "adam", "learning_rate_init": 0.02},
    "adamw": {"solver": "adamw", "weight_decay": 0.1, "learning_rate_init": 0.02},
}
LOSSES = {
    "binary": (LowLevelMLPClassifier, "log_loss", 2),
    "numbers": (LowLevelMLPRegressor, "squared_error", None),
    "counts": (LowLevelMLPRegressor, "poisson", None),
}
MORE_LOSSES = {
    "binary, squared": (LowLevelMLPClassifier, "squared_error", 2),
    "classes": (LowLevelMLPClassifier, "log_loss", 3),
    "absolute": (LowLevelMLPRegressor, "absolute_error", None),
    "quantile": (LowLevelMLPRegressor, "quantile", None),
    "huber": (LowLevelMLPRegressor, "huber", None),
}
LOSSES |= MORE_LOSSES if NIGHTLY else {}
FACTORS = {
    "activation": tuple(ACTIVATIONS),
    "solver": tuple(SOLVERS),
    "loss": tuple(LOSSES),
    "dtype": ("float32", "float64"),
    "width": (7, 9, 8) if NIGHTLY else (7, 9),  # programs have layers of 8 or 16 units
}
ORACLES = {LowLevelMLPClassifier: MLPClassifier, LowLevelMLPRegressor: MLPRegressor}


if NIGHTLY:
    ROWS = [*covering_rows(FACTORS, 3)]
else:
    _pairs = covering_rows({name: levels for name, levels in FACTORS.items() if name != "activation"})
    ROWS = [{"activation": name} | row for name, row in zip(cycle(ACTIVATIONS), _pairs)]
EARLY_ROWS = ROWS if NIGHTLY else [*{row["activation"]: row for row in ROWS}.values()]
"""With early stopping programs are other ones: by default one for each activation."""
assert {row["activation"] for row in EARLY_ROWS} == ACTIVATIONS.keys()
of_all_pairs, of_all_activations = (
    pytest.mark.parametrize("row", rows, ids=lambda row: " ".join(map(str, row.values())))
    for rows in (ROWS, EARLY_ROWS)
)


class Case:
    """A row of the grid: its data, the network, and the oracle that it is compared with."""

    def __init__(self, activation, solver, dtype, width, loss="binary", **others):
        cls, loss_name, n_classes = LOSSES[loss]
        rng = np.random.default_rng(0)
        self.X = rng.normal(size=(100, 4)).astype(dtype)
        score = self.X[:, 0] - self.X[:, 1] + 0.5 * rng.normal(size=100)
        if n_classes is None:
            self.y, self.classes = rng.poisson(np.exp(score / 2)), None
        else:
            self.y, self.classes = np.digitize(score, [0, 1][: n_classes - 1]), range(n_classes)
        self.settings = {
            "hidden_layer_sizes": (width,), "activation": activation, "batch_size": 30, "alpha": 0.01,
            "random_state": 0, "shuffle": False, "max_iter": N_EPOCHS, "tol": 0,
            "n_iter_no_change": 100, **SOLVERS[solver], **others,
        }  # fmt: skip
        self.settings |= {} if loss_name == "log_loss" else {"loss": loss_name}
        self.network, theirs = cls(**self.settings), ORACLES[cls]
        try:
            self.oracle = theirs(**self.settings)
            validate_parameters(self.oracle)
        except (TypeError, ValueError):  # a parameter, or a value of one, that it does not have
            self.oracle = self.network
        self.floor = 1e-6 if dtype == "float32" else 1e-9
        self.has_reference = self.oracle is not self.network

    def oracles(self, train):
        """The oracle after `train(oracle, X)`, and the same with X one unit in the last place away."""
        return [train(clone(self.oracle), X) for X in (self.X, one_ulp_away(self.X))]

    def fit(self, model, X, **settings):
        return model.set_params(**settings).fit(X, self.y)

    def partial_fits(self, model, X, n_calls=N_EPOCHS):
        for _ in range(n_calls):
            first = (
                {} if self.classes is None or hasattr(model, "coefs_") else {"classes": self.classes}
            )
            model.partial_fit(X, self.y, **first)
        return model

    def assert_same(self, ours, train):
        """Compare a network with the oracle after `train(oracle, X)`."""
        assert_same_model(ours, *self.oracles(train), self.X, self.floor)

    def assert_same_numbers(self, ours, train):
        """The same, but for the attributes that count the epochs of the last call."""
        theirs, nearby = map(numbers_of, self.oracles(train))
        for name, number in numbers_of(ours).items():
            if name in theirs:
                assert_close(number, theirs[name], nearby[name], name, self.floor)


@of_all_pairs
def test_calls_of_partial_fit_are_one_fit(row):
    case = Case(**row)
    ours = case.partial_fits(clone(case.network), case.X)
    case.assert_same_numbers(ours, case.fit)
    if case.has_reference:
        case.assert_same(ours, case.partial_fits)


@of_all_pairs
def test_partial_fit_goes_on_after_a_fit(row):
    case = Case(**row)

    def half_and_half(model, X):
        return case.partial_fits(case.fit(model, X, max_iter=2), X, N_EPOCHS - 2)

    ours = half_and_half(clone(case.network), case.X)
    case.assert_same_numbers(ours, case.fit)
    if case.has_reference:
        case.assert_same(ours, half_and_half)


@of_all_pairs
def test_a_warm_start_is_a_fit_from_the_earlier_parameters(row):
    case = Case(**row, warm_start=True)

    def twice(model, X):
        return case.fit(case.fit(model, X, max_iter=2), X, max_iter=N_EPOCHS - 2)

    def by_hand(model, X):
        first = case.fit(clone(model), X, max_iter=2)
        model.coefs_, model.intercepts_ = first.coefs_, first.intercepts_
        return case.fit(model, X, max_iter=N_EPOCHS - 2)

    ours = twice(clone(case.network), case.X)
    if case.has_reference:
        case.assert_same(ours, twice)
    elif (
        row["solver"] == "sgd"
    ):  # it keeps nothing from step to step, so a new optimizer is the old one
        case.assert_same_numbers(ours, case.fit)
    else:
        theirs = by_hand(clone(case.network), case.X)
        for array, expected in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_):
            np.testing.assert_allclose(
                array, expected, rtol=1e-6 if row["dtype"] == "float32" else 1e-12
            )


def network_after_rungs(case):
    """What a pruned search has as the network of its only candidate in the end."""
    scored = []

    def scoring(model, X, y):
        scored.append(model)
        return 0.0

    everything = np.arange(len(case.X))
    splits, settings = [(everything, everything)], {"rung_epochs": (2, 4), "error_score": "raise"}
    PrunedSearchCV(
        case.network, {"alpha": [0.01]}, cv=splits, scoring=scoring, refit=False, **settings
    ).fit(case.X, case.y)
    return scored[-1]


@of_all_pairs
def test_the_rungs_of_a_search_are_one_fit(row):
    case = Case(**row)
    case.assert_same(network_after_rungs(case), case.fit)


@of_all_activations
def test_the_rungs_of_a_search_with_early_stopping_are_one_fit(row):
    case = Case(**row, early_stopping=True, validation_fraction=0.3)
    case.assert_same(network_after_rungs(case), case.fit)
