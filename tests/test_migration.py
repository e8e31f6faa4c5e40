"""The changelog's table of old and new names: each new one is there, and no old one is."""

import importlib
import inspect
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc

ROOT = Path(__file__).parent.parent
TABLE = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("| --- | --- | --- |\n")[2]
ROWS = [
    [re.findall("`([^`]*)`", cell) or [cell.strip()] for cell in line.strip("| ").split(" | ")]
    for line in TABLE.partition("\n\n")[0].splitlines()
]


def name_in(code):
    """The last name of an expression such as `model[-1].summary()`, a parameter without its value."""
    return re.sub(r"\[.*?\]|\(.*\)|=.*", "", code).rpartition(".")[2]


def the_object(path):
    """What a dotted path leads to."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(path)


def names_of(owner):
    """Public names of a module; parameters, methods and fitted attributes of a class; parameters."""
    if owner == "environment":
        files = (ROOT / "skdense").rglob("*.py")
        return set(re.findall(r"SKDENSE_\w+", "".join(file.read_text("utf-8") for file in files)))
    found = the_object(owner)
    if inspect.ismodule(found):
        return set(found.__all__)
    names = set(inspect.signature(found).parameters)
    if inspect.isclass(found):
        entries = ClassDoc(found, config={"show_class_members": False})["Attributes"]
        names |= set(dir(found)) | {name for entry in entries for name in entry.name.split(", ")}
    return names


@pytest.mark.parametrize(("owner", "old", "new"), ROWS, ids=lambda cell: cell[0])
def test_old_names_are_gone_and_new_ones_are_there(owner, old, new):
    names = names_of(*owner)
    assert not names & {name_in(code) for code in old}
    for code in new:
        if code.startswith("skdense."):
            module, _, name = code.rpartition(".")
            assert name in names_of(module)
        elif code.startswith(("pandas.", "sklearn.")):
            assert the_object(re.sub(r"\(.*", "", code)) is not None
        else:
            assert code == "-" or name_in(code) in names
