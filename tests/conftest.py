"""Settings of the whole suite: hypothesis draws the same examples in every run, without a deadline."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "skdense",
    deadline=None,  # the first example of a shape compiles
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("skdense")
