"""Training networks: each goes through a program chunk by chunk, several of them at the same time.

A thread leads each network: the caller's if they train one by one, else one of several. The program is
made and runs in a further thread, where no signal interrupts TensorFlow's code. Meanwhile, the leading
thread draws the order of the rows of the next chunk. Between chunks it calls the network's scorer, and
observers.
"""

import pickle
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from itertools import cycle
from threading import Event, Lock
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from skdense.core.formulas.optimizers import Chain
from skdense.core.formulas.schedules import progress_after_epoch, with_schedule_number
from skdense.core.host.planning import Bucket
from skdense.core.machine.compiling import program_of
from skdense.core.machine.costs import CHUNK_SECONDS, FIRST_CHUNK_SECONDS
from skdense.core.machine.tensorflow import aligned_zeros, n_at_once, tf, to_tensor, view
from skdense.core.machine.threads import run_all, submit
from skdense.core.network import Curves, Network, Parameters, Progress, Tensor
from skdense.core.program.epochs import Counters, Scalars, constants_of, split_scalars, training_program
from skdense.core.program.layout import Layout
from skdense.core.program.stores import Stores

# The method `run.write_back` updates the network with the training so far.
Observe = Callable[[Curves, "ProgramRun"], bool]
"""Called between chunks with the curves of new epochs and the run; training ends if it returns True."""


def train(
    buckets: Sequence[Bucket],
    n_jobs: int | None = None,
    *,
    until: float = np.inf,
    owners: Mapping[Network, Any] | None = None,
    after: Callable[[Any], None] | None = None,
    observe: Observe | None = None,
    each_epoch: bool = False,
    stop: Event | None = None,
) -> bool:
    """Train networks, each with the result of training it alone, up to rounding.

    Their parameters, slots, progress and curves are updated. A network that has paused before its end
    can be trained further, bit for bit as if it had not paused.

    Parameters
    ----------
    buckets : list of Bucket
        The networks. Training starts with one network per bucket, then takes the others in order.
    n_jobs : int, default=None
        How many networks to train at the same time, see `n_at_once`. The training of the only network,
        or with n_jobs=1 of each, is led by the caller's thread.
    until : float
        Each network pauses after this many epochs in all.
    owners : dict of Network to object, default=None
        The fit that each network belongs to, for `after`; by default the network itself.
    after : callable, default=None
        Called with an owner once all of its networks have stopped or paused, in the thread that
        trained the last one.
    observe : callable, default=None
        Called during the training of a single network, in the caller's thread.
    each_epoch : bool, default=False
        Whether every chunk ends with the epoch, as it does for networks with a scorer.
    stop : Event, default=None
        Once any thread sets it, training ends as after Ctrl-C. Ctrl-C and errors set it, too.

    Returns
    -------
    interrupted : bool
        Whether Ctrl-C or `stop` ended the training. Networks keep the state after their last finished
        chunk; chunks that are running end by themselves, and their results are dropped.
    """
    stop = stop or Event()
    networks = [(bucket, network) for bucket in buckets for network in bucket.networks]
    stores = Stores(network for _, network in networks)
    # First one of each bucket, so that threads compile different programs at the same time.
    networks.sort(key=lambda pair: pair[1] is not pair[0].networks[0])
    pending = iter(networks)  # each thread takes its next network from it
    owners, lock = owners or {network: network for _, network in networks}, Lock()
    n_left = Counter(owners.values())

    def work() -> None:
        for bucket, network in pending:
            _train_one(ProgramRun(bucket, network, stores), until, observe, each_epoch, stop)
            stores.release(network)
            if stop.is_set():
                return
            if after is not None:
                owner = owners[network]
                with lock:
                    n_left[owner] -= 1
                    is_last = not n_left[owner]
                if is_last:
                    after(owner)

    n_threads = 1 if len(networks) == 1 else n_at_once(len(networks), n_jobs)
    try:
        if n_threads == 1:
            work()
        else:
            run_all([work] * n_threads, stop.set)
    except BaseException as error:
        stop.set()
        if not isinstance(error, KeyboardInterrupt):
            raise
    return stop.is_set()


