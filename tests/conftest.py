"""Settings of the whole suite: hypothesis draws the same examples in every run, and Ctrl-C works."""

import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "skdense",
    deadline=None,  # the first example of a shape compiles
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skdense")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts():
    """Let SIGINT interrupt the tests even where they were started with it ignored, as by `nohup`.

    The processes that they start inherit an ignored signal, but not a handler.
    """
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)
