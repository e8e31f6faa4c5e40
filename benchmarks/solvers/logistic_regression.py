from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """The linear baseline."""

    name = "LogisticRegression"
    requirements = ["pip::scikit-learn"]
