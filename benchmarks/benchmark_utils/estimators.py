"""The contestants by name, each with its defaults. skorch and Keras have no defaults of an MLP; their
networks are MLPClassifier's: one hidden layer of 100 ReLUs, Adam at 0.001, batches of 200, at most 200
epochs, stopped when 10 in a row gain less than 1e-4; but float32 and without its L2 penalty.
"""

from dataclasses import dataclass, field
from importlib import import_module

HIDDEN_UNITS, BATCH_SIZE, EPOCHS, PATIENCE, TOLERANCE = 100, 200, 200, 10, 1e-4
# Settings of BLAS and OpenMP: one thread, or as the environment has them, which is all cores.
THREADS = ("1", "cores")


@dataclass(frozen=True)
class Contestant:
    """Where an estimator is to be found, and what it needs."""

    module: str
    task: str = "classification"
    parameters: dict = field(default_factory=dict)
    packages: tuple[str, ...] = ()  # that must be installed
    threads: tuple[str, ...] = THREADS  # the settings that make a difference to its fit


_TENSORFLOW = {"threads": ("cores",)}  # it trains with threads of its own, not with those of BLAS
CONTESTANTS = {
    "LowLevelMLPClassifier": Contestant("skdense", **_TENSORFLOW),
    "MLPClassifier": Contestant("sklearn.neural_network"),
    "LogisticRegression": Contestant("sklearn.linear_model", parameters={"max_iter": 1000}),
    "HistGradientBoostingClassifier": Contestant("sklearn.ensemble"),
    "skorch": Contestant(".torch_net", packages=("skorch", "torch")),
    "Keras": Contestant(".keras_net", packages=("keras",), **_TENSORFLOW),
    "LowLevelMLPRegressor": Contestant("skdense", "regression", **_TENSORFLOW),
    "MLPRegressor": Contestant("sklearn.neural_network", "regression"),
    "Ridge": Contestant("sklearn.linear_model", "regression"),
    "HistGradientBoostingRegressor": Contestant("sklearn.ensemble", "regression"),
}
OURS, THEIRS = "LowLevelMLPClassifier", "MLPClassifier"
# Whose seconds the others' are compared with.
BASELINE = {"classification": "MLPClassifier", "regression": "MLPRegressor"}


def make(name, **parameters):
    """The contestant of that name; parameters are `random_state` and `max_iter`."""
    contestant = CONTESTANTS[name]
    estimator = getattr(import_module(contestant.module, __package__), name)
    return estimator(**{**contestant.parameters, **parameters})
