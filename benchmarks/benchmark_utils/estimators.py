"""The contestants by name. All networks are MLPClassifier's defaults: one hidden layer of 100 ReLUs,
Adam at 0.001, batches of 200, at most 200 epochs, stopped when 10 in a row gain less than 1e-4.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

HIDDEN_UNITS, BATCH_SIZE, PATIENCE, TOLERANCE = 100, 200, 10, 1e-4


@dataclass(frozen=True)
class Contestant:
    """How to make an estimator, `make(random_state=..., epochs=...)`, and the modules its fit needs."""

    make: Callable
    modules: tuple[str, ...]

    def missing(self):
        """The packages that are not installed."""
        packages = [module.partition(".")[0] for module in self.modules]
        return [package for package in packages if find_spec(package) is None]


def _low_level_mlp(random_state, epochs=200):
    from skdense import LowLevelMLPClassifier

    return LowLevelMLPClassifier(random_state=random_state, max_iter=epochs)


def _mlp(random_state, epochs=200):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(random_state=random_state, max_iter=epochs)


def _logistic_regression(random_state, epochs=1000):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(random_state=random_state, max_iter=epochs)


def _hist_gradient_boosting(random_state, epochs=100):
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(random_state=random_state, max_iter=epochs)


def _skorch(random_state, epochs=200):
    from .torch_net import make_skorch_classifier

    return make_skorch_classifier(random_state, epochs)


def _keras(random_state, epochs=200):
    from .keras_net import make_keras_classifier

    return make_keras_classifier(random_state, epochs)


CONTESTANTS = {
    "LowLevelMLPClassifier": Contestant(_low_level_mlp, ("skdense.core.training",)),
    "MLPClassifier": Contestant(_mlp, ("sklearn.neural_network",)),
    "LogisticRegression": Contestant(_logistic_regression, ("sklearn.linear_model",)),
    "HistGradientBoosting": Contestant(_hist_gradient_boosting, ("sklearn.ensemble",)),
    "skorch": Contestant(_skorch, ("torch", "skorch")),
    "Keras": Contestant(_keras, ("keras", "tensorflow")),
}
