"""The Python code of README.md and of the documentation's pages runs as it is printed.

pytest runs the doctests of the pages, and Sphinx the tutorials. What is left is the README, whose code
can be copied as it stands, and the Korean pages, whose code is that of the English ones.
"""

import ast
import doctest
import inspect
import json
import re
import runpy
import tomllib
from io import BytesIO
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from packaging.version import Version

from skdense import TabularClassifier
from skdense.version import __version__

ROOT = Path(__file__).parent.parent
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE_BLOCK = re.compile(r"^```\w+\n.*?^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^print\(.*\)  # (.*\n)", re.MULTILINE)


BLOCKS = PYTHON_BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "code", BLOCKS, ids=lambda code: re.findall("from skdense import (.*)", code)[0]
)
def test_each_block_of_the_readme_runs_alone_and_prints_what_its_comments_say(code, capsys):
    promised = "".join(PRINTED.findall(code))
    assert promised

    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})

    printed = capsys.readouterr().out
    assert doctest.OutputChecker().check_output(promised, printed, doctest.ELLIPSIS), printed


def test_the_readme_shows_code_before_many_figures_and_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"```text\n.*?```\n", "", text, flags=re.DOTALL)  # what the first command prints
    assert len(text.split()) < 800
    before = text.partition("```python")[0]
    assert len(re.findall(r"(?<![\w./-])\d[\d.]*", before)) <= 5


def test_the_korean_readme_has_the_code_of_the_english_one():
    english, korean = (
        [re.sub("^# .*\n", "", code, flags=re.MULTILINE) for code in CODE_BLOCK.findall(text)]
        for text in ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ko.md"))
    )
    assert korean == english


@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_readme_links_to_files_that_read_well_as_they_are(name):
    """Sources of pages have figures by substitution, which is done where the site is built."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / name).read_text(encoding="utf-8"))
    files = [ROOT / link for link in links if not link.startswith("https:")]
    assert files
    for path in files:
        assert path.exists()
        if path.suffix in (".rst", ".md"):
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\{\{|^```\{|(?<!\S)\|\w+\|(?!\S)", text, re.MULTILINE), path


def code_in_korean(cell, words):
    """The syntax of a tutorial's cell with Korean texts, without comments, docstrings and the font."""
    tree = ast.parse(cell)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(node, ast.Module):
            is_font = re.compile("koreanize|NanumGothic").search
            node.body = [line for line in node.body if not is_font(ast.unparse(line))]
        if isinstance(node, ast.Constant) and node.value in words:
            node.value = words[node.value]
    return ast.dump(tree)


def test_the_korean_tutorial_has_the_cells_of_the_english_one():
    words = tomllib.loads((ROOT / "docs" / "ko" / "words.toml").read_text(encoding="utf-8"))
    english, korean = (
        [code_in_korean(cell, words) for cell in path.read_text(encoding="utf-8").split("# %%\n")]
        for path in (
            ROOT / "docs" / "tutorials" / "plot_two_clouds.py",
            ROOT / "docs" / "ko" / "two_clouds.py",
        )
    )
    assert korean == english


