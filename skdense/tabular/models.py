"""The models of tables, and all that the size of a table decides.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from inspect import signature
from math import inf, log2, sqrt
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.random import RandomState
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Lasso, LassoCV, LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array, get_tags

from skdense.base import BaseLowLevelMLP
from skdense.classifier import LowLevelMLPClassifier
from skdense.ensemble import CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.members import names_labels
from skdense.ensemble.samples import Samples
from skdense.final_step import final_step
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.levels import SMALL_TREES, TREES
from skdense.tabular.means import LevelMeans
from skdense.tabular.views import TableScaler


class Task(NamedTuple):
    """What is known of a table before a model is fitted to it.

    Attributes
    ----------
    n_rows : int
        The rows of positive weight.
    n_trained_on : int
        The fewest rows that a member is trained on.
    rarest_class_size : int
        The fewest rows of a class that a member is trained on; 0 for regression.
    n_columns : int
        The columns of the encoded table; before it is read, those of the table.
    n_classes : int
        The number of classes; 0 for numbers.
    n_outputs : int
        The number of columns of y.
    loss_params : dict
        The `loss`, `quantile` and `delta` of a regressor, for y of deviation 1; none of a classifier.
    network_params : dict
        What the user sets of networks.
    levels : list of tuples and lists of int
        The `columns` of `LevelMeans`; none before the table is read.
    monotonic_cst : list of int or None
        The constraints of the columns, -1, 0 or 1, if there are some; before the table is read, those
        that the user has set.
    is_fast : bool
        Whether the time of the fit matters more than the loss.
    has_deep : bool
        Whether there are deep trees among the models.
    """

    n_rows: int
    n_trained_on: int
    rarest_class_size: int
    n_columns: int
    n_classes: int
    n_outputs: int
    loss_params: dict[str, Any]
    network_params: dict[str, Any]
    levels: list[tuple[int, int | None] | list[int]] | tuple = ()
    monotonic_cst: list[int] | None = None
    is_fast: bool = False
    has_deep: bool = False


# --- folds --------------------------------------------------------------------------------------------

_FOLDS = 8
"""The number of folds of classes, and of numbers in small tables."""
_SOME_ROWS, _FOLDS_OF_SOME_ROWS = 3_000, 5
"""From this many rows on, five folds are as good for numbers, and narrow networks for `plain`."""
_MORE_ROWS, _FOLDS_OF_MORE_ROWS = 5_000, 4
"""From this many rows on, four folds are as good for regression."""
_MANY_ROWS = 10_000
"""From this many rows on, four folds are about as good also for classes, and regression needs no
`plain`, no wide networks, and no `trees` beside `means`."""
_FOLDS_OF_FAST = 3
"""The number of folds of the preset "fast"; it is half of the default's if there are no trees."""
_MOST_CLASSES, _MOST_OUTPUTS = 10, 10
"""The most classes and columns of y that have trees, the latter also trees of the size of errors."""


def number_of_folds(
    samples: Samples, is_classification: bool, is_fast: bool, warn: Callable[[str], None]
) -> int:
    """As many folds as suit the number of rows, and its largest class and the groups allow."""
    has_weight = samples.weights > 0
    y, groups = samples.y[has_weight], samples.groups
    n_folds = _FOLDS
    if len(y) >= (_MANY_ROWS if is_classification else _MORE_ROWS):
        n_folds = _FOLDS_OF_MORE_ROWS
    elif len(y) >= _SOME_ROWS and not is_classification:
        n_folds = _FOLDS_OF_SOME_ROWS
    what, most, has_trees = "y", len(y), y.ndim == 1 or y.shape[1] <= _MOST_OUTPUTS
    if is_classification:
        class_sizes = np.unique(y, return_counts=True)[1]
        what, most = "the largest class of y", class_sizes.max()
        has_trees = len(class_sizes) <= _MOST_CLASSES
    if is_fast:
        n_folds = _FOLDS_OF_FAST if has_trees else n_folds // 2
    if most < 2:
        raise ValueError(f"{what} has {most} sample(s) of positive weight, but 2 are needed")
    possible = most if groups is None else min(most, len(np.unique(groups[has_weight])))
    chosen = max(2, min(n_folds, int(possible)))
    if most < n_folds:
        warn(
            f"{what} has {most} sample(s), too few for {n_folds} folds: {chosen} folds are used, and "
            "out-of-fold scores and intervals are not reliable"
        )
    return chosen


