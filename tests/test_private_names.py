"""The private names of others that this package uses: each is there and does what we rely on.

scikit-learn, joblib and TensorFlow may change them in any release. Where one of these tests fails, this
package must follow. What the private modules of TensorFlow do for us, test_lazy_tensorflow.py tests.
No network of this package is fitted here.
"""

import ast
import inspect
import re
from functools import cache
from numbers import Real
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import ThreadingBackend, get_active_backend
from sklearn.base import BaseEstimator, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.model_selection import GroupKFold, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.utils import _safe_indexing
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight

import skdense

IMPORTED = {
    "sklearn.base._fit_context",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._param_validation.Interval",
    "sklearn.utils._param_validation.Options",
    "sklearn.utils._param_validation.StrOptions",
    "sklearn.utils._safe_indexing",
    "sklearn.utils.validation._check_sample_weight",
}
UNDOCUMENTED = {"joblib.parallel.get_active_backend"}
OF_ESTIMATORS = {
    "_get_routed_params_for_fit",
    "_init_callback_context",
    "_parameter_constraints",
    "_sk_visual_block_",
    "_skl_callbacks",
    "_validate_params",
}
OF_NETWORKS = {
    "_best_coefs", "_best_intercepts", "_label_binarizer", "_no_improvement_count", "_optimizer",
    "_random_state",
}  # fmt: skip
OF_TREES = {"_baseline_prediction", "_predictors"}
OF_TENSORFLOW = {
    "tensorflow._api.v2",
    "tensorflow.python.compat.v2_compat",
    "tensorflow.python.eager.context",
    "tensorflow.python.pywrap_tensorflow",
    "tensorflow.python.tf2",
}
OF_PYTHON = {"_asdict", "_fields", "_getframe", "_replace"}  # documented

OURS = ("self", "cls", "estimator")
"""What the source calls objects of this package."""


def is_private(name):
    return name.isidentifier() and name.startswith("_") and not name.startswith("__")


@cache
def nodes_of_source():
    paths = Path(skdense.__file__).parent.rglob("*.py")
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8")))]


@cache
def imported_from_others():
    imported = set()
    for node in nodes_of_source():
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in imported if not name.startswith("skdense")}


def test_no_other_private_name_is_imported():
    names = imported_from_others()
    documented = {"_thread.start_new_thread"}
    private = {name for name in names if any(map(is_private, name.split(".")))}
    assert private == IMPORTED | documented


def test_of_tensorflow_only_the_package_is_imported():
    assert {name for name in imported_from_others() if name.startswith("tensorflow")} <= {"tensorflow"}


def test_no_other_module_of_tensorflow_is_named_in_a_string():
    values = {node.value for node in nodes_of_source() if isinstance(node, ast.Constant)}
    assert {v for v in values if re.fullmatch(r"tensorflow(\.\w+)+", str(v))} == OF_TENSORFLOW


def test_no_other_undocumented_name_of_joblib_is_imported():
    names = {name for name in imported_from_others() if name.startswith("joblib.")}
    assert {name for name in names if name.split(".")[-1] not in joblib.__all__} == UNDOCUMENTED


def test_no_other_private_attribute_is_used():
    used, ours, nodes = set(), set(), list(nodes_of_source())
    parts = [part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values]
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            ours.add(node.name)
        elif isinstance(node, ast.Attribute):
            is_ours = isinstance(node.ctx, ast.Store) and ast.unparse(node.value) in OURS
            (ours if is_ours else used).add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            ours.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            used.add(node.value)  # as in hasattr
    others = {name for name in used if is_private(name)} - ours
    set_here_too = {"_parameter_constraints", "_sk_visual_block_"}
    in_saved_state = {"_skdense_version"}
    listed = OF_ESTIMATORS | OF_NETWORKS | OF_TREES | OF_PYTHON
    assert others - in_saved_state == listed - set_here_too


def test_the_active_backend_is_that_of_the_configuration_and_in_tasks_a_nested_one():
    backend, n_jobs = get_active_backend()
    assert (backend.nesting_level, n_jobs) == (0, None)
    outer = ThreadingBackend()
    with parallel_config(outer, n_jobs=2):
        assert get_active_backend() == (outer, 2)
        for backend, n_jobs in Parallel()([delayed(get_active_backend)()] * 2):
            assert (backend.nesting_level, n_jobs) == (1, None)


class Estimator(CallbackSupportMixin, BaseEstimator):
    _parameter_constraints = {"number": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, number=0.5):
        self.number = number

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self):
        self.wrapper = inspect.currentframe().f_back.f_code.co_filename
        self.skips = sklearn.get_config()["skip_parameter_validation"]
        self.context = self._init_callback_context(max_subtasks=3)


def test_fit_context_checks_parameters_and_is_defined_where_warnings_expect_it():
    estimator = Estimator()
    estimator.fit()
    assert estimator.skips
    assert estimator.wrapper == sklearn.base.__file__
    with pytest.raises(ValueError, match="'number' parameter of Estimator "):
        Estimator(number=1.0).fit()


def test_validate_params_checks_the_constraints():
    Estimator()._validate_params()
    with pytest.raises(ValueError, match=r"'number' .* Got 2\.0 instead"):
        Estimator(number=2.0)._validate_params()


def test_a_constraint_says_what_it_takes_and_whether_a_value_will_do():
    options = Options(object, {1, 2})
    assert options.options == {1, 2}
    assert options.is_satisfied_by(2)
    names = StrOptions({"a"})
    assert names.is_satisfied_by("a")
    assert not names.is_satisfied_by("b")
    assert str(names) == "a str among {'a'}"


