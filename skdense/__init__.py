"""Neural networks in low-level TensorFlow with scikit-learn's API, ensembles, and tabular models."""

from typing import TYPE_CHECKING

from skdense.classifier import LowLevelMLPClassifier
from skdense.many import fit_many
from skdense.regressor import LowLevelMLPRegressor
from skdense.version import __version__ as __version__

if TYPE_CHECKING:
    from skdense.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "LowLevelMLPClassifier",
    "LowLevelMLPRegressor",
    "TabularClassifier",
    "TabularRegressor",
    "fit_many",
    "trusted_types",
]


def trusted_types() -> list[str]:
    """List the types in files of fitted models, for skops, which loads only trusted types.

    Returns
    -------
    names : list of str
        The classes of this package, and the types of LightGBM, scikit-learn and Python that the tabular
        models contain. Other estimators that you use as models or members are not included.

    Examples
    --------
    >>> import skdense
    >>> "skdense.classifier.LowLevelMLPClassifier" in skdense.trusted_types()
    True
    """
    from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit
    from sklearn.utils import Bunch, check_array

    ours = {
        "classifier": ["LowLevelMLPClassifier"],
        "regressor": ["LowLevelMLPRegressor"],
        "ensemble.blend": ["BlendClassifier", "BlendRegressor"],
        "ensemble.crossfit": ["CrossFitClassifier", "CrossFitRegressor"],
        "tabular.estimators": ["TabularClassifier", "TabularRegressor"],
        "tabular.columns": ["TableEncoder"],
        "tabular.means": ["LevelMeans"],
        "tabular.views": ["TableScaler"],
    }
    return [
        *(f"skdense.{module}.{name}" for module, names in ours.items() for name in names),
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRegressor",
        "lightgbm.basic.Booster",
        "collections.OrderedDict",
        *(
            f"{item.__module__}.{item.__name__}"
            for item in (
                Bunch,
                KFold,
                ShuffleSplit,
                StratifiedKFold,
                StratifiedShuffleSplit,
                check_array,
            )
        ),
    ]


def __getattr__(name):
    """Import the estimators for tables when they are asked for: they need much more of scikit-learn."""
    if name in ("TabularClassifier", "TabularRegressor"):
        from skdense import tabular

        return getattr(tabular, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """All names, so that completion shows the estimators for tables, too."""
    return sorted({*globals(), *__all__})
