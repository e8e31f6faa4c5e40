from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """skdense's estimator."""

    name = "LowLevelMLPClassifier"
    requirements = ["pip::skdense"]
