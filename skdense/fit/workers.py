"""A warning in joblib's worker processes: fits within one process take less time and memory."""

from multiprocessing import current_process

from skdense.exceptions import WorkerWarning
from skdense.fit.callers import warn_at_caller

_has_warned = False


def warn_in_a_worker() -> None:
    """Warn at the first fit in a worker process that joblib has started."""
    global _has_warned
    if _has_warned or not type(current_process()).__module__.startswith("joblib."):
        return
    _has_warned = True
    warn_at_caller(
        "Networks are fitted in worker processes. Each of these imports TensorFlow, compiles programs "
        "of its own and takes about 800 MB. Put "
        '`with joblib.parallel_config("threading", n_jobs=-1):` around the call: then the same fits '
        "run in threads of one process, usually faster. To keep the worker processes, silence this "
        "warning with "
        '`warnings.filterwarnings("ignore", category=skdense.exceptions.WorkerWarning)`.',
        WorkerWarning,
    )
