"""Training a stack of networks: the host's side of the training program.

The host draws the orders of the next call while the program runs the last one, keeps the curves, and
answers Ctrl-C and observers between calls.
"""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep
from typing import NamedTuple

import numpy as np

from skdense.core.optimizers import OPTIMIZERS
from skdense.core.program import Clock, State, Sums, compiled
from skdense.core.runtime import check_not_forked, to_tensor
from skdense.core.stack import CALL_SECONDS, Curves, Hyper, Layout, Progress, stack_shape
from skdense.core.tables import make_table

_PADDED_BIAS = {"logistic": -1e4}
"""The bias of padded units whose activation of 0 is not 0."""

# What fills a stack up to its height: a network that never starts.
_IDLE_HYPER = Hyper(*[0.0] * len(Hyper._fields))._replace(batch_size=1.0)
_IDLE_PROGRESS = Progress(learning_rate=0.0, active=0.0)


def train(spec, networks, data, validation=None, observe=None, each_epoch=False):
    """Train networks of equal depth as one stack, each as if it were alone, to rounding.

    Ctrl-C ends the training and keeps what was reached.

    Parameters
    ----------
    spec : Spec
        What the networks have in common.
    networks : list of Network
        They are given their trained parameters, slots, progress and curves.
    data : Data
        The rows that all networks draw from.
    validation : Data, default=None
        The rows that they are validated on after each epoch; it may be `data` itself.
    observe : callable, default=None
        Called between calls of the program with a list of every network's `Curves` of its new epochs,
        and the run: its array `active` tells which networks go on, its method `write_back` gives the
        networks what they have become so far. The training ends if it returns True.
    each_epoch : bool, default=False
        Whether every call of the program ends with the epoch.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """
    check_not_forked()
    shape = stack_shape(networks, data, validation)
    run = _Run(spec, shape, networks, data, validation)
    orders = _Orders(networks, shape, each_epoch)
    interrupted = False
    # The program releases the interpreter's lock, so a thread is enough to draw beside it.
    with ThreadPoolExecutor(max_workers=1) as executor:
        try:
            upcoming = orders.take(orders.fewest)
            while upcoming is not None:
                call = executor.submit(run.advance, upcoming)
                upcoming = orders.take(run.affordable_steps, enough=call.done)
                news = call.result()
                orders.active = run.active
                stop = observe is not None and observe(news, run)
                if stop or not run.active.any():
                    break
        except KeyboardInterrupt:
            interrupted = True
    run.write_back()
    orders.rewind(run.n_epochs + (run.position > 0))
    return interrupted


