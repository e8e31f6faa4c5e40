"""The name "skdense" of a joblib backend, for code that was written for earlier versions."""

from joblib.parallel import ThreadingBackend

from skdense.fit.callers import warn_at_caller


class DeprecatedBackend(ThreadingBackend):
    """joblib's threads, on all cores unless `n_jobs` is given."""

    default_n_jobs = -1

    def __init__(self, **parameters):
        warn_at_caller(
            'The joblib backend "skdense" is deprecated and will be removed in version 0.4. Write '
            '`with joblib.parallel_config("threading", n_jobs=-1):` in its place.',
            FutureWarning,
        )
        super().__init__(**parameters)
