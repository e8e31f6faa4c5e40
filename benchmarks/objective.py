"""What benchopt measures: scores on a held-out quarter, of one split for each seed."""

import numpy as np
from benchmark_utils.data import split
from benchopt import BaseObjective
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error


class Objective(BaseObjective):
    """Accuracy and log-loss, or R² and the root mean squared error of a standardized target.

    A seed is the split's and the estimator's. It is a parameter, not a repetition, because benchopt
    runs all repetitions of one solver before the next: this way the solvers alternate on each split.
    The solvers run once: they fit as a user fits, and benchopt's growing series of runs with more and
    more iterations would measure something else.
    """

    name = "held-out"
    url = ""
    min_benchopt_version = "1.9"
    sampling_strategy = "run_once"
    parameters = {"seed": [0, 1, 2, 3, 4]}

    def skip(self, X, y, task, unavailable=None):
        return unavailable is not None, unavailable

    def set_data(self, X, y, task):
        self.task = task
        self.X_train, self.X_test, self.y_train, self.y_test = split(X, y, task, self.seed)

    def get_objective(self):
        names = ("X_train", "y_train", "X_test", "seed", "task")
        return {name: getattr(self, name) for name in names}

    def evaluate_result(self, output, predict_seconds):
        score, loss = getattr(self, f"_{self.task}")(output)
        return {
            "value": loss,
            "score": score,
            "predict_seconds": predict_seconds,
            "task": self.task,
            "n_train": len(self.X_train),
            "n_features": self.X_train.shape[1],
            "n_classes": len(np.unique(self.y_train)) if self.task == "classification" else None,
            "dtype": str(self.X_train.dtype),
        }

    def _classification(self, probabilities):
        classes = np.unique(self.y_train)
        probabilities = probabilities.astype(np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 rows may miss 1 by more
        accuracy = accuracy_score(self.y_test, classes[probabilities.argmax(axis=1)])
        return accuracy, log_loss(self.y_test, probabilities, labels=classes)

    def _regression(self, predictions):
        return r2_score(self.y_test, predictions), root_mean_squared_error(self.y_test, predictions)
