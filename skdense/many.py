"""Fitting many estimators at once: networks that can share a program train side by side."""

from collections import Counter
from contextlib import ExitStack, contextmanager
from threading import Event, Lock

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils import _safe_indexing

from skdense.base import BaseLowLevelMLP
from skdense.core.network import Data
from skdense.core.shapes import (
    bucket,
    is_large,
    n_bytes,
    padded_sizes,
    stacks_gain,
    training_seconds,
)
from skdense.fitting import this_thread, trains_alone, unchanged_on_error
from skdense.jobs import prepare
from skdense.observers import FitPrinter
from skdense.results import finish
from skdense.validation import FitInput

_MAX_GROUP_BYTES = 2**28
"""The most bytes of features that a group of networks brings together."""
_PROGRAM_SECONDS = 0.3
"""How much longer padded networks may train, at the most, to have one program less."""


def fit_many(estimators, X, y, sample_weight=None, *, subsets=None, n_jobs=None, verbose=False):
    """Fit many estimators together, each with the result of fitting it alone, up to rounding.

    Networks of the same depth, activation, loss, solver, dtype and about the same batch size share one
    compiled program, whatever their widths and other parameters are, and train side by side. Where
    nothing can be shared, as with ``solver='lbfgs'``, an estimator is fitted by itself.

    Estimators that share one RandomState instance, or draw from NumPy's global state because
    ``random_state=None``, cannot take turns while they train at the same time. Each draws its initial
    parameters and then a seed from the shared generator, in the order of the list, and shuffles with a
    generator of that seed: fitting the list again from the same state gives the same models, whatever
    `n_jobs` is, but not those of fitting one after the other.

    Parameters
    ----------
    estimators : list of LowLevelMLPClassifier and LowLevelMLPRegressor
        They are fitted in place.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or list of these
        The samples; a list has the samples of each estimator.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or list of these
        What to predict, labels for classifiers and numbers for regressors; a list if X is one.
    sample_weight : array-like of shape (n_samples,), list of these, or None, default=None
        Weights of the samples; a list if X is one.
    subsets : list of array-like of int or bool, default=None
        For each estimator, the samples to fit it to; None for all.
    n_jobs : int, default=None
        Number of processes over which the networks are spread, through joblib, whose
        ``parallel_config`` also chooses a cluster. None without such a configuration, or 1, trains in
        this process, with a thread for each core.
    verbose : bool, default=False
        Whether to print, about ten times, how many of the estimators are trained.

    Returns
    -------
    estimators : list of LowLevelMLPClassifier and LowLevelMLPRegressor
        The fitted estimators.

    Raises
    ------
    ValueError
        If there are no estimators, the lengths of the lists differ, or a subset is empty.
    TypeError
        If `estimators` is no list, or an estimator is of another kind.
    Exception
        What the first fit that failed raised, once all others are fitted; an estimator whose fit
        failed is as it was. If the training of all fails, or Ctrl-C ends it, all are as they were.

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
    if isinstance(estimators, BaseLowLevelMLP):
        raise TypeError(
            f"estimators must be a list, got {estimators!r}: put it in a list, or call its fit"
        )
    estimators = list(estimators)
    check_estimators(estimators)
    inputs = _inputs(len(estimators), X, y, sample_weight, subsets)
    errors = fit_inputs(estimators, inputs, n_jobs, verbose)
    for error in filter(None, errors):
        raise error
    return estimators


def check_estimators(estimators):
    """Raise unless these are distinct estimators of this package, at least one."""
    if not estimators:
        raise ValueError(
            "estimators must have at least one LowLevelMLPClassifier or LowLevelMLPRegressor, got none"
        )
    for estimator in estimators:
        if not isinstance(estimator, BaseLowLevelMLP):
            raise TypeError(
                "estimators must be LowLevelMLPClassifier or LowLevelMLPRegressor instances, got "
                f"{estimator!r}"
            )
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
    for i, rows in enumerate(lists["subsets"]):
        if rows is not None:
            _check_subset(rows, f"subsets[{i}]")
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


def _check_subset(rows, name):
    """Raise unless these are numbers of rows, or a mask, of at least one sample."""
    rows = np.asarray(rows)
    if not rows.size or (rows.dtype.kind == "b" and not rows.any()):
        raise ValueError(f"{name} has no samples to fit an estimator to; None stands for all samples")
    if rows.dtype.kind not in "iub":
        raise ValueError(f"{name} must have ints or bools, got an array of dtype {rows.dtype}")


def fit_inputs(estimators, inputs, n_jobs=None, verbose=False, may_reach_max_iter=False):
    """Fit each estimator to its `FitInput`; return for each the error of its fit, or None.

    With may_reach_max_iter a training that ends with its last epoch is no reason to warn.
    """
    before = [dict(vars(estimator)) for estimator in estimators]
    errors = [None] * len(estimators)
    jobs, alone = {}, []

    @contextmanager
    def noting_errors(i):
        try:
            with unchanged_on_error(estimators[i], before[i]):
                yield
        except Exception as error:
            errors[i] = error

    with ExitStack() as together:
        for estimator, attributes in zip(estimators, before, strict=True):
            together.enter_context(unchanged_on_error(estimator, attributes))
        for i, (estimator, given) in enumerate(zip(estimators, inputs, strict=True)):
            if trains_alone(estimator):
                alone.append(i)
                continue
            with noting_errors(i):
                estimator._validate_params()
                with config_context(skip_parameter_validation=True):  # as within a fit
                    jobs[i] = prepare(estimator, given)
        trained = FitPrinter(len(jobs) + len(alone)).print_fit if verbose else None
        if train_jobs(list(jobs.values()), n_jobs, trained):
            raise KeyboardInterrupt
        for i, job in jobs.items():
            with noting_errors(i):
                finish(job, may_reach_max_iter)
        for i in alone:
            with noting_errors(i), _raising_interrupts():
                estimators[i].fit(**_fit_arguments(inputs[i]))
            if trained is not None:
                trained()
    return errors


@contextmanager
def _raising_interrupts():
    before, this_thread.raises_interrupts = this_thread.raises_interrupts, True
    try:
        yield
    finally:
        this_thread.raises_interrupts = before


def _fit_arguments(given):
    arguments = given._asdict()
    for name in ("classes", "incremental"):
        del arguments[name]
    return arguments


def train_jobs(jobs, n_jobs=None, trained=None, stop=None):
    """Train the networks of many `Job`s together, here or over joblib's workers.

    `trained` is called, one call at a time but in any thread, with each job whose networks have all
    been trained. The training ends early if the event `stop` is set. Returns whether Ctrl-C ended it.
    """
    stop = stop or Event()
    _share_equal_data(jobs)
    _own_streams(jobs)
    groups = _groups([(job.spec, network) for job in jobs for network in job.networks])
    owners = {network: job for job in jobs for network in job.networks}
    to_train = Counter(owners.values())
    lock = Lock()

    def note(network):
        job = owners[network]
        with lock:
            to_train[job] -= 1
            if trained is not None and not to_train[job]:
                trained(job)

    backend, _ = get_active_backend()
    n_jobs = 1 if getattr(backend, "uses_threads", False) else effective_n_jobs(n_jobs)
    if n_jobs == 1:
        return _train_here(groups, note, stop)
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
        if stop.is_set():
            break
    return False


def _train_here(groups, trained=None, stop=None):
    """Train with a thread for each core: the program releases the interpreter's lock."""
    from skdense.core.runtime import n_threads
    from skdense.core.training import train

    return train(groups, n_threads(), trained, stop=stop)


