"""The postponed import of TensorFlow: a fit imports the parts that it needs, not the whole package.

`import tensorflow` executes 2,600 modules, Keras among them, of which a fit needs 600. A process with
one fit takes 1.4 s of processor time and 550 MB in place of 3.0 s and 720 MB (TensorFlow 2.21). The
entry point is `import_tensorflow`.

The package itself is imported, but executes only when other code looks up a name in it, so that the
user has the ordinary TensorFlow. With an unknown version or layout of files, and with the environment
variable SKDENSE_PLAIN_TENSORFLOW, it is imported as usual.

If a release of TensorFlow breaks this, or anything else in this folder that relies on its internals,
leave it out of `TESTED`. Then also arrays are copied to TensorFlow's alignment, and programs are
functions of `tf.function`, which are not kept. Results are the same.
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
"""The beginnings of the versions with which all tests have passed."""

_IMPORTS = re.compile(r"^from (\S+) import (\w+)(?: as (\w+))?", re.MULTILINE)

# Other subpackages are public ones, such as `tensorflow.keras`, which only the executed package finds.
_PARENTS = "compiler", "core", "dtensor", "python", "security", "tools"
"""The packages in TensorFlow's own folder, nearly empty, whose modules a fit imports."""


def is_tested(version: str) -> bool:
    """Whether code that depends on TensorFlow's internals is tested with this version.

    Only then the import is postponed, a large X is not copied, and programs run in a context of our own
    and are kept. With SKDENSE_PLAIN_TENSORFLOW, no version counts as tested.
    """
    return version.startswith(TESTED) and not os.environ.get("SKDENSE_PLAIN_TENSORFLOW")


def import_tensorflow() -> Any:
    """TensorFlow: an object that imports each public name at its first use, or the whole package."""
    package: Any = (import_module if _has_plugins() else import_postponed)("tensorflow")
    if is_postponed(package):
        with suppress(Exception):  # due to another version or layout
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
    """Whether there are plugins, which the package loads before TensorFlow starts."""
    return bool(os.environ.get("TF_PLUGGABLE_DEVICE_LIBRARY_PATH")) or any(
        Path(folder, "tensorflow-plugins").exists() for folder in sys.path
    )


class _Names:
    """The names of a public package of TensorFlow, each imported from the module that defines it.

    The package's generated file has an import statement for each name on a line of its own.
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

    All code that imports it gets the same module. If it fails to execute, each look-up tries again. It
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

    Two threads that enter a circle of imports at different modules would see incomplete modules.
    """
    with _lock:
        return import_module(name)


@contextmanager
def block_execution() -> Iterator[bool]:
    """Let other threads wait that want to execute the package; yield whether it has not executed."""
    with _lock:
        yield is_postponed(sys.modules["tensorflow"])


class _Loader(SourceFileLoader):
    """Loads a package twice: the first import makes the module, the second one executes it.

    As the second one is an ordinary import, threads that use the package wait for each other.
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

    def execute(self) -> None:
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
        if name not in IMPORT_ATTRIBUTES and name not in self.__loader__.known:
            self.__loader__.execute()
        return ModuleType.__getattribute__(self, name)


IMPORT_ATTRIBUTES = set(
    "__cached__ __class__ __file__ __loader__ __name__ __package__ __spec__".split()
)
"""The attributes that the import system reads when it imports submodules."""
