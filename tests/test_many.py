"""Many fits at once: fit_many against fits one by one.

Nearly all networks here have 4 features, 3 to 8 units a layer and batches of 25 to 32 of some 100
samples, so that they share a few compiled programs.
"""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from helpers import (
    CLASSIFIERS,
    assert_identical,
    assert_same_model,
    assert_same_stream,
    make_problem,
    numbers_of,
    one_ulp_away,
)
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, fit_many
from skdense.base import is_network

pytestmark = [
    pytest.mark.filterwarnings("ignore:Stochastic Optimizer"),
    pytest.mark.filterwarnings("ignore:lbfgs failed to converge"),
]


X, Y = make_problem()
WEIGHTS = np.random.default_rng(1).uniform(0.1, 3, len(X))
FOLDS = [np.flatnonzero(np.arange(len(X)) % 3 != fold) for fold in range(3)]
ALL = np.arange(len(X))


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(np.abs(X), y)


def of_folds(array, folds=FOLDS):
    return [array[rows] for rows in folds]


def net(hidden=(6,), **parameters):
    """A small estimator, quick to fit."""
    defaults = {"activation": "tanh", "batch_size": 30, "max_iter": 6, "random_state": 0}
    return LowLevelMLPClassifier(hidden, **(defaults | parameters))


def deep(**parameters):
    """An estimator whose programs other files use, too."""
    return net((7, 4), activation="relu", **parameters)


def assert_same_fit(model, alone, nearby=None):
    """To 1e-9, or to 100 times what differs in `nearby`, fitted alone to X one ulp away."""
    assert vars(model).keys() == vars(alone).keys()
    assert_same_model(model, alone, nearby or alone, X[:, : alone.n_features_in_])


# --- many fits are the fits one by one ---------------------------------------------------------------

# Depth, solver, batches and early stopping choose the program: these few are drawn, the rest is free.
STRUCTURES = [
    {"widest": (16,), "solver": "adam"},
    {"widest": (8,), "solver": "adam", "early_stopping": True, "batch_size": "auto"},
    {"widest": (8, 8), "solver": "sgd"},
    {"widest": (8,), "solver": "lbfgs"},
    {"widest": (8, 8), "solver": "adamw", "learning_rate": "cosine"},
]


@st.composite
def estimators(draw):
    structure = {"early_stopping": False, "batch_size": draw(st.integers(25, 32))}
    structure |= draw(st.sampled_from(STRUCTURES))
    widths = [draw(st.integers(3, widest)) for widest in structure.pop("widest")]
    if structure["solver"] == "adamw":
        structure |= {"dropout": draw(st.floats(0.1, 0.6)), "warmup_epochs": draw(st.floats(0, 3))}
        structure |= {"weight_decay": draw(st.floats(0, 1)), "max_grad_norm": draw(st.floats(0.2, 2))}
    else:
        structure["learning_rate"] = draw(st.sampled_from(["constant", "invscaling", "adaptive"]))
    return LowLevelMLPClassifier(
        tuple(widths),
        activation="tanh",
        alpha=draw(st.floats(1e-6, 1)),
        learning_rate_init=draw(st.floats(1e-4, 0.1)),
        power_t=draw(st.floats(0.2, 0.8)),
        max_iter=draw(st.integers(1, 15)),
        shuffle=draw(st.booleans()),
        random_state=draw(st.integers(0, 3)),
        tol=draw(st.sampled_from([0, 1e-4, 1e-2])),
        momentum=draw(st.floats(0, 0.95)),
        nesterovs_momentum=draw(st.booleans()),
        validation_fraction=draw(st.floats(0.11, 0.13)),  # 9 to 16 rows, of one size in programs
        beta_1=draw(st.floats(0.5, 0.95)),
        beta_2=draw(st.floats(0.9, 0.9999)),
        epsilon=draw(st.floats(1e-9, 1e-3)),
        n_iter_no_change=draw(st.integers(1, 5)),
        class_weight=draw(st.sampled_from([None, "balanced", {"yes": 0.5, "no": 3.0}])),
        **structure,
    )


