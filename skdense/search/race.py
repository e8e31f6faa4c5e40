"""A race: candidates are prepared, trained from rung to rung and scored, and the worst are left out."""

import time
from collections import Counter
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from numbers import Number
from traceback import format_exception
from typing import Any, NamedTuple

import numpy as np
from joblib import hash as hash_of
from sklearn import config_context, get_config
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning

from skdense.compat import has_callbacks
from skdense.core.formulas.optimizers import ANY_OPTIMIZER
from skdense.core.host.planning import groups_of, likely_epochs
from skdense.core.host.train import train
from skdense.core.network import Data
from skdense.core.numbers import LBFGS
from skdense.final_step import beyond_steps, fit_all_but_network, network_of, with_network
from skdense.fit.callers import warn_at_caller
from skdense.fit.fitting import own_streams
from skdense.fit.prepare import Job, check_and_prepare
from skdense.fit.results import best_network, finish
from skdense.search.rungs import best_first, forecasts, looks_of, n_that_go_on, share_trained


@dataclass(eq=False)
class CandidateFit:
    """A candidate on a split: its network, which trains from rung to rung, and its score now.

    `model` is what is scored on the samples that are held out, with the network. It is the candidate's
    model, or its end if the steps before have already transformed these samples. `held_out` is X, y and
    the parameters of the scorer. `job` is None once the fit has failed, `score` is the `error_score` if
    the fit or the last scoring has.
    """

    score: Any
    model: Any = None
    held_out: tuple = ()
    job: Job | None = None
    error: Exception | None = None
    score_error: Exception | None = None
    fit_seconds: float = 0.0
    score_seconds: float = 0.0

    def result(self):
        """The score and the seconds, by scikit-learn's names."""
        seconds = {"fit_time": self.fit_seconds, "score_time": self.score_seconds}
        return {"test_score": self.score, **seconds}

    def end(self, now):
        """After how many epochs its training ends: now if none of its networks trains on."""
        going = self.job.networks if self.job else []
        return max((int(n.hyper.max_epochs) for n in going if n.progress.active), default=now)


class Candidate:
    """Parameters and the model that has them, its fits on all splits, and its mean scores so far.

    An error says why the search cannot have a candidate.
    """

    def __init__(self, estimator, params):
        self.params, self.fits, self.means = params, [], []
        self.model = clone(estimator).set_params(**clone(params, safe=False))
        self.network, self.prefix = network_of(self.model)
        if self.network.solver == LBFGS:
            raise ValueError(
                "solver='lbfgs' has no epochs, so it cannot be pruned between them; use "
                f"{ANY_OPTIMIZER}, or scikit-learn's RandomizedSearchCV"
            )
        if has_callbacks(self.network):
            raise ValueError(
                "estimator must have no callbacks, since many networks train at the same time; set "
                "them on the search itself"
            )


class Row(NamedTuple):
    """A candidate at a rung: the result of each split, and the forecast of the mean score."""

    iteration: int
    epochs: int
    params: dict
    results: list[dict]
    forecast: float


class Scoring:
    """How fits are scored, and which errors are failures of theirs.

    Parameters
    ----------
    scorer : callable
    error_score : 'raise' or float
        The score of a fit that has failed.
    """

    def __init__(self, scorer, error_score):
        self.scorer, self.error_score = scorer, error_score

    def judge(self, fit):
        """Score the networks of a fit as they are now."""
        start, fit.score, fit.score_error = time.perf_counter(), self.error_score, None
        try:
            network = copy(fit.job.estimator)
            vars(network).update(best_network(fit.job)[1])
        except ValueError as error:
            fit.error, fit.job = error, None
            return
        try:
            X, y, params = fit.held_out
            score = self.scorer(with_network(fit.model, network), X, y, **params)
            with suppress(AttributeError, ValueError):  # not an array, or of several numbers
                score = score.item()
            if not isinstance(score, Number):
                raise ValueError(
                    f"scoring must return a number, got {score!r} of {type(score).__name__}; several "
                    "metrics at once are not supported"
                )
            fit.score = score
        except Exception as error:
            fit.score_error = error
        fit.score_seconds = time.perf_counter() - start


