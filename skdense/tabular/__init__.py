"""A strong default for tables, and what it is made of.

A :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor` reads a table by its
`TableEncoder`, as one array of raw numbers. Each of its models sees this array through a `TableScaler`
and is fitted out of fold; a blend of them predicts.
"""

from skdense.tabular.estimators import TabularClassifier, TabularRegressor
from skdense.tabular.views import TableScaler

__all__ = ["TableEncoder", "TableScaler", "TabularClassifier", "TabularRegressor"]


def __getattr__(name):
    """Import TableEncoder when it is asked for: it needs the extra `tables`."""
    if name == "TableEncoder":
        from skdense.tabular.columns import TableEncoder

        return TableEncoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """All names, so that completion shows TableEncoder, too."""
    return sorted({*globals(), *__all__})
