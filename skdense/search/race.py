"""A race: candidates are prepared, trained from rung to rung and scored, and the worst are left out.

`docs/benchmarks/decisions.md` has the measurements behind the constants.
"""

import math
import signal
import time
from collections import Counter
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from numbers import Integral, Number
from traceback import format_exception, walk_tb
from typing import Any, NamedTuple

import numpy as np
from joblib import hash as hash_of
from numpy.typing import NDArray
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning

from skdense import compat
from skdense.core.formulas.optimizers import ANY_OPTIMIZER
from skdense.core.host.train import train
from skdense.core.network import LBFGS
from skdense.final_step import beyond_steps, fit_all_but_last, network_of, with_last
from skdense.fit.fitting import buckets_for
from skdense.fit.prepare import Job, check_and_prepare
from skdense.fit.results import NotFinite, best_network, finish

_SHARE_OF_RACE = 0.4
"""About the share of their epochs that candidates train with the default rungs and factor."""


@dataclass(eq=False)
class CandidateFit:
    """A candidate on a split: its networks, which train from rung to rung, and its score now.

    `held_out` is what is scored: the candidate's model, fitted but for its network, X, y and the
    parameters of the scorer. If the steps before the network have already transformed this X, the model
    is only what follows them. `error` is that of the fit, whose `job` is None then, or that of the last
    scoring. Then the score is the `error_score`.
    """

    score: Any
    held_out: tuple = ()
    job: Job | None = None
    error: Exception | None = None
    fit_time: float = 0.0
    score_time: float = 0.0

    @property
    def going(self):
        """Its networks that train on."""
        networks = self.job.networks if self.job else []
        return [network for network in networks if network.progress.active]


class Candidate:
    """Parameters and the model that has them, its fits on all splits, and its mean scores so far.

    An error says why the search cannot have a candidate.
    """

    def __init__(self, estimator, params):
        self.params, self.fits, self.means = params, [], []
        self.model = clone(estimator).set_params(**clone(params, safe=False))
        self.estimator, self.prefix = network_of(self.model)
        if self.estimator.solver == LBFGS:
            raise ValueError(
                "solver='lbfgs' has no epochs, so it cannot be pruned between them; use "
                f"{ANY_OPTIMIZER}, or scikit-learn's RandomizedSearchCV"
            )
        if compat.has_callbacks(self.estimator):
            raise ValueError(
                "estimator must have no callbacks, since many networks train at the same time; set "
                "them on the search itself"
            )

    def end(self, now):
        """After how many epochs its training ends: now if none of its networks trains on."""
        going = [network for fit in self.fits for network in fit.going]
        return max((int(network.hyper.max_epochs) for network in going), default=now)


class Rung(NamedTuple):
    """The candidates at a rung: their mean scores, forecasts for the end, and what each fit gave."""

    params: list[dict]
    scores: NDArray
    forecasts: NDArray
    results: list[dict]


