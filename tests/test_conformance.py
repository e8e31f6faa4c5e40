"""scikit-learn's own checks of estimators, and its own tests of MLPClassifier and MLPRegressor."""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest
import sklearn.neural_network
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.search import PrunedSearchCV

pytestmark = pytest.mark.usefixtures("coarse_buckets")

SMALL = {"hidden_layer_sizes": (8,), "learning_rate_init": 0.05, "max_iter": 20}
NETWORKS = [LowLevelMLPClassifier(**SMALL), LowLevelMLPRegressor(**SMALL)]


@parametrize_with_checks(NETWORKS)
def test_every_check_of_scikit_learn_passes(estimator, check):
    check(estimator)


# --- the pruned search -------------------------------------------------------------------------------

SETTINGS = {"cv": 2, "error_score": "raise", "rung_epochs": (2,), "random_state": 0, "n_jobs": 1}
OF_NETWORK = PrunedSearchCV(
    LowLevelMLPClassifier(**SMALL | {"max_iter": 6}, random_state=0),
    {"alpha": [1e-4, 1e-2]},
    **SETTINGS,
)


@parametrize_with_checks([OF_NETWORK])
def test_a_pruned_search_passes_every_check(estimator, check):
    check(estimator)


# --- scikit-learn's tests of its networks, of which the module is imported anew with our classes ------

OURS = {"MLPClassifier": LowLevelMLPClassifier, "MLPRegressor": LowLevelMLPRegressor}
# These read what is private to MLPClassifier; all others are run.
SKIPPED = {
    "test_gradient": "calls MLPClassifier's private _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads MLPClassifier's private _optimizer",
    "test_adaptive_learning_rate": "reads MLPClassifier's private _optimizer",
}


@pytest.fixture
def global_random_seed():
    """The seed that scikit-learn's settings of pytest give its tests by default."""
    return 42


def _suite():
    """The test functions of the installed module, by name."""
    path = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    spec = importlib.util.spec_from_file_location("sklearn.neural_network.tests.of_skdense", path)
    module = importlib.util.module_from_spec(spec)
    with mock.patch.multiple(sklearn.neural_network, **OURS):
        spec.loader.exec_module(module)
    return {name: test for name, test in vars(module).items() if name.startswith("test_")}


SUITE = _suite()
for _name, _test in SUITE.items():
    globals()[_name] = pytest.mark.skip(SKIPPED[_name])(_test) if _name in SKIPPED else _test


def test_every_skipped_test_is_one_of_the_suite():
    assert SKIPPED.keys() <= SUITE.keys()
    assert len(SUITE) > 10 * len(SKIPPED)
