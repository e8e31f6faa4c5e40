"""How many programs are compiled, and what they hold: counts and memory, in a fresh process.

`python -m benchmarks.programs` measures itself and prints JSON; `measure` starts such a process.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path

N_SHAPES = 200


def measure():
    """Run `_main` in a fresh process and return what it found."""
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.programs"],
        cwd=Path(__file__).parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def _main():
    """Count what a cross-validation and a search compile, then fit networks of many shapes."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import GridSearchCV, cross_val_score

    from skdense import LowLevelMLPClassifier
    from skdense.core.compiling import n_compiled
    from skdense.datasets import make_two_clouds

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = make_two_clouds(200, random_state=0)
    network = LowLevelMLPClassifier((5, 5), max_iter=2, random_state=0)

    def compiled_by(run):
        before = n_compiled()
        run()
        return n_compiled() - before

    found = {"cross_val_score": compiled_by(lambda: cross_val_score(network, X, y, cv=5))}
    widths = [(width, width) for width in (2, 3, 4, 6, 8, 10, 12, 14, 16, 20)]
    search = GridSearchCV(network, {"hidden_layer_sizes": widths})
    found["ten_widths"] = compiled_by(lambda: search.fit(X, y))

    rng = np.random.RandomState(0)
    shapes = set()
    while len(shapes) < N_SHAPES:
        n_samples, n_features, width = rng.randint((50, 1, 1), (1000, 41, 65)).tolist()
        shapes.add((n_samples, n_features, width))
    start = _resident_bytes()

    def fit_all():
        for n_samples, n_features, width in sorted(shapes):
            X = rng.normal(size=(n_samples, n_features))
            LowLevelMLPClassifier((width,), max_iter=2, random_state=0).fit(X, X[:, 0] > X[:, 0].mean())

    found["shapes"] = N_SHAPES
    found["shapes_programs"] = compiled_by(fit_all)
    found["shapes_bytes"] = _resident_bytes() - start
    return found


def _resident_bytes():
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    print(json.dumps(_main()))
