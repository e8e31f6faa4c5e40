"""The private names of others that this package uses are those listed here, and no more.

scikit-learn, joblib and TensorFlow may change them in any release, and this package must follow. That
they do what we rely on, the tests of the features show that use them.
"""

import ast
import re
from functools import cache
from pathlib import Path

import joblib

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
