"""Training the networks of many jobs: which share data and a program, in which process they train."""

from collections import Counter
from threading import Event, Lock

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend
from scipy.sparse import issparse

from skdense.core.network import Data


def train_jobs(jobs, n_jobs=None, trained=None, stop=None):
    """Train the networks of many `Job`s together, here or over joblib's workers.

    `trained(job)` is called as soon as all networks of a job are trained. The calls may come from any
    thread, but never two at a time. The training ends early if the event `stop` is set. Returns whether
    Ctrl-C ended it.
    """
    stop = stop or Event()
    _share_equal_data(jobs)
    _own_streams(jobs)
    networks = [(job.spec, network) for job in jobs for network in job.networks]
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
        return _train_here(networks, note, stop)
    from skdense.core.host.planning import groups_of

    tasks = [
        [(group.spec, network) for network in group.networks[start::n_parts]]
        for groups in [groups_of(networks)]
        for group in groups
        for n_parts in [min(len(group.networks), -(-n_jobs // len(groups)))]
        for start in range(n_parts)
    ]
    # Not every backend, such as those of Ray and Spark, hands results over one by one.
    return_as = "generator" if backend.supports_return_generator else "list"
    results = Parallel(n_jobs=n_jobs, return_as=return_as)(delayed(_trained)(task) for task in tasks)
    for task, task_results in zip(tasks, results, strict=True):
        for (_, network), result in zip(task, task_results, strict=True):
            network.take(result)
            note(network)
        if stop.is_set():
            break
    return False


def _train_here(networks, trained=None, stop=None):
    """Train with a thread for each core: the program releases the interpreter's lock."""
    from skdense.core.host.planning import groups_of
    from skdense.core.host.training import train
    from skdense.core.machine.runtime import n_threads

    return train(groups_of(networks), n_threads(), trained=trained, stop=stop)


def _trained(networks):
    """Train networks in a worker process; return their results."""
    _train_here(networks)
    return [network.result() for _, network in networks]


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
