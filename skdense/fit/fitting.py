"""Fitting one estimator or many: jobs are prepared and trained, and become fitted attributes.

A fit has four steps. `prepare` makes a `Job` with networks of the user's input. `plan_buckets` chooses
the programs of the networks, and `train` runs them; for lbfgs `minimize_loss` does both. `finish` sets
the fitted attributes and warns.

`inputs.py` checks X, y and weights, which are multiplied by those of the classes, and an `Encoder` of
`targets.py` makes targets of y; a `Data` holds all of it. A program gathers their rows from a store
(`core/program/stores.py`), where weights are one more column of the targets. `random_state` draws in
`prepare`: parameters, the validation split and a seed for dropout; and while a network trains, in
`core/host/train.py`, the order of the rows. Networks of several estimators that share a generator get
generators of their own, with seeds that it draws (`plan_jobs`).
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Event, Lock
from typing import Any

from numpy.random import RandomState
from sklearn.exceptions import EfficiencyWarning

from skdense import compat
from skdense.core.formulas.losses import NEGATIVE_LOSS
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.host.lbfgs import minimize_loss
from skdense.core.host.planning import Bucket, plan_buckets
from skdense.core.host.train import ProgramRun, train
from skdense.core.network import LBFGS, Curves, Network
from skdense.fit.inputs import Estimator, FitInput, check_parameters
from skdense.fit.prepare import Job, check_and_prepare, prepare
from skdense.fit.results import Attributes, NotFinite, finish, fitted_attributes


def fit_estimator(
    estimator: Estimator, inputs: FitInput, warn_max_iter: bool = True, stop: Event | None = None
) -> Estimator:
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator.

    Ctrl-C ends the training and keeps what was reached, or raises if that is nothing. In a fit of many,
    which has a `stop`, it always raises, and so does `stop` once it is set. With warn_max_iter there is
    a warning if an optimizer reaches `max_iter`.
    """
    warn_in_a_worker()
    reports = compat.has_callbacks(estimator) and not inputs.incremental
    context = compat.callback_context(estimator) if reports else None
    with unchanged_on_error(estimator):
        job = prepare(estimator, inputs)
        tasks = EpochTasks(context, job, inputs) if reports else None
        if _train_job(job, tasks, stop):
            if stop is not None or not any(network.progress.epochs for network in job.networks):
                raise KeyboardInterrupt
            compat.warn_at_caller("Training interrupted by user.")
        attributes = finish(job, warn_max_iter)
        if tasks:
            tasks.end(attributes)
    return estimator


def _train_job(job: Job, tasks: "EpochTasks | None", stop: Event | None) -> bool:
    """Train the networks of one job; return whether Ctrl-C or `stop` ended the training.

    The epochs of a single network are printed and reported if asked, those of several are not.
    """
    estimator, network = job.estimator, job.networks[0]
    if job.spec.solver == LBFGS:
        return any(minimize_loss(job.spec, one, estimator.max_fun, stop) for one in job.networks)
    is_single = len(job.networks) == 1
    printer = EpochPrinter(estimator, network) if estimator.verbose and is_single else None
    reporter = tasks if is_single else None

    def observe(new_curves: Curves, run: ProgramRun) -> bool:
        def attributes_now() -> Attributes:
            run.write_back()
            return fitted_attributes(job, network)

        if printer:
            printer.print_epochs(new_curves)
        if reporter and len(new_curves.loss):
            return reporter.advance(bool(run.snapshot.scalars.progress.active), attributes_now)
        return False

    interrupted = train(
        plan_jobs([job]),
        observe=observe if printer or reporter else None,
        each_epoch=reporter is not None,
        stop=stop,
    )
    if printer and network.progress.converged:
        printer.print_end()
    if estimator.verbose and not is_single:
        for i, trained in enumerate(job.networks, 1):
            print(f"Initialization {i} of {len(job.networks)}: {outcome(trained, job)}")
    return interrupted


