"""The module of the tables of version 0.5.0, which their files name."""


def __getattr__(name):
    """Say what to do in the place of loading such a file."""
    if name == "TablePipeline":
        raise ImportError(
            "a TablePipeline that skdense 0.5.0 saved cannot be loaded: fit a TabularClassifier or "
            "TabularRegressor to its table"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