# --- networks -----------------------------------------------------------------------------------------

# A fold of a few rows that picks the epoch is predicted much better than new rows are.
FEW_ROWS, _EPOCHS_OF_FEW_ROWS = 400, 30
"""Below so many rows to train on, folds stop no members, and networks train so many epochs."""
_FEW_ROWS_SEEN = 12_000
"""Then networks of `plain` train longer: until they have seen so many rows."""
_ROWS_SEEN, _FEWEST_EPOCHS, _MOST_EPOCHS = 800_000, 10, 100
"""How many rows a network sees in all its epochs, and how often at least and at most each of them."""
_COLUMNS_WITHOUT_RAMPS = 1_000
"""From so many columns on, ramps, at least two for each, would take most of the time of a fit."""
_NARROW, _WIDE = (64, 64), (128, 128)
"""The hidden layers. For two classes narrow ones are as good, at less than half of the time."""
_NETWORK = {
    "activation": "silu",
    "init": "he_normal",
    "dropout": 0.1,
    "alpha": 0.0,
    "learning_rate": "cosine",
    "warmup_epochs": 0.1,
    "beta_2": 0.95,
    "scoring": "loss",
    "tol": 0.0,
    "dtype": "float32",
}
"""The parameters of each network that do not depend on the table."""
_EXCLUDED_PARAMS = {
    "loss": "it is a parameter of TabularRegressor; classes have the log-loss",
    "quantile": "it is a parameter of TabularRegressor",
    "delta": "TabularRegressor has relative_delta",
    "class_weight": "it is a parameter of TabularClassifier",
    "random_state": "set that of the model, from which each network gets a seed",
    "verbose": "set that of the model",
    "warm_start": "networks are trained from the start",
}
"""Parameters of networks that `network_params` may not have, and why."""


