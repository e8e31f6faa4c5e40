"""Fitting many estimators at once: those whose networks can share a program train in stacks."""

import warnings
from collections import Counter
from threading import Lock
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils import _safe_indexing

from skdense.classifier import LowLevelMLPClassifier
from skdense.core.shapes import bucket, is_large, padded_sizes, training_seconds
from skdense.fitting import INTERRUPTED, finish, prepare, restore, warn_if_unfinished
from skdense.validation import FitInput

_MAX_GROUP_BYTES = 2**28
"""The most bytes of features that a group of networks brings together."""
_PROGRAM_SECONDS = 0.3
"""How much longer padded networks may train, at the most, to have one program less."""


class Outcome(NamedTuple):
    """How the fit of one of many estimators went."""

    error: Exception | None
    warnings: list


def fit_many(estimators, X, y, sample_weight=None, *, subsets=None, n_jobs=None):
    """Fit many estimators together, each as if it were fitted alone, to rounding.

    Networks of the same depth, activation, loss, solver, dtype and about the same batch size share one
    compiled program, whatever their widths and other parameters are, and train side by side. Where
    nothing can be shared, as with ``solver='lbfgs'``, an estimator is fitted by itself.

    Parameters
    ----------
    estimators : list of LowLevelMLPClassifier
        They are fitted in place.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or list of these
        The samples; a list has the samples of each estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or list of these
        The labels; a list if X is one.
    sample_weight : array-like of shape (n_samples,), list of these, or None, default=None
        Weights of the samples; a list if X is one.
    subsets : list of array-like of int or bool, default=None
        For each estimator, the samples to fit it to; None for all.
    n_jobs : int, default=None
        Number of processes over which stacks are spread, through joblib, whose
        ``parallel_config`` also chooses a cluster. None, or 1 outside of it, trains in this process,
        with a thread for each core.

    Returns
    -------
    estimators : list of LowLevelMLPClassifier
        The fitted estimators.

    Raises
    ------
    ValueError
        If there are no estimators, or the lengths of the lists differ.
    TypeError
        If an estimator is of another kind.
    Exception
        What the first fit that failed raised, once all others are fitted.

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
    estimators = list(estimators)
    check_estimators(estimators)
    inputs = _inputs(len(estimators), X, y, sample_weight, subsets)
    outcomes = fit_inputs(estimators, inputs, n_jobs)
    for outcome in outcomes:
        for message in outcome.warnings:
            warnings.warn(message, stacklevel=2)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return estimators


def check_estimators(estimators):
    """Raise unless these are distinct LowLevelMLPClassifiers, at least one."""
    if not estimators:
        raise ValueError("estimators must have at least one LowLevelMLPClassifier, got none")
    for estimator in estimators:
        if not isinstance(estimator, LowLevelMLPClassifier):
            raise TypeError(f"estimators must be LowLevelMLPClassifier instances, got {estimator!r}")
    if len({id(estimator) for estimator in estimators}) < len(estimators):
        raise ValueError("estimators must be distinct objects; use sklearn.base.clone")


def _inputs(n_estimators, X, y, sample_weight, subsets):
    """A FitInput for each estimator; those of the same data and subset share its objects."""
    lists = {"X": X, "y": y, "sample_weight": sample_weight}
    several = isinstance(X, list) and len(X) > 0 and all(hasattr(part, "shape") for part in X)
    if not several:
        lists = {name: [value] * n_estimators for name, value in lists.items()}
    elif sample_weight is None:
        lists["sample_weight"] = [None] * n_estimators
    lists["subsets"] = [None] * n_estimators if subsets is None else list(subsets)
    for name, values in lists.items():
        if len(values) != n_estimators:
            raise ValueError(
                f"{name} must have an entry for each of the {n_estimators} estimators, "
                f"got {len(values)}"
            )
    parts = {}

    def part(values, rows):
        if values is None or rows is None:
            return values
        key = id(values), id(rows)
        if key not in parts:
            parts[key] = _safe_indexing(values, np.asarray(rows))
        return parts[key]

    return [
        FitInput(part(X, rows), part(y, rows), part(weight, rows))
        for X, y, weight, rows in zip(*lists.values(), strict=True)
    ]


def fit_inputs(estimators, inputs, n_jobs=None, trained=None):
    """Fit each estimator to its `FitInput`; return an `Outcome` for each, instead of raising.

    `trained` is called, one call at a time but in any thread, with the index of each estimator whose
    networks have been trained in a stack.

    An estimator whose fit fails is left as it was, and so are all if the fit is interrupted.
    """
    before = [dict(vars(estimator)) for estimator in estimators]
    outcomes = [Outcome(None, [])] * len(estimators)
    checked, jobs, alone = {}, {}, []

    def attempt(i, function):
        """Call `function` for estimator i; note its warnings, and its error or its result."""
        with (
            warnings.catch_warnings(record=True) as caught,
            config_context(skip_parameter_validation=True),  # of what a fit calls, as within a fit
        ):
            warnings.simplefilter("always")
            error = result = None
            try:
                result = function()
            except Exception as raised:
                error = raised
                restore(estimators[i], before[i])
        messages = [warning.message for warning in caught]
        outcomes[i] = Outcome(error, outcomes[i].warnings + messages)
        return result

    def start(estimator, given):
        estimator._validate_params()
        return prepare(estimator, given._replace(checked=checked))

    def fit_alone(estimator, given):
        estimator._validate_params()
        estimator.fit(**_fit_arguments(given))

    def end(estimator, job):
        attributes = finish(estimator, job)
        vars(estimator).update(attributes)
        warn_if_unfinished(estimator, job)

    try:
        for i, (estimator, given) in enumerate(zip(estimators, inputs, strict=True)):
            if trains_alone(estimator):
                alone.append(i)
            elif job := attempt(i, lambda e=estimator, g=given: start(e, g)):
                jobs[i] = job
        _own_streams(jobs, estimators)
        _train_jobs(jobs, n_jobs, trained)
        for i, job in jobs.items():
            attempt(i, lambda i=i, job=job: end(estimators[i], job))
        for i in alone:
            attempt(i, lambda i=i: fit_alone(estimators[i], inputs[i]))
            if INTERRUPTED in map(str, outcomes[i].warnings):
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        for estimator, attributes in zip(estimators, before, strict=True):
            restore(estimator, attributes)
        raise
    return outcomes


def trains_alone(estimator):
    """Whether an estimator trains outside of stacks: by lbfgs, or watched epoch by epoch."""
    return (
        estimator.solver == "lbfgs" or bool(estimator.verbose) or hasattr(estimator, "_skl_callbacks")
    )


def _fit_arguments(given):
    arguments = given._asdict()
    for name in ("classes", "incremental", "checked"):
        del arguments[name]
    return arguments


def _own_streams(jobs, estimators):
    """Give networks whose estimators draw from one generator generators of their own.

    One after the other they could not be trained at the same time.
    """
    users = {}
    for i, job in jobs.items():
        users.setdefault(id(job.networks[0].random_state), []).append(i)
    for indices in users.values():
        if len(indices) > 1:
            for i in indices:
                seed = jobs[i].networks[0].random_state.randint(2**31)
                own = np.random.RandomState(seed)
                for network in jobs[i].networks:
                    network.random_state, network.owns_stream = own, True


def _train_jobs(jobs, n_jobs, trained):
    """Train all networks of all jobs, in this process or over joblib's workers."""
    groups = _groups([(job.spec, network) for job in jobs.values() for network in job.networks])
    owners = {id(network): i for i, job in jobs.items() for network in job.networks}
    to_train = Counter(owners.values())
    lock = Lock()

    def note(network):
        i = owners[id(network)]
        with lock:
            to_train[i] -= 1
            if trained is not None and not to_train[i]:
                trained(i)

    n_jobs = effective_n_jobs(n_jobs)
    if n_jobs == 1:
        if _train_here(groups, note):
            raise KeyboardInterrupt
        return
    tasks = [
        (spec, networks[start::n_parts])
        for spec, networks in groups
        for n_parts in [min(len(networks), -(-n_jobs // len(groups)))]
        for start in range(n_parts)
    ]
    results = Parallel(n_jobs=n_jobs, return_as="generator")(delayed(_trained)(*t) for t in tasks)
    for (_, networks), task_results in zip(tasks, results, strict=True):
        for network, result in zip(networks, task_results, strict=True):
            network.take(result)
            note(network)


def _train_here(groups, trained=None):
    """Train with a thread for each core: the program releases the interpreter's lock."""
    from skdense.core.runtime import n_threads
    from skdense.core.training import train_groups

    return train_groups(groups, n_threads(), trained)


def _trained(spec, networks):
    """In a worker: train a group; return what its networks have become."""
    _train_here([(spec, networks)])
    return [network.result() for network in networks]


def _groups(networks):
    """Lists of networks that are to share a program, each with the spec they share.

    Those that take longest come first, so that the cores end at about the same time.
    """
    alike = {}
    for spec, network in networks:
        alike.setdefault((spec, *_kind(network)), []).append(network)
    groups = [
        (spec, part)
        for (spec, *_), kind in alike.items()
        for merged in _merged(kind)
        for part in _parts(merged)
    ]
    for _, group in groups:
        group.sort(key=_seconds, reverse=True)
    return sorted(groups, key=lambda group: -sum(map(_seconds, group[1])))


def _kind(network):
    """What networks have in common, besides their spec, that can share a program at little cost."""
    X, sizes = network.data.X, network.layer_sizes
    return (
        len(sizes),
        sizes[0],
        sizes[-1],
        issparse(X),
        network.validation is not None,
        bucket(network.padded_batch),
        network.steps_per_epoch.bit_length(),
        id(X) if is_large(X) else None,
    )


def _seconds(network):
    return training_seconds(network, padded_sizes([network]))


def _merged(networks):
    """Networks of nearby widths: what padding costs is to be less than another program."""
    of_sizes = {}
    for network in networks:
        of_sizes.setdefault(padded_sizes([network]), []).append(network)
    merged, sizes = [], None
    for its_sizes, group in sorted(of_sizes.items()):
        both = its_sizes if sizes is None else tuple(map(max, sizes, its_sizes))
        if merged:
            together = sum(training_seconds(network, both) for network in merged[-1] + group)
            apart = sum(training_seconds(network, sizes) for network in merged[-1])
            apart += sum(training_seconds(network, its_sizes) for network in group)
            if together - apart < _PROGRAM_SECONDS:
                merged[-1] += group
                sizes = both
                continue
        merged.append(group)
        sizes = its_sizes
    return merged


def _parts(networks):
    """Split networks whose features together are too large."""
    parts, features = [[]], {}
    for network in networks:
        X = network.data.X
        features[id(X)] = X.data.nbytes if issparse(X) else X.nbytes
        if parts[-1] and sum(features.values()) > _MAX_GROUP_BYTES:
            parts.append([])
            features = {id(X): features[id(X)]}
        parts[-1].append(network)
    return parts
