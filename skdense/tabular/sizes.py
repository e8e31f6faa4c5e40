"""What the size of a table decides: epochs, minibatches, the number of folds, whether trees grow."""

from math import log2, sqrt

import numpy as np
from sklearn.base import is_classifier

from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor

_MOST_CLASSES, _FEWEST_ROWS_WITHOUT_TREES = 10, 100_000
"""Where trees are left out. Each iteration grows one for each class: on the tables to choose on that
have 11 and 32 classes, trees took 1.5 and 4 times as long as all networks, and had no weight. Log-loss
of new rows of the generated tables, without and with trees: 24,000 rows .3585, .3517; 200,000 rows
.3210, .3200, in 1.4 times the time and with two copies of X in float64.
"""
_MANY_ROWS = 10_000
"""From this many rows on, four networks of each kind are about as good as eight."""
_ROWS_SEEN, _FEWEST_EPOCHS, _MOST_EPOCHS = 800_000, 10, 100
"""How many rows a network sees, all epochs together, and the limits of how often it sees each of them.

Log-loss of new rows with so many epochs: of satimage's 4,826 rows 30 epochs .218, 80 epochs .207, 121
epochs .204; of magic's 14,265 rows 24 epochs .276, 75 and 96 epochs .270. On generated tables of 20
columns, and seconds of processor time: of 24,000 rows 14 epochs .357, 24 epochs .357 and 11 s; of
200,000 rows 5 epochs .326 and 30 s, 8 epochs .323 and 32 s.
"""


def folds_for(n_rows):
    """The number of networks of each kind."""
    return 8 if n_rows < _MANY_ROWS else 4


def training_for(n_rows):
    """The parameters of a network that is trained on this many rows, by name.

    The minibatches of large tables have more rows, which uses the processor better and allows a higher
    learning rate.
    """
    batch_size = min(max(64, 2 ** round(log2(64 * sqrt(n_rows / 1000)))), 512, n_rows)
    epochs = min(max(round(_ROWS_SEEN / n_rows), _FEWEST_EPOCHS), _MOST_EPOCHS)
    return {
        "batch_size": batch_size,
        "learning_rate_init": 0.0005 * sqrt(batch_size),
        "max_iter": epochs,
        "n_iter_no_change": max(20, epochs // 4),
    }


class _ByRows:
    """For a CrossFit ensemble: the number of rows decides what `cv` and the network leave at None."""

    def _cv(self, y, groups):
        """The folds that are set, or as many as the rows, the largest class and the groups allow."""
        if self.cv is not None:
            return self.cv
        most = np.unique(y, return_counts=True)[1].max() if is_classifier(self) else len(y)
        most = int(most if groups is None else min(most, len(np.unique(groups))))
        return max(2, min(folds_for(len(y)), most))

    def _fit_folds(self, models, X, y, sample_weight, folds, report):
        settings = training_for(min(len(rows) for rows, _ in folds))
        for model in models:
            unset = [name for name in settings if getattr(model, name, name) is None]
            model.set_params(**{name: settings[name] for name in unset})
        return super()._fit_folds(models, X, y, sample_weight, folds, report)


class TableCrossFitClassifier(_ByRows, CrossFitClassifier):
    """CrossFitClassifier that lets the number of rows decide what is None."""


class TableCrossFitRegressor(_ByRows, CrossFitRegressor):
    """CrossFitRegressor that lets the number of rows decide what is None."""


class _WithTrees:
    """For a blend: the model named "trees" is left out where it cannot help."""

    def _chosen(self, y):
        """All models, but no trees beside others for many classes, several outputs or many rows."""
        suited = len(y) < _FEWEST_ROWS_WITHOUT_TREES and (
            len(np.unique(y)) <= _MOST_CLASSES if is_classifier(self) else y.ndim == 1
        )
        chosen = super()._chosen(y)
        return [(name, model) for name, model in chosen if suited or name != "trees"] or chosen


class TableBlendClassifier(_WithTrees, BlendClassifier):
    """BlendClassifier that grows trees where they help."""


class TableBlendRegressor(_WithTrees, BlendRegressor):
    """BlendRegressor that grows trees where they help."""
