"""What the source imports: its floors, and the private names of others.

The folders are the architecture: each floor imports only from those below it. Other libraries may
change private names in any release, and this package must follow. So they stand in one file, and
TensorFlow's in one folder. That they do what we rely on, the tests of the features show that use them.
"""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import joblib
import pytest

import skdense

FLOORS = [
    ["skdense", "skdense.__main__", "skdense.onnx"],
    ["skdense.tabular"],
    ["skdense.ensemble"],
    ["skdense.search"],
    ["skdense.inspection"],
    ["skdense.final_step"],
    ["skdense.many"],
    ["skdense.classifier", "skdense.regressor"],
    ["skdense.base"],
    ["skdense.fit"],
    ["skdense.core.host"],
    ["skdense.core.program"],
    ["skdense.core.formulas"],
    ["skdense.core.machine"],
    ["skdense.core.network"],
    [
        "skdense.core",
        "skdense.compat",
        "skdense.datasets",
        "skdense.exceptions",
        "skdense.frames",
        "skdense.version",
    ],
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


@cache
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
    by_name = {"core.machine.context"}  # a private module, by `import_submodule`
    assert users - looks_for_it == by_name | {"core.machine.lazy_import"}


# --- private names -----------------------------------------------------------------------------------

COMPAT = "skdense.compat"
ELSEWHERE = TREES.keys() - {COMPAT}
UNDOCUMENTED = {"SIMD Extensions", "joblib.", "nesting_level", "supports_return_generator"}
"""How names of others begin that are not documented, though nothing in them says so."""
OF_TENSORFLOW = {
    "tensorflow._api.v2",
    "tensorflow.python.compat.v2_compat",
    "tensorflow.python.eager.context",
    "tensorflow.python.eager.execute",
    "tensorflow.python.pywrap_tensorflow",
    "tensorflow.python.pywrap_tfe",
    "tensorflow.python.tf2",
}
CONTEXT = "skdense.core.machine.context"
OF_CONTEXT = {"_XlaMustCompile", "_handle", "_reset_jit_compiler_flags"}  # TensorFlow's
OF_PYTHON = {"_asdict", "_fields", "_getframe", "_replace"}  # documented
LOOKED_UP = {"_parameter_constraints", "_sk_visual_block_"}  # by scikit-learn, in our classes
IN_SAVED_STATE = {
    "_criterion", "_label_binarizer", "_no_improvement_count", "_optimizer_state", "_skdense_format",
    "_skdense_version",
}  # fmt: skip


def is_private(name):
    return name.isidentifier() and name.startswith("_") and not name.startswith("__")


def test_private_names_of_others_are_imported_in_one_file():
    found = {
        name
        for module in ELSEWHERE
        for name in imported_by(module)
        if not name.startswith("skdense") and any(map(is_private, name.split(".")))
    }
    documented = {"_thread.start_new_thread"}
    assert found <= documented, "import it in skdense/compat.py, which says how"
    of_joblib = {n for module in ELSEWHERE for n in imported_by(module) if n.startswith("joblib.")}
    assert {name.split(".")[-1] for name in of_joblib} <= set(joblib.__all__)


def test_no_other_module_of_tensorflow_is_named_and_none_imported():
    named = set.union(*map(strings_in, TREES))
    assert {name for name in named if re.fullmatch(r"tensorflow(\.\w+)+", name)} == OF_TENSORFLOW
    assert {name for name in FROM_OTHERS if name.startswith("tensorflow")} <= {"tensorflow"}


def names_in(modules):
    """The attributes and texts that modules use, and the names that they define or set themselves."""
    own_objects = "self", "cls", "estimator"
    used, ours = set(), set()
    nodes = [node for module in modules for node in ast.walk(TREES[module])]
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
    return used, ours


def test_private_attributes_of_others_are_used_in_one_file():
    def private_in(modules):
        others = {name for name in names_in(modules)[0] if is_private(name)} - names_in(TREES)[1]
        return others - OF_PYTHON - LOOKED_UP - IN_SAVED_STATE

    found = private_in(ELSEWHERE - {CONTEXT})
    assert not found, "write a function in skdense/compat.py, which says how"
    assert private_in([CONTEXT]) == OF_CONTEXT


def test_undocumented_names_are_used_in_one_file():
    def undocumented_in(modules):
        return {begin for begin in UNDOCUMENTED for n in names_in(modules)[0] if n.startswith(begin)}

    assert not undocumented_in(ELSEWHERE), "write a function in skdense/compat.py, which says how"
    assert undocumented_in([COMPAT]) == UNDOCUMENTED


def test_the_guide_for_contributors_names_files_that_exist():
    text = (ROOT.parent / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    named = {*re.findall(r"`((?:[\w.]+/)*\w+\.(?:py|rst|toml))`", text)}
    folders = ROOT.parent, ROOT, ROOT.parent / "tests"
    assert not {name for name in named if not any((folder / name).exists() for folder in folders)}
