"""benchopt's data sets and solvers, as far as all of them are alike, over the two registries."""

import time
import warnings
from contextlib import nullcontext

from benchopt import BaseDataset, BaseSolver
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from .data import Unavailable, load
from .estimators import CONTESTANTS

__all__ = ["ContestantSolver", "RegisteredDataset"]


class RegisteredDataset(BaseDataset):
    """A data set of the registry; one that cannot be had is skipped with its reason."""

    def get_data(self):
        try:
            X, y = load(self.dataset)
        except Unavailable as reason:
            return {"X": None, "y": None, "unavailable": str(reason)}
        return {"X": X, "y": y}


class ContestantSolver(BaseSolver):
    """An estimator of the registry, fitted once a run, with BLAS and OpenMP on one thread or on all.

    `skdense` trains with neither; its two rows differ by noise only, and show how large that is.
    """

    sampling_strategy = "run_once"
    parameters = {"threads": ["1", "all"]}

    def skip(self, **objective):
        missing = CONTESTANTS[self.name].missing()
        return bool(missing), f"needs `pip install {' '.join(missing)}`" if missing else None

    def set_objective(self, X_train, y_train, X_test, seed):
        self.X_train, self.y_train, self.X_test, self.seed = X_train, y_train, X_test, seed

    def pre_run_hook(self, stop_val):
        """Fit for one epoch, untimed, so that what is timed is a later fit of the process."""
        self._fit(epochs=1)
        controller = ThreadpoolController()
        self._limit = controller.limit(limits=1) if self.threads == "1" else None

    def run(self, stop_val):
        with self._limit or nullcontext():
            self.estimator = self._fit()

    def _fit(self, **epochs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator = CONTESTANTS[self.name].make(random_state=self.seed, **epochs)
            return estimator.fit(self.X_train, self.y_train)

    def get_result(self):
        start = time.perf_counter()
        probabilities = self.estimator.predict_proba(self.X_test)
        seconds = time.perf_counter() - start
        return {
            "probabilities": probabilities,
            "classes": self.estimator.classes_,
            "predict_seconds": seconds,
        }
