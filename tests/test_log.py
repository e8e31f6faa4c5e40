"""What stderr shows while TensorFlow is imported: not its own lines, but all that others write."""

import os
import signal
import subprocess
import sys
from shutil import which

import pytest

from helpers import PACKAGE, TIME_LIMIT

pytestmark = pytest.mark.skipif(which("grep") is None, reason="stderr is filtered by grep")

LINES = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795693439.933279   15677 port.cc:153] oneDNN custom operations are on.
I0000 00:00:1795693440.012345   15677 cudart_stub.cc:31] Could not find cuda drivers
"""
ERROR = "E0000 00:00:1795693440.012345   15677 cuda_platform.cc:52] failed call to cuInit\n"
START = f"""
import os, subprocess, sys, types

for path in ("skdense", "skdense/core", "skdense/core/machine"):  # they would import scikit-learn
    module = types.ModuleType(path.replace("/", "."))
    module.__path__ = [path]
    sys.modules[module.__name__] = module

from skdense.core.machine.log import quiet_log

def tensorflow():
    os.write(2, {LINES.encode()!r})

"""


def stderr_of(program, expected_status=0, **environment):
    """What a program leaves on stderr, which may use `quiet_log` and write as `tensorflow`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    finished = subprocess.run(
        [sys.executable, "-c", START + program],
        cwd=PACKAGE.parent,
        env=inherited | environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIME_LIMIT,
        start_new_session=True,  # for the test that interrupts it
    )
    assert finished.returncode == expected_status, finished.stderr
    return finished.stderr


def test_only_tensorflows_lines_are_missing_and_its_level_is_set_only_meanwhile():
    program = f"""
with quiet_log():
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
    tensorflow()
    print("by Python", file=sys.stderr)
    os.write(2, {ERROR.encode()!r})
    tensorflow()
    os.write(2, b"no end of line")
assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ
try:
    with quiet_log():
        raise OSError
except OSError:
    tensorflow()
"""
    assert stderr_of(program) == f"by Python\n{ERROR}no end of line\n{LINES}"


def test_a_level_of_the_user_stays_and_level_0_shows_all():
    program = """
level = os.environ["TF_CPP_MIN_LOG_LEVEL"]
with quiet_log():
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
    tensorflow()
assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
"""
    assert stderr_of(program, TF_CPP_MIN_LOG_LEVEL="1") == ""
    assert stderr_of(program, TF_CPP_MIN_LOG_LEVEL="0") == LINES


def test_the_message_of_an_abort_is_shown():
    message = "F0000 00:00:1795693439.933279   15677 port.cc:1] Check failed: false\n"
    program = f"""
with quiet_log():
    tensorflow()
    os.write(2, {message.encode()!r})
    os.abort()
"""
    assert stderr_of(program, -signal.SIGABRT) == message


def test_a_process_that_starts_meanwhile_keeps_its_stderr():
    program = """
child = "import sys; sys.stdin.read(); print('by the child', file=sys.stderr)"
with quiet_log():
    tensorflow()
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE)
print("after", file=sys.stderr)
process.communicate()
"""
    assert stderr_of(program) == "after\nby the child\n"


def test_ctrl_c_does_not_end_the_filter():
    program = """
import signal
try:
    with quiet_log():
        os.killpg(0, signal.SIGINT)
        signal.pause()
except KeyboardInterrupt:
    os.write(2, b"interrupted\\n")
"""
    assert stderr_of(program) == "interrupted\n"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("os.environ['PATH'] = '/'", LINES),  # no grep
        ("sys.__stderr__ = None", LINES),
        ("sys.stderr.close()", LINES),
        ("os.close(2); tensorflow = int", ""),
        ("sys.stderr.close(); os.close(2); file = open(os.devnull, 'wb')", ""),
    ],
)
def test_where_stderr_cannot_be_filtered_it_stays(change, expected):
    program = f"""
{change}
with quiet_log():
    tensorflow()
"""
    assert stderr_of(program) == expected
