"""One network in its program: its state there, chunk by chunk, and back."""

from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skdense.core.formulas.optimizers import OPTIMIZERS
from skdense.core.host.orders import Chunk
from skdense.core.host.planning import Group
from skdense.core.host.tables import Tables
from skdense.core.machine.compiling import compiled
from skdense.core.machine.costs import CHUNK_SECONDS
from skdense.core.machine.memory import aligned_zeros, to_tensor, view
from skdense.core.machine.tensorflow import tf
from skdense.core.network import Network
from skdense.core.numbers import Curves, Parameters, Tensor
from skdense.core.program.epochs import (
    Batches,
    Counters,
    Epoch,
    Limits,
    Scalars,
    State,
    pack_scalars,
    pack_settings,
    split_scalars,
    training_program,
)
from skdense.core.program.layout import Layout


class Reached(NamedTuple):
    """How far a training is: all that a chunk changes, with the curves of each chunk so far.

    There is no state in the program before the first chunk.
    """

    state: State | None
    scalars: Scalars
    curves: tuple[Curves, ...]


class ProgramRun:
    """A network that goes through a program, which is made with the first chunk.

    Attributes
    ----------
    reached : Reached
        Snapshot after the last finished chunk. It is replaced as a whole, so that whatever interrupts
        the training finds it complete.
    affordable_steps : int
        How many steps a chunk may have.
    """

    def __init__(self, group: Group, network: Network, tables: Tables):
        self.network, self.spec, self.shape, self.tables = network, group.spec, group.shape, tables
        curves = () if network.curves is None else (network.curves,)
        self.reached = Reached(None, Scalars(Counters(), network.progress, Epoch()), curves)
        self.affordable_steps, self.n_chunks = group.first_steps, 0

    def _enter(self) -> State:
        """Make what all chunks share; return the state before the first."""
        network, tables = self.network, self.tables
        self.program = compiled(training_program, self.spec, self.shape)
        self.table = tables.table(network.data, self.shape.table, self.spec.dtype)
        self.validation = self._validation(tables)
        self.dropout = to_tensor(np.array(network.dropout)) if network.dropout else ()
        return self._packed_state()

    def _validation(self, tables: Tables) -> Batches:
        network, shape = self.network, self.shape
        orders = aligned_zeros((shape.n_blocks, shape.block), np.int32)
        if network.validation is None or shape.validation is None:
            return Batches((), view(orders))
        rows = network.validation.own_rows
        # Padded with the first row: another one may be infinite, and infinity times zero is NaN.
        orders[...] = rows[0] if len(rows) else 0
        orders.reshape(-1)[: len(rows)] = rows
        return Batches(
            tables.table(network.validation, shape.validation, self.spec.dtype), view(orders)
        )

    def _packed_state(self) -> State:
        network = self.network
        slots = network.slots or [[]] * OPTIMIZERS[self.spec.optimizer].n_slots
        best = network.final_parameters if self.shape.n_blocks else None
        return State(
            self._packed(network.parameters), tuple(map(self._packed, slots)), self._packed(best)
        )

    def _packed(self, parameters: Parameters | None) -> Tensor:
        """The tensor of parameters; of zeros for [], and without entries for None."""
        n_parameters = 0 if parameters is None else self.shape.layout.n_parameters
        vector = aligned_zeros([n_parameters], self.spec.dtype)
        if parameters:
            self.shape.layout.pack_into(vector, parameters)
        return view(vector)

    def advance(self, chunk: Chunk) -> None:
        """Run a `Chunk`; only at its end, `reached` is replaced."""
        start, before = perf_counter(), self.reached
        state = self._enter() if before.state is None else before.state
        hyper = self.network.hyper
        n_blocks = -(-int(hyper.n_validation) // self.shape.block) if self.shape.block else 0
        counters = before.scalars.counters._replace(steps=0.0, epochs=0.0)
        limits = Limits(chunk.n_steps, self.network.steps_per_epoch, n_blocks)
        arguments = (
            Batches(self.table, view(chunk.orders)),
            self.validation,
            to_tensor(pack_settings(limits, hyper)),
            to_tensor(pack_scalars(before.scalars._replace(counters=counters))),
            self.dropout,
            state,
        )
        curves, scalars, parameters, *slots, best = self.program(*tf.nest.flatten(arguments))
        scalars = split_scalars(np.asarray(scalars).tolist())
        new = _curves_of(np.asarray(curves)[: int(scalars.counters.epochs)])
        self._note_time((perf_counter() - start) / chunk.n_steps)
        state = State(parameters, tuple(slots), best)
        self.reached = Reached(state, scalars, (*before.curves, new))

    def _note_time(self, seconds: float) -> None:
        self.n_chunks += 1
        if self.n_chunks > 1:  # the first compiles
            self.affordable_steps = max(1, min(self.shape.steps, int(CHUNK_SECONDS / seconds)))

    def write_back(self) -> Reached:
        """Update the network to what it has become in the program; return how far that is.

        A chunk that is still running changes nothing of it.
        """
        network, reached = self.network, self.reached
        state, scalars, curves = reached
        if state is None:
            return reached
        own_layout = Layout(network.layers, network.n_features)

        def unpacked(vector: Tensor) -> Parameters:
            return self.shape.layout.unpack(np.asarray(vector), own_layout)

        best = unpacked(state.best) if network.hyper.early_stopping else None
        # One call, which Ctrl-C cannot interrupt.
        vars(network).update(
            parameters=unpacked(state.parameters),
            slots=[*map(unpacked, state.slots)],
            best_parameters=best,
            progress=scalars.progress,
            curves=Curves(*map(np.concatenate, zip(*curves))) if curves else None,
        )
        return reached


def _curves_of(values: NDArray) -> Curves:
    """`Curves` from the rows of a program's curves; those that it does not compute are NaN.

    They are copies: a view would keep the curves of a whole chunk in memory.
    """
    columns = np.full((len(Curves._fields), len(values)), np.nan)
    columns[: values.shape[1]] = values.T
    return Curves(*columns)
