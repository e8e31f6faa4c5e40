"""What a figure depends on besides the code: versions, processor, threads, the load of the machine."""

import os
import platform
import sys
from importlib import metadata

from threadpoolctl import threadpool_info

PACKAGES = [
    "skdense",
    "tensorflow",
    "scikit-learn",
    "numpy",
    "scipy",
    "benchopt",
    "torch",
    "skorch",
    "keras",
]
PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "TF_", "XLA_", "LOKY_")


def describe():
    """Return the settings of this process as a JSON-able dict; none is changed here or elsewhere."""
    return {
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "usable_cpus": _usable_cpus(),
        "load_average": _load_average(),
        "thread_pools": [
            {
                "library": pool["prefix"],
                "version": pool["version"],
                "threads": pool["num_threads"],
                "kernel": pool.get("architecture"),
            }
            for pool in threadpool_info()
        ],
        "tensorflow_threads": _tensorflow_threads(),
        "environment": {
            name: os.environ[name] for name in sorted(os.environ) if name.startswith(PREFIXES)
        },
    }


def sentence(settings, settings_at_end):
    """Say the settings in one line of Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in settings["versions"].items())
    pools = ", ".join(
        f"{pool['library']} {pool['kernel'] or ''} x {pool['threads']}".replace("  ", " ")
        for pool in settings_at_end["thread_pools"]
    )
    variables = " ".join(f"{name}={value}" for name, value in settings["environment"].items())
    return (
        f"{settings['processor']}, {settings['usable_cpus']} of {settings['cpu_count']} CPUs, "
        f"load average {settings['load_average']} before and {settings_at_end['load_average']} after; "
        f"Python {settings['python']}, {versions}; thread pools: {pools}, "
        f"TensorFlow intra-op x {settings_at_end['tensorflow_threads'] or 'all'}; "
        f"environment: {variables or 'no thread or kernel setting'}."
    )


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(
                line.partition(":")[2].strip() for line in lines if line.startswith("model name")
            )
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def _usable_cpus():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _load_average():
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def _tensorflow_threads():
    """0 stands for all cores; None for a process that has not imported TensorFlow."""
    tf = sys.modules.get("tensorflow")
    return tf.config.threading.get_intra_op_parallelism_threads() if tf else None
