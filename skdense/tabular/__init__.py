"""A strong default for tables: columns of any type become numbers for an ensemble of networks.

`make.py` says what the model consists of. Its `fit` goes through these files:

1. `pipeline.py`: `TablePipeline.fit` leaves out rows of weight zero (`ensemble/outer.py`). Then
   scikit-learn's Pipeline fits the four steps, one after the other.
2. `columns.py`: the step `columns` writes the table as float32, `scaled` scales it; `filled` is
   scikit-learn's SimpleImputer. `steps.py` has transformers that `columns` or the models use.
3. `ensemble/blend.py`: the step `ensemble` is a blend, which fits its models at the same time, by
   default in threads. Blends and cross-fit ensembles have one `fit`, that of `BaseOutOfFold` in
   `ensemble/crossfit.py`; they differ in the methods that it calls.
4. `ensemble/crossfit.py`: each model is a cross-fit ensemble, or a Pipeline of transformers that ends
   with one. It draws folds and makes clones of its estimator, for which `ensemble/sizes.py` sets what
   the number of rows decides, and `ensemble/members.py` fits one outside of each fold. Networks go on
   in `fit/fitting.py`, all other members are scikit-learn's.
5. `ensemble/calibration.py`: each cross-fit classifier learns a temperature from its out-of-fold
   predictions, then the blend learns the weights of its models and one more temperature, and what a set
   of classes needs. A blend of regressors learns weights, too; in the place of temperatures and sets
   its models learn by their predictions how large errors are, and then the blend itself, also by X.

X is the table until `columns`, then one array for all models; `ramps`, `linear` and `kernel` make
another of it. y goes to all steps as it is: `columns` asks whether many levels explain it, cross-fit
regressors scale it for networks and trees, and each member encodes labels. `sample_weight` and `groups`
go to the last step alone. Weights go to the scale of y, to the members and to all that is learned from
out-of-fold predictions, not to the draw of folds, which only lose samples of class weight zero; a
`class_weight`, which belongs to the blend, multiplies them, and weights whose mean, without zeros, is
below 1 are multiplied so that it is 1. Groups go to the draw of folds, and to how regressors learn of
errors. `random_state` belongs to each cross-fit ensemble, the same one to all, and draws its folds,
unless `cv` gives them, and then the seeds of each member; unless it is an int, the blend first draws
one from it for all. Landmarks of `kernel` and the trees that learn how large errors are draw with the
seed 0.
"""

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
