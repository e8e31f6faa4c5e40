"""Programs on disk: what this machine has traced and compiled, for later processes.

They save time and memory of the first fit of a process (docs/benchmarks, first_fits and costs).
`compiling.py` alone uses this.

A file has the functions of one program and the executable that XLA made of them. TensorFlow can write
executables to a folder and read them there, but it does not verify them, and an error in doing so makes
the call fail. So it uses a folder in the memory of this process, in which an executable exists only
while it is handed over, and what it reads there was verified before. After any error with a file, the
program is traced and compiled as if there were none; so it is without a folder, with another version of
TensorFlow, and with SKDENSE_PLAIN_TENSORFLOW. No TensorFlow.
"""

import hashlib
import json
import logging
import os
import platform
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from skdense import compat
from skdense.core.machine.lazy_import import is_tested

MOST_BYTES = 256 * 2**20
"""The largest size of the folder. Beyond it, the least recently used programs are removed."""

_log = logging.getLogger("skdense")
_CORE = Path(__file__).parents[1]
_PREFIX, _SUFFIX = "skdense_", ".program"
_VARIABLES = "XLA_", "TF_", "ONEDNN_", "DNNL_"
"""The beginnings of environment variables that may change what TensorFlow compiles."""
_IMPORTED = time.time()
# TensorFlow fails where it cannot write. The memory of the process has room as long as there is any,
# and leaves nothing behind, however the process ends.
_EXCHANGED = "ram://skdense"
"""The folder in which TensorFlow and this module hand executables over."""
_gfile: Any = None
"""TensorFlow's functions for files, once executables are handed over."""


class ProgramCode(NamedTuple):
    """What is kept of a program.

    `functions` is a serialized GraphDef with the functions, `function` the name of the one to call, and
    `n_outputs` the number of its outputs. `executable` is what XLA made of it, empty if that is not
    known, and `entry` the name of the file in which TensorFlow looks for it.
    """

    function: str
    n_outputs: int
    functions: bytes
    entry: str = ""
    executable: bytes = b""


def folder_for(version: str) -> tuple[Path | None, str]:
    """The folder where programs are kept, or None and the reason why they are not.

    `version` is TensorFlow's, empty if it is not installed. SKDENSE_CACHE_DIR names another folder, or
    none. If the folder is a link, its target is checked and used.
    """
    if not version:
        return None, "TensorFlow is not installed"
    if os.environ.get("SKDENSE_PLAIN_TENSORFLOW"):
        return None, "SKDENSE_PLAIN_TENSORFLOW is set"
    if not is_tested(version):
        return None, f"TensorFlow {version} is not tested"
    path = os.environ.get("SKDENSE_CACHE_DIR")
    if path is not None:
        try:
            real = Path(os.path.realpath(path))
            return (real, "") if path else (None, "SKDENSE_CACHE_DIR is empty")
        except OSError:
            return None, f"SKDENSE_CACHE_DIR is {path!r}, and the working directory does not exist"
    if sys.platform != "linux":
        return None, "this is tested on Linux only; SKDENSE_CACHE_DIR can name a folder"
    home = os.environ.get("HOME", "").rstrip("/")
    for base in (os.environ.get("XDG_CACHE_HOME", ""), home and f"{home}/.cache"):
        if os.path.isabs(base):  # others are not valid
            return Path(os.path.realpath(Path(base, "skdense"))), ""
    return None, "none of HOME, XDG_CACHE_HOME and SKDENSE_CACHE_DIR names a folder"


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable in the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def exchange_flags(tensorflow: Any) -> str | None:
    """The TF_XLA_FLAGS that let TensorFlow and this module hand executables over, from now on.

    None if programs are not kept, or if there are flags of the user's.
    """
    global _gfile
    if folder_for(tensorflow.__version__)[0] is None or os.environ.get("TF_XLA_FLAGS"):
        return None
    _gfile = tensorflow.io.gfile
    _gfile.makedirs(_EXCHANGED)
    return f"--tf_xla_persistent_cache_directory={_EXCHANGED}"


def name_of(key: tuple, *facts: object) -> str | None:
    """The name of a program, the same in every process in which its code would be the same.

    `facts` are TensorFlow's version and number of threads. Return None if the key has objects of
    other packages, our sources cannot be read or have changed, or the processor's features are unknown.
    """
    try:
        _sources()
        text = repr((_machine(), facts, _described(key)))
    except Exception as error:
        _log.debug("a program is not kept: %r", error)
        return None
    return f"{_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:40]}"


def _described(part: object) -> object:
    """A part of a key as names, numbers and tuples; a TypeError for an object of another package."""
    if part is None or isinstance(part, bool | int | float | str):
        return part
    named = part if isinstance(part, FunctionType) else type(part)
    if type(part) is not tuple and not named.__module__.startswith("skdense.core."):
        raise TypeError(f"{part!r} is not part of skdense")
    parts = part if isinstance(part, tuple) else ()
    if is_dataclass(part):
        parts = [getattr(part, field.name) for field in fields(part)]
    return named.__module__, named.__qualname__, *map(_described, parts)


