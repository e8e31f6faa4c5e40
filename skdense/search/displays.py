"""A plot of a pruned search, by scikit-learn's convention for Display classes.

The first plot imports matplotlib.
"""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skdense.inspection.networks import axes_for


class PrunedSearchDisplay:
    """The scores of all candidates of a pruned search at its rungs, or against a parameter.

    Make it with :meth:`from_estimator`.

    Parameters
    ----------
    cv_results : dict of ndarray
        The table of a fitted search.
    best_index : int
        The row of the best candidate.
    parameter : str, default=None
        The parameter against which the last scores are drawn; None draws scores over epochs.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        What was drawn on.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    lines_ : list of matplotlib.lines.Line2D
        Over epochs, the scores of each candidate, those of the best one last. Against a parameter, the
        candidates whose last rung is the same, for each rung.
    forecast_lines_ : list of matplotlib.lines.Line2D
        Over epochs, for each candidate that was left out, from its last score to the forecast of its
        score at the end, dotted.
    best_line_ : matplotlib.lines.Line2D
        The best candidate.

    See Also
    --------
    PrunedSearchCV : The search.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.search import PrunedSearchCV, PrunedSearchDisplay
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> network = LowLevelMLPClassifier((8,), max_iter=9, tol=0, random_state=0)
    >>> rates = {"learning_rate_init": [1e-4, 1e-3, 1e-2, 1e-1]}
    >>> search = PrunedSearchCV(network, rates, rungs=(3,), cv=3).fit(X, y)
    >>> display = PrunedSearchDisplay.from_estimator(search, parameter="learning_rate_init")
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(self, cv_results: Mapping, best_index: int, *, parameter: str | None = None):
        self.cv_results = cv_results
        self.best_index = best_index
        self.parameter = parameter

    @classmethod
    def from_estimator(
        cls, search: BaseEstimator, *, parameter: str | None = None, ax: Any = None
    ) -> Self:
        """Draw a fitted search.

        Parameters
        ----------
        search : PrunedSearchCV
            The fitted search.
        parameter : str, default=None
            None draws the scores of each candidate over the epochs, from rung to rung, with forecasts
            of those that were left out. The name of a parameter, as in `param_distributions`, draws the
            last score of each candidate against it.
            The axis of positive numbers is logarithmic if they are spread more evenly so.
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PrunedSearchDisplay
            The display, which has been plotted.
        """
        check_is_fitted(search, "cv_results_")
        names = [name[len("param_") :] for name in search.cv_results_ if name.startswith("param_")]
        if parameter is not None and parameter not in names:
            raise ValueError(f"parameter must be one of {sorted(names)}, got {parameter!r}")
        return cls(search.cv_results_, search.best_index_, parameter=parameter).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the scores.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : PrunedSearchDisplay
            The display itself.
        """
        self.ax_ = axes_for(ax, type(self).__name__)
        self.figure_, self.lines_, self.forecast_lines_ = self.ax_.figure, [], []
        rows = {}  # of each candidate, from rung to rung
        for row, params in enumerate(self.cv_results["params"]):
            rows.setdefault(id(params), []).append(row)
        (best,) = [candidate for candidate in rows.values() if self.best_index in candidate]
        draw = self._draw_epochs if self.parameter is None else self._draw_parameter
        draw([candidate for candidate in rows.values() if candidate is not best], best)
        self.ax_.set(ylabel="mean score", ylim=self._limits([*rows.values()]))
        self.ax_.legend(fontsize="small")
        return self

    def _draw_epochs(self, others, best):
        epochs, scores = self.cv_results["n_resources"], self.cv_results["mean_test_score"]
        forecasts, end = self.cv_results["forecast_test_score"], epochs.max()
        for candidate in others:
            style = {"color": "0.6", "marker": ".", "linewidth": 1}
            self.lines_ += self.ax_.plot(epochs[candidate], scores[candidate], **style)
            last = candidate[-1]
            if epochs[last] < end:
                points = [epochs[last], end], [scores[last], forecasts[last]]
                style = {"color": "0.75", "linestyle": ":", "linewidth": 1, "zorder": 1}
                self.forecast_lines_ += self.ax_.plot(*points, **style)
        if self.forecast_lines_:
            self.forecast_lines_[0].set_label("forecasts")
        label = f"best: {scores[self.best_index]:.4g}"
        style = {"color": "C1", "marker": "o", "linewidth": 2.5, "label": label}
        self.lines_ += self.ax_.plot(epochs[best], scores[best], **style)
        self.best_line_ = self.lines_[-1]
        rungs, counts = np.unique(epochs, return_counts=True)
        for rung, n in zip(rungs, counts, strict=True):
            self.ax_.axvline(rung, color="0.8", linewidth=0.8, zorder=0)
            above = {"xycoords": ("data", "axes fraction"), "ha": "center", "va": "bottom"}
            self.ax_.annotate(f"{n}", (rung, 1.01), **above)
        self.ax_.set_title("candidates", fontsize="medium", pad=18)
        self.ax_.set_xticks(rungs, rungs)
        self.ax_.set_xlabel("epochs")

    def _draw_parameter(self, others, best):
        from matplotlib.cm import viridis

        epochs, scores = self.cv_results["n_resources"], self.cv_results["mean_test_score"]
        column = self.cv_results[f"param_{self.parameter}"]
        last = np.array([candidate[-1] for candidate in [*others, best]])
        last = last[~np.ma.getmaskarray(column)[last]]
        places, scores, rungs = self._places(column.data[last]), scores[last], np.unique(epochs)
        for rung, color in zip(rungs, viridis(np.linspace(0, 0.9, len(rungs))), strict=True):
            there = epochs[last] == rung
            style = {"color": color, "alpha": 0.7, "label": f"{rung} epochs"}
            self.lines_ += self.ax_.plot(places[there], scores[there], ".", markersize=9, **style)
        best = last == self.best_index
        style = {"color": "k", "markersize": 13, "fillstyle": "none", "label": "best"}
        (self.best_line_,) = self.ax_.plot(places[best], scores[best], "*", **style)
        self.ax_.set_xlabel(self.parameter)

    def _places(self, values):
        """Where values lie on the axis, whose scale or labels are set."""
        if values.dtype.kind in "iuf":
            if _is_even_in_logs(values):
                self.ax_.set_xscale("log")
            return values
        names = list(dict.fromkeys(map(str, sorted(values, key=_order))))
        self.ax_.set_xticks(range(len(names)), names)
        return np.array([names.index(str(value)) for value in values], dtype=int)

    def _limits(self, candidates):
        """The range of scores to show; those far below the others are cut off."""
        scores = self.cv_results["mean_test_score"]
        shown = scores[np.isfinite(scores)]
        if not len(shown):
            return None
        low = np.quantile(shown, 0.1)
        if self.parameter is None:  # of those that reached the last rung
            length = max(map(len, candidates))
            low = np.nanmin([scores[rows] for rows in candidates if len(rows) == length], initial=low)
        room = (shown.max() - low) or 1.0
        return max(shown.min() - 0.1 * room, low - 0.5 * room), shown.max() + 0.1 * room


def _is_even_in_logs(values):
    """Whether the median of a wide range lies closer to its geometric middle than to its middle."""
    low, middle, high = np.quantile(values, [0, 0.5, 1])
    is_wide = low > 0 and high >= 10 * low
    return is_wide and abs(middle - np.sqrt(low * high)) < abs(middle - (low + high) / 2)


def _order(value):
    """A key: sequences by their lengths and numbers, all else as text."""
    if not isinstance(value, tuple | list):
        return 0, [], str(value)
    numbers = [entry if isinstance(entry, Real) else math.inf for entry in value]
    return len(value) + 1, numbers, str(value)
