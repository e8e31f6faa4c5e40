"""Training stacks of networks: the host's side of the training program.

The host draws the orders of the next call while the program runs the last one, keeps the curves, and
answers Ctrl-C and observers between calls. More networks than a stack is high wait in a queue: where
one has stopped, the next takes its lane.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from time import perf_counter

import numpy as np

from skdense.core.compiling import compiled
from skdense.core.optimizers import OPTIMIZERS
from skdense.core.orders import Lane, Orders, sources_of
from skdense.core.program import ROWS, Clock, Shifts, State, training_program
from skdense.core.runtime import tf, to_tensor, view
from skdense.core.stack import CALL_SECONDS, Curves, Layout, Progress, stack_shape, steps_in
from skdense.core.tables import combine, make_table

_PADDED_BIAS = {"logistic": -1e4}
"""The bias of padded units whose activation of 0 is not 0."""

_SLOW = 2e9
"""Multiply-adds a second of a slow machine, until it is known how fast this one is."""


def train(spec, networks, observe=None, each_epoch=False, n_stacks=1):
    """Train networks of equal depth, each as if it were alone, to rounding.

    Ctrl-C ends the training and keeps what was reached.

    Parameters
    ----------
    spec : Spec
        What the networks have in common.
    networks : list of Network
        They are given their trained parameters, slots, progress and curves.
    observe : callable, default=None
        Called between calls of the program with a list of the `Curves` of new epochs, one for each
        lane, and the stack: its array `active` tells which lanes go on, its method `write_back` gives
        the networks in them what they have become so far. The training ends if it returns True.
    each_epoch : bool, default=False
        Whether every call of the program ends with the epoch.
    n_stacks : int, default=1
        How many stacks to train at the same time, each in a thread of its own.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """
    return train_groups([(spec, networks)], n_stacks, observe=observe, each_epoch=each_epoch)


def train_groups(groups, n_stacks, trained=None, observe=None, each_epoch=False, stop=None):
    """Train groups of networks, each a pair of the arguments of `train`, n_stacks stacks at a time.

    Stacks go to the groups with the fewest, the first of them first. `trained` is called with each
    network that has stopped, in the thread of its stack. An event `stop` that another thread sets ends
    the training early. Returns what `train` does.
    """
    plans = [_Plan(spec, networks) for spec, networks in groups]
    lock, stop = Lock(), stop or Event()

    def next_plan():
        with lock:
            waiting = [plan for plan in plans if plan.queue]
            plan = min(waiting, key=lambda plan: plan.n_stacks, default=None)
            if plan is not None:
                plan.n_stacks += 1
            return plan

    def work():
        interrupted = False
        try:
            while not (interrupted or stop.is_set()) and (plan := next_plan()):
                plan.start()
                with _Stack(plan) as stack:
                    interrupted = _run(stack, plan, observe, each_epoch, stop, trained)
                plan.end()
        except BaseException:
            stop.set()  # the other stacks end with the calls that are running
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


def _run(stack, plan, observe, each_epoch, stop, trained):
    """Train until no network is left; True if Ctrl-C ended it."""
    orders = Orders(plan.shape, stack.lanes, plan.steps_per_epoch, each_epoch)
    # The program releases the interpreter's lock, so a thread is enough to draw beside it. The call
    # has a thread too: Ctrl-C comes to this one, and finds the stack as a whole call has left it.
    with ThreadPoolExecutor(max_workers=2) as executor:

        def call(drawn):
            drawing = executor.submit(orders.take, stack.affordable_steps)
            return stack.advance(drawn), drawing.result()

        try:
            upcoming = orders.take(stack.affordable_steps)
            while upcoming is not None and not stop.is_set():
                news, upcoming = executor.submit(call, upcoming).result()
                if observe is not None and observe(news, stack):
                    stop.set()
                    break
                for k in stack.finished():
                    network, lane = stack.networks[k], stack.admit(k)
                    if trained is not None:
                        trained(network)
                    orders.replace(k, lane, upcoming)
                if not stack.active.any():
                    break
                upcoming = upcoming or orders.take(stack.affordable_steps)
        except KeyboardInterrupt:
            stop.set()
            return True
    return False


class _Plan:
    """What the stacks of a group share: the program, the tables, the queue of networks."""

    def __init__(self, spec, networks):
        self.spec, self.networks = spec, networks
        self.queue = deque(networks)
        self.n_stacks = 0
        self.shape = None
        self._places = {}
        self._lock = Lock()

    def start(self):
        """Make what all stacks need, unless it is there."""
        with self._lock:
            if self.shape is None:
                self.shape = stack_shape(self.spec, self.networks)
                self.layout = Layout(self.shape.layer_sizes)
                self.program = compiled(training_program, self.spec, self.shape)
                self.steps_per_epoch = max(network.steps_per_epoch for network in self.networks)
                self.sources = sources_of(self.networks)

    def end(self):
        """Let go of the tables, if this was the last stack."""
        with self._lock:
            self.n_stacks -= 1
            if not self.n_stacks:
                self._places.clear()

    def place(self, network):
        """The tables of a network's data and of its validation data, each with where it is there."""
        with self._lock:
            data = self._place("data", network, self.shape.table)
            if network.validation is None:
                return data, ((), 0, 0)
            if all(network.validation is network.data for network in self.networks):
                return data, data
            return data, self._place("validation", network, self.shape.validation)

    def _place(self, role, network, table_shape):
        """A table, the first row of the network's data in it, and the shift to its targets."""
        key = role, id(getattr(network, role))
        if key not in self._places:
            together = self.networks if self.shape.height > 1 else [network]
            data, starts = combine([getattr(network, role) for network in together])
            table = make_table(data, table_shape, self.spec.dtype)
            for name, (first, shift) in starts.items():
                self._places[role, name] = table, first, shift
        return self._places[key]


