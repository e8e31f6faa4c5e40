"""Tasks in other threads: their results and errors, their threads, and the end of the process."""

import contextvars
import os
import sys
import threading

import pytest

from helpers import TIME_LIMIT, run_python, running_python
from skdense.core.machine import threads
from skdense.core.machine.threads import _MOST_IDLE, _idle, run_all, submit, wait_for_all


def test_a_call_has_its_result_or_raises_its_error_in_another_thread():
    assert submit(divmod, 7, 2).result() == (3, 1)
    assert submit(threading.get_ident).result() != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        submit(divmod, 1, 0).result()


def test_waiting_for_a_call_ends_with_it_or_as_soon_as_it_is_told_to():
    stop, go_on = threading.Event(), threading.Event()
    call = submit(go_on.wait, TIME_LIMIT)
    threading.Timer(0.01, stop.set).start()
    assert not call.wait(stop)
    go_on.set()
    assert call.wait(threading.Event())
    assert call.result()


def test_a_thread_is_reused_and_leaves_no_context_variable_to_the_next_task():
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(1)

    def set_variable():
        value = variable.get()
        variable.set(2)
        return threading.get_ident(), value

    submit(set_variable).result()
    [(_, value)] = {submit(set_variable).result() for _ in range(20)}
    assert value == 0


def test_calls_at_the_same_time_and_within_calls_have_threads_of_their_own():
    together = threading.Barrier(3, timeout=TIME_LIMIT)

    def meet():
        together.wait()
        return threading.get_ident(), submit(threading.get_ident).result()

    calls = [submit(meet) for _ in range(3)]
    assert len({call.result()[0] for call in calls}) == 3
    assert all(outer != inner for outer, inner in (call.result() for call in calls))


def test_the_first_error_of_many_asks_the_others_to_end_and_is_raised():
    stop = threading.Event()

    def fail():
        raise OverflowError

    with pytest.raises(OverflowError):
        run_all([lambda: stop.wait(TIME_LIMIT), fail], stop.set)
    assert stop.is_set()


def test_all_calls_can_be_waited_for():
    go_on, done = threading.Event(), []
    for i in range(3):
        submit(lambda i=i: (go_on.wait(TIME_LIMIT), done.append(i)))
    while len(done) < 3:
        go_on.set()
        wait_for_all()
    assert sorted(done) == [0, 1, 2]


def test_a_process_also_waits_for_a_call_whose_thread_has_not_begun(monkeypatch):
    threads_to_start = []
    monkeypatch.setattr(threads, "_idle", [])
    monkeypatch.setattr(threads, "start_new_thread", lambda *thread: threads_to_start.append(thread))

    call = submit(int, "7")

    assert call in threads._unfinished
    [(serve, arguments)] = threads_to_start
    threading.Thread(target=serve, args=arguments, daemon=True).start()
    wait_for_all()
    assert call.result() == 7
    assert call not in threads._unfinished


def test_of_many_threads_that_called_at_once_few_stay():
    all_call = threading.Barrier(_MOST_IDLE + 30, timeout=TIME_LIMIT)
    calls = [
        submit(lambda: (all_call.wait(), threading.get_native_id())) for _ in range(all_call.parties)
    ]
    assert len({thread for _, thread in (call.result() for call in calls)}) == all_call.parties
    assert len(_idle) == _MOST_IDLE


WITHOUT_MEMORY = """
import resource, threading
from skdense.core.machine.threads import one_blas_thread, submit

with one_blas_thread():
    before = [threading.Thread(target=int) for _ in range(3)]
    for thread in before:  # they leave memory for the stacks of others
        thread.start()
        thread.join()
usual = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (1, usual[1]))
errors = 0
for _ in range(3):
    try:
        submit(submit(submit, int).result).result()
        with one_blas_thread():
            submit(submit(submit, int).result).result()
    except (MemoryError, RuntimeError):
        errors += 1
resource.setrlimit(resource.RLIMIT_AS, usual)
with one_blas_thread() as n_threads:
    print(errors, n_threads > 0, submit(int, "7").result())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_where_there_is_no_memory_for_a_thread_a_call_raises_and_later_ones_are_made():
    """Such a thread may die before it begins, which nobody is told."""
    with running_python(WITHOUT_MEMORY) as process:
        output, errors = process.communicate(timeout=TIME_LIMIT)
    assert output == "3 True 7\n"
    assert "MemoryError" in errors  # of the threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    submit(int).result()
    child = os.fork()
    if child == 0:
        os._exit(submit(int, "7").result())
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


END_OF_PROCESS = """
import os, threading
from skdense.core.machine.threads import submit
begun = threading.Barrier(5)
def call(steps):
    begun.wait()
    for _ in steps:
        pass
    os.write(1, b"ended\\n")  # at once, unlike print
for daemon, steps in ((False, range(10**6)), (True, iter(int, 1))):  # the latter never end
    for caller in (lambda *call: submit(*call), lambda *call: submit(submit, *call)):
        threading.Thread(target=caller, args=(call, steps), daemon=daemon).start()
begun.wait()
"""


def test_the_end_of_a_process_waits_for_calls_but_not_for_those_of_daemon_threads():
    assert run_python(END_OF_PROCESS) == "ended\nended\n"
