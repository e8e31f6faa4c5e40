"""Programs that tests run in a Python of their own, which cannot hang a test."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import skdense

PACKAGE = Path(skdense.__file__).parent
TIME_LIMIT = 120
"""The seconds that a program may take; none takes nearly as long."""


@contextmanager
def running_python(program, *arguments, **environment):
    """A process that runs a program text, killed after `TIME_LIMIT` or when the block ends.

    skdense can be imported there, and no TF_ variable is set.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-u", "-c", program, *map(str, arguments)],
        cwd=PACKAGE.parent,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = Timer(TIME_LIMIT, process.kill)
    watchdog.start()
    with process:
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def run_python(program, *arguments, **environment):
    """The standard output of a program, which must end well and write no error."""
    with running_python(program, *arguments, **environment) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert errors == ""
    assert process.returncode == 0
    return output