class _Stack:
    """The networks that go through the program together, one a lane: their state and their curves.

    As a context it leaves its networks with what they have become.
    """

    def __init__(self, plan):
        self.plan, shape = plan, plan.shape
        height, dtype, n_parameters = shape.height, plan.spec.dtype, plan.layout.n_parameters
        n_slots = OPTIMIZERS[plan.spec.optimizer].n_slots
        # The numbers are an array, the others arrays while lanes are filled and tensors in between.
        # A lane of zeros is one without a network: it never starts.
        self.state = State(
            numbers=np.zeros((ROWS[-1].stop, height)),
            parameters=np.zeros((height, n_parameters), dtype),
            slots=tuple(np.zeros((height, n_parameters), dtype) for _ in range(n_slots)),
            best=np.zeros((height, n_parameters if shape.n_blocks else 0), dtype),
        )
        self.validation_orders = np.zeros((shape.n_blocks, height, shape.batch), np.int32)
        self.networks = [None] * height
        self.curves = [[] for _ in range(height)]
        self.n_epochs = np.zeros(height, dtype=int)
        self.active = np.zeros(height, dtype=bool)
        self.affordable_steps = min(shape.steps, steps_in(CALL_SECONDS, shape, _SLOW))
        self._n_calls = 0
        self.lanes = [self.admit(k) for k in range(height)]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for k in range(len(self.networks)):
            self._release(k)

    @property
    def position(self):
        """How many steps of the epoch have been run."""
        return int(Clock(*self.state.numbers[ROWS.clock, 0]).position)

    def finished(self):
        """The lanes whose networks have stopped."""
        return [k for k, n in enumerate(self.networks) if n is not None and not self.active[k]]

    def admit(self, k):
        """Put the queue's next network, if any, in place of lane k's; return its `Lane` or None."""
        self._release(k)
        try:
            network = self.plan.queue.popleft()
        except IndexError:
            return None
        plan, shape = self.plan, self.plan.shape
        data, validation = plan.place(network)
        self.table, first_row, shift = data
        self.validation_table, first, validation_shift = validation
        if network.validation is not None:
            n_rows, rows = int(network.hyper.n_validation), network.validation_rows
            rows = first + (np.arange(n_rows) if rows is None else rows)
            # Padded with a row of the network's own: another's may be infinite times a weight of zero.
            order = np.full(shape.n_blocks * shape.batch, rows[0] if n_rows else first, np.int32)
            order[:n_rows] = rows
            validation_orders = np.array(self.validation_orders)
            validation_orders[:, k] = order.reshape(shape.n_blocks, shape.batch)
            self.validation_orders = validation_orders
        self._set_state(k, network, Shifts(shift, validation_shift))
        self.networks[k], self.active[k], self.n_epochs[k] = network, True, 0
        self.curves[k] = [Curves(*np.zeros((len(Curves._fields), 0)))]
        return Lane(network, plan.sources.get(network), first_row, shape.batch)

    def _set_state(self, k, network, shifts):
        if not isinstance(self.state.parameters, np.ndarray):
            self.state = tf.nest.map_structure(np.array, self.state)
        pack, dtype = self.plan.layout.pack, self.plan.spec.dtype
        numbers, parameters, slots, best = self.state
        numbers[ROWS.shifts, k] = shifts
        numbers[ROWS.hyper, k] = network.hyper
        numbers[ROWS.progress, k] = network.progress
        numbers[ROWS.sums, k] = 0
        bias_fill = _PADDED_BIAS.get(self.plan.spec.activation, 0.0)
        parameters[k] = pack(network.parameters, dtype, bias_fill)
        for i, slot in enumerate(slots):
            slot[k] = pack(network.slots[i], dtype) if network.slots else 0
        if best.size:
            best[k] = parameters[k]

    def advance(self, drawn):
        """Run the drawn steps; return the curves of the epochs that each lane has completed."""
        start = perf_counter()
        plan = self.plan
        most = max((n.hyper.n_validation for n in self.networks if n is not None), default=0)
        clock = Clock(
            drawn.n_steps, plan.steps_per_epoch, self.position, -(-int(most) // plan.shape.batch)
        )
        self.state.numbers[ROWS.clock] = np.array(clock)[:, None]
        self.validation_orders, state = tf.nest.map_structure(
            to_tensor, (self.validation_orders, self.state)
        )
        curves, state = plan.program(
            self.table, view(drawn.rows), self.validation_table, self.validation_orders, state
        )
        self.state = state._replace(numbers=np.array(state.numbers))
        progress = Progress(*self.state.numbers[ROWS.progress])
        self._n_calls += 1
        if self._n_calls > 1:  # the first call compiles
            seconds = (perf_counter() - start) / drawn.n_steps
            self.affordable_steps = max(1, min(plan.shape.steps, int(CALL_SECONDS / seconds)))
        self.active = progress.active > 0
        n_new = progress.epochs.astype(int) - self.n_epochs
        self.n_epochs += n_new
        # Copies, since a view would keep the curves of a whole call in memory.
        news = [
            Curves(*values[:n].T.copy()) for values, n in zip(curves.numpy().transpose(2, 0, 1), n_new)
        ]
        for old, new in zip(self.curves, news, strict=True):
            old.append(new)
        return news

    def write_back(self):
        """Give the networks what they have become."""
        for k in range(len(self.networks)):
            self._write_back(k)

    def _write_back(self, k):
        network, unpack = self.networks[k], self.plan.layout.unpack
        if network is None:
            return
        sizes = network.layer_sizes
        network.progress = Progress(*self.state.numbers[ROWS.progress, k].tolist())
        network.parameters = unpack(np.asarray(self.state.parameters)[k], sizes)
        network.slots = [unpack(np.asarray(slot)[k], sizes) for slot in self.state.slots]
        if network.hyper.early_stopping:
            network.best_parameters = unpack(np.asarray(self.state.best)[k], sizes)
        network.curves = Curves(*(np.concatenate(parts) for parts in zip(*self.curves[k])))

    def _release(self, k):
        """Take lane k's network out, with what it has become and its random state where it left it."""
        self._write_back(k)
        network, self.networks[k] = self.networks[k], None
        source = network and self.plan.sources.get(network)
        if source is not None:
            in_an_epoch = self.active[k] and self.position > 0
            source.leave(network, self.n_epochs[k] + in_an_epoch)