@settings(max_examples=5)
@given(
    st.lists(st.tuples(estimators(), st.sampled_from([ALL, *FOLDS])), min_size=5, max_size=10),
    st.booleans(),
)
def test_estimators_of_any_mixture_end_as_if_fitted_alone_in_any_number_of_threads(mixture, weighted):
    weights = WEIGHTS if weighted else None
    models, rows = (list(part) for part in zip(*mixture))
    alone, nearby = [clone(model) for model in models], [clone(model) for model in models]
    for fits, its_X in ((alone, X), (nearby, one_ulp_away(X))):
        for model, its_rows in zip(fits, rows, strict=True):
            model.fit(its_X[its_rows], Y[its_rows], weights[its_rows] if weighted else None)

    its_weights = of_folds(weights, rows) if weighted else None
    data = of_folds(X, rows), of_folds(Y, rows), its_weights
    by_one_thread = fit_many([clone(model) for model in models], *data, n_jobs=1)
    assert fit_many(models, *data, n_jobs=2) == models

    for fits in zip(models, alone, nearby, strict=True):
        assert_same_fit(*fits)
    for model, same in zip(models, by_one_thread, strict=True):
        assert_identical(model, same)


def test_networks_of_different_numbers_of_features_share_a_program(compiles):
    models = [net((5,)), net((4,), random_state=1)]

    fit_many(models, [X, X[:, :2]], [Y, Y])

    assert compiles() <= 1
    assert_same_fit(models[0], net((5,)).fit(X, Y))
    assert_same_fit(models[1], net((4,), random_state=1).fit(X[:, :2], Y))


def test_weighted_fits_beside_unweighted_ones_have_their_own_share_of_the_penalty():
    models, weights = [net(alpha=30.0) for _ in range(3)], [WEIGHTS, None, 0.1 * WEIGHTS]
    settings = {"activation": "tanh", "alpha": 30.0, "batch_size": 30, "max_iter": 6}

    fit_many(models, [X] * 3, [Y] * 3, weights)

    for model, its_weights in zip(models, weights, strict=True):
        oracles = CLASSIFIERS.oracles(X, Y, its_weights, hidden_layer_sizes=(6,), **settings)
        assert_same_model(model, *oracles, X)
    first, second, third = (model.loss_ for model in models)
    assert min(abs(first - second), abs(second - third), abs(third - first)) > 0.1


def test_every_estimator_knows_the_names_of_a_data_frames_columns():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    models = [net(), net((4,)), net(solver="lbfgs"), net((9,))]

    fit_many(models, frame, Y)

    for model in models:
        assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
        model.predict(frame)
        with pytest.raises(ValueError, match="feature names"):
            model.predict(frame[["b", "a", "c", "d"]])
    np.testing.assert_allclose(models[0].coefs_[0], net().fit(frame, Y).coefs_[0], rtol=0, atol=1e-9)


def test_a_second_fit_forgets_the_names_of_the_first():
    names = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    first, second = net(), net((4,)).fit(names, Y)

    fit_many([first, second], X, Y)

    assert vars(second).keys() == vars(first).keys()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second.predict(X)


@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_an_x_that_is_a_list_of_vectors_is_one_x():
    few = slice(2)  # as many rows as networks
    for rows in (slice(None), few):
        models = fit_many([net(), net((4,))], [*X[rows]], Y[rows])
        for model in models:
            assert_identical(model, clone(model).fit(X[rows], Y[rows]))


def test_data_of_each_network_may_be_in_a_tuple():
    Xs, ys, weights = (X[:60], X[60:]), (Y[:60], Y[60:]), (None, WEIGHTS[60:])
    for i, model in enumerate(fit_many([net(), net()], Xs, ys, weights)):
        assert_identical(model, clone(model).fit(Xs[i], ys[i], weights[i]))


def test_classifiers_and_regressors_of_all_kinds_of_data_are_fitted_in_one_call():
    def quantile(width, quantile):
        settings = {"batch_size": 30, "max_iter": 6, "random_state": 1}
        return LowLevelMLPRegressor("quantile", (width,), quantile=quantile, **settings)

    three, many_labels = np.digitize(X[:, 0], [-0.5, 0.5]), (X[:, :3] > 0).astype(int)
    sparse = csr_array(np.where(np.abs(X) > 0.5, X, 0))
    lbfgs = LowLevelMLPRegressor(hidden_layer_sizes=(7, 4), solver="lbfgs", max_iter=6, random_state=2)
    kinds = [
        (deep(), X, Y), (deep(), X, three), (deep(), X, many_labels), (deep(dtype="float32"), X, Y),
        (net(), sparse, Y), (net(n_init=3), X, Y), (net(solver="lbfgs", n_init=2), X, Y),
        (quantile(6, 0.2), X, X[:, 0] ** 2), (quantile(4, 0.9), X, X[:, 1]), (lbfgs, X, X[:, 2]),
    ]  # fmt: skip
    models, Xs, ys = (list(part) for part in zip(*kinds))
    alone = [clone(model).fit(its_X, y) for model, its_X, y in kinds]

    fit_many(models, Xs, ys)

    for fits in zip(models, alone, strict=True):
        assert_same_fit(*fits)
    assert models[3].coefs_[0].dtype == "float32"


