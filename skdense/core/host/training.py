"""Training stacks of networks: the host's side of the training program.

The host draws the orders of the next chunk while the program runs the last one, and answers Ctrl-C and
observers between chunks. More networks than a stack is high wait in a queue: where one has stopped, the
next takes its lane.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Lock

from skdense.core.host.orders import Orders
from skdense.core.host.stack import Plan, Stack
from skdense.core.machine.interrupts import can_hold_ctrl_c, ctrl_c_held


class _Relay:
    """Calls a function for other threads, in the thread that waits for them.

    Observers need the thread of the caller of `fit`: scikit-learn's configuration is local to a thread,
    and plots may be, too.
    """

    def __init__(self, function, stop):
        self.function, self.stop = function, stop
        self.requests = SimpleQueue()

    def __call__(self, *arguments):
        """The result of the function, or True if the training stops, as nobody may serve any more."""
        reply = Future()
        self.requests.put((reply, arguments))
        while not wait([reply], timeout=0.1).done:
            if self.stop.is_set():
                return True
        return reply.result()

    def serve(self, futures):
        """Call the function whenever another thread asks for it, until the futures are done."""
        for future in futures:
            future.add_done_callback(lambda _: self.requests.put(None))
        for _ in futures:
            while (request := self.requests.get()) is not None:
                reply, arguments = request
                try:
                    result = self.function(*arguments)
                except BaseException as error:  # it belongs to the thread that asked
                    reply.set_exception(error)
                else:
                    reply.set_result(result)


def train(groups, n_stacks, trained=None, observe=None, each_epoch=False, stop=None):
    """Train networks, each with the result of training it alone, up to rounding.

    Ctrl-C ends the training and keeps what was reached.

    Parameters
    ----------
    groups : list of (Spec, list of Network)
        What the networks of a group, of equal depth, have in common, and the networks. They are given
        their trained parameters, slots, progress and curves.
    n_stacks : int
        How many stacks to train at the same time, each in a thread of its own. An idle thread takes
        the first of the groups with the fewest stacks.
    trained : callable, default=None
        Called with each network once it has stopped, in the thread of its stack.
    observe : callable, default=None
        Called between chunks, in the caller's thread, with a list of the `Curves` of new epochs, one
        for each lane, and the `Stack`: its array `active` tells which lanes go on, its method
        `write_back` gives the networks in them what they have become so far. The training ends if it
        returns True.
    each_epoch : bool, default=False
        Whether every chunk ends with the epoch.
    stop : threading.Event, default=None
        Ends the training early when another thread sets it.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """
    per_thread = sum(len(networks) for _, networks in groups) / n_stacks
    plans = [Plan(spec, networks, per_thread) for spec, networks in groups]
    lock, stop = Lock(), stop or Event()

    def next_plan(last):
        with lock:
            waiting = [last] if last and last.queue else [plan for plan in plans if plan.queue]
            plan = min(waiting, key=lambda plan: plan.n_stacks, default=None)
            if plan is not None:
                plan.n_stacks += 1
            if last is not None:
                last.n_stacks -= 1
            return plan

    def work():
        plan = None
        while not stop.is_set() and (plan := next_plan(plan)):
            _train_stack(plan, relay, each_epoch, stop, trained)

    relay = observe and _Relay(observe, stop)
    # A thread takes longer to start than partial_fit trains for.
    if n_stacks == 1 and relay is None and can_hold_ctrl_c():
        try:
            with ctrl_c_held(stop.set):
                work()
        except KeyboardInterrupt:
            return True
        return False
    running = [Future() for _ in range(n_stacks)]
    # Each training has a new executor: Ctrl-C within `submit` can leave one that counts an idle thread
    # too many.
    with ThreadPoolExecutor(n_stacks) as executor:
        try:
            for future in running:
                executor.submit(_settle, future, work, stop)
            if relay is not None:
                relay.serve(running)
            for future in running:
                future.result()
        except KeyboardInterrupt:
            return True
        finally:
            stop.set()
            wait([future for future in running if not future.cancel()])
    return False


def _settle(future, work, stop):
    """Set a future to the result of the work.

    The thread that waits has made the future, so Ctrl-C within `submit` cannot lose it.
    """
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:
            stop.set()  # the other stacks end with the chunks that are running
            future.set_exception(error)


def _train_stack(plan, observe, each_epoch, stop, trained):
    """Train networks of the plan's queue until none is left, or all is to stop."""
    # The program releases the interpreter's lock, so a thread is enough to draw beside it.
    with closing(Stack(plan)) as stack, ThreadPoolExecutor(1) as drawing:
        orders = Orders(plan.shape, stack.lanes, stack.steps_per_epoch, each_epoch)
        upcoming = orders.take(stack.affordable_steps)
        while upcoming is not None and not stop.is_set():
            is_last = orders.are_drawn and not stack.refills
            drawn = None if is_last else drawing.submit(orders.take, stack.affordable_steps)
            news = stack.advance(upcoming)
            upcoming = drawn and drawn.result()
            if observe is not None and observe(news, stack):
                stop.set()
            finished = {k: stack.networks[k] for k in stack.finished()}
            for k, lane in stack.admit(finished).items():  # the next networks of the queue
                orders.replace(k, lane, upcoming)
                if trained is not None:
                    trained(finished[k])
            if stop.is_set() or not stack.active.any():
                break
            upcoming = upcoming or orders.take(stack.affordable_steps)
