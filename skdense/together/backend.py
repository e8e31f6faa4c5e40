"""The joblib backend "skdense": the networks that scikit-learn's own tools fit train together.

Each task of a `joblib.Parallel` runs in a thread of its own. When a task reaches the training of a
network, it waits for other tasks at a `Meeting`. Nothing here depends on the tool that calls joblib.
"""

from joblib.parallel import FallbackToBackend, ParallelBackendBase, get_active_backend

from skdense.together.calls import Call, Filters, Task, current_task, end_unstarted
from skdense.together.meeting import Meeting

_N_WORKERS = 256
"""How many workers joblib is told there are; it submits twice as many tasks in advance."""

_filters = Filters()


class TogetherBackend(ParallelBackendBase):
    """The interface to joblib: one instance for each `Parallel`, which makes one `Call` at a time.

    A positive `n_jobs` limits how many tasks may be running; None and negative numbers set no limit.
    """

    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True
    default_n_jobs = -1

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # The configuration that was active outside says where the networks are trained.
        backend, n_jobs = get_active_backend()
        self.outside = backend.outside if isinstance(backend, TogetherBackend) else (backend, n_jobs)
        self.parallel = None

    def configure(self, n_jobs=1, parallel=None, **kwargs):
        """Prepare for a `Parallel`; each one after the first in a configuration gets a new instance."""
        if self.parallel not in (None, parallel):
            raise FallbackToBackend(TogetherBackend(nesting_level=self.nesting_level))
        return super().configure(n_jobs, parallel, **kwargs)

    def effective_n_jobs(self, n_jobs):
        """The number of tasks that may be running."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        return _N_WORKERS if n_jobs is None or n_jobs < 0 else n_jobs

    def get_nested_backend(self):
        """The backend for calls of `Parallel` within a task, whose tasks come to the same meeting."""
        return TogetherBackend(nesting_level=(self.nesting_level or 0) + 1), None

    def start_call(self):
        """Begin a call of Parallel."""
        caller = current_task()
        meeting = Meeting(self.outside) if caller is None else caller.call.meeting
        n_jobs = self.effective_n_jobs(self.parallel.n_jobs)
        self.call = Call(meeting, caller, n_jobs, self.parallel._raise_error_fast)
        meeting.open(self.call)
        if caller is None:
            _filters.keep()

    def submit(self, func, callback=None):
        """Take a task. One submitted in the thread of a task that is over belongs to its call."""
        here = current_task()
        task = Task(here.call if here is not None and here.is_over else self.call, func, callback)
        if not task.call.meeting.take(task):
            end_unstarted(task)
        return task

    def retrieval_context(self):
        """The context in which joblib waits for results, once it has submitted all tasks."""
        return self.call

    def retrieve_result_callback(self, task):
        """Return the result of a task that is over, or raise its error."""
        if task.error is not None:
            raise task.error
        # No reference stays: the result may be a generator, which ends its call when it is deleted.
        result, task.result = task.result, None
        return result

    def abort_everything(self, ensure_ready=True):
        """End the call after an error or Ctrl-C."""
        self.call.abort()

    def stop_call(self):
        """End the call."""
        self.call.meeting.close(self.call)
        if self.call.caller is None:
            _filters.put_back()