class Race:
    """The candidates that still go on, with the groups of their networks that train.

    Of `factor` candidates, one goes on from a rung. `n_jobs` networks train at the same time.
    """

    def __init__(self, candidates, rungs, factor, scoring, groups, n_jobs):
        self.going, self.n_candidates = candidates, len(candidates)
        self.rungs, self.factor, self.scoring = rungs, factor, scoring
        self.groups, self.n_jobs = groups, n_jobs
        self.epochs = []  # at which the candidates were scored

    def run(self, iteration):
        """Train to a rung and score; return the rows of the rung, and leave out those who do not go on.

        At the last rung the race is over. If all that have come so far fail, there are no rows.
        """
        for epochs in looks_of(self.rungs)[iteration]:
            _report_errors(self._train(epochs), self.going, self.scoring, is_first=iteration == 0)
            if not _sound(self.going):
                return []
            self.epochs.append(epochs)
            for candidate in self.going:
                candidate.means.append(np.mean([fit.score for fit in candidate.fits]))
        is_over = iteration == len(self.rungs) - 1
        means = np.array([candidate.means for candidate in self.going], dtype=float)
        ends = np.array([max(fit.end(epochs) for fit in candidate.fits) for candidate in self.going])
        expected = forecasts(self.epochs, means, ends)
        rows = [
            Row(iteration, epochs, candidate.params, [fit.result() for fit in candidate.fits], forecast)
            for candidate, forecast in zip(self.going, expected, strict=True)
        ]
        if is_over:
            for fit in _sound(self.going):
                finish(fit.job)  # warns as a fit that is over does, for instance at max_iter
        n_going = 0 if is_over else n_that_go_on(len(rows), self.factor)
        self.going = [self.going[i] for i in sorted(best_first(expected)[:n_going])]
        return rows

    def _train(self, epochs):
        """Train to so many epochs in all, and score each fit in the thread that has trained it.

        Return the fits that were trained.
        """
        owners = {
            network: fit
            for fit in _sound(self.going)
            for network in fit.job.networks
            if network.progress.active
        }
        fits = list(dict.fromkeys(owners.values()))
        jobs = [fit.job for fit in fits]
        before, start, config = _epochs(jobs), time.perf_counter(), get_config()

        def judge(fit):
            with config_context(**config):  # scikit-learn's configuration belongs to a thread
                self.scoring.judge(fit)

        self.groups = [left for group in self.groups if (left := group.only(owners)).networks]
        if owners and train(self.groups, self.n_jobs, until=epochs, owners=owners, after=judge):
            raise KeyboardInterrupt
        seconds = time.perf_counter() - start
        gained = _epochs(jobs) - before
        for fit, share in zip(fits, gained / max(1, gained.sum()), strict=True):
            fit.fit_seconds += seconds * share
        return fits


def _report_errors(fits, candidates, scoring, is_first=True):
    """Warn of what has failed in these fits, which had not failed before, or raise it.

    It is also an error if all fail before the first rung is over.
    """
    errors = [fit.error for fit in fits if fit.error is not None]
    score_errors = [fit.score_error for fit in fits if fit.score_error is not None]
    if scoring.error_score == "raise" and errors + score_errors:
        raise [*errors, *score_errors][0]
    all_fits = [fit for candidate in candidates for fit in candidate.fits]
    n_fits = len(all_fits)
    if is_first and errors and all(fit.error is not None for fit in all_fits):
        raise ValueError(
            f"All the {n_fits} fits failed. It is very likely that your model is misconfigured. "
            f"With error_score='raise' the first error is raised.\n{_described(errors)}"
        )
    if errors:
        warn_at_caller(
            f"{len(errors)} fits failed out of a total of {n_fits}. The score on these train-test "
            f"partitions for these parameters will be set to {scoring.error_score}. With "
            f"error_score='raise' the first error is raised.\n{_described(errors)}",
            FitFailedWarning,
        )
    if score_errors:
        warn_at_caller(
            f"Scoring failed {len(score_errors)} times. The score on these train-test partitions "
            f"for these parameters will be set to {scoring.error_score}.\n{_described(score_errors)}"
        )


# --- the begin of a race ------------------------------------------------------------------------------


