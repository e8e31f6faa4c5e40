"""Looking into networks: their loss curves, dead units, and one setting under many seeds.

The first plot imports matplotlib.
"""

from collections.abc import Sequence
from itertools import product
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.core.formulas.layers import hidden_values
from skdense.final_step import final_step, fit_all_but_network, nested
from skdense.fit.fitting import fit_together
from skdense.fit.inputs import MatrixLike, hidden_sizes
from skdense.fit.results import are_dead
from skdense.many import check_estimators

_CURVES = {
    "loss": ("loss_curve_", "validation_loss_curve_"),
    "score": ("accuracy_curve_", "validation_scores_"),
}
"""The attributes that have the training curves and the validation curves."""


class LossCurveDisplay:
    """The loss, or the score, of each epoch of one training or several.

    Make it with :meth:`from_estimator`.

    Parameters
    ----------
    training : dict of str to ndarray of shape (n_runs, n_epochs)
        The training curves, by their names in the legend. Several runs are drawn as a band.
    validation : dict of str to ndarray of shape (n_runs, n_epochs)
        The validation curves, for those names that have any.
    kind : {'loss', 'score'}, default='loss'
        What the curves show.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    lines_ : list of matplotlib.lines.Line2D
        The curves, or the medians of several runs; validation curves are dashed.
    bands_ : list of matplotlib.collections.PolyCollection
        The bands, from the 10th to the 90th percentile of the runs.

    See Also
    --------
    study_seeds : Trains one setting under many seeds.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import LossCurveDisplay
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((4,), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(clf)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(
        self, training: dict[str, NDArray], validation: dict[str, NDArray], *, kind: str = "loss"
    ):
        self.training = training
        self.validation = validation
        self.kind = kind

    @classmethod
    def from_estimator(
        cls, estimator: BaseEstimator, *, kind: str = "loss", name: str | None = None, ax: Any = None
    ) -> Self:
        """Draw the curves of fitted estimators.

        Parameters
        ----------
        estimator : estimator, SeedStudy or list of these
            A fitted LowLevelMLPClassifier or LowLevelMLPRegressor, or a fitted Pipeline whose last step
            is one. The estimators of a SeedStudy are drawn as a band around their median; an estimator
            that stopped early keeps its last value.
        kind : {'loss', 'score'}, default='loss'
            'loss' draws `loss_curve_` and `validation_loss_curve_`, 'score' `accuracy_curve_` and
            `validation_scores_`; a curve that an estimator does not have is left out.
        name : str or list of str, default=None
            The names in the legend, a list if `estimator` is one. None takes the class's name, with a
            number if there are several.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay
            The display, which has been plotted.
        """
        if kind not in _CURVES:
            raise ValueError(f"kind must be one of {sorted(_CURVES)}, got {kind!r}")
        runs = [*map(_fitted_networks, estimator if isinstance(estimator, list) else [estimator])]
        names = [f"{type(networks[0]).__name__} {i}" for i, networks in enumerate(runs)]
        if name is not None:
            names = name if isinstance(name, list) else [name]
        if len(names) != len(runs):
            raise ValueError(
                f"name must have an entry for each of the {len(runs)} estimators, got {name!r}"
            )
        training, validation = (_curves(names, runs, attribute) for attribute in _CURVES[kind])
        if not (training or validation):
            what = " and ".join(_CURVES[kind])
            raise ValueError(
                f"estimator must have at least one of {what}; solver='lbfgs' records neither, and a "
                "regressor has scores only with early_stopping or X_val"
            )
        return cls(training, validation, kind=kind).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay
            The display itself.
        """
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        names = list(dict.fromkeys([*self.training, *self.validation]))
        drawn = {"training": (self.training, "-"), "validation": (self.validation, "--")}
        for (i, name), (what, (curves, linestyle)) in product(enumerate(names), drawn.items()):
            if name not in curves:
                continue
            runs, label = curves[name], what if len(names) == 1 else f"{name}, {what}"
            epochs = np.arange(1, runs.shape[1] + 1)
            low, middle, high = np.quantile(runs, (0.1, 0.5, 0.9), axis=0)
            style = {"color": f"C{i}", "linestyle": linestyle}
            self.lines_ += self.ax_.plot(epochs, middle, label=label, **style)
            if len(runs) > 1:
                band = {"label": f"{label}, 10th to 90th percentile", "alpha": 0.2, "linewidth": 0}
                self.bands_.append(self.ax_.fill_between(epochs, low, high, color=f"C{i}", **band))
        self.ax_.set(xlabel="epoch", ylabel=self.kind)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend()
        return self