class Race:
    """The candidates that still go on, and the rungs that are over.

    Parameters
    ----------
    candidates : list of Candidate
    rungs : list of int
        After how many epochs candidates are compared.
    factor : float
        Of so many candidates, one goes on from a rung.
    scorer : callable
    error_score : 'raise' or float
        The score of a fit that has failed.
    n_jobs : int or None
        How many networks train at the same time.
    """

    def __init__(self, candidates, rungs, factor, scorer, error_score, n_jobs):
        self.going, self.rungs, self.over = candidates, rungs, []
        self.factor, self.n_jobs = factor, n_jobs
        self.scorer, self.error_score = scorer, error_score
        self.epochs = []  # at which the candidates were scored

    def begin(self, splits, skips_steps):
        """Prepare the fits of all candidates on all splits, and see that they can be scored.

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
        # What fails in scoring an untrained network would fail for all candidates of the split.
        for fit in first_fits:
            self._score(fit)
            if fit.error is not None:
                raise fit.error
        # All networks together decide which of them share a program. They stay in it, so that those
        # which go on train as if they had never paused.
        self.buckets = buckets_for([fit.job for fit in self._sound()], _SHARE_OF_RACE)

    def _prepare(self, splits, skips_steps):
        """Prepare all networks; return the first fit of each split that has not failed.

        The steps before the networks are fitted once for candidates with the same settings of theirs.
        """
        first_fits, fitted, known = {}, {}, {}
        for candidate in self.going:
            steps = _key_of_steps(candidate)
            for i, (to_fit, to_score) in enumerate(splits):
                fit, key, start = CandidateFit(self.error_score), (i, steps), time.perf_counter()
                candidate.fits.append(fit)
                try:
                    if key not in fitted:
                        model, inputs = fit_all_but_last(clone(candidate.model), *to_fit)
                        X, *others = to_score
                        if skips_steps:
                            model, X = beyond_steps(model, X)
                        fitted[key] = inputs, (model, X, *others)
                    inputs, fit.held_out = fitted[key]
                    fit.job = check_and_prepare(clone(candidate.estimator), inputs, known)
                    first_fits.setdefault(i, fit)
                except Exception as error:
                    _raise_if_of_a_handler(error)
                    fit.error = error
                fit.fit_time = time.perf_counter() - start
        return first_fits.values()

    def _fits(self):
        """The fits of all candidates that still go on."""
        return [fit for candidate in self.going for fit in candidate.fits]

    def _sound(self):
        """Those of these fits that have not failed."""
        return [fit for fit in self._fits() if fit.job]

    def run(self):
        """Train to the next rung and score; leave out candidates that do not go on.

        Return the rung, or None if all candidates that have come so far fail.
        """
        for epochs in looks_of(self.rungs)[len(self.over)]:
            self._report_errors(self._train(epochs))
            if not self._sound():
                return None
            self.epochs.append(epochs)
            for candidate in self.going:
                candidate.means.append(np.mean([fit.score for fit in candidate.fits]))
        means = np.array([candidate.means for candidate in self.going], dtype=float)
        ends = np.array([candidate.end(epochs) for candidate in self.going])
        expected = forecasts(self.epochs, means, ends)
        results = [
            {"test_scores": fit.score, "fit_time": fit.fit_time, "score_time": fit.score_time}
            for fit in self._fits()
        ]
        rung = Rung([candidate.params for candidate in self.going], means[:, -1], expected, results)
        if epochs == self.rungs[-1]:
            for fit in self._sound():
                finish(fit.job)  # warns as a fit that is over does, for instance at max_iter
            self.going = []
        else:
            best = best_first(expected)[: math.ceil(len(expected) / self.factor)]
            self.going = [self.going[i] for i in sorted(best)]
        self.over.append(rung)
        return rung

    def _train(self, epochs):
        """Train to so many epochs in all, and score each fit in a thread that has trained it.

        Return the fits that were trained.
        """
        fits = [fit for fit in self._fits() if fit.going]
        owners = {network: fit for fit in fits for network in fit.going}
        start, config = time.perf_counter(), get_config()

        def score(fit):
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

    def _score(self, fit):
        """Score the networks of a fit as they are now."""
        start, fit.score, fit.error = time.perf_counter(), self.error_score, None
        try:
            network = copy(fit.job.estimator)
            vars(network).update(best_network(fit.job)[1])
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
            _raise_if_of_a_handler(error)
            fit.error = error
        fit.score_time = time.perf_counter() - start

    def _report_errors(self, fits):
        """Warn of those of these fits that have failed, or could not be scored, or raise an error.

        It is also an error if all fits fail before the first rung is over.
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
        if not self.over and not self._sound():
            raise ValueError(
                f"All the {n_fits} fits failed. It is very likely that your model is "
                f"misconfigured. {hint}"
            )
        compat.warn_at_caller(
            f"{len(errors)} fits failed out of a total of {n_fits}, or could not be scored: "
            f"their score is {self.error_score}. {hint}",
            FitFailedWarning,
        )


def _key_of_steps(candidate):
    """A key that is the same if the parameters of the steps before the network are.

    Steps whose parameters cannot be pickled, such as a lambda, are fitted for their candidate alone.
    """
    settings = {k: v for k, v in candidate.params.items() if not k.startswith(candidate.prefix)}
    try:
        return hash_of(settings)
    except Exception:  # AttributeError and TypeError as well as PicklingError
        return id(candidate)


