"""A strong default for tables: columns of any type become numbers for an ensemble of networks."""

from skdense.tabular.make import make_tabular_classifier, make_tabular_regressor
from skdense.tabular.onnx import onnx_inputs, to_onnx
from skdense.tabular.pipeline import TablePipeline

__all__ = [
    "TablePipeline",
    "make_tabular_classifier",
    "make_tabular_regressor",
    "onnx_inputs",
    "to_onnx",
]


def __getattr__(name):
    """Say why a pipeline that version 0.1.0 saved cannot be loaded: its steps name this function."""
    if name == "soft_clip":
        raise ValueError(
            "skdense 0.1.0 saved this model of a table, and later versions write its columns in "
            "another way: fit it again, or load it with version 0.1.0"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
