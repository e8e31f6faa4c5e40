"""A package that is imported now and executed later; its submodules can be used meanwhile."""

import sys
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from threading import Event, RLock
from types import ModuleType
from typing import Any

_lock = RLock()


def import_postponed(name: str) -> ModuleType:
    """Import a package that executes when a name in it is first looked up.

    All who import it get the same module. An error in it is raised at each use until it succeeds. It
    executes at once if its loader is not the usual one for source files.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec and type(spec.loader) is SourceFileLoader:
        sys.meta_path.insert(0, _Loader(name, spec.loader.path))
    return import_module(name)


def is_postponed(package: Any) -> bool:
    """Whether a package is imported, but not executed."""
    return type(package) is _Postponed


def add_name(package: Any, name: str, value: Any) -> None:
    """Give a postponed package a name that can be looked up without executing the package."""
    package.__loader__.known.add(name)
    setattr(package, name, value)


def import_submodule(name: str) -> ModuleType:
    """Import a submodule of a postponed package, but not while another thread executes the package.

    Two threads that enter a circle of imports at different places would find modules incomplete.
    """
    with _lock:
        return import_module(name)


class _Loader(SourceFileLoader):
    """Finds and loads a package twice: the second import executes the module that the first one made.

    So threads that use the package at the same time wait for each other as in any import.
    """

    def __init__(self, *arguments: str):
        super().__init__(*arguments)
        self.module = None
        self.known: set[str] = set()
        self.is_first = True
        self.begins = Event()

    def find_spec(
        self, name: str, path: Any | None = None, target: Any | None = None
    ) -> ModuleSpec | None:
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        if self.module is None:
            self.module = module
            module.__class__ = _Postponed
        else:
            super().exec_module(module)
            module.__class__ = ModuleType
            with suppress(ValueError):
                sys.meta_path.remove(self)

    def import_again(self) -> None:
        if vars(self).pop("is_first", False):  # true for only one of several threads
            with _lock:
                del sys.modules[self.name]
                self.begins.set()
                __import__(self.name)
        else:
            self.begins.wait()
            __import__(self.name)  # unlike import_module, it resolves deadlocks


class _Postponed(ModuleType):
    __loader__: _Loader

    def __getattribute__(self, name: str) -> Any:
        if name not in _OF_IMPORT and name not in self.__loader__.known:
            self.__loader__.import_again()
        return ModuleType.__getattribute__(self, name)


_OF_IMPORT = set(
    "__cached__ __class__ __file__ __loader__ __name__ __package__ __path__ __spec__".split()
)
"""The attributes that the import system reads when it imports submodules."""
