"""The module of the tables of version 0.5.0, which their files name."""

raise ImportError(
    "a model of a table that skdense 0.5.0 saved cannot be loaded: fit a TabularClassifier or "
    "TabularRegressor to its table"
)
