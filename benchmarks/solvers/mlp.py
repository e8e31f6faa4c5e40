from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """scikit-learn's estimator that skdense stands in for."""

    name = "MLPClassifier"
    requirements = ["pip::scikit-learn"]
