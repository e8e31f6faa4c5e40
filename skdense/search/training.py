"""Training the networks of a search from rung to rung, in threads, by programs that are chosen once."""

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

from joblib import effective_n_jobs

from skdense.core.network import Network
from skdense.fit.prepare import Job
from skdense.fit.train import own_streams


class Training:
    """The networks of many jobs, of which any can be trained on.

    All jobs together decide which networks share a program. A network stays in its program, so that
    those which go on train as if they had never paused.

    Parameters
    ----------
    jobs : list of Job
    share_trained : float
        The share of their epochs that the networks will train, on average.
    n_jobs : int or None
        The number of threads; None is one for each core.
    """

    def __init__(self, jobs: Sequence[Job], share_trained: float, n_jobs: int | None):
        from skdense.core.host.planning import groups_of
        from skdense.core.machine.tensorflow import n_threads

        own_streams(jobs)
        networks = [(job.spec, network) for job in jobs for network in job.networks]
        self.groups = groups_of(networks, share_trained)
        self.n_threads = n_threads() if n_jobs is None else effective_n_jobs(n_jobs)

    def go_on(self, jobs: Sequence[Job], epochs: int, trained: Callable[[Job], None]) -> bool:
        """Train the networks of these jobs to so many epochs in all; return whether Ctrl-C ended it.

        `trained` is called with each job that was trained, in one of the threads, while others train.
        """
        from skdense.core.host.train import train

        owners = {n: job for job in jobs for n in job.networks if n.progress.active}
        to_train, lock = Counter(owners.values()), Lock()

        def note(network: Network) -> None:
            job = owners[network]
            with lock:
                to_train[job] -= 1
                is_last = not to_train[job]
            if is_last:
                trained(job)

        self.groups = [part for group in self.groups if (part := group.part(owners)).networks]
        return bool(owners) and train(self.groups, self.n_threads, until=epochs, trained=note)
