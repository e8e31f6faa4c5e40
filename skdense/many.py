"""Fitting many networks at once: those that can share a program train side by side."""

from itertools import count
from numbers import Integral
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_scalar

from skdense.base import BaseLowLevelMLP, is_network
from skdense.fit.fitting import fit_together
from skdense.fit.inputs import FitInput, MatrixLike

_Model = TypeVar("_Model", bound=BaseLowLevelMLP)


def fit_many(
    networks: list[_Model],
    X: MatrixLike | list,
    y: ArrayLike | list,
    sample_weight: ArrayLike | list | None = None,
    *,
    n_jobs: int | None = None,
    verbose: bool | int = False,
) -> list[_Model]:
    """Fit many networks in parallel, with the same results as separate fits, up to rounding.

    Networks of the same depth, activation, loss, solver and dtype share compiled programs if padding
    them to the same sizes takes less time than compiling, and are trained in parallel. Networks with
    ``solver='lbfgs'``, `verbose` or callbacks are fitted last, one after the other.

    Networks may share a RandomState instance, or NumPy's global state with ``random_state=None``.
    Networks that are trained in parallel then draw their initial parameters and one seed per network
    from the shared generator, in the order of the list, and shuffle the samples with a new generator of
    that seed. Fitting the list again from the same state gives the same models for any `n_jobs`.
    Fitting the networks one after the other gives other models.

    Parameters
    ----------
    networks : list of LowLevelMLPClassifier and LowLevelMLPRegressor
        The networks, which are fitted in place.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or list of these
        The samples; a list contains the samples of each network.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or list of these
        The targets, labels for classifiers and real values for regressors; a list if X is one.
    sample_weight : array-like of shape (n_samples,), list of these, or None, default=None
        Weights of the samples; a list if X is one, with None for networks without weights.
    n_jobs : int, default=None
        Number of networks to train in parallel, in threads of this process. None means the number of
        ``joblib.parallel_config``, or one per core without a configuration, unlike in scikit-learn, and
        one within a joblib task. An int overrides this; -1 means one per core.
    verbose : bool, default=False
        Whether to print the progress, about ten times.

    Returns
    -------
    networks : list of LowLevelMLPClassifier and LowLevelMLPRegressor
        The fitted networks.

    Raises
    ------
    ValueError
        If there are no networks, one is in the list twice, the lengths of the lists differ, or a
        training diverges. In the last case the other networks are fitted, and this one does not change.
    TypeError
        If `networks` is not iterable, an element is of another class or overrides `fit`, or `n_jobs` is
        not an int.
    Exception
        Any other error of a fit, for example because of a parameter, is raised immediately, and no
        network changes. The same applies to Ctrl-C and to exceptions of signal handlers.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier, fit_many
    >>> from skdense.datasets import make_two_clouds
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> widths = [(2,), (4,), (8,)]
    >>> nets = [LowLevelMLPClassifier(w, max_iter=30, tol=0.1, random_state=0) for w in widths]
    >>> [net.n_layers_ for net in fit_many(nets, X, y)]
    [3, 3, 3]
    """
    if not np.iterable(networks):
        raise TypeError(f"networks must be a list, got {networks!r}; a single network has `fit`")
    networks = list(networks)
    _check_networks(networks)
    if n_jobs is not None:
        check_scalar(n_jobs, "n_jobs", Integral)
    inputs = _inputs(len(networks), X, y, sample_weight)
    n_over, n_fits = count(1), len(networks)

    def after_fit(*_):
        n = next(n_over)
        if verbose and n * 10 // n_fits > (n - 1) * 10 // n_fits:
            print(f"Trained {n} of {n_fits} networks")

    fit_together(networks, inputs, n_jobs, after_fit)
    return networks


def _check_networks(networks: list) -> None:
    """Raise unless these are networks, at least one, all distinct, that do not override `fit`."""
    if not networks:
        raise ValueError(
            "networks must contain at least one LowLevelMLPClassifier or LowLevelMLPRegressor, got none"
        )
    for network in networks:
        if not isinstance(network, BaseLowLevelMLP):
            raise TypeError(
                "networks must be LowLevelMLPClassifier or LowLevelMLPRegressor instances, got "
                f"{network!r}; to fit a Pipeline, or another estimator that contains networks, use "
                'scikit-learn\'s tools and joblib.Parallel within joblib.parallel_config("threading", '
                "n_jobs=-1)"
            )
        if not is_network(network, "fit"):
            raise TypeError(
                f"{type(network).__name__} overrides fit, which fit_many does not call; put its "
                "preprocessing of X into a step of a Pipeline"
            )
    if len({id(network) for network in networks}) < len(networks):
        raise ValueError("networks must be distinct objects; use sklearn.base.clone")


def _inputs(n_networks, X, y, sample_weight):
    """A `FitInput` for each network, from data for all or lists with those of each."""
    # A list of vectors is one X, which `fit` accepts.
    is_list = isinstance(X, list | tuple) and len(X) > 0
    if not (is_list and all(len(getattr(one, "shape", ())) == 2 for one in X)):
        has_list = isinstance(sample_weight, list | tuple)
        if has_list and any(weight is None or np.ndim(weight) for weight in sample_weight):
            raise ValueError(
                "sample_weight must be one array, as X is, got a list of the weights of each network; "
                f"pass X and y as lists of {n_networks} arrays, too"
            )
        return [FitInput(X, y, sample_weight)] * n_networks
    lists = {"X": X, "y": y, "sample_weight": sample_weight}
    for name, values in lists.items():
        if values is None:
            lists[name] = [None] * n_networks
        elif len(values) != n_networks:
            raise ValueError(
                f"{name} must have an entry for each of the {n_networks} networks, got {len(values)}"
            )
    return [*map(FitInput, *lists.values())]
