"""Pages of the API: what another page says in the same words stands there only.

Docstrings are complete, for `help`. On the site, a class leaves parameters, attributes and methods
whose texts are those of a related class to the page of that class, and its example to a page of the
guide. A link says so.
"""

import inspect
import re
from importlib import import_module

OF_ALL = {"n_features_in_", "feature_names_in_"}  # the page of all names explains them
SAME_AS = {
    "skdense.LowLevelMLPRegressor": ["skdense.LowLevelMLPClassifier"],
    "skdense.TabularRegressor": ["skdense.TabularClassifier"],
    "skdense.ensemble.CrossFitClassifier": ["skdense.TabularClassifier"],
    "skdense.ensemble.CrossFitRegressor": [
        "skdense.TabularRegressor",
        "skdense.ensemble.CrossFitClassifier",
    ],
    "skdense.ensemble.BlendClassifier": [
        "skdense.TabularClassifier",
        "skdense.ensemble.CrossFitClassifier",
    ],
    "skdense.ensemble.BlendRegressor": [
        "skdense.TabularRegressor",
        "skdense.ensemble.CrossFitClassifier",
        "skdense.ensemble.BlendClassifier",
    ],
}
"""For each class those whose pages may say it, in the order in which they are asked."""
EXAMPLES = {
    "skdense.LowLevelMLPClassifier": "networks",
    "skdense.LowLevelMLPRegressor": "auto_examples/plot_5_regression",
    "skdense.fit_many": "many_fits",
    "skdense.trusted_types": "serving",
    "skdense.TabularClassifier": "first_table",
    "skdense.TabularRegressor": "trust",
    "skdense.ensemble.CrossFitClassifier": "ensembles",
    "skdense.ensemble.CrossFitRegressor": "ensembles",
    "skdense.ensemble.BlendClassifier": "ensembles",
    "skdense.ensemble.BlendRegressor": "ensembles",
    "skdense.search.PrunedSearchCV": "many_fits",
    "skdense.inspection.feature_importance": "first_table",
    "skdense.inspection.plot_importance": "first_table",
    "skdense.inspection.contributions": "auto_examples/plot_b_understanding",
    "skdense.inspection.dead_unit_masks": "auto_examples/plot_8_loss_curves",
    "skdense.exceptions.CollapseWarning": "auto_examples/plot_two_clouds",
    "skdense.exceptions.UnlikeDataWarning": "serving",
    "skdense.onnx.to_onnx": "serving",
    "skdense.onnx.onnx_inputs": "serving",
}
"""The page of the guide that has an example."""
HEADING = re.compile(r"^(.+)\n-{3,}$", re.MULTILINE)
ENTRIES = "Parameters", "Attributes"
ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)
FOOTNOTE = re.compile(r"^\.\. \[(\d+)\] .*\n(?: +.*\n?)*", re.MULTILINE)


def setup(app):
    """Shorten docstrings before numpydoc reads them."""
    app.connect("autodoc-process-docstring", shorten, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def shorten(app, what, name, obj, options, lines):
    """Replace the lines of a docstring by what only this page says."""
    if what in ("class", "exception", "function"):
        lines[:] = of_object(name, "\n".join(lines)).split("\n")
    elif what == "method":
        owner, _, method = name.rpartition(".")
        for other in SAME_AS.get(owner, ()):
            theirs = inspect.getdoc(getattr(named(other), method, None))
            if theirs and alike(theirs) == alike("\n".join(lines)):
                lines[:] = [
                    *lines[: lines.index("")],
                    "",
                    f"As :meth:`{other}.{method}`.",
                    "",
                ]
                break


def named(name):
    """The object of a dotted name."""
    module, _, member = name.rpartition(".")
    return getattr(import_module(module), member)


def alike(text):
    """A text in which classifiers and regressors are one."""
    return re.sub(
        "classifier|regressor", "model", " ".join(text.split()), flags=re.IGNORECASE
    )


def sections(text):
    """The text before the first heading, by the name "", and that below each."""
    first, *others = HEADING.split(text)
    return {"": first} | dict(zip(others[::2], others[1::2], strict=True))


def entries(text):
    """The parameters or attributes of a section, by their names."""
    blocks = [block for block in ENTRY.split(text.strip("\n")) if block.strip()]
    return {block.partition(" :")[0].strip(): block for block in blocks}


def of_object(name, text):
    """The docstring of a class or a function, with links to what it leaves out."""
    found = sections(text)
    links = []
    for other in SAME_AS.get(name, ()):
        theirs = sections(inspect.getdoc(named(other)))
        same = {}
        for heading in ENTRIES:
            told = {
                key: alike(block)
                for key, block in entries(theirs.get(heading, "")).items()
            }
            ours = entries(found.get(heading, ""))
            same[heading] = {
                key: block
                for key, block in ours.items()
                if alike(block) == told.get(key) and key not in OF_ALL
            }
        if (
            sum(
                len(block.split())
                for blocks in same.values()
                for block in blocks.values()
            )
            < 40
        ):
            continue  # a link would hardly be shorter
        lists = []
        for heading, blocks in same.items():
            ours = entries(found.get(heading, ""))
            found[heading] = "".join(ours[key] for key in ours if key not in blocks)
            if blocks:
                word = heading.lower().removesuffix("s" if len(blocks) == 1 else " ")
                lists.append(f"{word} " + ", ".join(f"`{key}`" for key in blocks))
        links.append(f"As in :class:`{other}`: {'; '.join(lists)}.")
    if "Attributes" in found:
        ours = entries(found["Attributes"])
        found["Attributes"] = "".join(ours[key] for key in ours if key not in OF_ALL)
    if name in EXAMPLES and found.pop("Examples", None):
        links.append(f"Example: :doc:`/{EXAMPLES[name]}`.")
    if links:
        found[""] = found[""].rstrip() + "\n\n" + " ".join(links)
    text = "\n".join(
        (f"\n{heading}\n{'-' * len(heading)}\n" if heading else "")
        + body.strip("\n")
        + "\n"
        for heading, body in found.items()
        if body.strip()
    )
    return with_used_footnotes(text)


def with_used_footnotes(text):
    """Without references that the text no longer names, the others counted from 1."""
    used = [number for number in FOOTNOTE.findall(text) if f"[{number}]_" in text]
    text = FOOTNOTE.sub(lambda note: note[0] if note[1] in used else "", text)
    for place, number in enumerate(used, start=1):
        text = text.replace(f"[{number}]", f"[{place}]")
    return re.sub(r"\nReferences\n-+\n\s*(?=\n\S+\n---|\Z)", "\n", text)
