"""Fitting one estimator: its job is prepared, trained, and becomes fitted attributes.

TensorFlow is imported by the first fit, with the modules of `skdense.core` that train.
"""

from contextlib import contextmanager

from skdense.fit.callers import warn_at_caller
from skdense.fit.jobs import prepare
from skdense.fit.observers import DrawPrinter, EpochPrinter, EpochTasks
from skdense.fit.results import finish, lbfgs_attributes, stochastic_attributes
from skdense.fit.trainer import active_trainer, is_stopped
from skdense.fit.workers import warn_in_a_worker


def fit_estimator(estimator, given, interrupts_raise=False):
    """Fit an estimator to a `FitInput`, or train it for one more epoch; return the estimator.

    Ctrl-C during the training keeps what was reached, unless interrupts_raise says otherwise.
    """
    warn_in_a_worker()
    lbfgs = estimator.solver == "lbfgs"
    if not given.incremental:
        # scipy reports an iteration when it is over, so that of lbfgs may begin one that never runs.
        context = estimator._init_callback_context(max_subtasks=estimator.max_iter + lbfgs)
    with unchanged_on_error(estimator):
        _raise_if_stopped()
        job = prepare(estimator, given)
        tasks = attributes = None
        if hasattr(estimator, "_skl_callbacks") and not given.incremental:
            tasks = EpochTasks(estimator, context, given, each_epoch=len(job.networks) == 1)
        try:
            train = _train_lbfgs if lbfgs else _train_stochastic
            interrupted = train(job, tasks)
            _raise_if_stopped()
            if interrupted:
                _end_interrupted(job, interrupts_raise)
            attributes = finish(job)
        finally:
            if tasks:
                tasks.finish(attributes)
    return estimator


@contextmanager
def unchanged_on_error(estimator, before=None):
    """Leave the estimator as it was, or with the attributes `before`, if the block raises."""
    before = before or dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _train_stochastic(job, tasks):
    """Train with sgd or adam; True if Ctrl-C ended it."""
    estimator, alone, trainer = job.estimator, len(job.networks) == 1, active_trainer()
    if trainer is not None and not trains_alone(estimator) and not job.incremental:
        return trainer.train([job])

    from skdense.core.host.training import train
    from skdense.core.machine.runtime import n_threads

    watched = tasks and alone
    printer = trained = None
    if estimator.verbose and alone:
        printer = EpochPrinter(estimator, job.networks[0])
    elif estimator.verbose:
        trained = DrawPrinter(job.networks).print_draw

    def attributes_now(stack):
        stack.write_back()
        return stochastic_attributes(job, job.networks[0])

    def observe(news, stack):
        if printer:
            printer.print_epochs(*news)
        if is_stopped():
            return True
        if watched and len(news[0].loss):
            return tasks.advance(stack.active.any(), lambda: attributes_now(stack))
        return False

    n_stacks = 1 if alone else min(len(job.networks), n_threads())
    group = job.spec, job.networks
    interrupted = train(
        [group],
        n_stacks,
        trained,
        observe if printer or watched or trainer else None,
        each_epoch=tasks is not None,
    )
    if printer and job.networks[0].progress.converged:
        printer.print_end()
    return interrupted


def trains_alone(estimator):
    """Whether an estimator trains outside of stacks: by lbfgs, or watched epoch by epoch."""
    return (
        estimator.solver == "lbfgs" or bool(estimator.verbose) or hasattr(estimator, "_skl_callbacks")
    )


def _train_lbfgs(job, tasks):
    """Train with lbfgs; True if Ctrl-C ended it."""
    from skdense.core.host.lbfgs import minimize_loss

    estimator, job.minima = job.estimator, []

    def observer(network):
        watched = tasks and len(job.networks) == 1

        def advance(minimum):
            if is_stopped():
                return True
            return watched and tasks.advance(True, lambda: lbfgs_attributes(job, network, minimum))

        return advance if watched or active_trainer() else None

    for network in job.networks:
        minimum = minimize_loss(
            job.spec, network, estimator.max_iter, estimator.max_fun, estimator.tol, observer(network)
        )
        job.minima.append(minimum)
        if minimum.interrupted:
            return True
    return False


def _raise_if_stopped():
    if is_stopped():
        raise KeyboardInterrupt


def _end_interrupted(job, interrupts_raise):
    """After Ctrl-C raise, or warn and keep what was reached, if anything was."""
    if job.minima is None:
        n_iters = [network.progress.epochs for network in job.networks]
    else:
        n_iters = [minimum.n_iter for minimum in job.minima]
    if interrupts_raise or not any(n_iters):
        raise KeyboardInterrupt
    warn_at_caller("Training interrupted by user.")
