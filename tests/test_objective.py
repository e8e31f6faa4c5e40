"""The objective takes losses for continuous targets, with a score that is no mean.

L-BFGS and the classifiers' tests see to its gradient and penalty.
"""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor

from helpers import drawn_parameters, train_alone
from skdense.core.formulas.layers import forward, hidden_and_output
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.network import Data, Network
from skdense.core.numbers import Hyper, Progress, Spec

WIDTHS = (6, 4)
SPEC = Spec("regression", "squared_error", "adam", "float64")


def make_data(n_samples, n_outputs, seed, weighted=False):
    """Targets far from zero, so that sums of their squares would lose digits."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, 5))
    targets = (
        1e4 + np.tanh(X @ rng.normal(size=(5, n_outputs))) + rng.normal(size=(n_samples, n_outputs))
    )
    return Data(X, targets, rng.uniform(0.1, 3, n_samples) if weighted else None)


def make_network(data, validation, seed=0, max_epochs=5):
    random_state = np.random.RandomState(seed)
    layer_sizes = (data.X.shape[1], *WIDTHS, data.targets.shape[1])
    numbers = dict.fromkeys(Hyper._fields, 0.0) | {
        "alpha": 0.1,
        "learning_rate_init": 0.01,
        "schedule": SCHEDULES["constant"].number,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "patience": np.inf,
        "max_epochs": max_epochs,
        "n_samples": len(data.X),
        "batch_size": 25,
        "n_validation": len(validation.X),
    }
    return Network(
        layers=hidden_and_output(WIDTHS, "tanh", data.targets.shape[1]),
        parameters=drawn_parameters(layer_sizes, "tanh", random_state, "float64"),
        hyper=Hyper(**numbers),
        progress=Progress(numbers["learning_rate_init"]),
        data=data,
        validation=validation,
        random_state=random_state,
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_continuous_targets_are_trained_as_by_mlp_regressor_and_scored_by_r2(weighted):
    data, validation = make_data(110, 3, 0, weighted), make_data(60, 3, 1, weighted)
    network = make_network(data, validation)
    theirs = MLPRegressor(
        hidden_layer_sizes=WIDTHS,
        activation="tanh",
        alpha=0.1,
        learning_rate_init=0.01,
        batch_size=25,
        max_iter=5,
        random_state=0,
    )

    train_alone(SPEC, network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(data.X, data.targets, data.weights)

    np.testing.assert_allclose(network.curves.loss, theirs.loss_curve_, rtol=1e-9)
    for (kernel, bias), coef, intercept in zip(
        network.parameters, theirs.coefs_, theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(kernel, coef, rtol=0, atol=1e-9)
        np.testing.assert_allclose(bias, intercept, rtol=0, atol=1e-9)
    predicted = forward(network.layers, network.parameters, validation.X)
    expected = r2_score(validation.targets, predicted, sample_weight=validation.weights)
    np.testing.assert_allclose(network.curves.validation_score[-1], expected, rtol=1e-9)
