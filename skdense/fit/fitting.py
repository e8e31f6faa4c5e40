"""Fitting one estimator or many: jobs are prepared and trained, and become fitted attributes.

The way of a fit is `prepare`, from what the user passed to a `Job` with its networks; `buckets_of`,
which chooses their programs; `train` or `minimize_loss`, which run these; and `finish`, which sets the
fitted attributes and warns.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from skdense.compat import callback_context, has_callbacks
from skdense.core.formulas.losses import NEGATIVE_LOSS
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.host.lbfgs import minimize_loss
from skdense.core.host.planning import buckets_of
from skdense.core.host.train import ProgramRun, train
from skdense.core.network import LBFGS, Curves, Network
from skdense.fit.callers import warn_at_caller, warn_in_a_worker
from skdense.fit.inputs import Estimator, FitInput
from skdense.fit.prepare import Job, prepare
from skdense.fit.results import Attributes, finish, fitted_attributes


def fit_estimator(
    estimator: Estimator, inputs: FitInput, interrupts_raise: bool = False, warn_max_iter: bool = True
) -> Estimator:
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator.

    Ctrl-C ends the training and keeps what was reached, or raises if that is nothing, or if
    interrupts_raise is true. With warn_max_iter there is a warning if `max_iter` is reached.
    """
    warn_in_a_worker()
    lbfgs = estimator.solver == LBFGS
    if not inputs.incremental:
        context = callback_context(estimator, max_subtasks=estimator.max_iter)
    with unchanged_on_error(estimator):
        job = prepare(estimator, inputs)
        tasks = attributes = None
        has_epochs = len(job.networks) == 1 and not lbfgs  # of one training
        if has_callbacks(estimator) and not inputs.incremental:
            if not has_epochs:
                context.max_subtasks = 0
            tasks = EpochTasks(estimator, context, inputs, reports_epochs=has_epochs)
        try:
            if lbfgs:
                fits = (minimize_loss(job.spec, one, estimator.max_fun) for one in job.networks)
                interrupted = any(fits)
            else:
                interrupted = _train_stochastic(job, tasks if has_epochs else None)
            if interrupted:
                if interrupts_raise or not any(network.progress.epochs for network in job.networks):
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


def _train_stochastic(job: Job, reporter: "EpochTasks | None") -> bool:
    """Train by minibatches, and report epochs if asked; return whether Ctrl-C ended the training."""
    estimator = job.estimator
    printer = after = None
    if estimator.verbose and len(job.networks) == 1:
        printer = EpochPrinter(estimator, job.networks[0])
    elif estimator.verbose:
        after = partial(print_draw, job)

    def attributes_now(run: ProgramRun) -> Attributes:
        run.write_back()
        return fitted_attributes(job, job.networks[0])

    def observe(new_curves: Curves, run: ProgramRun) -> bool:
        if printer:
            printer.print_epochs(new_curves)
        if reporter and len(new_curves.loss):
            is_active = bool(run.snapshot.scalars.progress.active)
            return reporter.advance(is_active, lambda: attributes_now(run))
        return False

    interrupted = train(
        buckets_of([(job.spec, network) for network in job.networks]),
        after=after,
        observe=observe if printer or reporter else None,
        each_epoch=reporter is not None,
    )
    if printer and job.networks[0].progress.converged:
        printer.print_end()
    return interrupted


def trains_alone(estimator: Estimator) -> bool:
    """Whether an estimator cannot train with others: it uses lbfgs, or each epoch is reported."""
    return estimator.solver == LBFGS or bool(estimator.verbose) or has_callbacks(estimator)


# --- many jobs ---------------------------------------------------------------------------------------