def _sources() -> list[Path]:
    """The files of the core; an OSError if they have changed since the import."""
    sources = sorted(_CORE.rglob("*.py"))
    if not sources or any(path.stat().st_ctime > _IMPORTED for path in sources):
        raise FileNotFoundError(f"{_CORE} has not the sources that were imported")
    return sources


@cache
def _machine() -> tuple:
    """What a program depends on besides its key: the code, the processor and the settings."""
    code = hashlib.sha256()
    for path in _sources():
        code.update(path.relative_to(_CORE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    processor = [platform.machine(), compat.features_of_processor()]
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0].splitlines()
        models = "model name", "flags", "CPU implementer", "CPU part", "Features"
        processor += [line for line in lines if line.startswith(models)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables = sorted(
        (name, value)
        for name, value in os.environ.items()
        if name.startswith(_VARIABLES) and not name.startswith("TF_CPP_")  # of the log
    )
    return code.hexdigest(), np.__version__, sys.version_info[:2], processor, cores, variables


def load(folder: Path, name: str) -> ProgramCode | None:
    """The program of this name in a folder, None if there is none or its file is damaged.

    Its executable is put where TensorFlow looks for it, until `take_executable`.
    """
    path = folder / f"{name}{_SUFFIX}"
    try:
        check_trust(folder)
        program = decoded(path.read_bytes())
        if program is None or program.function != name:
            _log.debug("%s is damaged", path)
            path.unlink()
            return None
        if _gfile is not None and program.executable:
            with _gfile.GFile(f"{_EXCHANGED}/{program.entry}", "wb") as file:
                file.write(program.executable)
    except Exception as error:
        _log.debug("%s is not there: %s", path, error)
        return None
    with suppress(OSError):
        os.utime(path)  # says when it was last used
    _log.debug("%s is taken from disk", path)
    return program


def save(folder: Path, program: ProgramCode) -> None:
    """Keep a program for other processes, unless that is not possible."""
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
        check_trust(folder)
        file = folder / f"{_PREFIX}{uuid4().hex}{_SUFFIX}"
        try:
            file.write_bytes(encoded(program))
            file.replace(folder / f"{program.function}{_SUFFIX}")
        finally:  # `_shrink` later removes the file that a killed process left
            file.unlink(missing_ok=True)
        _log.debug("%s is kept in %s", program.function, folder)
        _shrink(folder)
    except OSError as error:
        _log.debug("%s is not kept: %s", program.function, error)


def forget(folder: Path, name: str) -> None:
    """Remove a program that TensorFlow could not use."""
    _log.debug("TensorFlow cannot use %s", name)
    with suppress(OSError):
        (folder / f"{name}{_SUFFIX}").unlink()


def take_executable(function: str) -> tuple[str, bytes]:
    """Remove the file that TensorFlow has read or written in a function's call.

    Return its name and its content; without such a file, both are empty.
    """
    if _gfile is not None:
        for name in _gfile.listdir(_EXCHANGED):
            # Skip files that other threads are writing or removing.
            with suppress(Exception), _gfile.GFile(f"{_EXCHANGED}/{name}", "rb") as file:
                executable = file.read()
                if ".tmp" not in name and function.encode() in executable:
                    _gfile.remove(f"{_EXCHANGED}/{name}")
                    return name, executable
    return "", b""


def encoded(program: ProgramCode) -> bytes:
    """The bytes of a program's file: a digest of the rest, a line of JSON, functions and executable."""
    head = program._replace(functions=len(program.functions), executable=len(program.executable))
    line = json.dumps(head._asdict()).encode() + b"\n"
    body = line + program.functions + program.executable
    return hashlib.sha256(body).digest() + body


def decoded(data: bytes) -> ProgramCode | None:
    """The program from the bytes of its file, None if they are not what was written."""
    digest, body = data[:32], data[32:]
    if hashlib.sha256(body).digest() != digest:
        return None
    line, _, contents = body.partition(b"\n")
    head = json.loads(line)
    size = head["functions"]
    return ProgramCode(**{**head, "functions": contents[:size], "executable": contents[size:]})


def check_trust(folder: Path) -> None:
    """Raise an OSError if other users may have put native code into a folder."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if hasattr(os, "geteuid") and (
        status.st_uid not in (os.geteuid(), 0) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        raise PermissionError(f"others may write to {folder}, or it belongs to somebody else")


def files(folder: Path) -> list[tuple[float, int, Path]]:
    """For each program of a folder its last use, size and path; the oldest first."""
    programs = []
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with suppress(FileNotFoundError):  # another process may have removed it
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                programs.append((status.st_mtime, status.st_size, path))
    return sorted(programs)


def _shrink(folder: Path) -> None:
    """Remove the least recently used programs until the folder is no larger than `MOST_BYTES`."""
    programs = files(folder)
    n_bytes = sum(size for _, size, _ in programs)
    for _, size, path in programs:
        if n_bytes > MOST_BYTES:
            path.unlink(missing_ok=True)
            n_bytes -= size
