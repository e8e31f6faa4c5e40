"""Plots of loss curves and of hidden units, by scikit-learn's convention for Display classes.

The first plot imports matplotlib.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdense.final_step import final_step
from skdense.fit.validation import MatrixLike
from skdense.inspection.units import are_dead, unit_outputs
from skdense.many import check_estimators

_CURVES = {
    "loss": ("loss_curve_", "validation_loss_curve_"),
    "score": ("accuracy_curve_", "validation_scores_"),
}
"""The attributes that have the training curves and the validation curves."""
_BAND = (0.1, 0.9)
"""The quantiles of several runs between which the band lies."""


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
        self, training: Sequence[float], validation: Sequence[float] | None, *, kind: str = "loss"
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
        several = isinstance(estimator, list)
        estimators = estimator if several else [estimator]
        if name is None:
            names = _default_names(estimators)
        else:
            names = list(name) if several else [name]
        if len(names) != len(estimators):
            raise ValueError(
                f"name must have an entry for each of the {len(estimators)} estimators, got {name!r}"
            )
        training, validation = {}, {}
        for name, runs in zip(names, map(_networks, estimators), strict=True):
            for curves, attribute in zip((training, validation), _CURVES[kind], strict=True):
                values = [getattr(network, attribute, None) for network in runs]
                if any(values):
                    curves[name] = _as_array(values)
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
        self.ax_ = axes_for(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self.lines_, self.bands_ = [], []
        names = list(dict.fromkeys([*self.training, *self.validation]))
        for i, name in enumerate(names):
            self._draw(self.training.get(name), f"C{i}", "-", _label(names, name, "training"))
            self._draw(self.validation.get(name), f"C{i}", "--", _label(names, name, "validation"))
        self.ax_.set(xlabel="epoch", ylabel=self.kind)
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.ax_.legend()
        return self

    def _draw(self, runs, color, linestyle, label):
        if runs is None:
            return
        epochs = np.arange(1, runs.shape[1] + 1)
        low, middle, high = np.quantile(runs, (_BAND[0], 0.5, _BAND[1]), axis=0)
        self.lines_ += self.ax_.plot(epochs, middle, color=color, linestyle=linestyle, label=label)
        if len(runs) > 1:
            style = {"color": color, "alpha": 0.2, "linewidth": 0}
            named = f"{label}, 10th to 90th percentile"
            band = self.ax_.fill_between(epochs, low, high, label=named, **style)
            self.bands_.append(band)


def _networks(estimator):
    """The fitted network of an estimator, or all those of a study that did not diverge."""
    is_study = hasattr(estimator, "dead")  # a SeedStudy, whose module imports this one
    networks = list(map(final_step, estimator.estimators if is_study else [estimator]))
    check_estimators(networks)
    if not is_study:
        check_is_fitted(networks[0])
    return [network for network in networks if hasattr(network, "coefs_")]


def _default_names(estimators):
    names = [type(_networks(estimator)[0]).__name__ for estimator in estimators]
    return names if len(names) == 1 else [f"{name} {i}" for i, name in enumerate(names)]


def _as_array(curves):
    """The curves of several runs as one array; shorter ones are filled with their last values."""
    longest = max(map(len, curves))
    return np.array([[*curve, *curve[-1:] * (longest - len(curve))] for curve in curves])


def _label(names, name, what):
    return what if len(names) == 1 else f"{name}, {what}"


class UnitActivityDisplay:
    """How much the output of each hidden unit varies between samples.

    A unit whose output is the same for every sample is marked as dead. Make the display with
    :meth:`from_estimator`.

    Parameters
    ----------
    activity : list of ndarray of shape (width,)
        For each hidden layer, the standard deviation of each unit's output over the samples.
    dead : list of ndarray of bool of shape (width,)
        Which units are dead.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    lines_ : list of matplotlib.lines.Line2D
        The units that are not dead, for each hidden layer.
    dead_lines_ : list of matplotlib.lines.Line2D
        The dead units, for each hidden layer.

    See Also
    --------
    dead_units : Finds the dead units.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.inspection import UnitActivityDisplay
    >>> X, y = make_two_clouds(random_state=0)
    >>> clf = LowLevelMLPClassifier((4, 4), max_iter=20, tol=0.1, random_state=0).fit(X, y)
    >>> display = UnitActivityDisplay.from_estimator(clf, X)
    >>> len(display.activity)
    2
    """

    def __init__(self, activity: Any, dead: Any):
        self.activity = activity
        self.dead = dead

    @classmethod
    def from_estimator(cls, estimator: BaseEstimator, X: MatrixLike, *, ax: Any = None) -> Self:
        """Draw the units of a fitted estimator.

        Parameters
        ----------
        estimator : LowLevelMLPClassifier, LowLevelMLPRegressor or Pipeline
            A fitted estimator, or a fitted Pipeline whose last step is one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : UnitActivityDisplay
            The display, which has been plotted.
        """
        activity, dead = [], []
        for outputs in unit_outputs(estimator, X):
            activity.append(outputs.std(axis=0))
            dead.append(are_dead(outputs))
        if not activity:
            raise ValueError("estimator must have a hidden layer, got one without")
        return cls(activity, dead).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the units, layer after layer.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : UnitActivityDisplay
            The display itself.
        """
        self.ax_ = axes_for(ax, type(self).__name__)
        self.figure_ = self.ax_.figure
        self.lines_, self.dead_lines_ = [], []
        start, centers, names = 0, [], []
        for i, (activity, dead) in enumerate(zip(self.activity, self.dead, strict=True)):
            units = start + np.arange(len(activity))
            self.lines_ += self.ax_.plot(units[~dead], activity[~dead], f".C{i}")
            self.dead_lines_ += self.ax_.plot(units[dead], np.zeros(dead.sum()), "x", color="tab:red")
            centers.append(units.mean())
            names.append(f"layer {i + 1}\n{dead.sum()} of {len(dead)} dead")
            start += len(activity) + max(1, len(activity) // 10)  # a gap
        if any(map(np.any, self.dead)):
            self.ax_.legend(handles=self.dead_lines_[:1], labels=["dead unit"])
        self.ax_.set(xticks=centers, xticklabels=names, ylabel="standard deviation of the output")
        return self


def axes_for(ax, caller, **figure):
    """These axes, or those of a new figure; an error about matplotlib names the caller."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib to draw: python -m pip install matplotlib"
        ) from error
    return plt.subplots(**figure)[1]
