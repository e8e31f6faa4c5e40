from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """The same network in PyTorch, behind skorch."""

    name = "skorch"
    requirements = ["pip::skorch", "pip::torch"]
