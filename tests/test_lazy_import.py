"""A package that is imported without being executed: who uses it has it whole.

Threads, errors and reloads are tried with TensorFlow itself, in `test_lazy_tensorflow`.
"""

import importlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder, SourceFileLoader
from types import ModuleType

import pytest

from skdense.core.machine.lazy_import import import_postponed, import_submodule, is_postponed

TIME_LIMIT = 60
NAME = "postponed_package"
BODY = """
import sys
import threading
meet = vars(sys).get("postponed_package_meets", lambda: None)
executed = globals().get("executed", 0) + 1
early = 1
meet()
late = 2
from postponed_package import child
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a package that counts how often it was executed, in `executed`."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text(BODY)
    (folder / "child.py").write_text("number = 3")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


def test_it_executes_when_a_name_is_looked_up(folder):
    finders = list(sys.meta_path)
    package = import_postponed(NAME)
    assert is_postponed(package)
    assert importlib.import_module(NAME) is package
    assert importlib.import_module(f"{NAME}.child").number == 3
    assert is_postponed(package)
    assert package.late == 2
    assert not is_postponed(package)
    assert type(package) is ModuleType
    assert sys.modules[NAME] is package
    assert package.child is sys.modules[f"{NAME}.child"]
    assert sys.meta_path == finders
    assert package.executed == 1


@pytest.mark.parametrize("list_names", [dir, vars])
def test_it_executes_when_its_names_are_listed(folder, list_names):
    assert "late" in list_names(import_postponed(NAME))


def test_a_module_that_it_imports_may_use_it_at_the_same_time_in_another_thread(folder, monkeypatch):
    """The threads wait for each other, which the import system resolves as in any import."""
    executes, user_waits = threading.Event(), threading.Event()
    (folder / "user.py").write_text(
        "import sys; sys.postponed_package_user_waits()\n"
        "import postponed_package\n"
        "seen = postponed_package.early\n"
    )
    (folder / "__init__.py").write_text(BODY + "import postponed_package.user\n")
    monkeypatch.setattr(sys, "postponed_package_meets", executes.set, raising=False)

    def wait():
        user_waits.set()
        assert executes.wait(TIME_LIMIT)

    monkeypatch.setattr(sys, "postponed_package_user_waits", wait, raising=False)
    package = import_postponed(NAME)
    with ThreadPoolExecutor(2) as threads:
        user = threads.submit(importlib.import_module, f"{NAME}.user")
        assert user_waits.wait(TIME_LIMIT)
        assert threads.submit(lambda: package.late).result(TIME_LIMIT) == 2
        assert user.result(TIME_LIMIT).seen == 1


def test_submodules_wait_while_another_thread_executes_it(folder, monkeypatch):
    executes, may_end = threading.Event(), threading.Event()

    def meet():
        executes.set()
        assert may_end.wait(TIME_LIMIT)

    monkeypatch.setattr(sys, "postponed_package_meets", meet, raising=False)
    package = import_postponed(NAME)
    with ThreadPoolExecutor(2) as threads:
        late = threads.submit(lambda: package.late)
        assert executes.wait(TIME_LIMIT)
        child = threads.submit(import_submodule, f"{NAME}.child")
        with pytest.raises(TimeoutError):
            child.result(0.1)
        may_end.set()
        assert late.result(TIME_LIMIT) == 2
        assert child.result(TIME_LIMIT).number == 3


def test_a_package_of_another_loader_executes_at_once(folder):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            spec = PathFinder.find_spec(name, path, target)
            if name == NAME:
                spec.loader = type("Loader", (SourceFileLoader,), {})(name, spec.origin)
            return spec

    sys.meta_path.insert(0, Finder)
    package = import_postponed(NAME)
    assert not is_postponed(package)
    assert package.late == 2


def test_a_package_that_is_imported_already_stays_and_a_missing_one_is_an_error_at_once(folder):
    package = importlib.import_module(NAME)
    assert import_postponed(NAME) is package
    assert not is_postponed(package)
    assert package.executed == 1
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_postponed("no_such_package")