def test_warm_starts_go_on_together():
    models, alone = ([net(random_state=k, warm_start=True) for k in range(3)] for _ in range(2))

    for _ in range(2):
        fit_many(models, X, Y)
        for model in alone:
            model.fit(X, Y)

    for model, same in zip(models, alone, strict=True):
        assert len(model.loss_curve_) == 12
        assert_same_fit(model, same)


def test_verbose_estimators_print_what_they_print_alone(capsys):
    quiet, loud = net(), net(verbose=True)
    net(verbose=True).fit(X, Y)
    expected = capsys.readouterr().out

    fit_many([quiet, loud], X, Y)

    assert expected
    assert capsys.readouterr().out == expected
    assert_same_fit(loud, quiet)


def test_callbacks_see_what_they_see_of_a_lone_fit():
    def monitored():
        monitor = ScoringMonitor(scoring="accuracy")
        return net().set_callbacks(monitor), monitor

    (alone, expected), (watched, monitor) = monitored(), monitored()
    alone.fit(X, Y)

    fit_many([net((4,)), watched], X, Y)

    scores, expected_scores = (
        [row["accuracy"] for row in m.get_logs(select="most_recent").data] for m in (monitor, expected)
    )
    assert len(scores) >= 6
    assert scores == expected_scores
    assert_same_fit(watched, alone)


