"""Fitting one estimator or many: jobs are prepared and trained, and become fitted attributes."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from joblib.parallel import get_active_backend

from skdense.core.host.lbfgs import minimize_loss
from skdense.core.host.orders import state_of
from skdense.core.host.planning import groups_of
from skdense.core.host.train import ProgramRun, load, result_of, train
from skdense.core.machine.tensorflow import n_threads
from skdense.core.network import Network
from skdense.core.numbers import Curves, Minimum, Spec
from skdense.fit.callers import warn_at_caller, warn_in_a_worker
from skdense.fit.inputs import Estimator, FitInput
from skdense.fit.observers import EpochPrinter, EpochTasks, announce_first_fit, print_draw
from skdense.fit.prepare import Job, prepare
from skdense.fit.results import Attributes, finish, lbfgs_attributes, stochastic_attributes


def fit_estimator(
    estimator: Estimator,
    inputs: FitInput,
    interrupts_raise: bool = False,
    warn_max_iter: bool = True,
) -> Estimator:
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator.

    Ctrl-C ends the training and keeps what was reached, or raises if that is nothing, or if
    interrupts_raise is true. With warn_max_iter there is a warning if `max_iter` is reached.
    """
    warn_in_a_worker()
    lbfgs = estimator.solver == "lbfgs"
    if not inputs.incremental:
        # scipy reports an iteration only at its end. The next task begins then, even after the last.
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter + lbfgs)
    with unchanged_on_error(estimator):
        job = prepare(estimator, inputs)
        if estimator.verbose:
            announce_first_fit()
        tasks = attributes = None
        one_draw = len(job.networks) == 1
        if hasattr(estimator, "_skl_callbacks") and not inputs.incremental:
            tasks = EpochTasks(estimator, context, inputs, reports_epochs=one_draw)
        try:
            train_job = _train_lbfgs if lbfgs else _train_stochastic
            if train_job(job, tasks if one_draw else None):
                n_iters = [network.progress.epochs for network in job.networks]
                n_iters += [minimum.n_iter for minimum in job.minima or ()]
                if interrupts_raise or not any(n_iters):
                    raise KeyboardInterrupt
                warn_at_caller("Training interrupted by user.")
            attributes = finish(job, warn_max_iter)
        finally:
            if tasks:
                tasks.end(attributes)
    return estimator


@contextmanager
def unchanged_on_error(*estimators: Estimator) -> Iterator[list[Attributes]]:
    """Leave the estimators as they were if the block raises; yield the attributes of each."""
    before = [dict(vars(estimator)) for estimator in estimators]
    try:
        yield before
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            set_attributes(estimator, attributes)
        raise


def set_attributes(estimator: Estimator, attributes: Attributes) -> None:
    """Let an estimator have these attributes and no others."""
    estimator.__dict__ = dict(attributes)


def _train_stochastic(job: Job, reporter: EpochTasks | None) -> bool:
    """Train by minibatches, and report epochs if asked; return whether Ctrl-C ended the training."""
    estimator = job.estimator
    printer = trained = None
    if estimator.verbose and len(job.networks) == 1:
        printer = EpochPrinter(estimator, job.networks[0])
    elif estimator.verbose:
        trained = partial(print_draw, job)

    def attributes_now(run: ProgramRun) -> Attributes:
        run.write_back()
        return stochastic_attributes(job, job.networks[0])

    def observe(new_curves: Curves, run: ProgramRun) -> bool:
        if printer:
            printer.print_epochs(new_curves)
        if reporter and len(new_curves.loss):
            is_active = bool(run.snapshot.scalars.progress.active)
            return reporter.advance(is_active, lambda: attributes_now(run))
        return False

    interrupted = train(
        groups_of([(job.spec, network) for network in job.networks]),
        n_threads() if len(job.networks) > 1 else 1,  # asking takes a while
        trained=trained,
        observe=observe if printer or reporter else None,
        each_epoch=reporter is not None,
    )
    if printer and job.networks[0].progress.converged:
        printer.print_end()
    return interrupted


def trains_alone(estimator: Estimator) -> bool:
    """Whether an estimator cannot train with others: it uses lbfgs, or each epoch is reported."""
    return (
        estimator.solver == "lbfgs" or bool(estimator.verbose) or hasattr(estimator, "_skl_callbacks")
    )


def _train_lbfgs(job: Job, reporter: EpochTasks | None) -> bool:
    """Train by lbfgs, and report iterations if asked; return whether Ctrl-C ended the training."""
    estimator, job.minima = job.estimator, []

    def observe(minimum: Minimum) -> bool:
        attributes = partial(lbfgs_attributes, job, job.networks[0], minimum)
        return reporter is not None and reporter.advance(True, attributes)

    for network in job.networks:
        minimum = minimize_loss(
            job.spec,
            network,
            estimator.max_iter,
            estimator.max_fun,
            estimator.tol,
            observe if reporter else None,
        )
        job.minima.append(minimum)
        if minimum.interrupted:
            return True
    return False


# --- many jobs ---------------------------------------------------------------------------------------


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
        return train(groups_of(networks), n_threads(), trained=note)
    # Not every backend, such as those of Ray and Spark, hands results over one by one.
    return_as = "generator" if backend.supports_return_generator else "list"
    parts = _parts(networks, n_workers)
    states = {network: state_of(network.random_state) for _, network in networks}
    results: Any = Parallel(n_jobs=n_workers, return_as=return_as)(
        delayed(_results)(part) for part in parts
    )
    for part, part_results in zip(parts, results, strict=True):
        for (_, network), result in zip(part, part_results, strict=True):
            load(network, result, states[network])
            note(network)
    return False


def _parts(networks: list[tuple[Spec, Network]], n_jobs: int) -> list[list[tuple[Spec, Network]]]:
    """The networks in parts for worker processes: few of these compile the same program."""
    groups = groups_of(networks)
    return [
        [(group.spec, network) for network in group.networks[start::n_parts]]
        for group in groups
        for n_parts in [min(len(group.networks), -(-n_jobs // len(groups)))]
        for start in range(n_parts)
    ]


def _results(networks: list[tuple[Spec, Network]]) -> list[tuple]:
    """Train networks in a worker process; return what that has changed of each."""
    train(groups_of(networks), n_threads())
    return [result_of(network) for _, network in networks]


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
