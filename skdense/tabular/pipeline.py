"""The Pipeline of the default for tables, with short names for what its last step takes."""

from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.pipeline import Pipeline

from skdense.base import BaseLowLevelMLP
from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.crossfit import BaseCrossFit

__all__ = ["TablePipeline"]

_OWNERS = {"cv": BaseCrossFit, "random_state": BaseCrossFit, "class_weight": BaseBlend}
"""What has the parameters with short names that are not those of networks."""


class TablePipeline(Pipeline):
    """A Pipeline that takes `sample_weight` and `groups`, and has short names for parameters.

    :func:`skdense.make_tabular_classifier` and :func:`skdense.make_tabular_regressor` return it.

    Parameters
    ----------
    steps : list of (str, estimator)
        The names and the estimators, as in a :class:`~sklearn.pipeline.Pipeline`.

    transform_input : list of str, default=None
        As in a Pipeline.

    memory : str or joblib.Memory, default=None
        As in a Pipeline.

    verbose : bool, default=False
        As in a Pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import make_tabular_classifier
    >>> X = np.array([[20, "red"], [25, "blue"], [30, "red"], [60, "blue"]] * 10, dtype=object)
    >>> model = make_tabular_classifier(random_state=0, cv=2, max_iter=20)
    >>> customer = np.arange(40) // 4
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10, groups=customer)
    >>> model.predict([[30, "red"]]).shape
    (1,)
    """

    def fit(self, X: Any, y: ArrayLike | None = None, **params: Any) -> Self:
        """Fit all steps.

        Parameters
        ----------
        X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
            The table.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What to predict.
        **params : dict of str to object
            `sample_weight` and `groups`, for the last step, or parameters of any step as
            ``<step>__<parameter>``. If metadata routing is on, the steps have to request them.

        Returns
        -------
        self : object
            The fitted Pipeline.
        """
        if not get_config()["enable_metadata_routing"]:
            last = self.steps[-1][0]
            params = {
                name if "__" in name else f"{last}__{name}": value for name, value in params.items()
            }
        return super().fit(X, y, **params)

    def set_params(self, **params: Any) -> Self:
        """Set parameters of any step, or of all networks at once.

        Parameters
        ----------
        **params : dict of str to object
            Values by the names that `get_params` has, or by those that
            :func:`skdense.make_tabular_classifier` takes: `cv` and `random_state` are set for all
            members, parameters of networks such as `dropout` for all networks.

        Returns
        -------
        self : object
            The Pipeline.
        """
        known = self.get_params()
        short = {name: params.pop(name) for name in [*params] if name.partition("__")[0] not in known}
        super().set_params(**params)
        for name, value in short.items():
            kind = _OWNERS.get(name, BaseLowLevelMLP)
            owners = [each for each in self.get_params().values() if isinstance(each, kind)]
            for owner in owners or [super()]:  # without any, the Pipeline raises
                owner.set_params(**{name: value})
        return self