def training_for(n_rows: int, is_long: bool = False) -> dict[str, Any]:
    """The parameters of networks that are trained on this many rows.

    The minibatches of large tables have more rows, which uses the processor better and allows a higher
    learning rate. `is_long` tells the two kinds of networks apart if folds do not stop them: the blend
    finds out how long is long enough.
    """
    batch_size = min(max(64, 2 ** round(log2(64 * sqrt(n_rows / 1000)))), 512, n_rows)
    stops_early = n_rows >= FEW_ROWS
    rows_seen, fewest = _ROWS_SEEN, _FEWEST_EPOCHS
    if not stops_early:
        rows_seen, fewest = _FEW_ROWS_SEEN if is_long else 0, _EPOCHS_OF_FEW_ROWS
    epochs = min(max(round(rows_seen / n_rows), fewest), _MOST_EPOCHS)
    return {
        "early_stopping": stops_early,
        "batch_size": batch_size,
        "learning_rate_init": 0.0005 * sqrt(batch_size),
        "max_iter": epochs,
        "n_iter_no_change": max(20, epochs // 4),
    }


def _may_have_ramps(task: Task) -> bool:
    return task.n_columns < _COLUMNS_WITHOUT_RAMPS


def _check_network_params(task: Task) -> None:
    """Raise an error if `network_params` has a name that is unknown, or excluded in tables."""
    network = LowLevelMLPClassifier() if task.n_classes else LowLevelMLPRegressor()
    known = [name for name in network.get_params() if name not in _EXCLUDED_PARAMS]
    for name in task.network_params:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            why = _EXCLUDED_PARAMS.get(name) or (
                f"did you mean {close[0]!r}?" if close else f"networks have {', '.join(known)}"
            )
            raise ValueError(f"network_params must not have {name!r}: {why}")


def _network(task: Task, narrow_from: float = inf, is_long: bool = False) -> BaseLowLevelMLP:
    """A network; of numbers it is narrow from so many rows on."""
    cls, more, is_narrow = LowLevelMLPRegressor, task.loss_params, task.n_rows >= narrow_from
    if task.n_classes:
        cls, more, is_narrow = LowLevelMLPClassifier, {"label_smoothing": 0.05}, task.n_classes == 2
    more = {"hidden_layer_sizes": _NARROW if is_narrow else _WIDE, **more}
    training = training_for(task.n_trained_on, is_long)
    return cls(**{**_NETWORK, **training, **more, **task.network_params})


# --- trees --------------------------------------------------------------------------------------------

_ROUNDS_OF_CLASSES, _ROUNDS_OF_NUMBERS, _ROUNDS_OF_FEW_ROWS = 300, 1000, 100
_ROWS_PER_ROUND, _MOST_ROUNDS = 100, 2000
"""The most rounds of trees. The former two grow by one for so many rows, up to a number."""
_ROUNDS_BESIDE_DEEP, _ROUNDS_TIMES_ROWS = 200, 3_500_000
"""In regression with deep trees, more rounds cost more than they gain. The limit decreases in inverse
proportion to the rows, so that there is no step where deep trees begin, but it is at least the first of
these numbers plus one round for each `_ROWS_PER_ROUND` rows."""
_LEAF_SIZES, _LEAF_SIZE_TIMES_ROWS = (5, 20), 14_000
"""The bounds of the least number of rows in a leaf of classes, and its product with the rows to train
on. The more rows there are, the more rare combinations of levels can be learned. Of few rows, trees of
classes have the parameters of those for regression."""
_ROWS_OF_DEEP, _ROWS_PER_LEAF, _MOST_LEAVES = 5_000, 100, 127
"""With so many rows there are deep trees, which have a leaf for so many rows, up to a number."""
_ROWS_OF_MEANS, _CLASS_ROWS_OF_MEANS = 5_000, 5
"""With so many rows, and so many of each class, some trees see means of y by level."""
_COLUMNS_OF_A_TREE, _BINS_OF_WIDE = 500, 31
"""A tree sees about so many columns of a table that has more. With more columns than rows, each column
has at most so many bins."""
_MORE_ROUNDS, _SHARE_OF_ROUNDS = 10, 0.3
"""Trees are stopped after so many rounds, and this share of the best one, without a lower loss."""
_OBJECTIVES = {
    "squared_error": "regression",
    "absolute_error": "regression_l1",
    "poisson": "poisson",
    "quantile": "quantile",
    "huber": "huber",
}
"""LightGBM's names of losses."""


def _trees(task: Task, are_deep: bool = False) -> BaseEstimator:
    """Boosted trees: small ones, or deep ones, whose leaves follow the number of rows."""
    import lightgbm

    if not task.n_classes and task.n_rows < 3:  # a member would be fitted to one row
        raise ValueError(
            f"y has {task.n_rows} sample(s) of positive weight, but 3 are needed for LightGBM's trees"
        )
    settings = {**TREES, "n_estimators": _most_rounds(task)}
    if are_deep:
        leaves = max(2, min(task.n_trained_on // _ROWS_PER_LEAF, _MOST_LEAVES))
        settings |= {"num_leaves": leaves, "colsample_bynode": 0.5}
    elif task.n_classes and task.n_trained_on >= FEW_ROWS:
        size = _LEAF_SIZE_TIMES_ROWS // task.n_trained_on
        settings["min_child_samples"] = int(np.clip(size, *_LEAF_SIZES))
    else:
        settings |= SMALL_TREES
    if task.n_columns > _COLUMNS_OF_A_TREE:
        settings["colsample_bytree"] = _COLUMNS_OF_A_TREE / task.n_columns
    if task.n_columns > task.n_trained_on:
        settings["max_bin"] = _BINS_OF_WIDE
    if task.monotonic_cst is not None:
        # The method "advanced" violates constraints, and "intermediate" sees all columns at each node.
        settings |= {
            "monotone_constraints": task.monotonic_cst,
            "monotone_constraints_method": "basic",
        }
    if task.n_classes:
        return lightgbm.LGBMClassifier(**settings)
    params = task.loss_params
    # Without a penalty, leaves are quantiles of their rows.
    loss_settings = {
        "quantile": {"alpha": params["quantile"], "reg_lambda": 0.0},
        "huber": {"alpha": params["delta"]},
    }
    settings |= {"objective": _OBJECTIVES[params["loss"]], **loss_settings.get(params["loss"], {})}
    return _for_outputs(lightgbm.LGBMRegressor(**settings), task)


def _most_rounds(task):
    """The most rounds of boosting; folds usually stop it earlier."""
    if task.n_trained_on < FEW_ROWS:
        return _ROUNDS_OF_FEW_ROWS
    more = task.n_trained_on // _ROWS_PER_ROUND
    rounds = more + (_ROUNDS_OF_CLASSES if task.n_classes else _ROUNDS_OF_NUMBERS)
    if task.has_deep and not task.n_classes:
        least = more + _ROUNDS_BESIDE_DEEP
        rounds = min(rounds, max(least, _ROUNDS_TIMES_ROWS // task.n_trained_on))
    return min(rounds, _MOST_ROUNDS)


def _for_outputs(estimator, task):
    """A regressor of one column of y for each of several columns."""
    return MultiOutputRegressor(estimator) if task.n_outputs > 1 else estimator


def _means(task: Task) -> BaseEstimator:
    """Small trees that also see the means of y by level, if there are levels to learn them of."""
    if not _may_have_means(task):
        return _trees(task)
    target_type = "multiclass" if task.n_classes > 2 else "binary" if task.n_classes else "continuous"
    means = LevelMeans(task.levels, target_type=target_type)
    return Pipeline([("means", means), ("trees", _trees(task))])


def _may_have_means(task: Task) -> bool:
    are_few = 0 < task.n_classes and task.rarest_class_size < _CLASS_ROWS_OF_MEANS
    is_simple = task.n_outputs == 1 and task.monotonic_cst is None
    return bool(task.levels) and not are_few and is_simple


class Patience:
    """A callback of LightGBM that stops the training of trees, and keeps all rounds until then.

    The more rounds it took to the lowest loss of the fold, the longer it waits for a lower one. To
    predict by the best round alone would be to choose it by the fold.
    """

    lowest, best_round = inf, 0

    def __call__(self, environment):
        """Look at the loss after a round."""
        from lightgbm.callback import EarlyStopException

        results, now = environment.evaluation_result_list, environment.iteration
        loss = results[0][2]
        if loss < self.lowest:
            self.lowest, self.best_round = loss, now
        elif now > self.best_round * (1 + _SHARE_OF_ROUNDS) + _MORE_ROUNDS:
            raise EarlyStopException(now, results)


def trees_of_spreads(task: Task) -> BaseEstimator | Literal["constant"] | None:
    """Trees that predict how large the error of a row is, if they suit the table.

    With monotonic constraints, errors have the same size for all rows, and so quantiles follow them.
    """
    if task.monotonic_cst is not None:
        return "constant"
    if task.n_classes or task.n_rows < FEW_ROWS or task.n_outputs > _MOST_OUTPUTS:
        return None
    import lightgbm

    return lightgbm.LGBMRegressor(
        objective="gamma",
        n_estimators=300,
        num_leaves=8,
        min_child_samples=max(20, min(task.n_rows, 20_000) // 150),
        colsample_bynode=0.5,
        reg_lambda=1.0,
        early_stopping_round=10,
        random_state=0,
        **TREES,
    )


# --- linear and constant models -----------------------------------------------------------------------


_INNER_FOLDS = 3
"""Within the rows of a member, so many folds choose the penalty of a linear model; of a classifier with
many rows, one split, which holds out as much as one of these folds."""
_CHOSEN = {"scoring": "neg_log_loss", "use_legacy_attributes": False, "n_jobs": 1}
_CS_OF_LINEAR, _CS_OF_SPARSE = (0.01, 0.3, 10, 300, 1e4, 1e6), (0.1, 2, 30, 300)
_LARGE_PRODUCT, _CS_OF_LARGE = 2_000_000, (0.01, 0.3, 10)
"""With a tolerance of 0.001, a logistic regression stops long before it separates classes by nearly
collinear columns. But if the product of rows, columns and classes is larger than this, a tolerance of
0.0001, and weaker penalties than these, would take most of the time of a fit."""
_ROWS_PER_COLUMN, _ROWS_OF_NEARLY_EQUAL_COLUMNS = 5, 1_000
"""The sparse model is for tables with at most so many rows for each column; and for two classes, which
few of many nearly equal columns may separate, also for all with at most so many rows."""
_MOST_CENTERS, _SHARE_OF_CENTERS, _GAMMA_TIMES_COLUMNS = 200, 2 / 3, 0.3
"""The centers of the kernel are this share of the rows, up to a number; and its `gamma`."""


def _linear(task: Task) -> BaseEstimator:
    """A linear model with a quadratic penalty, whose strength is chosen for each member."""
    if not task.n_classes:
        alphas = np.geomspace(0.01, 1e5, 15)
        return RidgeCV(alphas, gcv_mode="svd", alpha_per_target=task.n_outputs > 1)
    # To choose the penalty would take as long as all else of the preset "fast".
    if task.is_fast or task.n_trained_on < _INNER_FOLDS:
        return LogisticRegression(C=0.3, tol=0.001, max_iter=1000)
    is_large = task.n_trained_on * task.n_columns * task.n_classes > _LARGE_PRODUCT
    return LogisticRegressionCV(
        Cs=_CS_OF_LARGE if is_large else _CS_OF_LINEAR,
        l1_ratios=(0,),
        cv=_inner_folds(task),
        tol=0.001 if is_large else 0.0001,
        max_iter=1000,
        **_CHOSEN,
    )


def _inner_folds(task):
    """What chooses the penalty of a member that classifies: folds of its rows, or a third of many rows.

    Each member has another third. With folds of many rows, linear models take a third of a fit.
    """
    is_rare = task.rarest_class_size < _INNER_FOLDS  # too rare to have the same share of each fold
    if task.n_trained_on < FEW_ROWS:
        folds = KFold if is_rare else StratifiedKFold
        return folds(_INNER_FOLDS, shuffle=True, random_state=0)  # a table may be sorted by y
    split = ShuffleSplit if is_rare else StratifiedShuffleSplit
    return split(1, test_size=1 / _INNER_FOLDS, random_state=0)


def _sparse(task: Task) -> BaseEstimator:
    """A linear model of few columns, with a penalty on absolute values, that is chosen likewise."""
    if not task.n_classes:
        if task.n_trained_on < _INNER_FOLDS:
            return _for_outputs(Lasso(alpha=0.1), task)
        folds = KFold(_INNER_FOLDS, shuffle=True, random_state=0)  # a table may be sorted by y
        # A Gram matrix in float32 does not pass LassoCV's own check of it.
        lasso = LassoCV(alphas=50, cv=folds, precompute=False, tol=0.001, max_iter=5000)
        return _for_outputs(lasso, task)
    solver_settings = {
        "solver": "liblinear" if task.n_classes == 2 else "saga",
        "tol": 0.01,
        "max_iter": 1000,
    }
    if task.rarest_class_size < _INNER_FOLDS:
        return LogisticRegression(C=0.3, l1_ratio=1, **solver_settings)
    return LogisticRegressionCV(
        Cs=_CS_OF_SPARSE, l1_ratios=(1,), cv=_inner_folds(task), **_CHOSEN | solver_settings
    )


def _may_be_sparse(task: Task) -> bool:
    most = _ROWS_OF_NEARLY_EQUAL_COLUMNS if task.n_classes else 0
    return task.n_rows <= max(most, _ROWS_PER_COLUMN * task.n_columns)


def _kernel(task: Task) -> BaseEstimator:
    """A linear model of Gaussian functions of the distances to a sample of the rows."""
    centers = min(_MOST_CENTERS, max(1, int(_SHARE_OF_CENTERS * task.n_trained_on)))
    gamma = _GAMMA_TIMES_COLUMNS / max(1, task.n_columns)
    linear = _linear(task)
    if not task.n_classes:
        linear.set_params(alphas=np.geomspace(1e-4, 10, 11))
    steps = [
        # In float32, small eigenvalues of the kernel would be noise.
        ("double", FunctionTransformer(check_array, kw_args={"dtype": "float64"})),
        ("kernel", Nystroem(gamma=gamma, n_components=centers)),
        ("linear", linear),
    ]
    return Pipeline(steps)


def _constant(task: Task) -> BaseEstimator:
    return DummyClassifier() if task.n_classes else DummyRegressor()


# --- the models ---------------------------------------------------------------------------------------


class Model(NamedTuple):
    """A model of tables: what it sees, what its members are, and when it suits.

    Attributes
    ----------
    view : TableScaler
        What it sees of the table.
    make : callable
        `make(task)` is its estimator.
    least_rows, most_rows, most_classes : float
        The smallest and the largest tables for which it is among the models by default.
    condition : callable
        `condition(task)` is whether it is so for a table, apart from them.
    most_outputs : float
        The most columns of y for which it is so.
    losses : tuple of str
        The losses of regressors that it can minimize.
    can_be_monotone : bool
        Whether it can follow monotonic constraints.
    """

    view: TableScaler
    make: Callable[[Task], BaseEstimator]
    least_rows: float = 0
    most_rows: float = inf
    most_classes: float = inf
    condition: Callable[[Task], bool] = lambda task: True
    most_outputs: float = inf
    losses: tuple[str, ...] = tuple(_OBJECTIVES)
    can_be_monotone: bool = False

    def suits(self, task: Task) -> bool:
        """Whether it is among the models of such a table by default."""
        fits = self.least_rows <= task.n_rows <= self.most_rows
        if task.monotonic_cst is None:  # with constraints there is nothing but trees
            fits &= task.n_classes <= self.most_classes and task.n_outputs <= self.most_outputs
        fits &= self.condition(task)
        return fits and self.why_not(task) is None

    def why_not(self, task: Task) -> str | None:
        """Why it cannot be fitted at all, or None if it can."""
        loss = task.loss_params.get("loss")
        if loss is not None and loss not in self.losses:
            return f"it minimizes {' or '.join(map(repr, self.losses))}, got loss={loss!r}"
        if task.monotonic_cst is not None and not self.can_be_monotone:
            return "it cannot follow monotonic_cst"
        return None


def _may_be_plain(task: Task) -> bool:
    """Whether networks without ramps are worth their time.

    Two classes need them where folds stop no networks.
    """
    if not _may_have_ramps(task):
        return True
    if task.n_classes == 2:
        return task.n_trained_on < FEW_ROWS
    return not _is_large_regression(task)


def _may_be_small_trees(task: Task) -> bool:
    """Whether small trees are worth their time: not beside those that also see means of y by level."""
    return task.is_fast or not (_is_large_regression(task) and _may_have_means(task))


def _is_large_regression(task: Task) -> bool:
    return not task.n_classes and task.n_outputs == 1 and task.n_rows >= _MANY_ROWS


# The networks with and without ramps are good at different tables, also by the factor of rare levels.
_SQUARED = ("squared_error",)
MODELS = {
    "plain": Model(
        TableScaler(rare_factor=0.3),
        partial(_network, narrow_from=_SOME_ROWS, is_long=True),
        condition=_may_be_plain,
    ),
    "ramps": Model(
        TableScaler(n_ramps=7),
        partial(_network, narrow_from=_MANY_ROWS),
        condition=_may_have_ramps,
    ),
    "trees": Model(
        TableScaler(None),
        _trees,
        most_classes=_MOST_CLASSES,
        condition=_may_be_small_trees,
        most_outputs=_MOST_OUTPUTS,
        can_be_monotone=True,
    ),
    "linear": Model(TableScaler("standard"), _linear, most_rows=9_999, losses=_SQUARED),
    "constant": Model(TableScaler("standard"), _constant, most_rows=9_999, losses=_SQUARED),
    "sparse": Model(
        TableScaler("standard"),
        _sparse,
        most_rows=9_999,
        most_classes=2,
        condition=_may_be_sparse,
        most_outputs=_MOST_OUTPUTS,
        losses=_SQUARED,
    ),
    "deep": Model(
        TableScaler(None),
        partial(_trees, are_deep=True),
        least_rows=_ROWS_OF_DEEP,
        most_classes=_MOST_CLASSES,
        most_outputs=_MOST_OUTPUTS,
        can_be_monotone=True,
    ),
    "means": Model(
        TableScaler(None),
        _means,
        least_rows=_ROWS_OF_MEANS,
        most_classes=_MOST_CLASSES,
        condition=_may_have_means,
        most_outputs=1,
    ),
    # For classes it gains little, and takes longer; with more rows, networks are better.
    "kernel": Model(TableScaler("standard"), _kernel, most_rows=1_000, most_classes=0, losses=_SQUARED),
}
"""The models by their names.

From 10,000 rows on, networks learn linear and constant functions well enough.
"""
PRIOR_SAMPLES = 3
"""How many rows the prior on the weights of the models counts as."""


def models_of(
    models: list | tuple | None,
    task: Task,
    n_folds: int,
    random_state: RandomState,
    verbose: bool | int,
) -> tuple[list[tuple[str, Pipeline]], dict[str, Callable]]:
    """The models for a blend: those that suit, or those that the user has listed; and callbacks.

    Each is a Pipeline of what the model sees, which is learned from all rows, and a cross-fit ensemble
    with a seed of its own: networks of the same columns are not the same. A model of ours has the same
    seed whatever others there are. Callbacks of LightGBM, by the names of models, stop their members.
    """
    _check_network_params(task)
    if models is None:
        models = [name for name, model in MODELS.items() if model.suits(task)]
        if task.is_fast:
            models = _fast_models(models)
    elif not models:
        raise ValueError(f"models must be None or a list with at least one model, got {models!r}")
    task = task._replace(has_deep="deep" in models)
    cross_fit = CrossFitClassifier if task.n_classes else CrossFitRegressor
    pipelines, seeds = [], {name: random_state.randint(2**31) for name in MODELS}
    for entry in models:
        name, view, estimator, params = _resolved(entry, task)
        seed = seeds[name] if name in seeds else random_state.randint(2**31)
        # The folds are drawn already; `cv` only says how many, of which 1 would not be valid.
        ensemble = cross_fit(
            estimator, cv=max(2, n_folds), random_state=seed, verbose=verbose, **params
        )
        pipelines.append((name, Pipeline([("view", view), ("crossfit", ensemble)])))
    if len(dict(pipelines)) < len(pipelines):
        raise ValueError(f"models must have distinct names, got {[name for name, _ in pipelines]}")
    # `fit_member` makes one for each member. A user's estimator in their place has its own setting.
    stopped = [
        name for name in ("trees", "deep", "means") if name in models and task.n_trained_on >= FEW_ROWS
    ]
    return pipelines, dict.fromkeys(stopped, Patience)


def _fast_models(models):
    """The models of the preset "fast", of those that suit a table by default."""
    best = next(name for name in ("trees", "plain", "ramps") if name in models)
    return [name for name in models if name in (best, "linear", "constant")]


def _resolved(entry, task):
    """The name, the view, the estimator and more parameters of the ensemble of an entry of `models`."""
    params = {} if task.n_classes else {"scale_y": True}
    if isinstance(entry, str):
        if entry not in MODELS:
            raise ValueError(
                f"models must be names from {[*MODELS]}, or (name, estimator) for others, got {entry!r}"
            )
        model = MODELS[entry]
        if why := model.why_not(task):
            raise ValueError(f"models must not have {entry!r}: {why}")
        return entry, clone(model.view), model.make(task), params
    is_pair = isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str)
    kind, is_kind = ("classifier", is_classifier) if task.n_classes else ("regressor", is_regressor)
    # CatBoost's estimators are no BaseEstimator.
    is_estimator = is_pair and hasattr(entry[1], "fit") and not isinstance(entry[1], type)
    if not is_estimator or not is_kind(entry[1]):
        raise ValueError(
            f"models must be names from {[*MODELS]} or pairs of a name and a {kind}, got {entry!r}"
        )
    if task.monotonic_cst is not None:
        able = [name for name, model in MODELS.items() if model.can_be_monotone]
        raise ValueError(f"models must be names from {able} with monotonic_cst, got {entry!r}")
    name, estimator = entry[0], clone(entry[1])
    if isinstance(estimator, CrossFitClassifier | CrossFitRegressor):  # whose own scaling of y holds
        params = {name: value for name, value in estimator.get_params(False).items() if name in params}
        estimator = estimator.estimator
    if names_labels(estimator):
        raise ValueError(
            f"models must not have a class_weight by labels or class_names, as {name!r} has, because "
            "classes are encoded as 0 to k-1: use the class_weight of TabularClassifier"
        )
    _limit_to_one_thread(estimator)
    return name, clone(MODELS[_view_name(name, estimator)].view), estimator, params


def _view_name(name, estimator):
    """The name of the model of ours whose view of the table a user's estimator sees."""
    if name in MODELS:
        return name
    if isinstance(final_step(estimator), BaseLowLevelMLP):
        return "plain"
    return "trees" if get_tags(estimator).input_tags.allow_nan else "linear"


def _limit_to_one_thread(estimator):
    """Set an open number of threads of an estimator to 1, in place, as each core has a member."""
    last = final_step(estimator)
    # scikit-learn's estimators follow joblib, and take as many threads as are free.
    if getattr(type(last).__init__, "__module__", "").startswith("sklearn."):
        return
    # CatBoost's `get_params` has only parameters that are set.
    params = dict.fromkeys(signature(type(last)).parameters) | last.get_params(deep=False)
    threads = [name for name in ("n_jobs", "thread_count") if name in params and params[name] is None]
    last.set_params(**dict.fromkeys(threads, 1))
