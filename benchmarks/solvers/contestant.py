import time
import warnings
from importlib.util import find_spec

from benchmark_utils.estimators import CONTESTANTS, THREADS, make
from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits


class Solver(BaseSolver):
    """An estimator of the registry, fitted once a run, with BLAS and OpenMP on one thread or on all.

    What is timed is a later fit of the process: one of a single epoch comes before it.
    """

    name = "contestant"
    sampling_strategy = "run_once"
    parameters = {"estimator": list(CONTESTANTS), "threads": list(THREADS)}
    requirements = ["pip::skdense"]

    def skip(self, task, **objective):
        contestant = CONTESTANTS[self.estimator]
        if contestant.task != task:
            return True, f"is for {contestant.task}"
        if self.threads not in contestant.threads:
            return True, "trains with threads of its own, not with those of BLAS"
        missing = [package for package in contestant.packages if find_spec(package) is None]
        return bool(missing), f"needs `pip install {' '.join(missing)}`" if missing else None

    def set_objective(self, X_train, y_train, X_test, seed, task):
        self.X_train, self.y_train, self.X_test, self.seed = X_train, y_train, X_test, seed
        self.method = "predict_proba" if task == "classification" else "predict"

    def pre_run_hook(self, stop_val):
        self._fit(max_iter=1)

    def run(self, stop_val):
        with threadpool_limits(1 if self.threads == "1" else None):
            self.fitted = self._fit()

    def _fit(self, **parameters):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator = make(self.estimator, random_state=self.seed, **parameters)
            return estimator.fit(self.X_train, self.y_train)

    def get_result(self):
        start = time.perf_counter()
        output = getattr(self.fitted, self.method)(self.X_test)
        return {"output": output, "predict_seconds": time.perf_counter() - start}