class Silent:
    """A callback that does nothing, and notes what it is told."""

    def setup(self, estimator, context):
        self.max_subtasks = context.max_subtasks

    def teardown(self, estimator, context):
        self.over = True

    def on_fit_task_begin(self, estimator, context, *, X, y, metadata):
        pass

    def on_fit_task_end(self, estimator, context, *, X, y, metadata, fitted_estimator):
        pass


def test_callbacks_are_an_attribute_that_only_a_watched_estimator_has():
    assert not hasattr(Estimator(), "_skl_callbacks")
    callback = Silent()
    watched = Estimator().set_callbacks(callback)
    assert watched._skl_callbacks == [callback]
    watched.fit()
    assert callback.max_subtasks == 3
    assert callback.over
    for name in ("subcontext", "call_on_fit_task_begin", "call_on_fit_task_end"):
        assert hasattr(watched.context, name)


@pytest.mark.parametrize("routing", [False, True])
def test_a_search_sends_parameters_of_fit_to_whoever_takes_them(routing):
    weight, groups = np.ones(4), np.arange(4)
    with sklearn.config_context(enable_metadata_routing=routing):
        network = MLPClassifier()
        if routing:
            network.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = RandomizedSearchCV(network, {}, cv=GroupKFold(2), scoring=None)
        routed = search._get_routed_params_for_fit({"sample_weight": weight, "groups": groups})
    assert routed.estimator.fit == {"sample_weight": weight}
    assert routed.scorer.score == {"sample_weight": weight}
    assert routed.splitter.split == {"groups": groups}


@pytest.mark.parametrize("rows", [np.array([2, 0]), np.array([True, False, True])])
@pytest.mark.parametrize("container", [list, np.array, pd.Series])
def test_safe_indexing_takes_rows_of_any_container(container, rows):
    part = _safe_indexing(container([10, 20, 30]), rows)
    assert type(part) is type(container([1]))
    assert list(part) == list(np.array([10, 20, 30])[rows])


def test_check_sample_weight_keeps_float32_and_refuses_negative_weights():
    X = np.zeros((2, 1))
    assert _check_sample_weight(np.ones(2, np.float32), X, ensure_non_negative=True).dtype == np.float32
    assert _check_sample_weight([1, 2], X, ensure_non_negative=True).dtype == np.float64
    with pytest.raises(ValueError, match="Negative values"):
        _check_sample_weight([1.0, -1.0], X, ensure_non_negative=True)
    with pytest.raises(ValueError, match=r"sample_weight.shape == \(3,\)"):
        _check_sample_weight(np.ones(3), X, ensure_non_negative=True)


def test_an_sgd_optimizer_takes_settings_and_has_velocities():
    parameters = [np.ones((2, 3)), np.ones(3)]
    settings = {"learning_rate_init": 0.3, "momentum": 0.6, "nesterov": False, "power_t": 0.4}
    optimizer = SGDOptimizer(parameters, lr_schedule="adaptive", **settings)
    state = {"learning_rate": 0.3, "lr_schedule": "adaptive"} | settings
    assert {name: vars(optimizer)[name] for name in state} == state
    assert [slot.shape for slot in optimizer.velocities] == [(2, 3), (3,)]


def test_an_adam_optimizer_takes_settings_and_counts_its_steps():
    parameters = [np.ones((2, 3)), np.ones(3)]
    settings = {"learning_rate_init": 0.3, "beta_1": 0.6, "beta_2": 0.7, "epsilon": 1e-3}
    optimizer = AdamOptimizer(parameters, **settings)
    assert {name: vars(optimizer)[name] for name in settings} == settings
    optimizer.update_params(parameters, parameters)
    assert optimizer.t == 1
    assert optimizer.learning_rate == pytest.approx(0.3 * np.sqrt(1 - 0.7) / (1 - 0.6))
    assert [slot.shape for slot in optimizer.ms] == [slot.shape for slot in optimizer.vs]


@pytest.mark.parametrize(("solver", "optimizer"), [("sgd", SGDOptimizer), ("adam", AdamOptimizer)])
def test_a_fitted_network_of_scikit_learn_has_these_attributes(solver, optimizer):
    network = MLPClassifier((2,), solver=solver, random_state=0)
    network.partial_fit(np.eye(4), list("abba"), classes=["a", "b"])
    assert vars(network).keys() >= OF_NETWORKS
    assert type(network._optimizer) is optimizer
    assert network._label_binarizer.y_type_ == "binary"


def test_a_voting_classifier_has_a_visual_block_of_its_models():
    models = [("a", MLPClassifier()), ("b", MLPClassifier())]
    block = VotingClassifier(models)._sk_visual_block_()
    assert block.kind == "parallel"
    assert block.names == ("a", "b")
    assert list(block.estimators) == [model for _, model in models]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_logits_of_boosted_trees_are_a_constant_and_the_sum_of_the_leaves(n_classes):
    X = np.arange(60.0)[:, None]
    trees = HistGradientBoostingClassifier(max_iter=3).fit(X, np.arange(60) % n_classes)
    one_each = [1] if n_classes == 2 else [1] * n_classes
    assert [[1 for _ in iteration] for iteration in trees._predictors] == [one_each] * 3
    logits = trees.decision_function(X).reshape(60, -1)
    sums = np.zeros_like(logits)
    for iteration in trees._predictors:
        for column, tree in enumerate(iteration):
            sums[:, column] += tree.predict(X, np.zeros((0, 8), np.uint32), np.zeros(1, np.uint32), 1)
            tree.nodes["value"] = 0
    constant = trees.decision_function(X).reshape(60, -1)
    np.testing.assert_allclose(constant, np.tile(trees._baseline_prediction, (60, 1)))
    np.testing.assert_allclose(logits, constant + sums)
