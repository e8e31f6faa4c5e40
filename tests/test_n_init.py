"""Several initial draws, of which the best is kept: n_init against trainings one by one.

All networks are of one shape, which other files use, too, so that little is compiled.
"""

import numpy as np
import pytest
from sklearn.base import clone

from helpers import SETTINGS, assert_same_stream, make_problem, train_alone
from skdense import LowLevelMLPClassifier
from skdense.core.network import Curves
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare
from skdense.fit.results import finish

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]

X, Y = make_problem()


def net(**parameters):
    """A small estimator, quick to fit."""
    return LowLevelMLPClassifier(**SETTINGS | parameters)


def job_of(model):
    return prepare(clone(model), FitInput(X, Y))


def trained_one_by_one(model):
    """The networks of the model's initial draws, each trained alone."""
    job = job_of(model)
    for network in job.networks:
        train_alone(job.spec, network)
    return job.networks


@pytest.mark.parametrize("options", [{}, {"max_iter": 40, "tol": 0.01, "n_iter_no_change": 2}])
def test_each_draw_is_trained_as_it_would_be_alone_and_the_best_is_kept(options, limit_calls):
    model = net(n_init=20, **options)
    networks = trained_one_by_one(model)
    losses = [network.curves.loss[-1] for network in networks]

    model.fit(X, Y)

    np.testing.assert_array_equal(model.init_losses_, losses)
    best = networks[int(np.argmin(losses))]
    np.testing.assert_array_equal(model.loss_curve_, best.curves.loss)
    assert model.n_iter_ == best.progress.epochs
    for coef, intercept, (kernel, bias) in zip(model.coefs_, model.intercepts_, best.parameters):
        np.testing.assert_array_equal(coef, kernel)
        np.testing.assert_array_equal(intercept, bias)


def test_every_draw_differs_and_the_first_is_that_of_a_single_one():
    networks = job_of(net(n_init=8)).networks
    (alone,) = job_of(net()).networks

    kernels = [network.parameters[0][0] for network in networks]
    np.testing.assert_array_equal(kernels[0], alone.parameters[0][0])
    assert len({kernel.tobytes() for kernel in kernels}) == 8


def test_each_draw_drops_other_units_and_the_first_those_of_a_single_one():
    single, several = (job_of(net(n_init=n, dropout=0.4)).networks for n in (1, 3))

    assert several[0].dropout_seed == single[0].dropout_seed
    assert len({network.dropout_seed for network in several}) == 3
    assert {network.dropout for network in several} == {(0.4, 0.4)}


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_random_state_ends_where_a_single_draw_leaves_it(early_stopping, limit_calls):
    options = {"max_iter": 40, "tol": 0.01, "n_iter_no_change": 2, "early_stopping": early_stopping}
    streams = np.random.RandomState(0), np.random.RandomState(0)

    several = net(random_state=streams[0], n_init=12, **options).fit(X, Y)
    net(random_state=streams[1], **options).fit(X, Y)

    assert_same_stream(*streams)
    seeded = net(random_state=0, n_init=12, **options).fit(X, Y)
    assert several.init_losses_[0] == seeded.init_losses_[0]


def test_no_draw_from_a_generator_is_that_of_its_next_user():
    """Fits without shuffling, or that are prepared together, draw all they need at first."""
    stream = np.random.RandomState(0)
    networks = [
        network
        for _ in range(3)
        for network in prepare(net(n_init=4, random_state=stream), FitInput(X, Y)).networks
    ]
    again = job_of(net(n_init=4, random_state=np.random.RandomState(0))).networks

    assert len({network.parameters[0][0].tobytes() for network in networks}) == 12
    for network, same in zip(networks, again):
        np.testing.assert_array_equal(network.parameters[0][0], same.parameters[0][0])


def test_with_early_stopping_all_draws_share_the_split_and_the_best_score_is_kept():
    model = net(n_init=12, early_stopping=True, max_iter=12)
    networks = trained_one_by_one(model)
    (alone,) = job_of(net(early_stopping=True)).networks
    scores = [network.progress.best_value for network in networks]

    model.fit(X, Y)

    for network in networks:
        np.testing.assert_array_equal(network.validation.rows, alone.validation.rows)
        np.testing.assert_array_equal(network.data.rows, alone.data.rows)
    assert model.best_validation_score_ == max(scores)
    best = networks[int(np.argmax(scores))]
    np.testing.assert_array_equal(model.validation_scores_, best.curves.validation_score)
    np.testing.assert_array_equal(model.coefs_[0], best.best_parameters[0][0])


def test_lbfgs_keeps_the_best_of_its_draws_too():
    alone = net(solver="lbfgs", max_iter=30).fit(X, Y)

    model = net(solver="lbfgs", max_iter=30, n_init=4).fit(X, Y)

    assert model.init_losses_.shape == (4,)
    assert model.init_losses_[0] == alone.loss_
    assert model.loss_ == model.init_losses_.min() <= alone.loss_
    assert len(set(model.init_losses_)) == 4


def test_partial_fit_has_one_draw_only():
    with pytest.raises(ValueError, match=r"only n_init=1, got n_init=2"):
        net(n_init=2).partial_fit(X, Y, classes=["no", "yes"])


@pytest.mark.parametrize("n_init", [1, 3])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_before_the_first_epoch_leaves_nothing_to_keep(n_init, solver, ctrl_c_at_call):
    ctrl_c_at_call(1)
    model = net(n_init=n_init, solver=solver)

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)

    assert vars(model) == vars(net(n_init=n_init, solver=solver))


def test_a_finite_draw_is_kept_though_others_diverge(monkeypatch):
    def diverge(job, losses):
        for network, loss in zip(job.networks, losses, strict=True):
            network.curves = Curves(*[np.array([loss])] * len(Curves._fields))
            if np.isnan(loss):
                network.parameters = [(kernel * np.nan, bias) for kernel, bias in network.parameters]

    model = net(n_init=3)
    job = prepare(model, FitInput(X, Y))
    diverge(job, [np.nan, np.inf, np.inf])

    finish(job)

    np.testing.assert_array_equal(model.coefs_[0], job.networks[1].parameters[0][0])
