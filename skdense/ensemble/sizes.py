"""What the number of rows decides: how many folds, how long networks train, and how trees stop."""

from math import log2, sqrt

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from skdense.base import BaseLowLevelMLP

TREES = HistGradientBoostingClassifier, HistGradientBoostingRegressor

MANY_ROWS = 10_000
"""From this many rows on, four networks of each kind are about as good as eight."""
FEW_ROWS, _EPOCHS_OF_FEW_ROWS = 400, 30
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

Groups do not count in the place of rows. Trees of four tables with 32 to 60 groups, in 480 to 5,570
rows and folds by group, the same for new groups: .278, .875, .616 and .583 if folds stopped them, and
.302, .951, .653 and .609 after 100 iterations. Out of fold, stopped: .273, .929, .625 and .589.
"""
_ITERATIONS_OF_FEW_ROWS, _RATE_OF_FEW_ROWS = 100, 0.1
"""The most iterations of trees that no fold stops, and the lowest learning rate."""
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


def sized(model, n_rows):
    """Set what a model leaves to the number of rows that it is trained on.

    These are parameters of a network that are None, and what stops boosted trees if their
    `early_stopping` is "auto".
    """
    stops_early = n_rows >= FEW_ROWS
    if isinstance(model, BaseLowLevelMLP):
        settings = training_for(n_rows).items()
        model.set_params(**{name: value for name, value in settings if getattr(model, name) is None})
    elif isinstance(model, TREES) and model.early_stopping == "auto":
        model.set_params(early_stopping=stops_early)
        if not stops_early:
            model.max_iter = min(model.max_iter, _ITERATIONS_OF_FEW_ROWS)
            model.learning_rate = max(model.learning_rate, _RATE_OF_FEW_ROWS)


def training_for(n_rows):
    """The parameters of networks that are trained on this many rows, by name.

    The minibatches of large tables have more rows, which uses the processor better and allows a higher
    learning rate.
    """
    batch_size = min(max(64, 2 ** round(log2(64 * sqrt(n_rows / 1000)))), 512, n_rows)
    epochs = min(max(round(_ROWS_SEEN / n_rows), _FEWEST_EPOCHS), _MOST_EPOCHS)
    stops_early = n_rows >= FEW_ROWS
    if not stops_early:
        epochs = _EPOCHS_OF_FEW_ROWS
    return {
        "early_stopping": stops_early,
        "batch_size": batch_size,
        "learning_rate_init": 0.0005 * sqrt(batch_size),
        "max_iter": epochs,
        "n_iter_no_change": max(20, epochs // 4),
    }
