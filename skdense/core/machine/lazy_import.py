"""TensorFlow's public names, each imported when it is first used, from where TensorFlow defines it.

`import tensorflow` executes 2,600 modules, Keras among them. A fit needs 600 of them: a process of one
fit then takes 1.4 s of processor time and 550 MB, and not 3.0 s and 720 MB (TensorFlow 2.21). This
relies on private modules of TensorFlow and on the layout of its files; with an unknown version the
whole package executes. It also executes as usual as soon as anybody else uses it: a finder imports the
package now and executes it later, so that its submodules can be used meanwhile.

If a release of TensorFlow breaks this, or anything else in this folder that relies on its internals,
leave it out of `TESTED`. Then the package is imported as usual, arrays are copied to TensorFlow's
alignment, and programs are functions of `tf.function`, which are not kept. Results are the same.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec, spec_from_file_location
from pathlib import Path
from threading import Event, RLock
from types import ModuleType
from typing import Any

TESTED = "2.21.", "2.22."
"""How the versions begin that all tests have passed with."""

_IMPORTS = re.compile(r"^from (\S+) import (\w+)(?: as (\w+))?", re.MULTILINE)

# Who looks for another one asks for a public name such as `tensorflow.keras`, which only the executed
# package finds.
_PARENTS = "compiler", "core", "dtensor", "python", "security", "tools"
"""The packages in TensorFlow's own folder, nearly empty, whose modules a fit imports."""


def is_tested(version: str) -> bool:
    """Whether tests have shown that what depends on TensorFlow's internals works with this version.

    Only then a fit imports just what it needs, a large X is used where it lies, and programs are kept
    and called in a way of our own. With SKDENSE_PLAIN_TENSORFLOW, every version counts as not tested.
    """
    return version.startswith(TESTED) and not os.environ.get("SKDENSE_PLAIN_TENSORFLOW")


def import_tensorflow() -> Any:
    """What `tf` is: an object with its public names, or the package if that is not enough."""
    package: Any = (import_module if _has_plugins() else import_postponed)("tensorflow")
    if is_postponed(package):
        with suppress(Exception):  # of another version or layout
            for child in _PARENTS:
                import_submodule(f"tensorflow.{child}")
            root = Path(package.__path__[0])
            package.__loader__.known.remove("__path__")
            import_submodule("tensorflow.python.pywrap_tensorflow")  # loads the library
            import_submodule("tensorflow.python.tf2").enable()  # modules ask for it when imported
            tf = _Names(root)
            if is_tested(tf.__version__):
                import_submodule("tensorflow.python.compat.v2_compat").enable_v2_behavior()
                # matplotlib asks this function about each list. It does not execute the package.
                package.__loader__.known.add("is_tensor")
                package.is_tensor = tf.is_tensor
                return tf
    return package


def _has_plugins() -> bool:
    """Whether the package adds devices, which it can only do before TensorFlow starts."""
    return bool(os.environ.get("TF_PLUGGABLE_DEVICE_LIBRARY_PATH")) or any(
        Path(folder, "tensorflow-plugins").exists() for folder in sys.path
    )


class _Names:
    """The names of a public package of TensorFlow: what the import statements of its file bind.

    The file is generated, and has a line for each name.
    """

    def __init__(self, root: Path, *parts: str):
        self._root = root
        text = root.joinpath(*parts, "__init__.py").read_text("utf-8")
        imports = _IMPORTS.findall(text)
        self._origins = {alias or name: (module, name) for module, name, alias in imports}

    def __getattr__(self, name: str) -> Any:
        if name not in self._origins:
            raise AttributeError(f"no line of TensorFlow imports {name!r}")
        module, origin = self._origins[name]
        if module.startswith("tensorflow._api.v2"):
            value = _Names(self._root, *module.split(".")[1:], origin)
        else:
            value = getattr(import_submodule(module), origin)
        setattr(self, name, value)
        return value


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


def import_submodule(name: str) -> ModuleType:
    """Import a submodule of a postponed package, but not while another thread executes the package.

    Two threads that enter a circle of imports at different places would find modules incomplete.
    """
    with _lock:
        return import_module(name)


@contextmanager
def others_wait() -> Iterator[bool]:
    """Let no other thread execute the package in the block; yield whether none has before."""
    with _lock:
        yield is_postponed(sys.modules["tensorflow"])


class _Loader(SourceFileLoader):
    """Finds and loads a package twice: the second import executes the module that the first one made.

    So threads that use the package at the same time wait for each other as in any import.
    """

    def __init__(self, *arguments: str):
        super().__init__(*arguments)
        self.module = None
        self.known = {"__path__"}
        self.is_first = True
        self.begins = Event()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
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
                self.known.add("__path__")
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


_OF_IMPORT = set("__cached__ __class__ __file__ __loader__ __name__ __package__ __spec__".split())
"""The attributes that the import system reads when it imports submodules."""
