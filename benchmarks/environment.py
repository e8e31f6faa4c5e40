"""What a figure depends on: the code of skdense, versions, processor, threads, environment."""

import ast
import hashlib
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from threadpoolctl import threadpool_info

import skdense

PACKAGES = (
    "skdense tensorflow scikit-learn numpy scipy pandas joblib skrub catboost lightgbm xgboost MAPIE "
    "onnxruntime"
).split()
SOURCES = Path(__file__).parent.parent / "skdense"
PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "TF_", "XLA_", "LOKY_")


def describe():
    """Say the settings of this process in one sentence; none is changed here or elsewhere."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    installed = {package.name: package.version for package in metadata.distributions()}
    installed["skdense"] = skdense.__version__  # of this checkout
    versions = ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)
    pools = {
        f"{pool['prefix']} {pool.get('architecture') or ''} x {pool['num_threads']}".replace("  ", " ")
        for pool in threadpool_info()
    }
    settings = [f"{name}={value}" for name, value in os.environ.items() if name.startswith(PREFIXES)]
    return (
        f"{_processor()}, {usable} of {os.cpu_count()} CPUs; {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}; thread pools: {', '.join(sorted(pools))}; "
        f"environment: {' '.join(sorted(settings)) or 'no thread or kernel setting'}"
    )


def code():
    """The commit that is checked out, and the hash of the code of skdense: of what reports are."""
    commit = _git("rev-parse", "--short=10", "HEAD") or "unknown"
    if _git("status", "--porcelain", "--", "skdense"):
        commit += " with changes"
    return f"commit {commit}, code {syntax_hash(SOURCES)}"


def syntax_hash(folder):
    """A hash of all modules of a folder, without comments, docstrings and the texts of messages.

    So it changes where the code does, and stays where only its words change, or the version.
    """
    found = hashlib.sha256()
    for path in sorted(set(folder.rglob("*.py")) - {folder / "version.py"}):
        tree = _WithoutTexts().visit(ast.parse(path.read_bytes()))
        found.update(repr((path.relative_to(folder).as_posix(), _plain(tree))).encode())
    return found.hexdigest()[:16]


class _WithoutTexts(ast.NodeTransformer):
    """Drops docstrings, and empties the strings of `raise` and of warnings."""

    def visit_Expr(self, node):
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_Raise(self, node):
        return _emptied(node)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return _emptied(node) if name.startswith("warn") else self.generic_visit(node)


def _emptied(node):
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            inner.value = ""
    return node


def _plain(node):
    """A tree as nested tuples that do not depend on the version of Python."""
    if isinstance(node, ast.AST):
        fields = [(name, _plain(value)) for name, value in ast.iter_fields(node) if value or value == 0]
        return (type(node).__name__, *(field for field in fields if field[0] not in ("ctx", "kind")))
    return tuple(map(_plain, node)) if isinstance(node, list) else repr(node)


def _git(*arguments):
    """What a command of git prints; empty outside of a clone."""
    found = subprocess.run(["git", *arguments], cwd=SOURCES.parent, capture_output=True, text=True)
    return found.stdout.strip()


def _processor():
    try:
        return re.search("model name.*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or "unknown processor"