def train_jobs(
    jobs: Sequence[Job], n_jobs: int | None = None, after_job: Callable[[Job], None] | None = None
) -> bool:
    """Train the networks of many jobs; return whether Ctrl-C ended the training.

    `after_job` is called with each job as soon as all its networks are trained. The calls may come
    from any thread, but never two at a time.
    """
    own_streams(jobs)
    owners = {network: job for job in jobs for network in job.networks}
    one_at_a_time = Lock()

    def after(job: Job) -> None:
        with one_at_a_time:
            if after_job is not None:
                after_job(job)

    buckets = buckets_of([(job.spec, network) for network, job in owners.items()])
    return train(buckets, n_jobs, owners=owners, after=after)


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


# --- what observers see: printed lines, and callbacks of scikit-learn ---------------------------------


class EpochPrinter:
    """Prints the lines that MLPClassifier prints, and the score of any validation set."""

    def __init__(self, estimator: Estimator, network: Network):
        self.is_validated = network.validation is not None
        self.adaptive = SCHEDULES[network.settings["schedule"]].slows_down
        self.learning_rate = network.progress.learning_rate
        self.epoch = 0
        what = "Validation score" if estimator.early_stopping else "Training loss"
        self.reason = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )

    def print_epochs(self, curves: Curves) -> None:
        """Print a line for each epoch of these `Curves`, in order from the first."""
        for loss, score, rate in zip(curves.loss, curves.validation_score, curves.learning_rate):
            self.epoch += 1
            print(f"Iteration {self.epoch}, loss = {loss:.8f}")
            if self.is_validated:
                print(f"Validation score: {score:f}")
            if self.adaptive and rate < self.learning_rate:
                print(f"{self.reason} Setting learning rate to {rate:f}")
            self.learning_rate = rate

    def print_end(self) -> None:
        """Print why the training has converged."""
        too_small = " Learning rate too small." if self.adaptive else ""
        print(f"{self.reason}{too_small} Stopping.")


def print_draw(job: Job, network: Network) -> None:
    """Print how the training from one of a job's initial draws ended; they end in any order."""
    number = f"{job.networks.index(network) + 1} of {len(job.networks)}"
    print(f"Initialization {number}: {outcome(network, job)}\n", end="")  # in one piece


def outcome(network: Network, job: Job) -> str:
    """How the training of one of a job's networks ended, in words."""
    progress = network.progress
    words = f"{progress.epochs:.0f} iterations, loss = {network.last_loss:.8f}"
    if not network.hyper.early_stopping:
        return words
    if network.scorer is not None:
        return f"{words}, best validation score: {progress.best_value:f}"
    if job.spec.scores_loss or job.encoder.loss.metric is NEGATIVE_LOSS:
        return f"{words}, best validation loss: {-progress.best_value:f}"
    return f"{words}, best validation {job.estimator.validation_metric}: {progress.best_value:f}"


class EpochTasks:
    """Reports a fit to scikit-learn's callbacks: the fit is a task, and each epoch a task within it.

    Epochs are reported only if reports_epochs is true. Attributes are passed as a function, which is
    called only if a callback asks for the fitted estimator.
    """

    def __init__(self, estimator: Estimator, context: Any, inputs: FitInput, reports_epochs: bool):
        weighted = inputs.sample_weight is not None
        metadata = {"sample_weight": inputs.sample_weight} if weighted else None
        self.arguments = {"estimator": estimator, "X": inputs.X, "y": inputs.y, "metadata": metadata}
        self.context = context
        self.epoch: Any = None
        context.call_on_fit_task_begin(**self.arguments)
        if reports_epochs:
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch = self.context.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.arguments)

    def _end_epoch(self, attributes: Callable[[], Attributes] | None) -> bool:
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(**self.arguments, reconstruction_attributes=attributes)

    def advance(self, continues: bool, attributes: Callable[[], Attributes]) -> bool:
        """End an epoch, and begin the next if training goes on; True if a callback asks to stop."""
        stop = self._end_epoch(attributes)
        if continues and not stop:
            self._begin_epoch()
        return stop

    def end(self, attributes: Attributes | None) -> None:
        """End the fit, and an epoch that has begun but is not over."""
        if self.epoch is not None:
            self._end_epoch(None)
        self.context.call_on_fit_task_end(**self.arguments, reconstruction_attributes=attributes)
