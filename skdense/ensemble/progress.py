"""Members as tasks of scikit-learn's callbacks, such as a progress bar."""

from contextlib import contextmanager

from skdense.ensemble.ends import last_of


class FitTask:
    """The fit of an ensemble as a task of its callbacks, with a task for each member or model within.

    Nothing is reported if the ensemble has no callbacks.
    """

    def __init__(self, ensemble, context, X, y, sample_weight):
        self.has_callbacks = hasattr(ensemble, "_skl_callbacks")
        if self.has_callbacks:
            self._context = context
            metadata = None if sample_weight is None else {"sample_weight": sample_weight}
            self._given = {"estimator": ensemble, "X": X, "y": y, "metadata": metadata}

    @contextmanager
    def of(self, n_subtasks):
        """Begin the task of so many members or models; end it with the block."""
        if not self.has_callbacks:
            yield
            return
        self._context.max_subtasks = n_subtasks
        self._context.call_on_fit_task_begin(**self._given)
        attributes = None
        try:
            yield
            attributes = dict(vars(self._given["estimator"]))
        finally:
            self._context.call_on_fit_task_end(**self._given, reconstruction_attributes=attributes)

    def report(self, member):
        """Report that the member of this number, from 0, is fitted."""
        task = self._context.subcontext(task_name="member", task_id=member)
        task.call_on_fit_task_begin(**self._given)
        task.call_on_fit_task_end(**self._given)

    @contextmanager
    def repeating(self, model, name, number):
        """Within the block, repeat the tasks of a model of a blend as tasks of the blend."""
        if not self.has_callbacks:
            yield
            return
        ensemble = last_of(model)
        callbacks = getattr(ensemble, "_skl_callbacks", [])
        ensemble.set_callbacks(*callbacks, _Repeater(self._context, self._given, name, number))
        yield
        for fitted in (ensemble, last_of(model)):  # a TransformedTargetRegressor fits a clone
            fitted.set_callbacks(*callbacks)


class _Repeater:
    """A callback that repeats the tasks of an ensemble as tasks of the blend that it is a model of."""

    def __init__(self, context, given, name, number):
        self.context, self.given, self.name, self.number = context, given, name, number
        self.tasks = {}

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = setup

    def on_fit_task_begin(self, estimator, context):
        """Begin the task of the blend: for the fit of the model, or within a task that has begun."""
        above, name, number = self.context, self.name, self.number
        if id(context.parent) in self.tasks:
            above, name, number = self.tasks[id(context.parent)], context.task_name, context.task_id
        task = above.subcontext(name, number, context.max_subtasks, sequential_subtasks=False)
        self.tasks[id(context)] = task
        task.call_on_fit_task_begin(**self.given)

    def on_fit_task_end(self, estimator, context):
        """End the task of the blend."""
        self.tasks.pop(id(context)).call_on_fit_task_end(**self.given)
