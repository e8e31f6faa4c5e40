"""Training the networks of many jobs: which share data and a program, in which process they train."""

from collections import Counter
from threading import Event, Lock

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from scipy.sparse import issparse

from skdense.core.machine.shapes import (
    bucket,
    is_large,
    n_bytes,
    padded_sizes,
    stacks_gain,
    training_seconds,
)
from skdense.core.network import Data

_MAX_GROUP_BYTES = 2**28
"""The most bytes of features in a group of networks."""
_PROGRAM_SECONDS, _PROGRAM_OF_VIEWS_SECONDS = 0.3, 2.0
"""How much longer networks may train because of padding if that saves compiling a program.

The second is for networks of different numbers of features, such as those of two views of a table,
which are seldom fitted again. A program of two hidden layers takes 2 to 3 s of processor time to
compile. With 2 s for a search over widths, later searches of the digits take 1.5 times as long.
"""


def train_jobs(jobs, n_jobs=None, trained=None, stop=None):
    """Train the networks of many `Job`s together, here or over joblib's workers.

    `trained(job)` is called as soon as all networks of a job are trained. The calls may come from any
    thread, but never two at a time. The training ends early if the event `stop` is set. Returns whether
    Ctrl-C ended it.
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
    # Not every backend, such as those of Ray and Spark, hands results over one by one.
    return_as = "generator" if backend.supports_return_generator else "list"
    results = Parallel(n_jobs=n_jobs, return_as=return_as)(delayed(_trained)(*t) for t in tasks)
    for (_, networks), task_results in zip(tasks, results, strict=True):
        for network, result in zip(networks, task_results, strict=True):
            network.take(result)
            note(network)
        if stop.is_set():
            break
    return False


def _train_here(groups, trained=None, stop=None):
    """Train with a thread for each core: the program releases the interpreter's lock."""
    from skdense.core.host.training import train
    from skdense.core.machine.runtime import n_threads

    return train(groups, n_threads(), trained, stop=stop)


def _trained(spec, networks):
    """Train a group in a worker process; return the results of its networks."""
    _train_here([(spec, networks)])
    return [network.result() for network in networks]


def _share_equal_data(jobs):
    """Let networks with equal data share one copy: each candidate of a search copies its folds."""
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
    """A key that equal arrays share, and few others do."""
    values = array.data if issparse(array) else np.ravel(array, order="K")
    sample = values[:: max(1, len(values) // 64)].tobytes()
    return issparse(array), array.shape, array.dtype, sample


def _are_equal(a, b):
    """Whether two arrays or two matrices with the same key are equal."""
    if a is b:
        return True
    if issparse(a):
        parts = ("indptr", "indices", "data")
        return all(np.array_equal(getattr(a, part), getattr(b, part)) for part in parts)
    return np.array_equal(a, b)


def _own_streams(jobs):
    """Give jobs that share a generator new generators, with seeds drawn from the shared one.

    With a shared generator they would have to train in turn.
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
    """Groups of networks that share a program, each as a pair of a spec and a list of networks.

    The slowest groups and networks come first, so that the cores end at about the same time.
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
    """A key: networks with the same key can share a program, if features and units are padded.

    Stacks have the rows of all networks in one table, so their features are of one number.
    """
    X, sizes, batch = network.data.X, network.layer_sizes, bucket(network.padded_batch)
    may_stack = stacks_gain(spec.dtype, batch, padded_sizes([network]))
    return (
        spec,
        len(sizes),
        sizes[0] if may_stack or issparse(X) or is_large(X) else None,
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
    """Merge networks of similar widths where padding costs less time than one more program."""
    by_sizes = {}
    for network in networks:
        by_sizes.setdefault(padded_sizes([network]), []).append(network)
    merged = []
    for sizes, group in sorted(by_sizes.items()):
        if merged:
            last_sizes, last = merged[-1]
            common = tuple(map(max, last_sizes, sizes))
            apart = _total_seconds(last, last_sizes) + _total_seconds(group, sizes)
            same_features = last_sizes[0] == sizes[0]
            allowed = _PROGRAM_SECONDS if same_features else _PROGRAM_OF_VIEWS_SECONDS
            if _total_seconds(last + group, common) - apart < allowed:
                merged[-1] = common, last + group
                continue
        merged.append((sizes, group))
    return [group for _, group in merged]


def _total_seconds(networks, layer_sizes):
    return sum(training_seconds(network, layer_sizes) for network in networks)


def _parts(networks):
    """Split a group where the features of its networks would exceed `_MAX_GROUP_BYTES`."""
    parts, features = [[]], {}
    for network in networks:
        X = network.data.X
        features[id(X)] = n_bytes(X)
        if parts[-1] and sum(features.values()) > _MAX_GROUP_BYTES:
            parts.append([])
            features = {id(X): features[id(X)]}
        parts[-1].append(network)
    return parts