# --- many estimators ---------------------------------------------------------------------------------


_as_fit_does = compat.fit_context(prefer_skip_nested_validation=True)
_check, _fit_alone = _as_fit_does(check_parameters), _as_fit_does(fit_estimator)


def fit_together(
    estimators: list,
    inputs: Sequence[FitInput],
    n_jobs: int | None = None,
    after_fit: Callable = lambda estimator, job: None,
    warn_max_iter: bool = True,
    stop: Event | None = None,
) -> None:
    """Fit each estimator to its `FitInput`; then raise the first error of those that diverged.

    An estimator whose training diverged does not change. All other errors, also those of signal
    handlers, are raised at once and leave all estimators unchanged.

    `after_fit(estimator, job)` is called as soon as an estimator's networks are trained; job is None
    for an estimator that trains alone. The calls may come from any thread, but never two at a time.
    With warn_max_iter, an estimator warns if its optimizer reached `max_iter`.

    Once `stop` is set, by whichever thread, the call raises KeyboardInterrupt as for Ctrl-C, as soon as
    no scorer runs. Ctrl-C, and an error while networks train, set it.
    """
    warn_in_a_worker()
    one_at_a_time = Lock()

    def after(job: Job) -> None:
        with one_at_a_time:
            after_fit(job.estimator, job)

    errors = []
    with unchanged_on_error(*estimators) as before:
        jobs: dict[int, Job] = {}
        checked: dict = {}
        for i, (estimator, one_input) in enumerate(zip(estimators, inputs, strict=True)):
            # It trains alone if it uses lbfgs, or if its epochs are printed or reported.
            if estimator.solver == LBFGS or estimator.verbose or compat.has_callbacks(estimator):
                _check(estimator, one_input)  # before all others are trained
            else:
                jobs[i] = check_and_prepare(estimator, one_input, checked)
        buckets = plan_jobs(jobs.values())
        owners = {network: job for job in jobs.values() for network in job.networks}
        if jobs and train(buckets, n_jobs, owners=owners, after=after, stop=stop):
            raise KeyboardInterrupt
        for i, estimator in enumerate(estimators):
            try:
                if i in jobs:
                    finish(jobs[i], warn_max_iter)
                    continue
                # Ctrl-C ends all fits here; a single fit would keep what it had reached.
                _fit_alone(estimator, inputs[i], warn_max_iter, stop or Event())
                after_fit(estimator, None)
            except NotFinite as error:
                error.add_note(f"It was raised for network {i + 1} of {len(estimators)}.")
                set_attributes(estimator, before[i])
                errors.append(error)
    if errors:
        raise errors[0]


def plan_jobs(jobs: Collection[Job], share_trained: float = 1.0) -> list[Bucket]:
    """Let the networks of jobs train side by side: return the buckets of those that share a program.

    Jobs that share a generator, with which they would have to train in turn, get new generators, with
    seeds drawn from the shared one. For share_trained see `plan_buckets`.
    """
    n_users = Counter(job.networks[0].random_state for job in jobs)
    for job in jobs:
        shared = job.networks[0].random_state
        if n_users[shared] > 1:
            seed = shared.randint(2**31)
            for network in job.networks:
                network.random_state, network.owns_stream = RandomState(seed), True
    return plan_buckets(
        [(job.spec, network) for job in jobs for network in job.networks], share_trained
    )


# --- what surrounds a fit ----------------------------------------------------------------------------


@cache
def warn_in_a_worker() -> None:
    """Warn at the first fit in a worker process of joblib: one process takes less time and memory."""
    if compat.is_worker_of_joblib():
        compat.warn_at_caller(
            "Networks are fitted in worker processes. Each of them imports TensorFlow, needs about "
            "600 MB or more and compiles programs that this machine has not compiled yet. Put `with "
            'joblib.parallel_config("threading", n_jobs=-1):` around the call to run the same fits '
            "in threads of one process, which is usually faster. To keep the worker processes, "
            'silence this warning with `warnings.filterwarnings("ignore", '
            "category=sklearn.exceptions.EfficiencyWarning)`.",
            EfficiencyWarning,
        )


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


