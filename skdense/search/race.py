"""A race: candidates are prepared, trained from rung to rung and scored, and the worst are dropped.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Number
from traceback import format_exception
from typing import Any, NamedTuple

import numpy as np
from joblib import hash as hash_of
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import clone, is_regressor
from sklearn.exceptions import FitFailedWarning

from skdense import compat
from skdense.core.formulas.optimizers import ANY_OPTIMIZER
from skdense.core.host.train import train
from skdense.core.network import LBFGS, Network
from skdense.final_step import beyond_steps, fit_all_but_last, network_of, with_last
from skdense.fit.fitting import plan_jobs
from skdense.fit.inputs import shallow_copy
from skdense.fit.prepare import Job, check_and_prepare
from skdense.fit.results import NotFinite, best_network, finish

_SHARE_OF_RACE = 0.4
"""About the share of their epochs that candidates train with the default rungs and factor."""


@dataclass(eq=False)
class CandidateFit:
    """The fit of a candidate on one split: the networks, which train from rung to rung, and the score.

    Attributes
    ----------
    score : float
        The score at the last rung, or the `error_score` if there is an `error`.
    held_out : tuple
        The arguments of the scorer: the model, in which only the network is not fitted, X, y and
        parameters. If the steps before the network have already transformed X, the model is what
        follows them.
    job : Job or None
        The networks; None if the fit has failed.
    error : Exception or None
        The error of the fit or of the last scoring.
    fit_time, score_time : float
        Seconds.
    """

    score: Any
    held_out: tuple = ()
    job: Job | None = None
    error: Exception | None = None
    fit_time: float = 0.0
    score_time: float = 0.0

    @property
    def active_networks(self) -> list[Network]:
        """The networks that have not ended their training."""
        networks = self.job.networks if self.job else []
        return [network for network in networks if network.progress.active]


class Candidate:
    """A setting of the parameters, the model that has it, and one fit per split.

    Attributes
    ----------
    params : dict
    model : estimator
        The unfitted model with these parameters. `estimator` is the network at its end, and `prefix`
        the prefix of the network's parameters.
    fits : list of CandidateFit
        One per split.
    mean_scores : list of float
        The mean over the splits, for each time that the candidate was scored.

    Raises
    ------
    ValueError
        If the network trains without epochs or has callbacks.
    """

    def __init__(self, estimator: Any, params: dict):
        self.params = params
        self.fits: list[CandidateFit] = []
        self.mean_scores: list[float] = []
        new_params: Any = clone(params, safe=False)
        model: Any = clone(estimator)
        self.model = model.set_params(**new_params)
        self.estimator, self.prefix = network_of(self.model)
        if self.estimator.solver == LBFGS:
            raise ValueError(
                f"solver='lbfgs' has no epochs, so it cannot be pruned; use {ANY_OPTIMIZER}, or "
                "scikit-learn's RandomizedSearchCV"
            )
        if compat.has_callbacks(self.estimator):
            raise ValueError(
                "estimator must have no callbacks, because many networks train at the same time; set "
                "them on the search itself"
            )

    def last_epoch(self, epochs: int) -> int:
        """The epoch at which training ends: the present one, `epochs`, if no network is active."""
        active = [network for fit in self.fits for network in fit.active_networks]
        return max((int(network.hyper.max_epochs) for network in active), default=epochs)


class Rung(NamedTuple):
    """The candidates at a rung: parameters, mean scores, forecasts; scores and times of all fits."""

    params: list[dict]
    scores: NDArray
    forecasts: NDArray
    results: list[dict]


class Race:
    """The candidates that still train, and the rungs that are over.

    Parameters
    ----------
    candidates : list of Candidate
    rungs : list of int
        After how many epochs candidates are compared.
    factor : float
        One of `factor` candidates goes on from a rung, rounded up.
    scorer : callable
    error_score : 'raise' or float
        The score of a fit that has failed.
    n_jobs : int or None
        How many networks train at the same time.
    highest_score : {0, 1} or None
        The highest score that is possible, as in `forecasts`.

    Attributes
    ----------
    candidates : list of Candidate
        Those that still train.
    finished : list of Rung
        The rungs that are over.
    scored_epochs : list of int
        The epochs at which the candidates were scored.
    """

    def __init__(
        self,
        candidates: list[Candidate],
        rungs: list[int],
        factor: float,
        scorer: Callable,
        error_score: Any,
        n_jobs: int | None,
        highest_score: int | None,
    ):
        self.candidates, self.rungs, self.factor = candidates, rungs, factor
        self.scorer, self.error_score, self.n_jobs = scorer, error_score, n_jobs
        self.highest_score = highest_score
        self.finished: list[Rung] = []
        self.scored_epochs: list[int] = []

    def begin(self, splits: list[tuple], skips_steps: bool) -> None:
        """Prepare the fits of all candidates on all splits, and check that they can be scored.

        Parameters
        ----------
        splits : list of (tuple, tuple)
            The samples to fit to and those to score: X, y, and the parameters of `fit` and the scorer.
        skips_steps : bool
            Whether the samples that are held out go through the steps of a Pipeline once, before
            training. Scorers that only ask for predictions cannot tell the difference.
        """
        first_fits = self._prepare(splits, skips_steps)
        self._report_errors(self._fits())
        # The scorer would raise the same error for all candidates of the split, except perhaps a
        # ValueError because of the numbers that an untrained regressor predicts.
        for fit in first_fits:
            self._score(fit)
            if is_regressor(fit.held_out[0]) and isinstance(fit.error, ValueError):
                fit.error = None
            elif fit.error is not None:
                raise fit.error
        # Networks keep the programs that are chosen here for all of them, so that those that go on
        # train as if they had never paused.
        self.buckets = plan_jobs(self._jobs(), _SHARE_OF_RACE)

    def _prepare(self, splits: list[tuple], skips_steps: bool) -> Collection[CandidateFit]:
        """Prepare all networks; return the first fit of each split that has not failed.

        The steps before the network are fitted once for all candidates that have the same steps.
        """
        first_fits: dict[int, CandidateFit] = {}
        fitted_steps: dict[tuple, tuple] = {}
        checked: dict = {}
        for candidate in self.candidates:
            steps_key = _key_of_steps(candidate)
            for i, (train_samples, test_samples) in enumerate(splits):
                fit, key, start = CandidateFit(self.error_score), (i, steps_key), time.perf_counter()
                candidate.fits.append(fit)
                try:
                    if key not in fitted_steps:
                        model, inputs = fit_all_but_last(clone(candidate.model), *train_samples)
                        X, *others = test_samples
                        if skips_steps:
                            model, X = beyond_steps(model, X)
                        fitted_steps[key] = inputs, (model, X, *others)
                    inputs, fit.held_out = fitted_steps[key]
                    fit.job = check_and_prepare(clone(candidate.estimator), inputs, checked)
                    first_fits.setdefault(i, fit)
                except Exception as error:
                    fit.error = error
                fit.fit_time = time.perf_counter() - start
        return first_fits.values()

    def _fits(self) -> list[CandidateFit]:
        """The fits of all candidates that still train."""
        return [fit for candidate in self.candidates for fit in candidate.fits]

    def _jobs(self) -> list[Job]:
        """The jobs of the fits that have not failed."""
        return [fit.job for fit in self._fits() if fit.job]

    def run(self) -> Rung | None:
        """Train to the next rung, score, and drop the candidates that do not go on.

        Return the rung, or None if the fits of all candidates have failed.
        """
        rung_epochs = self.rungs[len(self.finished)]
        for epochs in epochs_to_score(self.rungs)[len(self.finished)]:
            self._report_errors(self._train(epochs))
            if not self._jobs():
                return None
            self.scored_epochs.append(epochs)
            for candidate in self.candidates:
                candidate.mean_scores.append(float(np.mean([fit.score for fit in candidate.fits])))
        scores = np.array([candidate.mean_scores for candidate in self.candidates], dtype=float)
        ends = np.array([candidate.last_epoch(rung_epochs) for candidate in self.candidates])
        expected = forecasts(self.scored_epochs, scores, ends, self.highest_score)
        results = [
            {"test_scores": fit.score, "fit_time": fit.fit_time, "score_time": fit.score_time}
            for fit in self._fits()
        ]
        params = [candidate.params for candidate in self.candidates]
        rung = Rung(params, scores[:, -1], expected, results)
        if rung_epochs == self.rungs[-1]:
            for job in self._jobs():
                finish(job)  # warns as any fit does at its end, for instance at max_iter
            self.candidates = []
        else:
            best = best_first(expected)[: math.ceil(len(expected) / self.factor)]
            self.candidates = [self.candidates[i] for i in sorted(best)]
        self.finished.append(rung)
        return rung

    def _train(self, epochs: int) -> list[CandidateFit]:
        """Train to this number of epochs in all, and score each fit in a thread that trained it.

        Return the fits that were trained.
        """
        fits = [fit for fit in self._fits() if fit.active_networks]
        owners = {network: fit for fit in fits for network in fit.active_networks}
        start, config = time.perf_counter(), get_config()

        def score(fit: CandidateFit) -> None:
            with config_context(**config):  # scikit-learn's configuration belongs to a thread
                self._score(fit)

        for bucket in self.buckets:
            bucket.networks = [network for network in bucket.networks if network in owners]
        if train(self.buckets, self.n_jobs, until=epochs, owners=owners, after=score):
            raise KeyboardInterrupt
        seconds = time.perf_counter() - start
        for fit in fits:
            fit.fit_time += seconds / len(fits)
        return fits

    def _score(self, fit: CandidateFit) -> None:
        """Score the best network of a fit after its epochs so far."""
        start, fit.score, fit.error = time.perf_counter(), self.error_score, None
        job: Any = fit.job
        try:
            network = shallow_copy(job.estimator)
            vars(network).update(best_network(job)[1])
        except NotFinite as error:
            fit.error, fit.job = error, None
            return
        try:
            model, X, y, params = fit.held_out
            score = self.scorer(with_last(model, network), X, y, **params)
            with suppress(AttributeError, ValueError):  # not an array, or of several numbers
                score = score.item()
            if not isinstance(score, Number):
                raise ValueError(
                    f"scoring must return a number, got {score!r} of {type(score).__name__}; several "
                    "metrics at once are not supported"
                )
            fit.score = score
        except Exception as error:
            fit.error = error
        fit.score_time = time.perf_counter() - start

    def _report_errors(self, fits: list[CandidateFit]) -> None:
        """Warn of fits that have failed or could not be scored, or raise their error.

        It is also an error if all fits fail, or cannot be scored, before the first rung is over.
        """
        errors = [fit.error for fit in fits if fit.error is not None]
        if not errors:
            return
        if self.error_score == "raise":
            raise errors[0]
        n_fits = len(self._fits())
        counts = Counter("".join(format_exception(error)) for error in errors)
        texts = "\n".join(f"{n} failed with this error:\n{text}" for text, n in counts.items())
        hint = f"With error_score='raise' the first error is raised.\n{texts}"
        if not self.finished and all(fit.error is not None for fit in self._fits()):
            raise ValueError(
                f"All the {n_fits} fits failed. It is very likely that your model is "
                f"misconfigured. {hint}"
            )
        compat.warn_at_caller(
            f"{len(errors)} fits failed out of a total of {n_fits}, or could not be scored: "
            f"their score is {self.error_score}. {hint}",
            FitFailedWarning,
        )


def _key_of_steps(candidate: Candidate) -> Any:
    """A key for the parameters of the steps before the network: equal steps have equal keys.

    Steps whose parameters cannot be pickled, such as a lambda, are fitted for their candidate alone.
    """
    settings = {k: v for k, v in candidate.params.items() if not k.startswith(candidate.prefix)}
    try:
        return hash_of(settings)
    except Exception:  # AttributeError and TypeError as well as PicklingError
        return id(candidate)


# --- rungs -------------------------------------------------------------------------------------------


SHARES, _FIRST = (0.15, 0.25, 0.375, 0.5, 0.75), 3
"""By default candidates are compared after these fractions of `max_iter`, and at least 3 epochs."""
_SLOPE, _BACK = 0.6, 0.75
"""A forecast continues with this fraction of the slope since this fraction of the epochs."""


def rungs_of(rungs: Any, max_iter: int) -> list[int]:
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        rungs = dict.fromkeys(round(share * max_iter) for share in SHARES)
        return [*(rung for rung in rungs if _FIRST <= rung < max_iter), max_iter]
    if not all(isinstance(rung, Integral) and not isinstance(rung, bool) for rung in rungs):
        raise ValueError(
            f"rung_epochs must be ints, the epochs after which candidates are compared, got {rungs!r}"
        )
    if list(rungs) != sorted(set(rungs)) or any(not 1 <= rung <= max_iter for rung in rungs):
        raise ValueError(
            f"rung_epochs must be increasing, positive and at most max_iter={max_iter}, got "
            f"{rungs!r}; () trains all candidates to the end"
        )
    return list(dict.fromkeys([*map(int, rungs), max_iter]))


def epochs_to_score(rungs: list[int]) -> list[list[int]]:
    """For each rung, the epochs at which candidates are scored on the way to it, and at it.

    They are scored once in between unless the rung before is near enough for the slope of a forecast.
    """
    epochs = []
    for before, rung in zip([0, *rungs], rungs):
        between = round(_BACK * rung)
        is_needed = before < between < rung < rungs[-1] and before < 0.6 * rung
        epochs.append([between, rung] if is_needed else [rung])
    return epochs


def forecasts(
    epochs: list[int], scores: NDArray, ends: NDArray, highest_score: int | None = None
) -> NDArray:
    """Forecast the scores of candidates at the end of their training.

    A loss falls by about the same factor whenever the number of epochs doubles. So the logarithm of a
    loss is extrapolated linearly over the logarithm of the epochs, with a fraction of the last slope.

    Parameters
    ----------
    epochs : list of int
        The epochs at which the candidates were scored; the last is the present one.
    scores : ndarray of shape (n_candidates, n_scores)
        The loss is the highest score minus the score. If some exceed the highest score, the present
        scores are returned.
    ends : ndarray of shape (n_candidates,)
        The epochs at which the training of each candidate ends; the present one if it has ended.
    highest_score : {0, 1}, default=None
        0 for negative losses, 1 for scores such as R2, which may be negative, and accuracy. None is for
        a scorer of the user's: 0 if all scores are negative, else 1.
    """
    present = scores[:, -1]
    if highest_score is None:
        highest_score = 0 if np.nanmax(scores, initial=-np.inf) < 0 else 1
    losses = highest_score - scores
    if len(epochs) < 2 or epochs[-1] == max(ends) or np.nanmin(losses, initial=np.inf) < 0:
        return present
    ratios = np.array(epochs[:-1]) / epochs[-1]
    before = np.argmin(np.abs(np.log(ratios / _BACK)))
    is_positive = np.all(losses[:, [before, -1]] > 0, axis=1)  # a loss of 0 has no logarithm
    losses = np.where(is_positive[:, None], losses, 1)
    slopes = np.log(losses[:, before] / losses[:, -1]) / np.log(ratios[before])
    expected = highest_score - losses[:, -1] * (ends / epochs[-1]) ** (_SLOPE * slopes)
    return np.where(is_positive, expected, present)


def best_first(scores: Any) -> NDArray:
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")
