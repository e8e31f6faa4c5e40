"""Models go to scikit-learn and back, and to skops: the same predictions and warm starts."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor

from helpers import SETTINGS, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive", "tol": 1, "n_iter_no_change": 2},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "nesterovs_momentum": False},
    "early stopping": {"early_stopping": True},
    "lbfgs": {"solver": "lbfgs"},
}
CASES = [
    *(("binary", solver) for solver in SOLVERS),
    ("three classes", "adam"), ("multilabel", "adam"), ("numbers", "sgd"),
]  # fmt: skip
"""Kinds of problems with a solver, so few that few programs are compiled."""


def pair(kind="binary", solver="adam", **parameters):
    """The same model of ours and of scikit-learn, and its data."""
    parameters |= SOLVERS[solver]
    X, y = make_problem(kind)
    classes = (LowLevelMLPClassifier, MLPClassifier)
    if kind == "numbers":
        classes, y = (LowLevelMLPRegressor, MLPRegressor), X @ [1.0, 2, 3, 4]
    ours, theirs = (cls(**SETTINGS | parameters).fit(X, y) for cls in classes)
    return ours, theirs, X, y


def assert_same(ours, theirs, name=""):
    """Equal, or arrays that are close, however nested."""
    assert isinstance(theirs, type(ours)) or isinstance(ours, type(theirs)), name
    if hasattr(ours, "__dict__"):
        ours, theirs = vars(ours), vars(theirs)
        assert ours.keys() == theirs.keys(), name
        for key in ours:
            assert_same(ours[key], theirs[key], f"{name}.{key}")
    elif isinstance(ours, list):
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other, name)
    elif isinstance(ours, np.random.RandomState):
        pass  # it is made anew by each fit
    elif isinstance(ours, float) or (isinstance(ours, np.ndarray) and ours.dtype.kind == "f"):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9, err_msg=name)
    else:
        np.testing.assert_equal(ours, theirs, err_msg=name)


@pytest.mark.parametrize(("kind", "solver"), CASES)
def test_the_converted_model_is_what_scikit_learn_itself_would_have_fitted(kind, solver):
    """All attributes are, also the private ones: this fails where a new scikit-learn has others."""
    ours, theirs, X, y = pair(kind, solver)

    converted = ours.to_sklearn()

    assert type(converted) is type(theirs)
    for name in ("_optimizer", "_coef_indptr", "_intercept_indptr"):  # fits make the last two anew
        vars(theirs).pop(name, None)
    if not ours.early_stopping:  # the initial ones, which nothing reads
        theirs._best_coefs, theirs._best_intercepts = converted._best_coefs, converted._best_intercepts
    assert_same(converted, theirs)
    np.testing.assert_array_equal(converted.predict(X), ours.predict(X))
    if kind != "numbers":
        np.testing.assert_allclose(converted.predict_proba(X), ours.predict_proba(X), atol=1e-15)
    assert converted.score(X, y) == ours.score(X, y)


@pytest.mark.parametrize("back", [False, True], ids=["there", "and back"])
@pytest.mark.parametrize(
    ("kind", "solver"), [case for case in CASES if case[1] in ("adam", "sgd", "invscaling")]
)
def test_training_goes_on_after_a_conversion_with_a_new_optimizer(kind, solver, back):
    """A warm start makes a new one in any case."""
    ours, theirs, X, y = pair(kind, solver, warm_start=True)
    converted = type(ours).from_sklearn(theirs) if back else ours.to_sklearn()
    del theirs._optimizer
    for model in (converted, theirs):
        model.partial_fit(X, y).partial_fit(X[::2], y[::2])
        model.set_params(max_iter=3).fit(X, y)
    assert converted.n_iter_ == theirs.n_iter_ == 3
    for name in ("loss_curve_", "coefs_", "t_"):
        assert_same(getattr(converted, name), getattr(theirs, name), name)


@pytest.mark.parametrize("solver", SOLVERS)
def test_there_and_back_is_the_same_model(solver):
    ours, _, X, _ = pair(solver=solver)

    again = LowLevelMLPClassifier.from_sklearn(ours.to_sklearn())

    vars(ours).pop("_optimizer_state", None)
    assert vars(again).keys() == vars(ours).keys()
    for name in vars(ours).keys() - {"accuracy_curve_", "validation_loss_curve_"}:
        assert_same(getattr(again, name), getattr(ours, name), name)
    if solver == "early stopping":  # scikit-learn does not record these
        for curve in (again.accuracy_curve_, again.validation_loss_curve_):
            assert len(curve) == ours.n_iter_
            assert np.isnan(curve).all()
    np.testing.assert_array_equal(again.predict_proba(X), ours.predict_proba(X))


def test_a_converted_model_shares_nothing():
    ours, theirs, X, y = pair(random_state=np.random.RandomState(0))
    for model, converted in ((ours, ours.to_sklearn()), (theirs, type(ours).from_sklearn(theirs))):
        before = copy.deepcopy(model)
        converted.partial_fit(X, y)
        assert_same(model.coefs_, before.coefs_)
        assert model.random_state.randint(2**31) == before.random_state.randint(2**31)


def test_parameters_that_scikit_learn_does_not_have_are_left_out():
    ours, _, X, _ = pair()
    ours.set_params(dtype="float32", init="he_uniform", class_weight="balanced", n_init=3)
    np.testing.assert_array_equal(ours.to_sklearn().predict(X), ours.predict(X))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("binary", {"loss": "squared_error"}, "loss='squared_error'"),
        ("binary", {"activation": "gelu"}, "'activation' parameter of MLPClassifier must be"),
        ("numbers", {"loss": "absolute_error"}, "'loss' parameter of MLPRegressor must be"),
        ("numbers", {"loss": "huber"}, "'loss' parameter of MLPRegressor must be"),
    ],
)
def test_what_scikit_learn_cannot_express_is_an_error(kind, changes, message):
    ours, *_ = pair(*next(case for case in CASES if case[0] == kind))
    with pytest.raises(ValueError, match=f"(?s)MLP.* cannot represent this model.*{message}"):
        ours.set_params(**changes).to_sklearn()


def test_a_model_of_the_wrong_kind_is_an_error():
    ours, theirs, _, _ = pair()
    for model in (ours, MLPRegressor(), None):
        with pytest.raises(TypeError, match="must be a fitted MLPClassifier, got"):
            LowLevelMLPClassifier.from_sklearn(model)
    for unfitted in (clone(ours).to_sklearn, lambda: LowLevelMLPClassifier.from_sklearn(clone(theirs))):
        with pytest.raises(ValueError, match="not fitted"):
            unfitted()


@pytest.mark.parametrize(("kind", "solver"), CASES)
def test_skops_has_one_class_to_trust(kind, solver):
    skops = pytest.importorskip("skops.io")
    ours, _, X, y = pair(kind, solver)
    saved = skops.dumps(ours)
    name = f"{type(ours).__module__}.{type(ours).__name__}"
    assert skops.get_untrusted_types(data=saved) == [name]

    loaded = skops.loads(saved, trusted=[name])

    np.testing.assert_array_equal(loaded.predict(X), ours.predict(X))
    if ours.solver != "lbfgs" and not ours.early_stopping:
        assert_same(loaded.partial_fit(X, y).coefs_, ours.partial_fit(X, y).coefs_)
