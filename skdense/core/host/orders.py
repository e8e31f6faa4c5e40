"""The order of the rows in every minibatch step, drawn on the host from the network's random stream."""

import pickle
from copy import deepcopy
from itertools import cycle
from threading import Lock

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from skdense.core.machine.memory import aligned_zeros
from skdense.core.network import Network

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
        if self.position:
            n_steps = min(n_steps, self.steps_per_epoch - self.position)
        else:
            epochs_left = self.n_epochs - self.n_drawn
            if self.each_epoch:
                epochs_left = min(epochs_left, 1)
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
            shuffled = self._shuffled()
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

    def _shuffled(self) -> NDArray:
        numbers = np.arange(len(self.rows))
        self.random_state.shuffle(numbers)
        return numbers

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
            n_drawn, state = [known for known in self.checkpoints if known[0] <= n_epochs][-1]
            self.random_state.set_state(state)
            for _ in range(n_epochs - n_drawn):
                self._shuffled()
        with _restoring:
            # Others may have drawn meanwhile, for instance from NumPy's global state: it stays as they
            # left it. Pickles compare the arrays and numbers of two states at once.
            if pickle.dumps(state_of(self.network.random_state)) == pickle.dumps(self.before):
                self.network.random_state.set_state(state_of(self.random_state))
