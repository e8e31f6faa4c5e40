"""The folders are the architecture: each floor imports only from those below it."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

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


class WithoutTypes(ast.NodeTransformer):
    """Removes what is for type checkers alone."""

    def visit_If(self, node):
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports():
    """The modules of skdense that each of its modules imports, lazily or not."""
    paths = {
        path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for path in ROOT.rglob("*.py")
    }
    modules = {name.removesuffix(".__init__"): path for path, name in paths.items()}
    found = {}
    for module, path in modules.items():
        names = set()
        for node in ast.walk(WithoutTypes().visit(ast.parse(path.read_text("utf-8")))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                within = {f"{node.module}.{alias.name}" for alias in node.names}
                names |= {name if name in modules else node.module for name in within}
        found[module] = {name for name in names if name in modules}
    return found


IMPORTS = imports()


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
        for name in IMPORTS[module]
        if room_of(name) != room and HEIGHT[room_of(name)] >= HEIGHT[room]
    ]
    assert not above


def test_no_modules_import_each_other_in_a_circle():
    TopologicalSorter(IMPORTS).prepare()  # raises CycleError


@pytest.mark.parametrize("folder", [path.parent for path in ROOT.rglob("__init__.py")], ids=str)
def test_every_folder_says_what_it_is(folder):
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