def begin(candidates, splits, rungs, factor, scoring, skips_steps, n_jobs):
    """Prepare the fits of all candidates on all splits; return the race.

    Parameters
    ----------
    candidates : list of Candidate
    splits : list of (tuple, tuple)
        The samples to fit to and those to score: X, y, and the parameters of `fit` and of the scorer.
    rungs : list of int
    factor : float
    scoring : Scoring
    skips_steps : bool
        Whether the samples that are held out go through the steps of a Pipeline once, before training.
        This is not to be noticed by scorers that only ask for predictions.
    n_jobs : int or None
        How many networks train at the same time.
    """
    _prepare(candidates, splits, scoring, skips_steps)
    _report_errors([fit for candidate in candidates for fit in candidate.fits], candidates, scoring)
    _try_scorer(candidates, scoring)
    jobs = [fit.job for fit in _sound(candidates)]
    own_streams(jobs)
    # All networks together decide which of them share a program. They stay in it, so that those which
    # go on train as if they had never paused.
    networks = [(job.spec, network) for job in jobs for network in job.networks]
    epochs = np.mean([likely_epochs(network) for _, network in networks])
    groups = groups_of(networks, share_trained(len(candidates), rungs, factor, epochs))
    return Race(candidates, rungs, factor, scoring, groups, n_jobs)


def _sound(candidates):
    """The fits that have not failed."""
    return [fit for candidate in candidates for fit in candidate.fits if fit.job is not None]


def _prepare(candidates, splits, scoring, skips_steps):
    """Prepare all networks; the steps before are fitted once for candidates that share them."""
    fitted, by_content, kept = {}, {}, set()

    def first_equal(array):
        """The first array with this content. Hashing a large one takes long, and is done once."""
        if id(array) not in kept:
            array = by_content.setdefault(hash_of(array), array)
            kept.add(id(array))  # of the first one, which stays alive
        return array

    def shared(data):
        """The data with arrays that all networks hold and use whose arrays are equal."""
        return Data(*map(first_equal, (data.X, data.targets, data.weights)), data.rows)

    for candidate in candidates:
        steps = _key_of_steps(candidate)
        for i, (to_fit, to_score) in enumerate(splits):
            fit, key, start = CandidateFit(scoring.error_score), (i, steps), time.perf_counter()
            candidate.fits.append(fit)
            try:
                if key not in fitted:
                    model, inputs = fit_all_but_network(clone(candidate.model), *to_fit)
                    X, *others = to_score
                    if skips_steps:
                        model, X = beyond_steps(model, X)
                    fitted[key] = model, inputs, (X, *others)
                fit.model, inputs, fit.held_out = fitted[key]
                fit.job = check_and_prepare(clone(candidate.network), inputs)
                for one in fit.job.networks:
                    one.data = shared(one.data)
                    one.validation = one.validation and shared(one.validation)
            except Exception as error:
                fit.error = error
            fit.fit_seconds = time.perf_counter() - start


def _try_scorer(candidates, scoring):
    """Score an untrained network on each split: what fails then would fail for all candidates."""
    for i, fits in enumerate(zip(*(candidate.fits for candidate in candidates), strict=True)):
        fit = next((fit for fit in fits if fit.job is not None), None)
        if fit is not None:
            scoring.judge(fit)
            if fit.score_error is not None:
                note = f"This is how scoring failed on split {i}, before anything was trained."
                fit.score_error.add_note(note)
                raise fit.score_error


def _epochs(jobs):
    """How many epochs the networks of each job have trained in all."""
    return np.array([sum(network.progress.epochs for network in job.networks) for job in jobs])


def _key_of_steps(candidate):
    """A key that is the same if the parameters of the steps before the network have the same values.

    These must also be written alike: ``max_features=1`` is not ``max_features=1.0``. A value that has
    no hash is equal to itself only.
    """

    def identity(value):
        try:
            hash(value)
        except TypeError:
            return id(value)
        return value, repr(value)

    return frozenset(
        (name, identity(value))
        for name, value in candidate.params.items()
        if not name.startswith(candidate.prefix)
    )


def _described(errors):
    """The tracebacks of errors as text, equal ones once."""
    counts = Counter("".join(format_exception(error)) for error in errors)
    return "\n".join(f"{n} failed with this error:\n{text}" for text, n in counts.items())
