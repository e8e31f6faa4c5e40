"""What users of the last version wrote still works, or the changelog says what to write now.

The changelog's table of old and new names is compared with the interface that
`tests/saved/interface.py` saved of that version, and with what there is now.
"""

import importlib
import inspect
import json
import re
from functools import cache
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc

from saved.interface import public_interface

ROOT = Path(__file__).parent.parent
SAVED = {
    tuple(map(int, file.parent.name.split("."))): file
    for file in (ROOT / "tests" / "saved").glob("*/interface.json")
}
NEWEST = max(SAVED)
"""The last version whose interface is saved."""


def rows_since(version):
    """Owners, old and new names of the changelog's tables of all versions after this one."""
    rows = []
    for section in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        if tuple(map(int, re.match(r"[\d.]+", section)[0].split("."))) > version:
            table = section.partition("| --- | --- | --- |\n")[2]
            for line in re.findall(r"\A(?:\|.*\n)*", table)[0].splitlines():
                rows.append(tuple(line.strip("| ").split(" | ")))
    return rows


def codes_in(cell):
    """The pieces of code in a cell of the table, or its text."""
    return re.findall("`([^`]*)`", cell) or [cell.strip()]


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


@cache
def interface_now():
    return public_interface()


def names_of(owner):
    """Public names of a module; parameters, methods and fitted attributes of a class; parameters."""
    if owner == "environment":
        return {path.partition(".")[2] for path in interface_now() if path.startswith("environment.")}
    found = the_object(owner)
    if inspect.ismodule(found):
        return set(found.__all__)
    names = set(inspect.signature(found).parameters)
    if inspect.isclass(found):
        entries = ClassDoc(found, config={"show_class_members": False})["Attributes"]
        names |= set(dir(found)) | {name for entry in entries for name in entry.name.split(", ")}
    return names


def test_names_of_earlier_versions_are_missing_as_any_other_name_is():
    """`hasattr` is False, and `getattr` takes its default."""
    for module, name in (
        ("skdense", "make_tabular_classifier"),
        ("skdense.tabular", "TablePipeline"),
        ("skdense.inspection", "study_seeds"),
    ):
        assert not hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("owners", "old", "new"), rows_since(NEWEST))
def test_old_names_are_gone_and_new_ones_are_there(owners, old, new):
    """Names that are deprecated are still there. If a default is another one, the name is the same."""
    new_names = {name_in(code) for code in codes_in(new)}
    old_names = {name_in(code) for code in codes_in(old)} - new_names
    for owner in codes_in(owners):
        names = names_of(owner)
        assert names & old_names == (old_names if "deprecated" in old else set())
        for code in codes_in(new):
            if code.startswith("skdense."):
                module, _, name = re.sub(r"\(.*", "", code).rpartition(".")
                assert name in names_of(module)
            elif code.startswith(("pandas.", "sklearn.")):
                assert the_object(re.sub(r"\(.*", "", code)) is not None
            else:
                assert code == "-" or name_in(code) in names


def changes(before, now):
    """The owner and the name, or the parameter and its default, of what is not as it was."""
    for path, parameters in before.items():
        owner, _, name = path.rpartition(".")
        if path not in now:
            if owner in now or owner not in before:  # else the class is gone with all that it had
                yield owner, name, None
            continue
        parameters_now, names = now[path], [*parameters]
        for parameter, default in parameters.items():
            if parameter == "*":
                continue
            if parameter not in parameters_now:
                yield path, parameter, None
            elif parameters_now[parameter] != default is not None:
                yield path, parameter, default
            elif names.index(parameter) < [*names, "*"].index("*"):
                if [*parameters_now].index(parameter) != names.index(parameter):
                    yield path, parameter, None  # by its position it is another one
        for parameter, default in parameters_now.items():
            if parameter != "*" and default is None and parameter not in parameters:
                yield path, parameter, None  # calls lack it


def in_the_changelog(owner, name, default, rows):
    """Whether a row of the table has an owner's name, with its old default if there is one."""
    return any(
        owner in codes_in(owners)
        and any(
            name == name_in(code) and (default is None or code == f"{name}={default}")
            for code in codes_in(old)
        )
        for owners, old, _ in rows
    )


def test_what_is_gone_or_has_another_default_is_in_the_changelog():
    before = json.loads(SAVED[NEWEST].read_text(encoding="utf-8"))
    lacking = [
        f"{owner} | {name}" + (f"={default}" if default else "")
        for owner, name, default in changes(before, interface_now())
        if not in_the_changelog(owner, name, default, rows_since(NEWEST))
    ]
    assert not lacking, "the changelog's table of old and new names lacks rows:\n" + "\n".join(lacking)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, [("skdense", "fit", None)]),
        ({"skdense.fit": {"*": None, "n": "1"}}, [("skdense.fit", "X", None)]),
        ({"skdense.fit": {"X": None, "*": None, "n": "2"}}, [("skdense.fit", "n", "1")]),
        ({"skdense.fit": {"y": "0", "X": None, "*": None, "n": "1"}}, [("skdense.fit", "X", None)]),
        ({"skdense.fit": {"*": None, "X": None, "n": "1"}}, [("skdense.fit", "X", None)]),
        ({"skdense.fit": {"X": None, "y": None, "*": None, "n": "1"}}, [("skdense.fit", "y", None)]),
        ({"skdense.fit": {"X": None, "y": "0", "n": "1"}}, []),
    ],
)
def test_a_change_that_breaks_a_call_is_found(now, expected):
    assert [*changes({"skdense.fit": {"X": None, "*": None, "n": "1"}}, now)] == expected


def test_a_class_that_is_gone_is_one_change():
    before = {"skdense.A": {}, "skdense.A.fit": {}, "skdense.b.C": {}, "skdense.b.C.fit": {}}
    assert [*changes(before, {})] == [("skdense", "A", None), ("skdense.b", "C", None)]
    now = {"skdense.A": {}, "skdense.b.C": {}}
    assert [*changes(before, now)] == [("skdense.A", "fit", None), ("skdense.b.C", "fit", None)]


def test_a_row_counts_for_its_owner_and_default():
    rows = [("`skdense.A`, `skdense.B`", "`n=1`", "`n=2`")]
    assert in_the_changelog("skdense.B", "n", "1", rows)
    assert not in_the_changelog("skdense.B", "n", "3", rows)
    assert not in_the_changelog("skdense.C", "n", "1", rows)
