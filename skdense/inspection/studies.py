"""The results of one setting under many seeds."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone

from skdense.final_step import final_step, fit_all_but_network
from skdense.fit.validation import MatrixLike, hidden_sizes
from skdense.inspection.displays import LossCurveDisplay
from skdense.inspection.units import dead_units
from skdense.many import check_estimators, fit_inputs


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
        scores = self.score[~np.isnan(self.score)]
        n_diverged = len(self.score) - len(scores)
        diverged = f", {n_diverged} diverged" if n_diverged else ""
        name = type(final_step(self.estimators[0])).__name__
        return (
            f"<SeedStudy of {len(self.score)} {name}s: scores from {scores.min():.4g} to "
            f"{scores.max():.4g}, median {np.median(scores):.4g}{diverged}>"
        )

    def to_frame(self) -> Any:
        """Tabulate the study with a row for each seed, in a DataFrame of pandas.

        Returns
        -------
        frame : pandas.DataFrame
            The columns are the score, the final loss, the number of epochs and the fraction of dead
            units of each hidden layer, `dead_1` and so on; the index has the seeds.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("SeedStudy.to_frame needs pandas: pip install pandas") from error
        networks = list(map(final_step, self.estimators))
        seeds = [network.random_state for network in networks]
        columns = {
            "score": self.score,
            "loss": [getattr(network, "loss_", np.nan) for network in networks],
            "n_iter": pd.array([getattr(network, "n_iter_", None) for network in networks], "Int64"),
        }
        columns |= {f"dead_{layer}": dead for layer, dead in enumerate(self.dead.T, start=1)}
        return pd.DataFrame(columns, index=pd.Index(seeds, name="seed"))

    def plot(self, ax: Any = None, *, kind: str = "loss") -> LossCurveDisplay:
        """Draw the curves of all seeds as a band.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to draw; None makes a figure.
        kind : {'loss', 'score'}, default='loss'
            What to draw, as in :meth:`LossCurveDisplay.from_estimator`.

        Returns
        -------
        display : LossCurveDisplay
            What was drawn.
        """
        return LossCurveDisplay.from_estimator(self, kind=kind, ax=ax)


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
        If the estimator is of another kind.
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
    check_estimators([final_step(estimator)])
    values = range(seeds) if isinstance(seeds, Integral) else seeds
    values = list(values) if np.iterable(values) else []
    if not values:
        raise ValueError(f"seeds must be a positive int or a list of ints, got {seeds!r}")
    estimators, inputs = [], []
    for seed in values:
        model = clone(estimator)
        network = final_step(model).set_params(random_state=seed)
        fitted, one_input = fit_all_but_network(model, network, X, y, {})
        estimators.append(fitted)
        inputs.append(one_input)
    networks = list(map(final_step, estimators))
    errors = fit_inputs(networks, inputs, n_jobs)
    if all(errors):
        raise errors[0]
    study = SeedStudy(
        estimators,
        score=np.full(len(estimators), np.nan),
        dead=np.full((len(estimators), len(hidden_sizes(networks[0]))), np.nan),
    )
    for i, (fitted, error) in enumerate(zip(estimators, errors, strict=True)):
        if error is None:
            study.score[i] = fitted.score(X, y)
            study.dead[i] = [layer.mean() for layer in dead_units(fitted, X)]
    return study