def _trained(spec, networks):
    """In a worker: train a group; return what its networks have become."""
    _train_here([(spec, networks)])
    return [network.result() for network in networks]


def _share_equal_data(jobs):
    """Let networks whose data are equal have the same data: folds arrive as copies."""
    arrays, datas = {}, {}

    def first(array):
        """The first array or matrix that equals this one."""
        if array is None:
            return None
        alike = arrays.setdefault(_sample(array), [])
        for other in alike:
            if _are_equal(array, other):
                return other
        alike.append(array)
        return array

    def shared(data):
        if data is None:
            return None
        parts = first(data.X), first(data.targets), first(data.weights)
        return datas.setdefault(tuple(map(id, parts)), Data(*parts))

    for job in jobs:
        for network in job.networks:
            network.data, network.validation = shared(network.data), shared(network.validation)


def _sample(array):
    """A key that few unequal arrays share."""
    values = array.data if issparse(array) else np.ravel(array, order="K")
    sample = values[:: max(1, len(values) // 64)].tobytes()
    return issparse(array), array.shape, array.dtype, sample


def _are_equal(a, b):
    """Whether two arrays, or two matrices, of the same sample are equal."""
    if a is b:
        return True
    if issparse(a):
        parts = ("indptr", "indices", "data")
        return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in parts)
    return np.array_equal(a, b)


def _own_streams(jobs):
    """Give networks whose estimators draw from one generator generators of their own.

    One after the other they could not be trained at the same time.
    """
    users = {}
    for job in jobs:
        users.setdefault(job.networks[0].random_state, []).append(job)
    for random_state, its_jobs in users.items():
        if len(its_jobs) > 1:
            for job in its_jobs:
                seed = random_state.randint(2**31)
                for network in job.networks:
                    network.random_state, network.owns_stream = np.random.RandomState(seed), True


def _groups(networks):
    """Lists of networks that are to share a program, each with the spec they share.

    Those that take longest come first, so that the cores end at about the same time.
    """
    alike = {}
    for spec, network in networks:
        alike.setdefault(_kind(spec, network), []).append(network)
    groups = [
        (spec, part)
        for (spec, *_), kind in alike.items()
        for merged in _merged(kind)
        for part in _parts(merged)
    ]
    for _, group in groups:
        group.sort(key=_seconds, reverse=True)
    return sorted(groups, key=lambda group: -sum(map(_seconds, group[1])))


def _kind(spec, network):
    """What networks have in common that can share a program at little cost."""
    X, sizes, batch = network.data.X, network.layer_sizes, bucket(network.padded_batch)
    may_stack = stacks_gain(spec.dtype, batch, padded_sizes([network]))
    return (
        spec,
        len(sizes),
        sizes[0],
        sizes[-1],
        issparse(X),
        network.validation is not None,
        batch,
        network.steps_per_epoch.bit_length() if may_stack else None,
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
        features[id(X)] = n_bytes(X)
        if parts[-1] and sum(features.values()) > _MAX_GROUP_BYTES:
            parts.append([])
            features = {id(X): features[id(X)]}
        parts[-1].append(network)
    return parts
