"""A strong default for tables: columns of any type become numbers for an ensemble of networks."""

from skdense.tabular.make import make_tabular_classifier, make_tabular_regressor
from skdense.tabular.onnx import onnx_inputs, to_onnx
from skdense.tabular.pipeline import TablePipeline, time_blocks

__all__ = [
    "TablePipeline",
    "make_tabular_classifier",
    "make_tabular_regressor",
    "onnx_inputs",
    "time_blocks",
    "to_onnx",
]
