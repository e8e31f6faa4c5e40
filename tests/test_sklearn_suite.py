"""scikit-learn's own tests of MLPClassifier, run on LowLevelMLPClassifier.

The installed test module is imported anew with the name MLPClassifier bound to ours. Its tests of the
regressor, and of attributes that are private to MLPClassifier, are skipped by name with a reason;
nothing else is.
"""

import importlib.util
from pathlib import Path
from unittest import mock

import pytest
import sklearn.neural_network

from skdense import LowLevelMLPClassifier

REGRESSOR = "tests MLPRegressor only"
SKIPPED = {
    "test_gradient": "calls MLPClassifier's private _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads MLPClassifier's private _optimizer",
    "test_adaptive_learning_rate": "reads MLPClassifier's private _optimizer",
    "test_lbfgs_regression": REGRESSOR,
    "test_lbfgs_regression_maxfun": REGRESSOR,
    "test_multioutput_regression": REGRESSOR,
    "test_partial_fit_regression": REGRESSOR,
    "test_nonfinite_params": REGRESSOR,
    "test_shuffle": REGRESSOR,
    "test_mlp_regressor_dtypes_casting": REGRESSOR,
    "test_mlp_loading_from_joblib_partial_fit": REGRESSOR,
    "test_mlp_diverging_loss": REGRESSOR,
    "test_mlp_sample_weight_with_early_stopping": REGRESSOR,
    "test_mlp_vs_poisson_glm_equivalent": REGRESSOR,
    "test_minimum_input_sample_size": REGRESSOR,
}


def _suite():
    """The test functions of the installed module, by name."""
    path = Path(sklearn.neural_network.__file__).parent / "tests" / "test_mlp.py"
    spec = importlib.util.spec_from_file_location("sklearn.neural_network.tests.of_skdense", path)
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(sklearn.neural_network, "MLPClassifier", LowLevelMLPClassifier):
        spec.loader.exec_module(module)
    return {name: test for name, test in vars(module).items() if name.startswith("test_")}


SUITE = _suite()
for _name, _test in SUITE.items():
    globals()[_name] = pytest.mark.skip(SKIPPED[_name])(_test) if _name in SKIPPED else _test


def test_every_skipped_test_is_one_of_the_suite():
    assert SKIPPED.keys() <= SUITE.keys()
    assert len(SUITE) > 2 * len(SKIPPED)
