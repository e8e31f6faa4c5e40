"""Training stacks of networks: the host's side of the training program.

The host draws the orders of the next chunk while the program runs the last one, and answers Ctrl-C and
observers between chunks. More networks than a stack is high wait in a queue: where one has stopped, the
next takes its lane.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

from skdense.core.orders import Orders
from skdense.core.stack import Plan, Stack


def train(groups, n_stacks, trained=None, observe=None, each_epoch=False, stop=None):
    """Train networks, each as if it were alone, to rounding.

    Ctrl-C ends the training and keeps what was reached.

    Parameters
    ----------
    groups : list of (Spec, list of Network)
        What the networks of a group, of equal depth, have in common, and the networks. They are given
        their trained parameters, slots, progress and curves.
    n_stacks : int
        How many stacks to train at the same time, each in a thread of its own. They go to the groups
        with the fewest, the first of them first.
    trained : callable, default=None
        Called with each network that has stopped, in the thread of its stack.
    observe : callable, default=None
        Called between chunks with a list of the `Curves` of new epochs, one for each lane, and the
        `Stack`: its array `active` tells which lanes go on, its method `write_back` gives the networks
        in them what they have become so far. The training ends if it returns True.
    each_epoch : bool, default=False
        Whether every chunk ends with the epoch.
    stop : threading.Event, default=None
        Ends the training early when another thread sets it.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """
    plans = [Plan(spec, networks) for spec, networks in groups]
    lock, stop = Lock(), stop or Event()

    def next_plan(last):
        with lock:
            waiting = [last] if last and last.queue else [plan for plan in plans if plan.queue]
            plan = min(waiting, key=lambda plan: plan.n_stacks, default=None)
            if plan is not None:
                plan.n_stacks += 1
            if last is not None:
                last.end()
            return plan

    def work():
        interrupted, plan = False, None
        # TensorFlow is called from a thread of its own: Ctrl-C comes to the main thread, where C++ that
        # asks Python for an attribute may swallow the exception and go on with half of what it wanted.
        with ThreadPoolExecutor(1) as computing:
            try:
                while not (interrupted or stop.is_set()) and (plan := next_plan(plan)):
                    stack = computing.submit(Stack, plan).result()
                    try:
                        interrupted = _run(stack, plan, observe, each_epoch, stop, trained, computing)
                    finally:
                        computing.submit(stack.close).result()
            except BaseException:
                stop.set()  # the other stacks end with the chunks that are running
                raise
        return interrupted

    if n_stacks == 1:
        return work()
    with ThreadPoolExecutor(n_stacks) as executor:
        try:
            running = [executor.submit(work) for _ in range(n_stacks)]
            return any(future.result() for future in running)
        except KeyboardInterrupt:
            return True
        finally:
            stop.set()


def _run(stack, plan, observe, each_epoch, stop, trained, computing):
    """Train until no network is left; True if Ctrl-C ended it, after the chunk that was running."""
    orders = Orders(plan.shape, stack.lanes, stack.steps_per_epoch, each_epoch)

    def end_chunk(news, upcoming):
        """Serve those who watch, and let other networks in; True if there is nothing left to train."""
        if observe is not None and observe(news, stack):
            stop.set()
        finished = {k: stack.networks[k] for k in stack.finished()}
        if finished:
            for k, lane in computing.submit(stack.admit, finished).result().items():
                orders.replace(k, lane, upcoming)
                if trained is not None:
                    trained(finished[k])
        return stop.is_set() or not stack.active.any()

    upcoming = orders.take(stack.affordable_steps)
    # The program releases the interpreter's lock, so a thread is enough to draw beside it.
    with ThreadPoolExecutor(1) as drawing:
        try:
            while upcoming is not None and not stop.is_set():
                running = computing.submit(stack.advance, upcoming)
                is_last = orders.are_drawn and not stack.refills
                drawn = None if is_last else drawing.submit(orders.take, stack.affordable_steps)
                news, upcoming = running.result(), None if is_last else drawn.result()
                if end_chunk(news, upcoming):
                    break
                upcoming = upcoming or orders.take(stack.affordable_steps)
        except KeyboardInterrupt:
            stop.set()
            return True
    return False
