"""scikit-learn's own tests of MLPClassifier and MLPRegressor, run on ours.

The installed test module is imported anew with their names bound to our classes. Its tests of
attributes that are private to MLPClassifier are skipped by name with a reason; nothing else is.
"""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest
import sklearn.neural_network

from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor

pytestmark = pytest.mark.usefixtures("coarse_buckets")

OURS = {"MLPClassifier": LowLevelMLPClassifier, "MLPRegressor": LowLevelMLPRegressor}
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