@pytest.mark.parametrize("methods", [("predict_proba", "predict"), ("predict", "predict_proba")])
def test_a_method_that_a_regressor_lacks_hides_none_that_is_overridden(methods):
    class Doubled(LowLevelMLPRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    assert is_network(LowLevelMLPRegressor(), *methods)
    assert not is_network(Doubled(), *methods)


# --- random states ----------------------------------------------------------------------------------


def test_a_random_state_of_ones_own_ends_where_the_lone_fit_leaves_it():
    ours, theirs = ([*map(np.random.RandomState, (0, 1, 2, np.random.PCG64(0)))] for _ in range(2))
    options = [{}, {"max_iter": 20, "n_iter_no_change": 1, "tol": 0.05}, {"early_stopping": True}, {}]
    models = [net(random_state=r, **option) for r, option in zip(ours, options)]

    fit_many([*models, net(random_state=5)], X, Y)

    for model, stream, option in zip(models, theirs, options):
        assert_same_fit(model, net(random_state=stream, **option).fit(X, Y))
    for random_state, stream in zip(ours, theirs):
        assert_same_stream(random_state, stream)


def test_estimators_that_share_a_random_state_have_distinct_parameters_and_orders():
    """They begin with the same parameters on a warm start, and only their orders differ."""
    plain = {"activation": "identity", "solver": "sgd", "momentum": 0, "warm_start": True}
    shared = np.random.RandomState(0)
    models = fit_many([net(random_state=shared, **plain) for _ in range(3)], X, Y)
    assert len({model.coefs_[0].tobytes() for model in models}) == 3

    for model in models:
        model.coefs_ = [coef.copy() for coef in models[0].coefs_]
        model.intercepts_ = [intercept.copy() for intercept in models[0].intercepts_]
    fit_many(models, X, Y)

    assert len({model.coefs_[0].tobytes() for model in models}) == 3


@pytest.mark.parametrize("n_init", [1, 3])
def test_random_states_end_at_the_same_place_whatever_the_number_of_threads(n_init):
    def streams(n_jobs):
        shared, own = np.random.RandomState(0), np.random.RandomState(1)
        models = [net(n_init=n_init, random_state=r) for r in (shared, own, shared)]
        fit_many(models, X, Y, n_jobs=n_jobs)
        return shared, own, models

    *here, models = streams(None)
    *there, others = streams(2)

    for ours, theirs in zip(here, there, strict=True):
        assert_same_stream(ours, theirs)
    for model, other in zip(models, others, strict=True):
        assert_same_fit(model, other)


@pytest.mark.parametrize("shared", [True, False])
def test_estimators_that_share_a_random_state_or_numpys_repeat(shared):
    fits, streams = [], []
    for _ in range(2):
        np.random.seed(3)  # noqa: NPY002
        streams.append(np.random.RandomState(0))
        random_state = streams[-1] if shared else None
        fits.append(fit_many([net(random_state=random_state) for _ in range(3)], X, Y))

    for model, same in zip(*fits, strict=True):
        assert_same_fit(model, same)
    assert_same_stream(*streams)


# --- what goes wrong --------------------------------------------------------------------------------

DIVERGING = {"solver": "sgd", "learning_rate_init": 1e200, "activation": "identity"}


def test_an_estimator_that_diverges_stays_as_it_was_and_raises_once_all_others_are_fitted():
    others = [net(**DIVERGING | {"learning_rate_init": rate}) for rate in (0.01, 0.1)]
    others.append(net(solver="lbfgs"))
    diverging = net().fit(X[:, :3], Y).set_params(**DIVERGING)
    before = dict(vars(diverging))

    with pytest.raises(ValueError, match="non-finite parameter weights") as raised:
        fit_many([diverging, *others], X, Y)

    for model in others:
        assert_same_fit(model, clone(model).fit(X, Y))
    assert vars(diverging) == before
    assert raised.value.__notes__ == ["It was raised for network 1 of 4."]


def test_each_fit_has_its_error_and_its_warning():
    models = [net(**DIVERGING), net(max_iter=2), net(tol=1e6, n_iter_no_change=1)]
    models += [net(solver="lbfgs", max_iter=1), net(batch_size=500, tol=1e6, n_iter_no_change=1)]
    with pytest.warns(ConvergenceWarning) as caught, pytest.raises(ValueError, match="non-finite"):
        fit_many(models, X, Y)

    categories = [warning.category for warning in caught]
    assert categories.count(ConvergenceWarning) == 2
    assert categories.count(UserWarning) == 1  # the batch size
    assert {warning.filename for warning in caught} == {__file__}
    assert [hasattr(model, "coefs_") for model in models] == [False, True, True, True, True]


def test_fits_do_not_touch_the_filters_of_warnings_which_belong_to_all_threads(monkeypatch):
    """scikit-learn's checks do: where they run at the same time, its filters may stay."""
    before, callers = (list(warnings.filters), warnings.showwarning), set()

    class Noted(warnings.catch_warnings):
        def __enter__(self):
            callers.add(sys._getframe(1).f_globals["__name__"].partition(".")[0])
            return super().__enter__()

    monkeypatch.setattr(warnings, "catch_warnings", Noted)
    fit_many([net(max_iter=500, tol=0.1), net(solver="lbfgs", max_iter=500)], X, Y)

    assert "skdense" not in callers
    assert "sklearn" in callers
    assert (list(warnings.filters), warnings.showwarning) == before


def test_an_error_of_the_training_leaves_every_estimator_as_it_was(replace_programs):
    def out_of_memory(*tensors):
        raise MemoryError

    fitted = net().fit(X, Y)
    models = [fitted, net(), net(solver="lbfgs")]
    before = [dict(vars(model)) for model in models]
    replace_programs(lambda program: out_of_memory)

    with pytest.raises(MemoryError):
        fit_many(models, X, np.where(Y == "yes", "other", Y))

    assert [vars(model) for model in models] == before


@pytest.mark.parametrize(
    ("models", "arguments", "error", "message"),
    [
        ([], {}, ValueError, "at least one LowLevelMLPClassifier"),
        (net(), {}, TypeError, "networks must be a list, got LowLevelMLPClassifier"),
        ([net(), net()], {"n_jobs": 1.5}, TypeError, "n_jobs must be an instance of int, not float"),
        ([net(), net()], {"sample_weight": [WEIGHTS, None]}, ValueError, "pass X and y as lists of 2"),
        ([net(), OwnFit()], {}, TypeError, "OwnFit overrides fit"),
        ([net(), LogisticRegression()], {}, TypeError, "got LogisticRegression"),
        ([make_pipeline(net())], {}, TypeError, r"Pipeline.*joblib.parallel_config\(.threading"),
        ([net(), LowLevelMLPClassifier], {}, TypeError, "LowLevelMLPRegressor instances"),
        ([net()] * 2, {}, ValueError, "distinct objects"),
        ([net(), net()], {"X": [X], "y": [Y]}, ValueError, "X .* 2 networks, got 1"),
        ([net(), net()], {"X": [X, X], "y": Y}, ValueError, "y .* 2 networks, got 120"),
        ([net(), net()], {"X": [X, X], "y": None}, ValueError, "the target y is None"),
        (
            [net(), net()],
            {"X": [X, X], "y": [Y, Y], "sample_weight": WEIGHTS},
            ValueError,
            "sample_weight .* 2 networks, got 120",
        ),
        ([net(), net((0,))], {}, ValueError, "hidden_layer_sizes must be > 0"),
        ([net(), net(activation="cube")], {}, ValueError, "'activation' parameter"),
        ([net(), net()], {"X": np.where(X > 2, np.nan, X)}, ValueError, "contains NaN"),
        ([net(), net()], {"y": Y[:-1]}, ValueError, "inconsistent numbers of samples"),
        ([net(), net()], {"sample_weight": -WEIGHTS}, ValueError, "sample_weight"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_told(models, arguments, error, message):
    with pytest.raises(error, match=message):
        fit_many(models, **({"X": X, "y": Y} | arguments))
    assert not any(hasattr(m, "coefs_") for m in (models if isinstance(models, list) else [models]))


def test_parameters_are_checked_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr("skdense.fit.fitting.train", lambda *_: pytest.fail("something was trained"))
    for bad in ({"alpha": -1}, {"dropout": 0.5}):
        with pytest.raises(ValueError, match="|".join(bad)):
            fit_many([net(), net(solver="lbfgs", **bad)], X, Y)


@pytest.fixture
def interrupted_minimize(replace_minimize):
    """Let Ctrl-C end scipy's first minimization after its first iteration; the number of them begun."""
    begun = []

    def interrupted(minimize, *arguments, callback, **named):
        def interrupt(intermediate_result):
            callback(intermediate_result=intermediate_result)
            raise KeyboardInterrupt

        begun.append(arguments)
        return minimize(*arguments, callback=interrupt if len(begun) == 1 else callback, **named)

    replace_minimize(interrupted)
    return begun


def test_ctrl_c_during_lbfgs_ends_all_its_draws_and_keeps_the_first(interrupted_minimize):
    model = net(solver="lbfgs", n_init=3)

    with pytest.warns(UserWarning, match="interrupted by user"):
        model.fit(X, Y)

    assert len(interrupted_minimize) == 1
    assert model.n_iter_ == 1
    assert np.isfinite(model.init_losses_).tolist() == [True, False, False]


def test_ctrl_c_during_a_fit_that_trains_alone_ends_all_fits_too(interrupted_minimize):
    models = [net(), net(solver="lbfgs"), net(solver="lbfgs")]

    with pytest.raises(KeyboardInterrupt):
        fit_many(models, X, Y)

    assert not any(hasattr(model, "coefs_") for model in models)


CALLS = {
    "a fit": lambda: net((8,)).fit(X, Y),
    "a narrow one": lambda: net((3,)).fit(X, Y),
    "a wide one": lambda: net((16,)).fit(X, Y),
    "one on few rows": lambda: net((8,)).fit(X[:40, :3], Y[:40]),
    "two calls of partial_fit": lambda: (
        net((8,)).partial_fit(X, Y, classes=["no", "yes"]).partial_fit(X, Y)
    ),
    "one by lbfgs": lambda: net((8,), solver="lbfgs").fit(X, Y),
    "several draws": lambda: net((8,), n_init=3).fit(X, Y),
    "several widths": lambda: fit_many([net((3,)), net((16,))], X, Y)[0],
    "the folds": lambda: fit_many([net((8,)) for _ in FOLDS], of_folds(X), of_folds(Y))[0],
}


@settings(max_examples=8)
@given(st.lists(st.sampled_from([*CALLS]), min_size=4, max_size=9))
def test_the_same_call_gives_the_same_bits_whatever_ran_before(calls):
    for name in calls:
        outcome = numbers_of(CALLS[name]())
        np.testing.assert_equal(outcome, FIRST.setdefault(name, outcome), err_msg=name)


FIRST = {}
"""What each call gave first."""
