"""What benchopt measures: accuracy and log-loss on a held-out quarter, of one split for each seed."""

import numpy as np
from benchmark_utils.data import split
from benchopt import BaseObjective
from sklearn.metrics import accuracy_score, log_loss


class Objective(BaseObjective):
    """Held-out accuracy and log-loss.

    A seed is the split's and the estimator's. It is a parameter, not a repetition, because benchopt
    runs all repetitions of one solver before the next: this way the solvers take turns on each split.
    The solvers run once: they fit as a user fits, and benchopt's growing series of runs with more and
    more iterations would measure something else.
    """

    name = "Held-out accuracy"
    url = ""
    min_benchopt_version = "1.9"
    sampling_strategy = "run_once"
    parameters = {"seed": [0, 1, 2, 3, 4]}

    def skip(self, X, y, unavailable=None):
        return unavailable is not None, unavailable

    def set_data(self, X, y):
        self.X_train, self.X_test, self.y_train, self.y_test = split(X, y, self.seed)

    def get_objective(self):
        return {
            "X_train": self.X_train,
            "y_train": self.y_train,
            "X_test": self.X_test,
            "seed": self.seed,
        }

    def evaluate_result(self, probabilities, classes, predict_seconds):
        predictions = classes[probabilities.argmax(axis=1)]
        probabilities = probabilities.astype(np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)  # float32 rows may miss 1 by more
        loss = log_loss(self.y_test, probabilities, labels=classes)
        return {
            "value": loss,
            "log_loss": loss,
            "accuracy": accuracy_score(self.y_test, predictions),
            "predict_seconds": predict_seconds,
            "n_train": len(self.X_train),
            "n_test": len(self.X_test),
            "n_features": self.X_train.shape[1],
            "n_classes": len(classes),
        }
