"""Stacks: networks of unequal widths that go through one program together, each in its own lane."""

import math
from collections import Counter, deque
from threading import Lock
from time import perf_counter

import numpy as np

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.optimizers import OPTIMIZERS
from skdense.core.host.orders import Lane, sources_of
from skdense.core.host.tables import combine, make_table, table_shape
from skdense.core.machine import shapes
from skdense.core.machine.compiling import compiled
from skdense.core.machine.garbage import give_back_freed
from skdense.core.machine.memory import aligned_zeros
from skdense.core.machine.runtime import tf, to_array, to_tensor, view
from skdense.core.network import Curves, Progress
from skdense.core.program.layout import Layout
from skdense.core.program.minibatches import as_tensors
from skdense.core.program.packed import N_NUMBERS, ROWS, Clock, Shifts
from skdense.core.program.program import Rows, Shape, State, training_program


def stack_shape(spec, networks, per_thread):
    """The bucket that stacks of these networks, of equal depth, belong in.

    `per_thread` is the number of networks for each thread, those of other groups included: unless it
    fills a stack, some threads would have nothing to do. Higher stacks have the rows of all networks in
    one table, the others those of one network at a time.
    """
    layer_sizes = shapes.padded_sizes(networks)
    batch = shapes.bucket(max(network.padded_batch for network in networks))
    gains = shapes.stacks_gain(spec.dtype, batch, layer_sizes)
    are_enough = min(len(networks), per_thread) >= shapes.STACK_HEIGHT
    height = shapes.STACK_HEIGHT if gains and are_enough else 1
    validation, n_blocks = None, 0
    if networks[0].validation is not None:
        validation = table_shape([n.validation for n in networks], layer_sizes, height > 1)
        most = max(network.hyper.n_validation for network in networks)
        n_blocks = shapes.power_of_two(math.ceil(most / batch))
    data = [network.data for network in networks]
    shape = Shape(
        height=height,
        steps=1,
        batch=batch,
        layer_sizes=layer_sizes,
        table=table_shape(data, layer_sizes, height > 1),
        validation=validation,
        n_blocks=n_blocks,
    )
    return shape._replace(steps=_room_for_steps(shape))


def _room_for_steps(shape):
    """As many steps, a power of two, as a fast machine runs in a chunk's time and memory allows."""
    most_bytes = shapes.MAX_ORDERS_BYTES / (4 * shape.height * shape.batch)
    most = min(_steps_in_a_chunk(shape, shapes.FAST), most_bytes, shapes.MAX_STEPS)
    return 2 ** max(2, math.floor(math.log2(most)))


def _steps_in_a_chunk(shape, machine):
    """How many steps this machine runs in a chunk's time; at least one."""
    sizes = (shape.table.row_entries or shape.layer_sizes[0], *shape.layer_sizes[1:])
    seconds = shape.height * machine.seconds(shapes.step_multiply_adds(shape.batch, sizes))
    return max(1, int(shapes.CHUNK_SECONDS / seconds))


class Plan:
    """What the stacks of a group share: the program, the tables, the queue of networks.

    Where all networks are validated on a part of their data, one table serves both.
    """

    def __init__(self, spec, networks, per_thread):
        self.spec, self.networks, self.per_thread = spec, networks, per_thread
        self.queue = deque(networks)
        self.is_large = any(shapes.is_large(network.data.X) for network in networks)
        self.n_stacks = 0
        self.shape = None
        self._tables = {}
        self._lock = Lock()

    def start(self):
        """Make what all stacks need, unless it is there."""
        with self._lock:
            if self.shape is None:
                self.shape = stack_shape(self.spec, self.networks, self.per_thread)
                self.layout = Layout(self.shape.layer_sizes)
                self.program = compiled(training_program, self.spec, self.shape)
                self.sources = sources_of(self.networks)
                self._splits = all(network.validation is network.data for network in self.networks)
                self._n_users = Counter(key for n in self.networks for key in self._keys(n))

    def next_network(self):
        """The next of the queue, or None."""
        try:
            return self.queue.popleft()
        except IndexError:
            return None

    def tables(self, network):
        """The tables of a network's data and validation data, each as `_table` returns it."""
        with self._lock:
            data = self._table("data", network, self.shape.table)
            if network.validation is None:
                return data, ((), 0, 0)
            if self._splits:
                return data, data
            return data, self._table("validation", network, self.shape.validation)

    def release(self, network):
        """Let go of the tables that no other network uses any more."""
        with self._lock:
            for key in self._keys(network):
                self._n_users[key] -= 1
                if not self._n_users[key]:
                    self._tables.pop(key, None)

    def _keys(self, network):
        return [("data", network.data), ("validation", network.validation)]

    def _table(self, role, network, its_shape):
        """A table, the network's first row in it, and the shift from a row to its targets."""
        key = role, getattr(network, role)
        if key not in self._tables:
            together = self.networks if self.shape.height > 1 else [network]
            data, offsets = combine([getattr(network, role) for network in together])
            table = as_tensors(make_table(data, its_shape, self.spec.dtype))
            for one, (first_row, shift) in offsets.items():
                self._tables[role, one] = table, first_row, shift
        return self._tables[key]