def test_the_korean_page_has_the_texts_and_the_code_of_its_script(monkeypatch):
    """Where it has not, `python docs/korean.py` writes it anew."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    from korean import RESULT, TUTORIAL, as_markdown

    page = TUTORIAL.with_suffix(".md").read_text(encoding="utf-8")
    assert RESULT.sub("", page) == as_markdown(TUTORIAL.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.rst")), ids=lambda page: page.name)
def test_a_page_of_restructuredtext_shows_python_in_doctests_only(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"\.\. code-block:: *(.*)", text)) <= {"bash", "text", "yaml"}
    assert not re.search(r"^(?!\s*\.\. ).*::$", text, re.MULTILINE), "a literal block is not run"


def test_the_endpoint_answers_json_and_explains_bad_input(tmp_path, monkeypatch):
    table = pd.DataFrame({"age": [20, 30, 40, 50] * 5, "colour": ["red", "blue"] * 10})
    model = TabularClassifier(models=["linear"], cv=2).fit(table, table["colour"])
    joblib.dump(model, tmp_path / "model.joblib")
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path(ROOT / "docs" / "serve.py")["app"]

    def request(body):
        started = []
        environ = {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        (answer,) = app(environ, lambda status, headers: started.append(status))
        return started[0], json.loads(answer)

    status, answer = request(table[:2].to_json(orient="records").encode())
    assert status == "200 OK"
    assert answer["classes"] == ["blue", "red"]
    np.testing.assert_allclose(answer["probabilities"], model.predict_proba(table[:2]))
    for body, message in {
        b"[]": "JSON list",
        b'{"age": 20, "colour": "red"}': "JSON list",
        b"[{": "line 1",
        b'[{"age": 20}]': "colour",
    }.items():
        status, answer = request(body)
        assert status == "400 Bad Request"
        assert message in answer["error"]


def test_the_page_on_messages_quotes_those_that_there_are():
    """The first cells; those of other libraries say whose they are."""
    page = (ROOT / "docs" / "messages.rst").read_text(encoding="utf-8")
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "skdense").rglob("*.py")]
    texts = [
        "".join(part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
        if isinstance(node, ast.JoinedStr)
        else str(node.value)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Constant)
    ]
    known = re.sub("[0-9]+", "0", "\n".join(texts))
    of_others = "worker stopped|libgomp|unpickle|Untrusted|unexpected keyword|No module named"
    cells = re.findall(r"^   \* - ((?:.+\n)(?: {7}.+\n)*?)     - ", page, re.MULTILINE)
    quoted = [text for cell in cells for text in re.findall("``(.+?)``", cell)]
    assert len(quoted) > 20
    for text in quoted:
        if not re.search(of_others, text):
            assert re.sub("[0-9]+%?", "0", text) in known, text


def test_the_page_on_the_notebook_names_functions_that_there_are():
    """Its table and its excerpts: where one of them moves, the page has to follow."""
    page = (ROOT / "docs" / "notebook.rst").read_text(encoding="utf-8")
    excerpts = re.findall(r"literalinclude:: (\S+)\n +:pyobject: (\S+)", page)
    assert excerpts
    for path, name in excerpts:
        node = ast.parse((ROOT / "docs" / path.lstrip("/")).read_text(encoding="utf-8"))
        for part in name.split("."):
            (node,) = [child for child in node.body if getattr(child, "name", None) == part]
    table = page[page.index("In skdense") : page.index("A layer is written once")]
    files = [ROOT / "docs" / path.lstrip("/") for path in re.findall(r"<(\S+\.py)>", table)]
    code = "".join(path.read_text(encoding="utf-8") for path in files)
    ours = "".join(re.findall(r"^     - .*(?:\n {7}.*)*", table, re.MULTILINE))
    for name in re.findall(r"`(?:\w+\.)?(\w+)`", ours):
        assert re.search(rf"\b{name}\b", code), name


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_a_page_of_markdown_shows_no_python(page):
    text = page.read_text(encoding="utf-8")
    assert not PYTHON_BLOCK.search(text)
    assert ">>>" not in text


def agree(version, citation, changelog):
    """Whether a version, the citation and the changelog are of the same state of the package.

    A development version is cited as the last release, and the changelog begins with its changes,
    "unreleased". A release, and the candidates for it, are cited as themselves, with the date.
    """
    (cited,) = re.findall(r"^version: (.*)$", citation, re.MULTILINE)
    (date,) = re.findall(r'^date-released: "(.*)"$', citation, re.MULTILINE)
    headings, version = re.findall(r"^## .*$", changelog, re.MULTILINE), Version(version)
    if version.is_devrelease:
        unreleased = f"## {version.base_version} (unreleased)"
        return headings[:2] == [unreleased, f"## {cited} ({date})"] and Version(cited) < version
    return cited == version.base_version and headings[0] == f"## {cited} ({date})"


def test_the_citation_and_the_changelog_name_the_version_of_the_package():
    files = ((ROOT / name).read_text(encoding="utf-8") for name in ("CITATION.cff", "CHANGELOG.md"))
    assert agree(__version__, *files)


@pytest.mark.parametrize(
    ("version", "cited", "headings", "expected"),
    [
        ("0.7.0.dev0", "0.6.0", ["0.7.0 (unreleased)", "0.6.0 (2026-11-30)"], True),
        ("0.7.0.dev0", "0.7.0", ["0.7.0 (unreleased)", "0.6.0 (2026-11-30)"], False),
        ("0.7.0.dev0", "0.7.0", ["0.7.0 (2026-11-30)", "0.6.0 (2026-10-01)"], False),
        ("0.7.0.dev0", "0.6.0", ["0.6.0 (2026-11-30)"], False),
        ("0.8.0.dev0", "0.6.0", ["0.7.0 (unreleased)", "0.6.0 (2026-11-30)"], False),
        ("0.7.0", "0.7.0", ["0.7.0 (2026-11-30)", "0.6.0 (2026-10-01)"], True),
        ("0.7.0rc1", "0.7.0", ["0.7.0 (2026-11-30)", "0.6.0 (2026-10-01)"], True),
        ("0.7.0", "0.7.0", ["0.7.0 (2026-12-01)", "0.6.0 (2026-10-01)"], False),
        ("0.7.0", "0.6.0", ["0.7.0 (unreleased)", "0.6.0 (2026-11-30)"], False),
        ("0.7.0", "0.6.0", ["0.7.0 (2026-11-30)", "0.6.0 (2026-10-01)"], False),
        ("0.6.0", "0.6.0", ["0.7.0 (unreleased)", "0.6.0 (2026-11-30)"], False),
    ],
)
def test_a_version_in_development_and_a_released_one_are_told_apart(version, cited, headings, expected):
    citation = f'title: skdense\nversion: {cited}\ndate-released: "2026-11-30"\n'
    changelog = "# Changelog\n" + "".join(f"\n## {heading}\n" for heading in headings)
    assert agree(version, citation, changelog) == expected


def test_decisions_name_constants_that_there_are():
    text = (ROOT / "docs" / "benchmarks" / "decisions.md").read_text(encoding="utf-8")
    file = None
    decisions, _, _ = text.partition("\n## Confirmed\n")
    for level, heading in re.findall(r"^(##+) (.+)$", decisions, re.M):
        if level == "##":
            file = ROOT / "skdense" / heading
            code = file.read_text(encoding="utf-8")
        for name in re.findall(r"\b(?:_?[A-Z][A-Z_]{2,}|[a-z]+_[a-z_]+)\b", heading) * (level == "###"):
            assert re.search(rf"\b{name}\b", code), (file, name)


def test_a_page_of_the_api_has_each_parameter_or_names_the_class_that_has_it(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import once

    for name in once.SAME_AS:
        cls = once.named(name)
        lines = inspect.getdoc(cls).split("\n")
        once.shorten(None, "class", name, cls, None, lines)
        links, entries = "\n".join(lines).split("\nParameters\n")
        for parameter in inspect.signature(cls).parameters:
            assert re.search(rf"^{parameter} :", entries, re.MULTILINE) or f"`{parameter}`" in links


def test_pages_that_have_the_example_of_a_docstring_are_there(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from once import EXAMPLES

    for name, page in EXAMPLES.items():
        file = page.replace("auto_examples/", "tutorials/") + ".py" if "/" in page else f"{page}.rst"
        assert re.search(rf"\b{name.rpartition('.')[2]}\b", (ROOT / "docs" / file).read_text("utf-8"))
