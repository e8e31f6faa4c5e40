"""Observers of a training: the lines that `verbose` prints, and scikit-learn's callbacks."""

from collections.abc import Callable
from threading import Lock
from typing import Any

from skdense.core.formulas.losses import NEGATIVE_LOSS
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.tensorflow import is_imported
from skdense.core.network import Network
from skdense.core.numbers import Curves
from skdense.fit.inputs import Estimator, FitInput
from skdense.fit.prepare import Job
from skdense.fit.results import Attributes

_announced = Lock()
"""Held from the moment when the first fit of this process is announced."""


def announce_first_fit() -> None:
    """Print what takes the first seconds, once in a process and only before its first fit."""
    if not is_imported() and _announced.acquire(blocking=False):
        print(
            "The first fit of a process imports TensorFlow, and compiles what this machine has not "
            "compiled before, which takes seconds."
        )


class EpochPrinter:
    """Prints the lines that MLPClassifier prints, and the score of any validation set."""

    def __init__(self, estimator: Estimator, network: Network):
        self.is_validated = network.validation is not None
        self.adaptive = network.hyper.schedule == SCHEDULES["adaptive"].number
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
    print(f"Initialization {number}: {outcome(network, job)}")


def outcome(network: Network, job: Job) -> str:
    """How the training of one of a job's networks ended, in words."""
    progress = network.progress
    words = f"{progress.epochs:.0f} iterations, loss = {network.last_loss:.8f}"
    if not network.hyper.early_stopping:
        return words
    if job.spec.scores_loss or job.encoder.loss.score is NEGATIVE_LOSS:
        return f"{words}, best validation loss: {-progress.best:f}"
    return f"{words}, best validation {job.estimator.validation_metric}: {progress.best:f}"


class FitPrinter:
    """Prints, about ten times in all, how many of many fits are over."""

    def __init__(self, n_fits: int):
        self.n_fits, self.n_over = n_fits, 0

    def print_fit(self, *_: Any) -> None:
        """Count a fit that is over. `fit_inputs` never makes two of these calls at a time."""
        self.n_over += 1
        if self.n_over * 10 // self.n_fits > (self.n_over - 1) * 10 // self.n_fits:
            print(f"Trained {self.n_over} of {self.n_fits} estimators")


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
