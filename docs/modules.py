"""The folders and files of the package as a table, from the first sentences of their docstrings."""

import ast
from pathlib import Path

import skdense

ROOT = Path(skdense.__file__).parent


def first_sentence(path):
    """The first paragraph of a module's docstring, which is one or two sentences."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def write(path):
    """Write the table: a folder, what it is for, and below it its files."""
    lines = [".. list-table::", "   :class: modules", "   :widths: 30 70", ""]
    for folder in sorted({file.parent for file in ROOT.rglob("*.py")}):
        name = folder.relative_to(ROOT.parent).as_posix()
        lines += [
            f"   * - **{name}/**",
            f"     - **{first_sentence(folder / '__init__.py')}**",
        ]
        for file in sorted(set(folder.glob("*.py")) - {folder / "__init__.py"}):
            lines += [f"   * - {file.name}", f"     - {first_sentence(file)}"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
