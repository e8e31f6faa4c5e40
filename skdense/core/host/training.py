"""Training networks: the host's side of the training program.

A network's program is made and runs, chunk by chunk, in another thread, where no signal interrupts
TensorFlow's code. Meanwhile, the caller's thread draws the orders of the next chunk. Between chunks it
calls observers.
"""

from collections.abc import Callable, Sequence
from math import inf
from queue import Empty, SimpleQueue
from threading import Event

from skdense.core.host.orders import Orders
from skdense.core.host.planning import Group
from skdense.core.host.run import ProgramRun
from skdense.core.host.tables import Tables
from skdense.core.machine.threads import apart, call_all
from skdense.core.network import Network
from skdense.core.numbers import Curves

Observe = Callable[[Curves, ProgramRun], bool]
"""`observe(curves, run)` is called between chunks with the curves of new epochs. The method
`run.write_back` gives the network what it has become so far. Training ends if it returns True."""


def train(
    groups: Sequence[Group],
    n_threads: int = 1,
    *,
    until: float = inf,
    trained: Callable[[Network], None] | None = None,
    observe: Observe | None = None,
    each_epoch: bool = False,
) -> bool:
    """Train networks, each with the result of training it alone, up to rounding.

    They are given their trained parameters, slots, progress and curves. A network that is not at its
    end goes on when it is trained again, bit for bit as if it had not paused.

    Parameters
    ----------
    groups : list of Group
        The networks. One of each group is begun first, and then the others in this order.
    n_threads : int
        How many networks to train at the same time. The only network, or with one thread all of them,
        are trained in the caller's thread.
    until : float
        Every network pauses once it has trained this many epochs in all.
    trained : callable, default=None
        Called with each network once it has stopped or paused, in the thread that trains it.
    observe : callable, default=None
        Watches the training of a single network, in the caller's thread.
    each_epoch : bool, default=False
        Whether every chunk ends with the epoch.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the training. Networks keep what they have reached; chunks that are running
        end by themselves, and their results are dropped.
    """
    stop = Event()
    queue: SimpleQueue = SimpleQueue()
    tables = Tables(network for group in groups for network in group.networks)
    # First one of each group, so that threads compile different programs at the same time.
    for position in slice(1), slice(1, None):
        for group in groups:
            for network in group.networks[position]:
                queue.put((group, network))

    def work() -> None:
        while not stop.is_set():
            try:
                group, network = queue.get_nowait()
            except Empty:
                return
            _train_one(group, network, tables, until, observe, each_epoch, stop)
            tables.release(network)
            if trained is not None and not stop.is_set():
                trained(network)

    n_threads = min(n_threads, queue.qsize())
    try:
        if n_threads == 1:
            work()
        else:
            call_all([work] * n_threads, stop.set)
    except KeyboardInterrupt:
        return True
    return False


def _train_one(
    group: Group,
    network: Network,
    tables: Tables,
    until: float,
    observe: Observe | None,
    each_epoch: bool,
    stop: Event,
) -> None:
    n_epochs = int(min(until, network.hyper.max_epochs) - network.progress.epochs)
    if not network.progress.active or n_epochs <= 0:
        return
    n_before, shape = network.progress.epochs, group.shape
    run = ProgramRun(group, network, tables)
    orders = Orders(network, shape.steps, shape.batch, n_epochs, each_epoch)
    try:
        chunk = orders.take(run.affordable_steps)
        while chunk is not None and not stop.is_set():
            running = apart(run.advance, chunk)
            chunk = orders.take(run.affordable_steps)
            if not running.wait(stop):
                break
            running.result()
            if observe is not None and observe(run.reached.curves[-1], run):
                stop.set()
            if not run.reached.scalars.progress.active:
                break
    finally:
        counters, progress, _ = run.write_back().scalars
        orders.end(int(progress.epochs - n_before) + (counters.position > 0))