def _train_one(
    run: "ProgramRun", until: float, observe: Observe | None, each_epoch: bool, stop: Event
) -> None:
    network, n_before = run.network, run.network.progress.epochs
    n_epochs = int(min(until, network.hyper.max_epochs) - n_before)
    if not network.progress.active or n_epochs <= 0:
        return
    each_epoch |= network.scorer is not None
    source = Orders(network, run.shape.steps, run.shape.batch, n_epochs, each_epoch)
    try:
        chunk = source.next_chunk(run.affordable_steps)
        while chunk is not None and not stop.is_set():
            running = submit(run.advance, chunk)
            chunk = source.next_chunk(run.affordable_steps)
            if not running.wait(stop):
                break
            run.snapshot = run.scored(running.result())
            ends = observe is not None and observe(run.snapshot.curves[-1], run)
            if ends or not run.snapshot.scalars.progress.active:
                break
    finally:
        counters, progress, _ = run.write_back().scalars
        source.end(int(progress.epochs - n_before) + (counters.position > 0))


class Snapshot(NamedTuple):
    """The state of a training after a chunk, with the curves of each chunk so far.

    `tensors` are vectors: of the parameters, of each of the slots, and of the best parameters. There
    are none before the first chunk.
    """

    tensors: Sequence[Tensor]
    scalars: Scalars
    curves: tuple[Curves, ...]


