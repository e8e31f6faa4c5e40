"""What the number of rows decides: from where on fewer folds do, how networks train, how trees stop.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

from math import log2, sqrt

from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from skdense.base import BaseLowLevelMLP

TREES = HistGradientBoostingClassifier, HistGradientBoostingRegressor

MANY_ROWS = 10_000
"""From this many rows on, four members of each ensemble are about as good as eight."""
# A fold of a few rows that picks the epoch is predicted much better than new rows are. Fewer rows in
# all are too few for trees that predict spreads, and for judging networks by trees.
FEW_ROWS, _EPOCHS_OF_FEW_ROWS = 400, 30
"""Below so many rows to train on, folds stop no members, and networks train so many epochs."""
_ITERATIONS_OF_FEW_ROWS, _RATE_OF_FEW_ROWS = 100, 0.1
"""The most iterations of trees that no fold stops, and the lowest learning rate."""
_ROWS_SEEN, _FEWEST_EPOCHS, _MOST_EPOCHS = 800_000, 10, 100
"""How many rows a network sees in all its epochs, and how often at least and at most each of them."""


def set_by_size(member, n_rows):
    """Set what a member leaves to the number of rows that it is trained on.

    These are parameters of a network that are None, and what stops boosted trees if their
    `early_stopping` is "auto".
    """
    stops_early = n_rows >= FEW_ROWS
    if isinstance(member, BaseLowLevelMLP):
        settings = training_for(n_rows).items()
        member.set_params(**{name: value for name, value in settings if getattr(member, name) is None})
    elif isinstance(member, TREES) and member.early_stopping == "auto":
        member.set_params(early_stopping=stops_early)
        if not stops_early:
            member.max_iter = min(member.max_iter, _ITERATIONS_OF_FEW_ROWS)
            member.learning_rate = max(member.learning_rate, _RATE_OF_FEW_ROWS)


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
