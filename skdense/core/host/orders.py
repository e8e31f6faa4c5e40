"""The order of the rows in every minibatch step, drawn on the host from the network's random stream."""

import pickle
from copy import deepcopy
from itertools import cycle
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from skdense.core.machine.memory import aligned_empty
from skdense.core.network import Network

_restoring = Lock()


def state_of(random_state: RandomState) -> dict:
    """A copy of the state of a random state."""
    return random_state.get_state(legacy=False)


def restore(random_state: RandomState, state: dict, before: dict) -> None:
    """Bring a random state from the state `before` to another one, as drawing would.

    If somebody else has drawn from it meanwhile, as may happen to NumPy's global state, it stays as
    they left it.
    """
    with _restoring:
        # Pickles compare the arrays and numbers of two states at once.
        if pickle.dumps(state_of(random_state)) == pickle.dumps(before):
            random_state.set_state(state)


class Chunk(NamedTuple):
    """Steps to run in one call: the first n_steps of `orders`, int32 `(steps, batch)`."""

    n_steps: int
    orders: NDArray


class Stream:
    """Draws the order of the rows in each epoch by shuffling the last one, as in MLPClassifier.

    Orders are drawn ahead of the training, so a random state that others may see is not touched until
    `end`, which brings it to where training epoch by epoch would leave it.
    """

    def __init__(self, network: Network):
        self.network = network
        self.random_state = network.random_state
        if not network.owns_stream:
            self.before = state_of(network.random_state)
            self.random_state = deepcopy(network.random_state)
        self.n_samples = int(network.hyper.n_samples)
        self.order = network.order
        self.n_drawn = 0
        # The last two states and how many epochs were drawn by then: a network that stops is at most
        # one chunk behind what is drawn.
        self.checkpoints: list[tuple[int, dict]] = []

    def checkpoint(self) -> None:
        """Remember the state before a chunk is drawn, for `end`."""
        if not self.network.owns_stream:
            self.checkpoints = [*self.checkpoints[-1:], (self.n_drawn, state_of(self.random_state))]

    def next_order(self) -> NDArray:
        """The order of the rows in the next epoch."""
        shuffled = _shuffled(self.random_state, self.n_samples)
        self.order = shuffled if self.order is None else self.order[shuffled]
        self.n_drawn += 1
        return self.order

    def end(self, n_epochs: int) -> None:
        """Leave the network's random state and order as they are after drawing for n_epochs epochs."""
        if self.n_drawn == n_epochs:  # else it has stopped early, and never goes on
            self.network.order = self.order
        if self.network.owns_stream:
            return
        if self.n_drawn > n_epochs:
            n_drawn, state = [known for known in self.checkpoints if known[0] <= n_epochs][-1]
            self.random_state.set_state(state)
            for _ in range(n_epochs - n_drawn):
                _shuffled(self.random_state, self.n_samples)
        restore(self.network.random_state, state_of(self.random_state), self.before)


def _shuffled(random_state: RandomState, n: int) -> NDArray:
    numbers = np.arange(n)
    random_state.shuffle(numbers)
    return numbers


class Orders:
    """The orders of a network, chunk by chunk.

    They are drawn into two buffers in turn, so that one can be read while the other is filled.

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
        self.stream = Stream(network) if network.shuffle else None
        self.rows = network.data.own_rows
        self.batch_size = int(network.hyper.batch_size)
        self.steps_per_epoch, self.epochs_left = network.steps_per_epoch, n_epochs
        self.each_epoch = each_epoch
        self.position = 0  # of the next chunk's first step in its epoch
        self.epoch = np.zeros((self.steps_per_epoch, batch), np.int32)
        self.buffers = cycle([aligned_empty((steps, batch), np.int32) for _ in range(2)])
        if self.stream is None:
            self._lay_out(self.rows)

    def next_chunk(self, n_steps: int) -> Chunk | None:
        """Draw the next `Chunk`, or None if all is drawn: n_steps at most, whole epochs if one fits."""
        if self.position:
            n_steps = min(n_steps, self.steps_per_epoch - self.position)
        else:
            epochs_left = min(self.epochs_left, 1) if self.each_epoch else self.epochs_left
            whole_epochs = n_steps // self.steps_per_epoch * self.steps_per_epoch
            n_steps = min(whole_epochs or n_steps, epochs_left * self.steps_per_epoch)
        if n_steps == 0:
            return None
        if self.stream is not None:
            self.stream.checkpoint()
        chunk = Chunk(n_steps, next(self.buffers))
        done = 0
        while done < n_steps:
            if self.position == 0:
                if self.stream is not None:
                    self._lay_out(self.rows[self.stream.next_order()])
                self.epochs_left -= 1
            new = self.epoch[self.position :][: n_steps - done]
            chunk.orders[done : done + len(new)] = new
            done += len(new)
            self.position = (self.position + len(new)) % self.steps_per_epoch
        return chunk

    def end(self, n_epochs: int) -> None:
        """Leave the network's stream as it is after so many epochs, the one that has begun included."""
        if self.stream is not None:
            self.stream.end(n_epochs)

    def _lay_out(self, rows: NDArray) -> None:
        size, (full, rest) = self.batch_size, divmod(len(rows), self.batch_size)
        self.epoch[:full, :size] = rows[: full * size].reshape(full, -1)
        # Positions behind a minibatch's last row have weight zero. They repeat its first row, since
        # another row may have infinite values, which times zero would be NaN.
        self.epoch[:, size:] = self.epoch[:, :1]
        if rest:
            self.epoch[full, :rest] = rows[full * size :]
            self.epoch[full, rest:] = rows[full * size]
