"""What a figure depends on besides the code: versions, processor, threads, the load of the machine."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

from threadpoolctl import threadpool_info

import skdense

PACKAGES = (
    "skdense tensorflow scikit-learn numpy scipy pandas joblib skrub catboost lightgbm xgboost MAPIE "
    "onnxruntime"
).split()
PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "TF_", "XLA_", "LOKY_")


def describe():
    """Say the settings of this process in one sentence; none is changed here or elsewhere."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    installed = {package.name: package.version for package in metadata.distributions()}
    installed["skdense"] = skdense.__version__  # of this checkout
    versions = ", ".join(f"{name} {installed[name]}" for name in PACKAGES if name in installed)
    pools = {
        f"{pool['prefix']} {pool.get('architecture') or ''} x {pool['num_threads']}".replace("  ", " ")
        for pool in threadpool_info()
    }
    settings = [f"{name}={value}" for name, value in os.environ.items() if name.startswith(PREFIXES)]
    return (
        f"{_processor()}, {usable} of {os.cpu_count()} CPUs; {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}; thread pools: {', '.join(sorted(pools))}; "
        f"environment: {' '.join(sorted(settings)) or 'no thread or kernel setting'}"
    )


def code():
    """The state of skdense's folder in the commit that is checked out; empty outside of a clone."""
    command = ["git", "rev-parse", "HEAD:skdense"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    return found.stdout.strip()


def _processor():
    try:
        return re.search("model name.*: (.*)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or "unknown processor"
