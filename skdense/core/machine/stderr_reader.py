"""A program that passes lines on from stdin to stderr, but holds those that TensorFlow writes.

It is a process of its own, since a process that aborts passes nothing on. `quiet.py` starts it, and
tells it with the lines LOADED and FAILED how loading ended. After FAILED, or without either, what was
held is written. It ends when nobody can write to it any more.
"""

import os
import sys

READY, LOADED, FAILED = b"ready\n", b"\0loaded\n", b"\0failed\n"


def main():
    """Answer READY at once and close stdout when loading has ended."""
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()

    import re  # after the answer, for which the other process waits

    of_tensorflow = re.compile(
        rb"[IWE]\d{4} \d\d:\d\d:\d\d"
        rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] "
        rb"|WARNING: All log messages before absl::InitializeLog\(\)"
        rb"|To enable the following instructions: "
    )
    held, loading, stderr = [], True, sys.stderr.buffer

    def pass_on(*lines):
        stderr.write(b"".join(lines))
        stderr.flush()

    for line in sys.stdin.buffer:
        if line.endswith((LOADED, FAILED)):
            pass_on(*(held if line.endswith(FAILED) else []), line[: -len(LOADED)])
            held, loading = [], False
            os.close(1)
        elif loading and of_tensorflow.match(line):
            held.append(line)
        else:
            pass_on(line)
    pass_on(*held)


if __name__ == "__main__":
    main()
