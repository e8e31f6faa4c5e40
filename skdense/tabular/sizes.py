"""What the size of a table decides: epochs, minibatches, the number of folds, which models it has."""

from math import log2, sqrt

import numpy as np
from sklearn.base import is_classifier

from skdense.base import BaseLowLevelMLP
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor

_MOST_CLASSES, _FEWEST_ROWS_WITHOUT_TREES = 10, 100_000
"""With more classes or from this many rows on, trees are left out.

Boosting grows a tree for each class and iteration. On two tables with 11 and 32 classes, trees took 1.5
and 4 times as long as all networks and got no weight. On large tables they gain little; log-loss of new
rows of generated tables:

    rows       without    with trees
    24,000     .3585      .3517
    200,000    .3210      .3200, in 1.4 times the time and with two copies of X in float64
"""
_MANY_ROWS = 10_000
"""From this many rows on, four networks of each kind are about as good as eight, and there is no linear
model, which networks can be as well.
"""
_ROWS_WITHOUT_KERNEL = 3_000
"""From this many rows on, there is no kernel ridge regression, which was tried on smaller tables."""
_LOSSES_OF_TREES = ("squared_error", "absolute_error", "poisson", "quantile")
"""The losses that scikit-learn's boosted trees minimize as well as networks."""
_FEW_ROWS, _EPOCHS_OF_FEW_ROWS = 400, 30
"""Below so many rows to train on, folds stop no models, and networks train so many epochs: a fold of a
few rows that picks the epoch is predicted much better than new rows are. The squared error over the
variance, or the log-loss, out of fold and on new rows; means of 5 tables to choose on, up to three
splits each:

====  ========================================  ============================================
rows  regression: stopped by folds, and not     classification: stopped by folds, and not
====  ========================================  ============================================
40    .295, .451; .489, .459                    .319, .451; .430, .429
100   .324, .401; .397, .392                    .282, .388; .354, .384
300   .313, .399; .348, .402                    .263, .327; .287, .328
====  ========================================  ============================================
"""
_ITERATIONS_OF_FEW_ROWS, _MOST_ITERATIONS = 100, 300
"""Of trees for regression, without folds that stop them and with."""
_ROWS_SEEN, _FEWEST_EPOCHS, _MOST_EPOCHS = 800_000, 10, 100
"""How many rows a network sees, all epochs together, and the limits of how often it sees each of them.

Log-loss of new rows, and seconds of processor time; the last two tables are generated, of 20 columns:

    table       rows       epochs    log-loss    seconds
    satimage    4,826      30        .218
                           80        .207
                           121       .204
    magic       14,265     24        .276
                           75, 96    .270
                24,000     14        .357
                           24        .357        11
                200,000    5         .326        30
                           8         .323        32
"""


def folds_for(n_rows):
    """The number of networks of each kind."""
    return 8 if n_rows < _MANY_ROWS else 4


def boosting_for(n_rows):
    """The parameters of trees that are trained on this many rows, by name."""
    stops_early = n_rows >= _FEW_ROWS
    return {
        "early_stopping": stops_early,
        "max_iter": _MOST_ITERATIONS if stops_early else _ITERATIONS_OF_FEW_ROWS,
    }


def training_for(n_rows):
    """The parameters of networks that are trained on this many rows, by name.

    The minibatches of large tables have more rows, which uses the processor better and allows a higher
    learning rate.
    """
    batch_size = min(max(64, 2 ** round(log2(64 * sqrt(n_rows / 1000)))), 512, n_rows)
    epochs = min(max(round(_ROWS_SEEN / n_rows), _FEWEST_EPOCHS), _MOST_EPOCHS)
    stops_early = n_rows >= _FEW_ROWS
    if not stops_early:
        epochs = _EPOCHS_OF_FEW_ROWS
    return {
        "early_stopping": stops_early,
        "batch_size": batch_size,
        "learning_rate_init": 0.0005 * sqrt(batch_size),
        "max_iter": epochs,
        "n_iter_no_change": max(20, epochs // 4),
    }


class _ByRows:
    """For a CrossFit ensemble: the number of rows decides what `cv` and the members leave at None."""

    def _cv(self, y, groups):
        """The folds that are set, or as many as the rows, the largest class and the groups allow."""
        if self.cv is not None:
            return self.cv
        most = np.unique(y, return_counts=True)[1].max() if is_classifier(self) else len(y)
        most = int(most if groups is None else min(most, len(np.unique(groups))))
        return max(2, min(folds_for(len(y)), most))

    def _member(self, n_rows):
        model = super()._member(n_rows)
        settings = (training_for if isinstance(model, BaseLowLevelMLP) else boosting_for)(n_rows)
        unset = [name for name in settings if getattr(model, name, name) is None]
        return model.set_params(**{name: settings[name] for name in unset})


class TableCrossFitClassifier(_ByRows, CrossFitClassifier):
    """CrossFitClassifier that lets the number of rows decide what is None."""


class TableCrossFitRegressor(_ByRows, CrossFitRegressor):
    """CrossFitRegressor that lets the number of rows decide what is None."""


class _BySize:
    """For a blend: models are left out where they cannot help, and weights of few rows are cautious."""

    _rows_of_prior = 3
    """Of about 20 to 100 rows, this lowers the loss of new rows by 0 to 4 %."""

    def _chosen(self, y):
        """All models but those that cannot help, unless none is left."""
        unsuited = {"linear"} if len(y) >= _MANY_ROWS else set()
        if len(y) >= _ROWS_WITHOUT_KERNEL:
            unsuited.add("kernel")
        if not is_classifier(self):
            losses = [each.loss for each in self.get_params().values() if hasattr(each, "loss")]
            if losses and losses[0] != "squared_error":
                unsuited |= {"linear", "kernel"}
            if losses and losses[0] not in _LOSSES_OF_TREES:
                unsuited.add("trees")
        many = len(np.unique(y)) > _MOST_CLASSES if is_classifier(self) else y.ndim > 1
        if many or len(y) >= _FEWEST_ROWS_WITHOUT_TREES:
            unsuited.add("trees")
        chosen = super()._chosen(y)
        return [(name, model) for name, model in chosen if name not in unsuited] or chosen


class TableBlendClassifier(_BySize, BlendClassifier):
    """BlendClassifier that has trees and a linear model where they help."""


class TableBlendRegressor(_BySize, BlendRegressor):
    """BlendRegressor that has trees, a linear model and a kernel where they help."""