class Stack:
    """The networks that go through a program together, one a lane: their state and their curves.

    All lanes have epochs of the same number of steps; those beyond a network's own leave it unchanged.
    When one of several lanes becomes free, the next network takes it. A stack of one ends with its
    network, as the next one may have shorter epochs.

    Attributes
    ----------
    networks : list of Network or None
        The network in each lane.
    active : ndarray of bool of shape (K,)
        Whether a lane's network goes on.
    lanes : list of Lane or None
        What their orders are drawn for.
    affordable_steps : int
        How many steps a chunk may have.
    """

    def __init__(self, plan):
        plan.start()
        self.plan, shape = plan, plan.shape
        height, dtype, n_parameters = shape.height, plan.spec.dtype, plan.layout.n_parameters
        self.networks = [None] * height
        self.curves = [[] for _ in range(height)]
        self.n_epochs = np.zeros(height, dtype=int)
        self.active = np.zeros(height, dtype=bool)
        self.affordable_steps = min(shape.steps, _steps_in_a_chunk(shape, shapes.SLOW))
        self._n_chunks = 0
        # The host reads and sets the numbers between chunks. Zeros are a lane without network, which is
        # not active, so the program leaves it unchanged.
        self.numbers = np.zeros((N_NUMBERS, height))
        self.dropout = np.zeros((len(shape.layer_sizes) - 1, height)) if plan.spec.dropout else ()
        n_slots = OPTIMIZERS[plan.spec.optimizer].n_slots
        state = State(
            parameters=aligned_zeros((height, n_parameters), dtype),
            slots=tuple(aligned_zeros((height, n_parameters), dtype) for _ in range(n_slots)),
            best=aligned_zeros((height, n_parameters if shape.n_blocks else 0), dtype),
        )
        validation_orders = aligned_zeros((shape.n_blocks, height, shape.batch), np.int32)
        newcomers = {k: plan.next_network() for k in range(height)}
        together = newcomers.values() if height == 1 else plan.networks
        self.steps_per_epoch = max((n.steps_per_epoch for n in together if n is not None), default=1)
        self.lanes = [*self._fill(newcomers, state, validation_orders).values()]

    def close(self):
        """Take all networks out."""
        for k in range(len(self.networks)):
            self._release(k)

    @property
    def position(self):
        """How many steps of the epoch have been run."""
        return int(Clock(*self.numbers[ROWS.clock, 0]).position)

    @property
    def refills(self):
        """Whether other networks are to come."""
        return len(self.networks) > 1 and bool(self.plan.queue)

    def finished(self):
        """The lanes whose networks have stopped."""
        return [k for k, n in enumerate(self.networks) if n is not None and not self.active[k]]

    def admit(self, lanes):
        """Replace the networks in these lanes by the next ones of the queue, as far as it has any.

        Return the `Lane` of each new network, or None, by the number of the lane.
        """
        newcomers = {}
        for k in lanes:
            self._release(k)
            newcomers[k] = self.plan.next_network() if self.refills else None
        if not any(newcomers.values()):
            return newcomers
        return self._fill(newcomers, self.state.map(to_array), to_array(self.validation_orders))

    def _fill(self, newcomers, state, validation_orders):
        """Write newcomers into their lanes of these arrays, which the program uses from now on."""
        lanes = {}
        for k, network in newcomers.items():
            lanes[k] = None
            if network is not None:
                first_row = self._set_rows(k, network, validation_orders)
                self._set_state(k, network, state)
                self.networks[k], self.active[k], self.n_epochs[k] = network, True, 0
                self.curves[k] = [Curves(*np.zeros((len(Curves._fields), 0)))]
                source = self.plan.sources.get(network)
                lanes[k] = Lane(network, source, first_row, self.plan.shape.batch)
        self.state, self.validation_orders = state.map(view), view(validation_orders)
        return lanes

    def _set_rows(self, k, network, validation_orders):
        """Use the tables that have a network's rows; return the first row of its data."""
        data, validation = self.plan.tables(network)
        self.table, first_row, shift = data
        self.validation_table, first, validation_shift = validation
        self.numbers[ROWS.shifts, k] = Shifts(shift, validation_shift)
        if network.validation is not None:
            n_rows, rows = int(network.hyper.n_validation), network.validation_rows
            rows = first + (np.arange(n_rows) if rows is None else rows)
            # Padded with the network's own row: an infinite one of another, times zero, would be NaN.
            order = np.full(validation_orders[:, k].size, rows[0] if n_rows else first, np.int32)
            order[:n_rows] = rows
            validation_orders[:, k] = order.reshape(validation_orders[:, k].shape)
        return first_row

    def _set_state(self, k, network, state):
        pack_into = self.plan.layout.pack_into
        self.numbers[ROWS.hyper, k] = network.hyper
        self.numbers[ROWS.progress, k] = network.progress
        self.numbers[ROWS.sums, k] = 0
        if self.plan.spec.dropout:
            self.dropout[:, k] = network.dropout
        padded_bias = ACTIVATIONS[self.plan.spec.activation].padded_bias
        pack_into(state.parameters[k], network.parameters, padded_bias)
        for i, slot in enumerate(state.slots):
            if network.slots:
                pack_into(slot[k], network.slots[i])
            else:
                slot[k] = 0
        if state.best.size:
            state.best[k] = state.parameters[k]

    def advance(self, chunk):
        """Run a `Chunk`; return the curves of the epochs that each lane has completed."""
        start = perf_counter()
        plan = self.plan
        most = max((n.hyper.n_validation for n in self.networks if n is not None), default=0)
        clock = Clock(
            chunk.n_steps, self.steps_per_epoch, self.position, -(-int(most) // plan.shape.batch)
        )
        self.numbers[ROWS.clock] = np.array(clock)[:, None]
        arguments = (
            Rows(self.table, view(chunk.orders)),
            Rows(self.validation_table, self.validation_orders),
            to_tensor(self.numbers),
            to_tensor(self.dropout) if plan.spec.dropout else (),
            self.state,
        )
        curves, numbers, parameters, *slots, best = plan.program(*tf.nest.flatten(arguments))
        self.state = State(parameters, tuple(slots), best)
        self.numbers = np.array(numbers)
        progress = Progress(*self.numbers[ROWS.progress])
        self._n_chunks += 1
        if self._n_chunks > 1:  # the first compiles
            seconds = (perf_counter() - start) / chunk.n_steps
            self.affordable_steps = max(1, min(plan.shape.steps, int(shapes.CHUNK_SECONDS / seconds)))
        elif plan.is_large:
            give_back_freed()  # by compiling
        self.active = progress.active > 0
        n_new = progress.epochs.astype(int) - self.n_epochs
        self.n_epochs += n_new
        # Copies, since a view would keep the curves of a whole chunk in memory.
        of_lanes = np.asarray(curves).transpose(2, 0, 1)
        news = [Curves(*values[:n].T.copy()) for values, n in zip(of_lanes, n_new, strict=True)]
        for so_far, new in zip(self.curves, news, strict=True):
            so_far.append(new)
        return news

    def write_back(self):
        """Update the networks to what they have become in the stack."""
        for k in range(len(self.networks)):
            self._write_back(k)

    def _write_back(self, k):
        network, unpack = self.networks[k], self.plan.layout.unpack
        if network is None:
            return
        sizes = network.layer_sizes
        network.progress = Progress(*self.numbers[ROWS.progress, k].tolist())
        network.parameters = unpack(np.asarray(self.state.parameters)[k], sizes)
        network.slots = [unpack(np.asarray(slot)[k], sizes) for slot in self.state.slots]
        if network.hyper.early_stopping:
            network.best_parameters = unpack(np.asarray(self.state.best)[k], sizes)
        network.curves = Curves(*(np.concatenate(parts) for parts in zip(*self.curves[k])))

    def _release(self, k):
        """Take the network out of lane k, and update it and its random state."""
        self._write_back(k)
        network, self.networks[k] = self.networks[k], None
        if network is None:
            return
        self.plan.release(network)
        source = self.plan.sources.get(network)
        if source is not None:
            in_an_epoch = self.active[k] and self.position > 0
            source.leave(network, self.n_epochs[k] + in_an_epoch)
        self.lanes[k] = None
        if self.plan.is_large:
            give_back_freed()  # its rows, and the orders of its epochs
