"""What a figure depends on besides the code: versions, processor, threads, the load of the machine."""

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path

from threadpoolctl import threadpool_info

import skdense
from skdense.core.machine.tensorflow import tf

PACKAGES = (
    "skdense tensorflow scikit-learn numpy scipy joblib benchopt torch skorch keras "
    "pytabkit catboost lightgbm xgboost MAPIE skrub"
).split()
PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "TF_", "XLA_", "LOKY_")


def load_average():
    """Of the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def describe(load_before):
    """Say the settings of this process in one sentence; none is changed here or elsewhere."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    installed = {package.name: package.version for package in metadata.distributions()}
    installed["skdense"] = skdense.__version__  # of this checkout
    versions = ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)
    pools = ", ".join(
        f"{pool['prefix']} {pool.get('architecture') or ''} x {pool['num_threads']}".replace("  ", " ")
        for pool in threadpool_info()
    )
    is_imported = "tensorflow" in sys.modules
    tf_threads = (is_imported and tf.config.threading.get_intra_op_parallelism_threads()) or "all"
    settings = [f"{name}={value}" for name, value in os.environ.items() if name.startswith(PREFIXES)]
    return (
        f"{_processor()}, {usable} of {os.cpu_count()} CPUs, load average {load_before} before and "
        f"{load_average()} after; {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}, {versions}; thread pools: {pools}, TensorFlow intra-op x "
        f"{tf_threads}; environment: {' '.join(sorted(settings)) or 'no thread or kernel setting'}."
    )


def _processor():
    try:
        return re.search("model name.*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or "unknown processor"