class ProgramRun:
    """The training of one network by a program, which is made with the first chunk.

    Attributes
    ----------
    snapshot : Snapshot
        Snapshot after the last finished chunk. It is replaced as a whole, so that whatever interrupts
        the training finds it complete.
    affordable_steps : int
        The largest number of steps of the next chunk.
    program, training_store, to_validate, dropout
        Shared by all chunks, made with the first one.
    """

    def __init__(self, bucket: Bucket, network: Network, stores: Stores):
        self.network, self.spec, self.shape, self.stores = network, bucket.spec, bucket.shape, stores
        self.unpadded = Layout(network.layers, network.n_features)
        scalars = Scalars(Counters(), network.progress, Curves())
        self.snapshot = Snapshot((), scalars, (network.curves,))
        first_steps = FIRST_CHUNK_SECONDS / bucket.step_seconds
        self.affordable_steps = max(1, min(self.shape.steps, int(first_steps)))

    def advance(self, chunk: tuple[int, NDArray]) -> Snapshot:
        """Run a chunk, which is a number of steps and their rows; return the snapshot after it."""
        n_steps, orders = chunk
        before, network = self.snapshot, self.network
        is_first = not before.tensors
        tensors = self._enter() if is_first else before.tensors
        counters, progress, point = before.scalars
        counters = counters._replace(steps=0.0, epochs=0.0)
        hyper = network.hyper
        if network.scorer is not None:
            hyper = hyper._replace(early_stopping=0.0)  # the program leaves the best as they are
        constants = to_tensor(constants_of(self.spec, n_steps, hyper, network.settings))
        scalars = to_tensor(np.array([*counters, *progress, *point], np.float64))
        unchanged = self.training_store, view(orders), self.to_validate, self.dropout, constants
        arguments = tf.nest.flatten((unchanged, scalars, tensors))
        start = perf_counter()
        curves, scalars, *tensors = self.program(*arguments)
        seconds = (perf_counter() - start) / n_steps
        if not is_first:  # which may compile
            self.affordable_steps = max(1, min(self.shape.steps, int(CHUNK_SECONDS / seconds)))
        scalars = split_scalars(np.asarray(scalars).tolist())
        # A copy, as a view would keep the curves of a whole chunk in memory.
        new_curves = Curves(*np.asarray(curves)[: int(scalars.counters.epochs)].T.copy())
        return Snapshot(tensors, scalars, (*before.curves, new_curves))

    def scored(self, after: Snapshot) -> Snapshot:
        """The snapshot after a chunk, with the score of the network's scorer if an epoch has ended.

        The scorer's progress replaces that of the program, except for the number of steps.
        """
        network = self.network
        (parameters, *slots, best), (counters, progress, point), curves = after
        if network.scorer is None or not counters.epochs:
            return after
        *earlier, last = curves
        score = network.scorer(self._unpacked(parameters))
        before_end = self.snapshot.scalars.progress._replace(step=progress.step)
        before_end = Progress(*map(np.float64, before_end))
        settings = with_schedule_number(network.settings)
        ended, is_best = progress_after_epoch(before_end, network.hyper, settings, last.loss[-1], score)
        progress = Progress(*map(float, ended))
        rates, scores = np.array([progress.learning_rate]), np.array([score])
        last = last._replace(learning_rate=rates, validation_score=scores)
        tensors = [parameters, *slots, parameters if is_best else best]
        return Snapshot(tensors, Scalars(counters, progress, point), (*earlier, last))

    def _enter(self) -> list[Tensor]:
        """Make the program, the stores and all else that chunks share; return the first tensors."""
        network, shape, dtype = self.network, self.shape, self.spec.dtype
        self.program = program_of(training_program, self.spec, shape)
        self.training_store = self.stores.tensors(network.data, shape.training, dtype)
        dropout = np.array([network.dropout_seed, *network.dropout], np.float64)
        self.dropout = to_tensor(dropout) if network.dropout else ()
        validation_rows = aligned_zeros((shape.n_blocks, shape.block), np.int32)
        validation_store = ()
        if network.validation is not None and shape.validation is not None:
            rows = network.validation.row_numbers
            # Padded with the first row: another one may be infinite, and infinity times zero is NaN.
            validation_rows[...] = rows[0]
            validation_rows.reshape(-1)[: len(rows)] = rows
            validation_store = self.stores.tensors(network.validation, shape.validation, dtype)
        self.to_validate = validation_store, view(validation_rows)

        layout = shape.layout

        def zeros() -> NDArray:
            return aligned_zeros([layout.n_parameters], dtype)

        parameters = layout.pack_parameters(network.parameters, zeros())
        slots = [layout.pack_slot(slot, zeros()) for slot in network.slots]
        slots = slots or [zeros() for _ in range(Chain(self.spec).n_slots)]
        best = aligned_zeros([0], dtype)
        if shape.n_blocks:
            best = layout.pack_parameters(network.final_parameters, zeros())
        return [*map(view, (parameters, *slots, best))]

    def write_back(self) -> Snapshot:
        """Update the network to the last snapshot; return this snapshot.

        A chunk that is still running has no effect.
        """
        network, snapshot = self.network, self.snapshot
        if not snapshot.tensors:
            return snapshot
        parameters, *slots, best = snapshot.tensors
        # While all scores are NaN, the program's best parameters are those before training.
        has_best = network.hyper.early_stopping and snapshot.scalars.progress.best_value > -np.inf
        # One call, which Ctrl-C cannot interrupt.
        vars(network).update(
            parameters=self._unpacked(parameters),
            slots=[*map(self._unpacked, slots)],
            best_parameters=self._unpacked(best) if has_best else None,
            progress=snapshot.scalars.progress,
            curves=Curves(*map(np.concatenate, zip(*snapshot.curves))),
        )
        return snapshot

    def _unpacked(self, vector: Tensor) -> Parameters:
        """The network's parameters, or those of a slot, in a vector of the program."""
        return self.shape.layout.unpack(np.asarray(vector), self.unpadded)


# --- the orders of the rows --------------------------------------------------------------------------


_restoring = Lock()


def state_of(random_state: RandomState) -> dict:
    """A copy of the state of a random state."""
    return random_state.get_state(legacy=False)


