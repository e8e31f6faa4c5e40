"""Training the networks of a search from rung to rung, in threads, by programs that are chosen once."""

from joblib import effective_n_jobs

from skdense.fit.training import own_streams


class Training:
    """The networks of many jobs, of which any can be trained on.

    All jobs together decide which networks share a program. A network stays in its program, so that
    those which go on train as if they had never paused.

    Parameters
    ----------
    jobs : list of Job
    n_jobs : int or None
        The number of threads; None is one for each core.
    """

    def __init__(self, jobs, n_jobs):
        from skdense.core.host.planning import groups_of
        from skdense.core.machine.runtime import n_threads

        own_streams(jobs)
        self.groups = groups_of([(job.spec, network) for job in jobs for network in job.networks])
        self.n_threads = n_threads() if n_jobs is None else effective_n_jobs(n_jobs)

    def go_on(self, jobs, epochs):
        """Train the networks of these jobs to so many epochs in all; return whether Ctrl-C ended it."""
        from skdense.core.host.training import train

        networks = {network for job in jobs for network in job.networks if network.progress.active}
        self.groups = [part for group in self.groups if (part := group.part(networks)).networks]
        return bool(networks) and train(self.groups, self.n_threads, until=epochs)