class _Run:
    """A stack on its way through the program: its tables, its state, and its curves so far."""

    def __init__(self, spec, shape, networks, data, validation):
        self.spec, self.shape, self.networks = spec, shape, networks
        self.layout = Layout(shape.layer_sizes)
        self.program = compiled(spec, shape)
        self.table = make_table(data, shape.table, spec.dtype)
        if validation is None:
            self.validation_table = ()
        elif validation is data:
            self.validation_table = self.table
        else:
            self.validation_table = make_table(validation, shape.validation, spec.dtype)
        self.n_blocks, self.validation_orders = self._validation_orders()
        self.hyper = to_tensor(self._numbers([n.hyper for n in networks], _IDLE_HYPER))
        self.state = self._initial_state()
        self.position = 0
        self.n_epochs = np.zeros(len(networks), dtype=int)
        self.active = np.ones(len(networks), dtype=bool)
        self.curves = [[] for _ in networks]
        self.affordable_steps = shape.steps
        self._n_calls = 0

    def advance(self, drawn):
        """Run the drawn steps; return every network's curves of the epochs they completed."""
        start = perf_counter()
        clock = Clock(drawn.n_steps, drawn.steps_per_epoch, self.position, self.n_blocks)
        position, curves, self.state = self.program(
            to_tensor(np.array(clock, np.int32)),
            self.table,
            drawn.rows,
            self.validation_table,
            self.validation_orders,
            self.hyper,
            self.state,
        )
        self.position = int(position)
        progress = Progress(*self.state.progress.numpy()[:, : len(self.networks)])
        self._n_calls += 1
        if self._n_calls > 1:  # the first call compiles
            seconds = (perf_counter() - start) / drawn.n_steps
            self.affordable_steps = max(1, min(self.shape.steps, int(CALL_SECONDS / seconds)))
        self.active = progress.active > 0
        n_new = progress.epochs.astype(int) - self.n_epochs
        self.n_epochs += n_new
        news = [Curves(*values[:n, :].T) for values, n in zip(curves.numpy().transpose(2, 0, 1), n_new)]
        for old, new in zip(self.curves, news, strict=True):
            old.append(new)
        return news

    def write_back(self):
        """Give the networks what they have become."""
        progress = self.state.progress.numpy()
        parameters, best = self.state.parameters.numpy(), self.state.best.numpy()
        slots = [slot.numpy() for slot in self.state.slots]
        for k, network in enumerate(self.networks):
            sizes = network.layer_sizes
            network.progress = Progress(*progress[:, k].tolist())
            network.parameters = self.layout.unpack(parameters[k], sizes)
            network.slots = [self.layout.unpack(slot[k], sizes) for slot in slots]
            if network.hyper.early_stopping:
                network.best_parameters = self.layout.unpack(best[k], sizes)
            network.curves = Curves(*(np.concatenate(parts) for parts in zip(*self.curves[k])))

    def _numbers(self, numbers, idle):
        """Tuples of numbers, one a network, as a float64 array `(n_fields, height)`."""
        numbers = [*numbers, *[idle] * (self.shape.height - len(numbers))]
        return np.array(numbers, dtype=np.float64).T.copy()

    def _initial_state(self):
        dtype, layout, height = self.spec.dtype, self.layout, self.shape.height

        def stacked(parameters, bias_fill=0.0):
            stack = np.zeros((height, layout.n_parameters), dtype)
            for row, layers in zip(stack, parameters):
                if layers:
                    row[:] = layout.pack(layers, dtype, bias_fill)
            return to_tensor(stack)

        parameters = stacked(
            [network.parameters for network in self.networks],
            _PADDED_BIAS.get(self.spec.activation, 0.0),
        )
        n_slots = OPTIMIZERS[self.spec.optimizer].n_slots
        return State(
            progress=to_tensor(self._numbers([n.progress for n in self.networks], _IDLE_PROGRESS)),
            sums=to_tensor(np.zeros((len(Sums._fields), height))),
            parameters=parameters,
            slots=tuple(
                stacked([network.slots[i] if network.slots else None for network in self.networks])
                for i in range(n_slots)
            ),
            best=parameters if self.shape.n_blocks else parameters[:, :0],
        )

    def _validation_orders(self):
        n_blocks, height, batch = self.shape.n_blocks, self.shape.height, self.shape.batch
        orders = np.zeros((height, n_blocks * batch), np.int32)
        most = 0
        for k, network in enumerate(self.networks):
            n_rows = int(network.hyper.n_validation)
            rows = network.validation_rows
            orders[k, :n_rows] = np.arange(n_rows) if rows is None else rows
            most = max(most, n_rows)
        orders = orders.reshape(height, n_blocks, batch).transpose(1, 0, 2)
        return -(-most // batch), to_tensor(np.ascontiguousarray(orders))


class _Drawn(NamedTuple):
    """The orders of one call: `rows` is an int32 tensor `(steps, K, batch)`."""

    n_steps: int
    steps_per_epoch: int
    rows: object


class _Orders:
    """The row numbers of every step, drawn from the networks' random states epoch by epoch."""

    def __init__(self, networks, shape, each_epoch):
        self.shape, self.each_epoch = shape, each_epoch
        self.streams = [_Stream(network, shape.batch) for network in networks]
        self.active = np.ones(len(networks), dtype=bool)
        self.steps_per_epoch = max(len(stream.rows) for stream in self.streams)
        max_epochs = int(max(network.hyper.max_epochs for network in networks))
        self.n_left = self.steps_per_epoch * max_epochs
        self.position = 0
        self.fewest = max(1, shape.steps // 16)

    def take(self, n_steps, enough=lambda: True):
        """The next steps, at most n_steps; after the fewest, no further epoch once it is `enough`."""
        n_steps = min(n_steps, self.n_left)
        if self.each_epoch:
            n_steps = min(n_steps, self.steps_per_epoch - self.position)
        if n_steps == 0:
            return None
        for k in np.flatnonzero(self.active):
            self.streams[k].mark()
        rows = np.zeros((self.shape.steps, self.shape.height, self.shape.batch), np.int32)
        filled = 0
        while filled < n_steps:
            if self.position == 0 and filled >= self.fewest and enough():
                break
            n_new = min(n_steps - filled, self.steps_per_epoch - self.position)
            for k in np.flatnonzero(self.active):
                stream = self.streams[k]
                if self.position == 0:
                    stream.draw()
                new = stream.rows[self.position : self.position + n_new]
                rows[filled : filled + len(new), k] = new
            filled += n_new
            self.position = (self.position + n_new) % self.steps_per_epoch
            sleep(0)  # hands the interpreter's lock to the running call if it waits for it
        self.n_left -= filled
        return _Drawn(filled, self.steps_per_epoch, to_tensor(rows))

    def rewind(self, n_epochs):
        """Leave every random state where drawing `n_epochs[k]` orders leaves it."""
        for stream, n in zip(self.streams, n_epochs, strict=True):
            stream.rewind(n)


class _Stream:
    """One network's orders: `rows`, an epoch's row numbers, `(steps_per_epoch, batch)`.

    Each epoch's shuffle is composed with the last epoch's order, as in MLPClassifier.
    """

    def __init__(self, network, batch):
        self.random_state = network.random_state if network.shuffle else None
        n_samples = int(network.hyper.n_samples)
        self.batch_size = int(network.hyper.batch_size)
        self.order = np.arange(n_samples) if network.rows is None else network.rows
        self.identity = np.arange(n_samples)
        self.shuffled = np.arange(n_samples)
        self.rows = np.zeros((network.steps_per_epoch, batch), np.int32)
        self.n_drawn = 0
        self.marks = []

    def mark(self):
        """Remember the random state; only the last two marks can be needed."""
        if self.random_state is not None:
            state = self.random_state.get_state(legacy=False)
            self.marks = [*self.marks[-1:], (self.n_drawn, state)]

    def draw(self):
        """Put the next epoch's order into `rows`."""
        if self.random_state is not None:
            self._shuffle()
            self.order = self.order[self.shuffled]
        elif self.n_drawn > 0:
            return
        self.n_drawn += 1
        full, rest = divmod(len(self.order), self.batch_size)
        self.rows[:full, : self.batch_size] = self.order[: full * self.batch_size].reshape(full, -1)
        if rest:
            self.rows[full, :rest] = self.order[full * self.batch_size :]

    def rewind(self, n_epochs):
        """Set the random state to where it was after `n_epochs` draws."""
        if self.random_state is None or self.n_drawn == n_epochs:
            return
        n_drawn, state = [mark for mark in self.marks if mark[0] <= n_epochs][-1]
        self.random_state.set_state(state)
        for _ in range(n_epochs - n_drawn):
            self._shuffle()

    def _shuffle(self):
        self.shuffled[:] = self.identity
        self.random_state.shuffle(self.shuffled)
