from benchmark_utils.components import ContestantSolver


class Solver(ContestantSolver):
    """The same network in Keras, behind its SKLearnClassifier."""

    name = "Keras"
    requirements = ["pip::keras", "pip::tensorflow"]
    parameters = {"threads": ["all"]}  # TensorFlow alone trains and predicts
