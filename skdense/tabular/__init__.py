"""A strong default for tables, and what it is made of.

A :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor` reads a table by its
`TableEncoder`, as one array of raw numbers. Each of its models sees this array through a `TableScaler`
and is fitted out of fold; a blend of them predicts.
"""

from skdense import compat
from skdense.tabular.estimators import TabularClassifier, TabularRegressor
from skdense.tabular.views import TableScaler

__all__ = ["TableEncoder", "TableScaler", "TabularClassifier", "TabularRegressor"]

_NOW = {
    "make_tabular_classifier": "skdense.TabularClassifier",
    "make_tabular_regressor": "skdense.TabularRegressor",
    "TablePipeline": "skdense.TabularClassifier and skdense.TabularRegressor",
    "time_blocks": "pandas.qcut(dates, 8, labels=False, duplicates='drop')",
    "to_onnx": "skdense.onnx.to_onnx",
    "onnx_inputs": "skdense.onnx.onnx_inputs",
}
"""What there is in the place of names that version 0.5.0 had."""


def __getattr__(name):
    """Import TableEncoder when it is asked for: it needs the extra `tables`."""
    if name == "TableEncoder":
        from skdense.tabular.columns import TableEncoder

        return TableEncoder
    raise compat.missing(__name__, name, _NOW)


def __dir__():
    """All names, so that completion shows TableEncoder, too."""
    return sorted({*globals(), *__all__})