class Orders:
    """The orders of a network, chunk by chunk: each epoch shuffles the last one's, as in MLPClassifier.

    They are drawn ahead of the training, into two buffers in turn, so that one can be read while the
    other is filled. A random state that others may see is not touched until `end`, which brings it to
    where training epoch by epoch would leave it.

    Parameters
    ----------
    network : Network
    steps, batch : int
        The most steps of a chunk, and the rows of a minibatch with its padding.
    n_epochs : int
        How many epochs to draw.
    each_epoch : bool
        Whether every chunk ends with the epoch.
    """

    def __init__(self, network: Network, steps: int, batch: int, n_epochs: int, each_epoch: bool):
        self.network, self.random_state = network, network.random_state
        self.permutation = network.permutation
        if not network.owns_stream:
            self.before = state_of(network.random_state)
            self.random_state = deepcopy(network.random_state)
        # The last two states and how many epochs were drawn by then: a network that stops is at most
        # one chunk behind what is drawn.
        self.checkpoints: list[tuple[int, dict]] = []
        self.rows, self.steps_per_epoch = network.data.row_numbers, int(network.hyper.steps_per_epoch)
        self.n_epochs, self.n_drawn, self.each_epoch = n_epochs, 0, each_epoch
        self.position = 0  # of the next chunk's first step in its epoch
        self.epoch = np.zeros((self.steps_per_epoch, batch), np.int32)
        self.buffers = cycle([aligned_zeros((steps, batch), np.int32) for _ in range(2)])

    def next_chunk(self, n_steps: int) -> tuple[int, NDArray] | None:
        """Draw the next chunk: how many steps it has, and their rows, int32 `(steps, batch)`.

        It has n_steps at most, and whole epochs if one fits. It is None if all is drawn.
        """
        if self.position or self.each_epoch:
            n_steps = min(n_steps, self.steps_per_epoch - self.position)
        if not self.position:
            epochs_left = self.n_epochs - self.n_drawn
            whole_epochs = n_steps // self.steps_per_epoch * self.steps_per_epoch
            n_steps = min(whole_epochs or n_steps, epochs_left * self.steps_per_epoch)
        if n_steps == 0:
            return None
        if not self.network.owns_stream:
            self.checkpoints = [*self.checkpoints[-1:], (self.n_drawn, state_of(self.random_state))]
        orders, done = next(self.buffers), 0
        while done < n_steps:
            if self.position == 0:
                self._draw_epoch()
            new = self.epoch[self.position :][: n_steps - done]
            orders[done : done + len(new)] = new
            done += len(new)
            self.position = (self.position + len(new)) % self.steps_per_epoch
        return n_steps, orders

    def _draw_epoch(self) -> None:
        """Lay out the order of the rows in the next epoch."""
        self.n_drawn += 1
        rows, size = self.rows, int(self.network.hyper.batch_size)
        if self.network.shuffle:
            shuffled = self.random_state.permutation(len(rows))
            self.permutation = shuffled if self.permutation is None else self.permutation[shuffled]
            rows = rows[self.permutation]
        full, rest = divmod(len(rows), size)
        self.epoch[:full, :size] = rows[: full * size].reshape(full, -1)
        # Positions behind a minibatch's last row have weight zero. They repeat its first row, since
        # another row may have infinite values, which times zero would be NaN.
        self.epoch[:, size:] = self.epoch[:, :1]
        if rest:
            self.epoch[full, :rest] = rows[full * size :]
            self.epoch[full, rest:] = rows[full * size]

    def end(self, n_epochs: int) -> None:
        """Leave the network's random state and order as they are after drawing for n_epochs epochs.

        The one that has begun is among them. A state that nobody else sees is left where it is, as is
        one that others have drawn from meanwhile, and the order of a network that has stopped.
        """
        if self.n_drawn == n_epochs:  # else it has stopped early, and never goes on
            self.network.permutation = self.permutation
        if self.network.owns_stream or not self.network.shuffle:
            return
        if self.n_drawn > n_epochs:
            n_drawn, state = [point for point in self.checkpoints if point[0] <= n_epochs][-1]
            self.random_state.set_state(state)
            for _ in range(n_epochs - n_drawn):
                self.random_state.permutation(len(self.rows))
        with _restoring:
            # Others may have drawn meanwhile, for instance from NumPy's global state: it stays as they
            # left it. Pickles compare the arrays and numbers of two states at once.
            if pickle.dumps(state_of(self.network.random_state)) == pickle.dumps(self.before):
                self.network.random_state.set_state(state_of(self.random_state))
