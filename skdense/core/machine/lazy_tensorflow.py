"""TensorFlow's public names, each imported when it is first used, from where TensorFlow defines it.

`import tensorflow` executes 2,600 modules, Keras among them. A fit needs 600 of them, which takes half
as long and 100 MB less. This relies on private modules of TensorFlow and on the layout of its files;
with an unknown version the whole package executes. It also executes as usual as soon as anybody else
uses it.
"""

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from skdense.core.machine.postponed import add_name, import_postponed, import_submodule, is_postponed

TESTED = "2.21."
"""The versions of which tests show that each module imports all that it needs."""

_IMPORTS = re.compile(r"^from (\S+) import (\w+)(?: as (\w+))?", re.MULTILINE)


def import_tensorflow() -> Any:
    """What `tf` is: an object with its public names, or the package if that is not enough."""
    package = (import_module if _has_plugins() else import_postponed)("tensorflow")
    if is_postponed(package):
        try:
            tf = _only_names(Path(package.__path__[0]))
            add_name(package, "is_tensor", tf.is_tensor)  # matplotlib asks it about each list
            return tf
        except Exception:  # another version or layout
            pass
    return package


def _has_plugins() -> bool:
    """Whether the package adds devices, which it can only do before TensorFlow starts."""
    return bool(os.environ.get("TF_PLUGGABLE_DEVICE_LIBRARY_PATH")) or any(
        Path(folder, "tensorflow-plugins").exists() for folder in sys.path
    )


def _only_names(root: Path) -> Any:
    import_submodule("tensorflow.python.pywrap_tensorflow")  # loads the library
    import_submodule("tensorflow.python.tf2").enable()  # modules ask for it when they are imported
    tf = _Names(root)
    if not tf.__version__.startswith(TESTED):
        raise ImportError(tf.__version__)
    import_submodule("tensorflow.python.compat.v2_compat").enable_v2_behavior()
    return tf


class _Names:
    """The names of a public package of TensorFlow: what the import statements of its file bind.

    The file is generated, and has a line for each name.
    """

    def __init__(self, root: Path, *parts: str):
        self._root = root
        file = root.joinpath(*parts, "__init__.py")
        self._origins = {
            alias or name: (module, name)
            for module, name, alias in _IMPORTS.findall(file.read_text("utf-8"))
        }

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