# --- what observers see: printed lines, and callbacks of scikit-learn ---------------------------------


class EpochPrinter:
    """Prints the lines that MLPClassifier prints, and the score of any validation set."""

    def __init__(self, estimator: Estimator, network: Network):
        self.is_validated = network.validation is not None
        self.adaptive = SCHEDULES[network.settings["schedule"]].slows_down
        self.learning_rate = network.progress.learning_rate
        self.n_printed = 0
        what = "Validation score" if estimator.early_stopping else "Training loss"
        self.reason = (
            f"{what} did not improve more than tol={estimator.tol:f} for "
            f"{estimator.n_iter_no_change} consecutive epochs."
        )

    def print_epochs(self, curves: Curves) -> None:
        """Print a line for each epoch of these `Curves`, in order from the first."""
        for loss, score, rate in zip(curves.loss, curves.validation_score, curves.learning_rate):
            self.n_printed += 1
            print(f"Iteration {self.n_printed}, loss = {loss:.8f}")
            if self.is_validated:
                print(f"Validation score: {score:f}")
            if self.adaptive and rate < self.learning_rate:
                print(f"{self.reason} Setting learning rate to {rate:f}")
            self.learning_rate = rate

    def print_end(self) -> None:
        """Print why the training has converged."""
        too_small = " Learning rate too small." if self.adaptive else ""
        print(f"{self.reason}{too_small} Stopping.")


def outcome(network: Network, job: Job) -> str:
    """How the training of one of a job's networks ended, in words."""
    progress = network.progress
    words = f"{progress.epochs:.0f} iterations, loss = {network.last_loss:.8f}"
    if not network.hyper.early_stopping:
        return words
    is_loss = job.spec.scores_loss or job.encoder.loss.metric is NEGATIVE_LOSS
    if is_loss and network.scorer is None:
        return f"{words}, best validation loss: {-progress.best_value:f}"
    return f"{words}, best validation score: {progress.best_value:f}"


def task_of(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """The arguments of the methods of callbacks."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": estimator, "X": X, "y": y, "metadata": metadata}


class EpochTasks:
    """Reports a fit to scikit-learn's callbacks: the fit is a task, and each epoch a task within it.

    A fit by lbfgs, or of several networks, has no epochs. Attributes are passed as a function, which is
    called only if a callback asks for the fitted estimator.
    """

    def __init__(self, context: Any, job: Job, inputs: FitInput):
        self.task = task_of(job.estimator, inputs.X, inputs.y, inputs.sample_weight)
        self.context = context
        self.epoch_task: Any = None
        has_epochs = len(job.networks) == 1 and job.spec.solver != LBFGS
        context.max_subtasks = job.estimator.max_iter if has_epochs else 0
        context.call_on_fit_task_begin(**self.task)
        if has_epochs:
            self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch_task = self.context.subcontext(task_name="epoch")
        self.epoch_task.call_on_fit_task_begin(**self.task)

    def advance(self, goes_on: bool, attributes: Callable[[], Attributes] | None) -> bool:
        """End an epoch, and begin the next if training goes on; True if a callback asks to stop."""
        task, self.epoch_task = self.epoch_task, None
        stop = task.call_on_fit_task_end(**self.task, reconstruction_attributes=attributes)
        if goes_on and not stop:
            self._begin_epoch()
        return stop

    def end(self, attributes: Attributes) -> None:
        """End the fit, and an epoch that Ctrl-C has interrupted."""
        if self.epoch_task is not None:
            self.advance(False, None)
        self.context.call_on_fit_task_end(**self.task, reconstruction_attributes=attributes)
