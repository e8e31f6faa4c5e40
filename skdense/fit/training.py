"""Training the networks of many jobs, in threads of this process or over joblib's workers."""

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from skdense.core.network import Network, state_of
from skdense.core.numbers import Spec
from skdense.fit.prepare import Job


def train_jobs(
    jobs: Sequence[Job],
    n_jobs: int | None = None,
    trained: Callable[[Job], None] | None = None,
) -> bool:
    """Train the networks of many jobs side by side; return whether Ctrl-C ended the training.

    Parameters
    ----------
    jobs : list of Job
    n_jobs : int, default=None
        The number of joblib's worker processes. Within joblib's threads, and with 1, networks are
        trained in this process, with a thread for each core.
    trained : callable, default=None
        Called with each job as soon as all its networks are trained. The calls may come from any
        thread, but never two at a time.
    """
    own_streams(jobs)
    networks = [(job.spec, network) for job in jobs for network in job.networks]
    owners = {network: job for job in jobs for network in job.networks}
    to_train = Counter(owners.values())
    lock = Lock()

    def note(network: Network) -> None:
        job = owners[network]
        with lock:
            to_train[job] -= 1
            if trained is not None and not to_train[job]:
                trained(job)

    backend: Any = get_active_backend()[0]
    n_workers: int = 1
    if not getattr(backend, "uses_threads", False):
        n_workers = effective_n_jobs(n_jobs)  # pyright: ignore[reportArgumentType]
    if n_workers == 1:
        return _train_here(networks, note)
    # Not every backend, such as those of Ray and Spark, hands results over one by one.
    return_as = "generator" if backend.supports_return_generator else "list"
    tasks = _tasks(networks, n_workers)
    states = {network: state_of(network.random_state) for _, network in networks}
    results: Any = Parallel(n_jobs=n_workers, return_as=return_as)(
        delayed(_results)(task) for task in tasks
    )
    for task, task_results in zip(tasks, results, strict=True):
        for (_, network), result in zip(task, task_results, strict=True):
            network.take(result, states[network])
            note(network)
    return False


def _tasks(networks: list[tuple[Spec, Network]], n_jobs: int) -> list[list[tuple[Spec, Network]]]:
    """The networks in parts for worker processes: few of these compile the same program."""
    from skdense.core.host.planning import groups_of

    groups = groups_of(networks)
    return [
        [(group.spec, network) for network in group.networks[start::n_parts]]
        for group in groups
        for n_parts in [min(len(group.networks), -(-n_jobs // len(groups)))]
        for start in range(n_parts)
    ]


def _train_here(
    networks: list[tuple[Spec, Network]], trained: Callable[[Network], None] | None = None
) -> bool:
    from skdense.core.host.planning import groups_of
    from skdense.core.host.training import train
    from skdense.core.machine.tensorflow import n_threads

    return train(groups_of(networks), n_threads(), trained=trained)


def _results(networks: list[tuple[Spec, Network]]) -> list[tuple]:
    """Train networks in a worker process; return their results."""
    _train_here(networks)
    return [network.result() for _, network in networks]


def own_streams(jobs: Sequence[Job]) -> None:
    """Give jobs that share a generator new generators, with seeds drawn from the shared one.

    With a shared generator they would have to train in turn.
    """
    users: dict[np.random.RandomState, list[Job]] = {}
    for job in jobs:
        users.setdefault(job.networks[0].random_state, []).append(job)
    for random_state, sharing in users.items():
        if len(sharing) > 1:
            for job in sharing:
                seed = random_state.randint(2**31)
                for network in job.networks:
                    network.random_state, network.owns_stream = np.random.RandomState(seed), True
