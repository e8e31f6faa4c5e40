"""What stderr shows while TensorFlow is loaded: nothing of its log, and all that others write."""

import os
import signal
import subprocess
import sys

import pytest

from helpers import PACKAGE, TIME_LIMIT

TENSORFLOWS = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795693439.933279   15677 port.cc:153] oneDNN custom operations are on.
2026-11-26 11:30:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This
"""
START = f"""
import os, signal, subprocess, sys, threading, types

for path in ("skdense", "skdense/core", "skdense/core/machine"):  # they would import scikit-learn
    module = types.ModuleType(path.replace("/", "."))
    module.__path__ = [path]
    sys.modules[module.__name__] = module

from skdense.core.machine.tensorflow import quiet

def tensorflow():
    os.write(2, {TENSORFLOWS.encode()!r})

"""


def errors_of(program, expected=0, **environment):
    """What a program, which may use `quiet` and write as `tensorflow`, leaves on stderr."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", START + program],
        cwd=PACKAGE.parent,
        env=inherited | environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIME_LIMIT,
    )
    assert process.returncode == expected, process.stderr
    return process.stderr


def test_only_tensorflows_log_is_missing_and_its_level_is_set_only_meanwhile():
    program = """
with quiet():
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    tensorflow()
    print("by Python", file=sys.stderr)
    os.write(2, b"by the system\\n")
    tensorflow()
    os.write(2, b"no end")
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
print(" of line", file=sys.stderr)
try:
    with quiet():
        raise OSError
except OSError:
    tensorflow()
"""
    assert errors_of(program) == f"by Python\nby the system\nno end of line\n{TENSORFLOWS}"


WARNING, ERROR = "W0000 00:00:1795693439.933279 15677 a.cc:1] b\n", "E0000 00:00:17 15677 a.cc:2] c\n"


def test_a_level_that_is_set_says_what_is_shown_also_of_what_tensorflow_writes_before_it_reads_it():
    program = f"""
for level in "01234":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = level
    with quiet():
        tensorflow()
        os.write(2, {(WARNING + ERROR).encode()!r})
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
"""
    assert errors_of(program) == TENSORFLOWS + 2 * (WARNING + ERROR) + ERROR


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_the_message_of_an_abort_is_shown():
    message = "F0000 00:00:1795693439.933279   15677 port.cc:1] Check failed: false\n"
    program = f"""
with quiet():
    tensorflow()
    os.write(2, {message.encode()!r})
    os.abort()
"""
    assert errors_of(program, expected=-signal.SIGABRT) == message


def test_a_process_that_starts_meanwhile_keeps_its_stderr():
    program = """
child = "import sys; sys.stdin.read(); print('by the child', file=sys.stderr)"
with quiet():
    tensorflow()
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE)
print("after", file=sys.stderr)
process.communicate()
"""
    assert errors_of(program) == "after\nby the child\n"


def test_ctrl_c_does_not_end_what_passes_stderr_on():
    program = """
try:
    with quiet():
        os.killpg(0, signal.SIGINT)
        threading.Event().wait(60)
except KeyboardInterrupt:
    os.write(2, b"interrupted\\n")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", START + program],
        cwd=PACKAGE.parent,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.communicate(timeout=TIME_LIMIT)[1] == b"interrupted\n"


def test_where_stderr_cannot_be_filtered_it_stays():
    program = """
for name, value in (("__stderr__", None), ("executable", "/"), ("executable", "/bin/true")):
    before = getattr(sys, name)
    setattr(sys, name, value)
    with quiet():
        tensorflow()
    setattr(sys, name, before)
"""
    assert errors_of(program) == 3 * TENSORFLOWS


def test_a_stderr_that_is_closed_or_cannot_flush_is_no_error():
    program = """
for change in (lambda: setattr(sys, "stderr", object()), sys.stderr.close, lambda: os.close(2)):
    stderr = os.dup(2)
    change()
    with quiet():
        pass
    os.dup2(stderr, 2)
sys.stderr = sys.__stderr__  # Python flushes it at its end
os.write(2, b"end")
"""
    assert errors_of(program) == "end"


def test_a_file_that_has_the_number_of_a_closed_stderr_is_not_replaced(tmp_path):
    program = f"""
sys.stderr.close()
os.close(2)
file = open({str(tmp_path / "rows")!r}, "wb", buffering=0)
assert file.fileno() == 2
with quiet():
    assert os.path.sameopenfile(2, os.open(file.name, os.O_RDONLY))
"""
    assert errors_of(program) == ""