def _raise_if_of_a_handler(error):
    """Raise an error that a signal's handler has raised, such as a limit of time: no fit has failed."""
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    handlers = [getattr(each, "func", each) for each in handlers if callable(each)]  # of a partial
    codes = {
        getattr(each, "__code__", getattr(type(each).__call__, "__code__", None)) for each in handlers
    }
    cause = error
    while cause is not None:
        if any(frame.f_code in codes for frame, _ in walk_tb(cause.__traceback__)):
            raise error
        cause = cause.__cause__ or cause.__context__


# --- rungs -------------------------------------------------------------------------------------------


SHARES, _FIRST = (0.15, 0.25, 0.375, 0.5, 0.75), 3
"""Candidates are compared after these shares of `max_iter` by default, from 3 epochs on."""
_SLOPE, _BACK = 0.6, 0.75
"""A forecast takes this share of the slope since this share of the epochs to go on."""


def rungs_of(rungs, max_iter):
    """The epochs of all rungs, of which the last is `max_iter`."""
    if rungs is None:
        rungs = dict.fromkeys(round(share * max_iter) for share in SHARES)
        return [*(rung for rung in rungs if _FIRST <= rung < max_iter), max_iter]
    if not all(isinstance(rung, Integral) and not isinstance(rung, bool) for rung in rungs):
        raise ValueError(f"rung_epochs must be ints, after which to compare, got {rungs!r}")
    if list(rungs) != sorted(set(rungs)) or any(not 1 <= rung <= max_iter for rung in rungs):
        raise ValueError(
            f"rung_epochs must rise, be positive and not exceed max_iter={max_iter}, got {rungs!r}; "
            "() trains all candidates to the end"
        )
    return list(dict.fromkeys([*map(int, rungs), max_iter]))


def looks_of(rungs):
    """For each rung, after how many epochs candidates are scored on the way to it and at it.

    They are scored in between if they have not been scored at about the epochs that its slope needs.
    """
    looks = []
    for before, rung in zip([0, *rungs], rungs):
        look = round(_BACK * rung)
        is_new = before < look < rung < rungs[-1] and before < 0.6 * rung
        looks.append([look, rung] if is_new else [rung])
    return looks


def forecasts(epochs, scores, ends):
    """What the scores of candidates will be when their training ends.

    A loss falls by about the same factor whenever the epochs double. So the logarithm of a loss is
    taken to go on along a straight line over the logarithm of the epochs, with a share of its slope.

    Parameters
    ----------
    epochs : list of int
        After how many epochs the candidates were scored, of which the last is now.
    scores : ndarray of shape (n_candidates, n_scores)
        If all are negative they are minus a loss. If none exceeds 1 they are 1 minus a loss, such as R2
        and accuracy. Forecasts of other scores are the scores of now.
    ends : ndarray of shape (n_candidates,)
        The epochs after which training ends, for candidates that have already ended those of now.
    """
    now, best = scores[:, -1], 0 if np.nanmax(scores, initial=-np.inf) < 0 else 1
    losses = best - scores
    if len(epochs) < 2 or epochs[-1] == max(ends) or np.nanmin(losses, initial=np.inf) < 0:
        return now
    ratios = np.array(epochs[:-1]) / epochs[-1]
    before = np.argmin(np.abs(np.log(ratios / _BACK)))
    known = (losses[:, [before, -1]] > 0).all(axis=1)  # a loss of 0 stays, and has no logarithm
    losses = np.where(known[:, None], losses, 1)
    slopes = np.log(losses[:, before] / losses[:, -1]) / np.log(ratios[before])
    return np.where(known, best - losses[:, -1] * (ends / epochs[-1]) ** (_SLOPE * slopes), now)


def best_first(scores):
    """The indices of the scores from the best to the worst; ties keep their order, NaN is the worst."""
    return np.argsort(np.where(np.isnan(scores), np.inf, -np.asarray(scores)), kind="stable")
