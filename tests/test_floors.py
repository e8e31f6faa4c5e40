"""What the source imports: its floors, and the private names of others.

The folders are the architecture: each floor imports only from those below it. scikit-learn, joblib and
TensorFlow may change private names in any release, and this package must follow. That they do what we
rely on, the tests of the features show that use them.
"""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import joblib
import pytest

import skdense

FLOORS = [
    ["skdense", "skdense.__main__"],
    ["skdense.tabular"],
    ["skdense.ensemble"],
    ["skdense.search"],
    ["skdense.inspection"],
    ["skdense.final_step"],
    ["skdense.many"],
    ["skdense.classifier", "skdense.regressor"],
    ["skdense.base"],
    ["skdense.conversion"],
    ["skdense.fit"],
    ["skdense.core.host"],
    ["skdense.core.program"],
    ["skdense.core.network"],
    ["skdense.core.formulas"],
    ["skdense.core.machine"],
    ["skdense.core.numbers"],
    ["skdense.core", "skdense.datasets", "skdense.exceptions", "skdense.version"],
]
"""The rooms, from the roof to the ground: folders and single modules."""
HEIGHT = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}

ROOT = Path(skdense.__file__).parent
TREES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
        path.read_text("utf-8")
    )
    for path in ROOT.rglob("*.py")
}
"""The syntax trees of all modules."""


def is_for_types(node):
    """Whether a statement is for type checkers alone."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imported_by(module):
    """The modules, or names in modules, that a module imports, lazily or not."""
    names, nodes = set(), [TREES[module]]
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        if not is_for_types(node):
            nodes.extend(ast.iter_child_nodes(node))
    return names


def strings_in(module):
    return {str(n.value) for n in ast.walk(TREES[module]) if isinstance(n, ast.Constant)}


IMPORTS = {
    module: {name if name in TREES else name.rpartition(".")[0] for name in imported_by(module)}
    for module in TREES
}
"""The modules that each module of skdense imports."""
FROM_OTHERS = {
    name for module in TREES for name in imported_by(module) if not name.startswith("skdense")
}


# --- floors ------------------------------------------------------------------------------------------


def room_of(module):
    """The longest name in FLOORS that the module is, or is in; the package itself has no modules."""
    rooms = [room for room in HEIGHT if room != "skdense" and f"{module}.".startswith(f"{room}.")]
    return max(rooms, key=len, default=module)


@pytest.mark.parametrize("module", IMPORTS)
def test_every_module_has_a_room_and_imports_only_from_below(module):
    room = room_of(module)
    assert room in HEIGHT
    above = [
        name
        for name in IMPORTS[module] & TREES.keys()
        if room_of(name) != room and HEIGHT[room_of(name)] >= HEIGHT[room]
    ]
    assert not above


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter({m: IMPORTS[m] & TREES.keys() for m in TREES}).prepare()  # raises CycleError


@pytest.mark.parametrize("folder", [path.parent for path in ROOT.rglob("__init__.py")], ids=str)
def test_every_folder_says_what_it_is(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))


def test_tensorflow_is_imported_behind_one_door():
    users = {
        module.removeprefix("skdense.")
        for module in TREES
        for name in imported_by(module) | strings_in(module)
        if name.split(".")[0] == "tensorflow"
    }
    looks_for_it = {"__main__", "core.machine.threads", "core.machine.tensorflow"}
    by_name = {"core.machine.compiling"}  # a private module, by `import_submodule`
    assert users - looks_for_it == by_name | {"core.machine.lazy_import"}


# --- private names -----------------------------------------------------------------------------------

IMPORTED = {
    "sklearn.base._fit_context",
    "sklearn.model_selection._search._yield_masked_array_for_each_param",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils._param_validation.Interval",
    "sklearn.utils._param_validation.Options",
    "sklearn.utils._param_validation.StrOptions",
    "sklearn.utils._safe_indexing",
    "sklearn.utils.validation._check_method_params",
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


def is_private(name):
    return name.isidentifier() and name.startswith("_") and not name.startswith("__")


def test_no_other_private_name_is_imported():
    documented = {"_thread.start_new_thread"}
    private = {name for name in FROM_OTHERS if any(map(is_private, name.split(".")))}
    assert private == IMPORTED | documented
    of_joblib = {name for name in FROM_OTHERS if name.startswith("joblib.")}
    assert {name for name in of_joblib if name.split(".")[-1] not in joblib.__all__} == UNDOCUMENTED


def test_no_other_module_of_tensorflow_is_named_and_none_imported():
    named = set.union(*map(strings_in, TREES))
    assert {name for name in named if re.fullmatch(r"tensorflow(\.\w+)+", name)} == OF_TENSORFLOW
    assert {name for name in FROM_OTHERS if name.startswith("tensorflow")} <= {"tensorflow"}


def test_no_other_private_attribute_is_used():
    own_objects = "self", "cls", "estimator"
    used, ours = set(), set()
    nodes = [node for tree in TREES.values() for node in ast.walk(tree)]
    parts = [part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values]
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            ours.add(node.name)
        elif isinstance(node, ast.Attribute):
            is_ours = isinstance(node.ctx, ast.Store) and ast.unparse(node.value) in own_objects
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
