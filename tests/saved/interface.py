"""Save the public interface, which later versions keep: `python tests/saved/interface.py`.

`interface.json` in the folder of a version has its public names: modules' objects, methods, attributes
of fitted estimators and environment variables; of functions, classes and methods also the parameters,
in order, with the defaults as code. An asterisk stands before parameters that are named in calls.
`tests/test_migration.py` compares it with what there is now.
"""

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

from numpydoc.docscrape import ClassDoc

import skdense


def public_interface():
    """The parameters and their defaults by the dotted names of all that is public, {} without any."""
    interface, paths = {}, set()
    modules = [name for _, name, _ in pkgutil.walk_packages(skdense.__path__, "skdense.")]
    modules = [name for name in modules if not name.startswith("skdense.core")]
    for module_name in sorted(["skdense", *modules], key=lambda name: (name.count("."), name)):
        module = importlib.import_module(module_name)
        for name in sorted(getattr(module, "__all__", ())):
            public = getattr(module, name)
            if id(public) in paths:  # it is also in a module above
                continue
            paths.add(id(public))
            path = f"{module_name}.{name}"
            interface[path] = parameters_of(public)
            if inspect.isclass(public):
                interface |= {f"{path}.{member}": its for member, its in members_of(public).items()}
    sources = [file.read_text("utf-8") for file in Path(skdense.__file__).parent.rglob("*.py")]
    variables = sorted(set(re.findall(r"SKDENSE_[A-Z_]+", "".join(sources))))
    return interface | {f"environment.{variable}": {} for variable in variables}


def parameters_of(public):
    """The defaults by the names of parameters, in order; None where there is no default."""
    ours = getattr(public, "__module__", "").startswith("skdense")
    is_plain_exception = (
        inspect.isclass(public) and "__init__" not in vars(public) and issubclass(public, Exception)
    )
    if not (callable(public) and ours) or is_plain_exception:
        return {}
    defaults, marked = {}, False
    for parameter in inspect.signature(public).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            defaults["*"], marked = None, True
        required = parameter.default is parameter.empty
        defaults[parameter.name] = None if required else repr(parameter.default)
    defaults.pop("self", None)
    return defaults


def members_of(public):
    """Parameters of public methods by their names, and names of properties and fitted attributes."""
    names = [name for name in dir(public) if not name.startswith("_")]
    names = [name for name in names if not any(hasattr(base, name) for base in (Exception, tuple))]
    # scikit-learn makes the methods `set_..._request` of the parameters.
    names = [name for name in names if not re.fullmatch("set_.*_request", name)]
    members = {name: parameters_of(getattr(public, name, None)) for name in names}
    entries = ClassDoc(public, config={"show_class_members": False})["Attributes"]
    fitted = [name for entry in entries for name in entry.name.split(", ")]
    members = {name: {} for name in fitted} | members
    return {name: members[name] for name in sorted(members.keys() - parameters_of(public).keys())}


def main():
    """Write the interface into the folder of this version."""
    file = Path(__file__).parent / skdense.__version__ / "interface.json"
    lines = [f"{json.dumps(path)}: {json.dumps(its)}" for path, its in public_interface().items()]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
