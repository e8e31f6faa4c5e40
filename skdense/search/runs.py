"""A run is the training of a candidate on one split of the data, from its preparation to its score."""

import time
from contextlib import suppress
from copy import copy
from dataclasses import replace
from numbers import Number
from traceback import format_exception
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import _fit_context, clone
from sklearn.utils import _safe_indexing

from skdense.final_step import beyond_steps, fit_all_but_network, network_of, with_network
from skdense.fit.inputs import FitInput
from skdense.fit.prepare import prepare
from skdense.fit.results import finish, reached

_prepare = _fit_context(prefer_skip_nested_validation=True)(prepare)
"""Prepare a network with a `FitInput`, once its parameters are validated."""


class Candidate(NamedTuple):
    """A setting of the search, and the model that has it.

    Candidates with the same `key` differ in nothing but their networks.
    """

    params: dict
    model: Any
    key: tuple


def candidate_of(estimator, params):
    """The candidate that has these parameters; an error says why the search cannot have it."""
    model = clone(estimator).set_params(**clone(params, safe=False))
    network, prefix = network_of(model)
    if network.solver == "lbfgs":
        raise ValueError(
            "solver='lbfgs' has no epochs, so it cannot be pruned between them; use 'adam', 'adamw' or "
            "'sgd', or scikit-learn's RandomizedSearchCV"
        )
    if hasattr(network, "_skl_callbacks"):
        raise ValueError(
            "estimator must have no callbacks, since many networks train at the same time; set them on "
            "the search itself"
        )
    before = sorted((name, value) for name, value in params.items() if not name.startswith(prefix))
    return Candidate(params, model, tuple((name, *_identity(value)) for name, value in before))


def _identity(value):
    """What two equal values have in common: their type and value, or if it has no hash, the object."""
    try:
        hash(value)
    except TypeError:
        return type(value), id(value)
    return type(value), value


class Run:
    """A candidate on a split.

    Attributes
    ----------
    job : Job or None
        What is trained; None once the fit has failed.
    error : Exception or None
        Why the fit has failed.
    score : float or None
        The score now; None if it has failed.
    score_error : Exception or None
        Why it has failed, if the fit has not.
    fit_seconds, score_seconds : float
        The time that it has taken to fit so far, and to score last.
    """

    def __init__(self, split, candidate):
        self.split, self.job, self.score = split, None, None
        self.error = self.score_error = None
        self.score_seconds, start = 0.0, time.perf_counter()
        try:
            self.fitted, self.job = split.prepared(candidate)
        except Exception as error:
            self.error = error
        self.fit_seconds = time.perf_counter() - start

    @property
    def epochs(self):
        """How many epochs its networks have trained in all."""
        return sum(network.progress.epochs for network in self.job.networks) if self.job else 0

    @property
    def is_active(self):
        """Whether a network of it has epochs to train."""
        return any(network.progress.active for network in self.job.networks)

    def judge(self):
        """Score the networks as they are now."""
        start, self.score, self.score_error = time.perf_counter(), None, None
        try:
            _, attributes = reached(self.job)
        except ValueError as error:
            self.error, self.job = error, None
            return
        network = copy(self.job.estimator)
        vars(network).update(attributes)
        try:
            self.score = self.split.score(self.fitted, network)
        except Exception as error:
            self.score_error = error
        self.score_seconds = time.perf_counter() - start

    def warn(self):
        """Warn as a fit that is over does, for instance that it has not converged."""
        if self.job is not None:
            finish(self.job)


class Fitted(NamedTuple):
    """All of a model but its network, fitted.

    `inputs` is what the network is fitted to, `end` what is scored with the network, on `X_test`.
    """

    inputs: FitInput
    end: Any
    X_test: Any


class Split:
    """The samples to train on and those to score, with what is fitted to them once for many runs.

    If skips_steps, what is scored is the end of a Pipeline, on samples that are transformed once. This
    is not to be noticed by scorers that only ask for predictions.
    """

    def __init__(self, X, y, train, test, fit_params, score_params, scorer, skips_steps):
        n_samples = len(y)
        self.X, self.y = (_safe_indexing(array, train) for array in (X, y))
        self.X_test, self.y_test = (_safe_indexing(array, test) for array in (X, y))
        self.fit_params = _rows_of(fit_params, n_samples, train)
        self.score_params = _rows_of(score_params, n_samples, test)
        self.scorer, self.skips_steps = scorer, skips_steps
        self._fitted, self._checked, self._datas = {}, {}, []

    def prepared(self, candidate):
        """What is `Fitted` of the candidate's model, and the `Job` of its network."""
        fitted = self._fit_all_but_network(candidate)
        inputs = fitted.inputs
        network = clone(network_of(candidate.model)[0])
        key = candidate.key, str(network.dtype)
        first = self._checked.get(key) if inputs.X_val is None else None
        if first is not None:  # X is checked and converted once
            inputs = inputs._replace(X=first.networks[0].data.X)
        job = _prepare(network, inputs)
        if first is None:
            self._checked[key] = job
        elif hasattr(first.estimator, "feature_names_in_"):
            network.feature_names_in_ = first.estimator.feature_names_in_
        for one in job.networks:
            one.data, one.validation = self._shared(one.data), self._shared(one.validation)
        return fitted, job

    def forget(self):
        """Let go of what only `prepared` needs."""
        del self.X, self.y, self.fit_params, self._fitted, self._checked, self._datas

    def _fit_all_but_network(self, candidate):
        if candidate.key not in self._fitted:
            model = clone(candidate.model)
            network, _ = network_of(model)
            try:
                model, inputs = fit_all_but_network(model, network, self.X, self.y, self.fit_params)
                end = beyond_steps(model, self.X_test) if self.skips_steps else (model, self.X_test)
                fitted = Fitted(inputs, *end)
            except Exception as error:
                fitted = error
            self._fitted[candidate.key] = fitted
        fitted = self._fitted[candidate.key]
        if isinstance(fitted, Exception):
            raise fitted.with_traceback(None)
        return fitted

    def _shared(self, data):
        """The data with the arrays of an earlier candidate if they are equal, as they mostly are."""
        if data is None:
            return None
        for other in self._datas:
            if (
                other.X is data.X
                and np.array_equal(other.targets, data.targets)
                and np.array_equal(other.weights, data.weights)
            ):
                return replace(other, rows=data.rows)
        self._datas.append(data)
        return data

    def score(self, fitted, network):
        """The score of a fitted model, with this network, on the samples that are held out."""
        model = with_network(fitted.end, network)
        score = self.scorer(model, fitted.X_test, self.y_test, **self.score_params)
        with suppress(AttributeError, ValueError):  # not an array, or of several numbers
            score = score.item()
        if not isinstance(score, Number):
            raise ValueError(
                f"scoring must return a number, got {score!r} of {type(score).__name__}; several "
                "metrics at once are not supported"
            )
        return score


def _rows_of(params, n_samples, rows):
    """Those parameters of a method that have a value for each sample, at these rows; others as is."""

    def has_rows(value):
        shape = getattr(value, "shape", None)
        if shape is None:
            return isinstance(value, list | tuple) and len(value) == n_samples
        return len(shape) > 0 and shape[0] == n_samples

    return {
        name: _safe_indexing(value, rows) if has_rows(value) else value
        for name, value in params.items()
    }


def describe(errors):
    """The tracebacks of errors as text, equal ones once."""
    texts = ["".join(format_exception(error)) for error in errors]
    counts = {text: texts.count(text) for text in texts}
    return "\n".join(f"{n} failed with this error:\n{text}" for text, n in counts.items())