def dead_units(estimator: BaseEstimator, X: MatrixLike) -> list[NDArray]:
    """Find the hidden units whose output is the same for every sample, up to rounding.

    Such a unit carries no information about the sample. With ``activation="relu"`` its output is
    usually 0 for all samples; then no gradient reaches the unit, so it stays dead.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        A fitted estimator, or a fitted Pipeline whose last step is one.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.

    Returns
    -------
    dead : list of ndarray of bool of shape (width,)
        One array for each hidden layer.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import dead_units
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((50, 20), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> [f"{dead.sum()} of {len(dead)}" for dead in dead_units(clf, X)]
    ['0 of 50', '3 of 20']
    """
    check_is_fitted(estimator)
    for _, part in nested(estimator):
        if isinstance(part, Pipeline) and len(part) > 1:
            X = part[:-1].transform(X)
    network = final_step(estimator)
    check_estimators([network], "fit", "predict")
    X = validate_data(network, X, accept_sparse="csr", reset=False)
    return [*map(are_dead, hidden_values(*network._layers_and_parameters(), X))]


class SeedStudy(NamedTuple):
    """The results of one setting under each of N seeds.

    Attributes
    ----------
    estimators : list of LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The estimators, fitted except where training diverged.
    score : ndarray of shape (N,)
        The `score` of each on the training samples, accuracy for classifiers and R2 for regressors; NaN
        where training diverged.
    dead : ndarray of shape (N, n_hidden_layers)
        The fraction of each hidden layer's units that are dead on the training samples, or NaN.
    """

    estimators: list
    score: np.ndarray
    dead: np.ndarray

    def __repr__(self):
        low, median, high = np.nanquantile(self.score, (0, 0.5, 1))
        return (
            f"<SeedStudy of {len(self.score)} {type(final_step(self.estimators[0])).__name__}s: scores "
            f"from {low:.4g} to {high:.4g}, median {median:.4g}, {np.isnan(self.score).sum()} diverged>"
        )


def study_seeds(
    estimator: BaseEstimator,
    X: MatrixLike,
    y: ArrayLike,
    seeds: int | Sequence[int] = 40,
    *,
    n_jobs: int | None = None,
) -> SeedStudy:
    """Train one setting under many seeds, all at the same time.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
        The estimator with the setting, or a Pipeline that ends with it. Clones of it are fitted.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The samples.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        What to predict.
    seeds : int or iterable of int, default=40
        The values of `random_state`; an int N stands for 0 to N - 1.
    n_jobs : int, default=None
        As in :func:`skdense.fit_many`.

    Returns
    -------
    study : SeedStudy
        The estimators with their scores and fractions of dead units.

    Raises
    ------
    TypeError
        If the estimator is of another kind, or overrides `fit` or `predict`.
    ValueError
        If there are no seeds. If training fails under every seed, the first error is raised.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import study_seeds
    >>> X, y = make_two_clouds(random_state=0)
    >>> study = study_seeds(LowLevelMLPClassifier((4,), max_iter=20, tol=0.1), X, y, seeds=3)
    >>> study.score.shape, study.dead.shape
    ((3,), (3, 1))
    """
    check_estimators([final_step(estimator)], "fit", "predict")
    values = range(seeds) if isinstance(seeds, Integral) else seeds
    values = list(values) if np.iterable(values) else []
    if not values:
        raise ValueError(f"seeds must be a positive int or a list of ints, got {seeds!r}")
    estimators, inputs = [], []
    for seed in values:
        model = clone(estimator)
        final_step(model).set_params(random_state=seed)
        fitted, one_input = fit_all_but_network(model, X, y, {})
        estimators.append(fitted)
        inputs.append(one_input)
    networks = list(map(final_step, estimators))
    errors = fit_together(networks, inputs, n_jobs)
    if all(errors):
        raise errors[0]
    score = np.full(len(estimators), np.nan)
    dead = np.full((len(estimators), len(hidden_sizes(networks[0]))), np.nan)
    for i, (fitted, error) in enumerate(zip(estimators, errors, strict=True)):
        if error is None:
            score[i] = fitted.score(X, y)
            dead[i] = [layer.mean() for layer in dead_units(fitted, X)]
    return SeedStudy(estimators, score, dead)


def _fitted_networks(estimator):
    """The fitted network of an estimator, or all those of a study that did not diverge."""
    if isinstance(estimator, SeedStudy):
        return [n for n in map(final_step, estimator.estimators) if hasattr(n, "coefs_")]
    network = final_step(estimator)
    check_estimators([network])
    check_is_fitted(network)
    return [network]


def _curves(names, runs, attribute):
    """The curves of each name's networks that have any; shorter ones keep their last value."""
    found = {}
    for name, networks in zip(names, runs, strict=True):
        curves = [getattr(network, attribute, None) for network in networks]
        if any(curves):
            n_epochs = max(map(len, curves))
            found[name] = np.array([[*c, *c[-1:] * (n_epochs - len(c))] for c in curves])
    return found


def axes_for(ax, **figure):
    """These axes, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib.pyplot import subplots

    return subplots(**figure)[1]
