from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """Boosted trees, the yardstick of accuracy on tables."""

    name = "HistGradientBoosting"
    requirements = ["pip::scikit-learn"]
