"""The order of rows in every minibatch step, drawn on the host from the networks' random streams."""

import pickle
from collections import deque
from copy import deepcopy
from itertools import cycle
from threading import Lock
from typing import NamedTuple

import numpy as np

from skdense.core.machine.memory import aligned_empty
from skdense.core.machine.shapes import MAX_SHARED_SAMPLES


class Chunk(NamedTuple):
    """Steps to run in one call of the program: the first n_steps of `orders`, `(steps, K, batch)`.

    An order names the rows of a minibatch of each network, int32.
    """

    n_steps: int
    orders: np.ndarray


class Source:
    """The order of the samples in each epoch, drawn from one random state.

    As in MLPClassifier, each epoch shuffles the last epoch's order. Networks with equal random states
    share a source, whose `pending` has the drawn orders that each of them has yet to take. If the
    random state is not private, others may see it: the source draws from a copy, and `rewind` then
    brings the original to the state in which training each network alone would leave it.
    """

    def __init__(self, random_state, n_samples, users, private):
        self.random_state = random_state if private else deepcopy(random_state)
        self.shared, self.private = len(users) > 1, private
        self.n_samples = n_samples
        self.last = None  # the last order drawn; no memory while the source waits for its turn
        self.n_drawn = 0
        self.pending = {user: deque() for user in users}
        self.marks = []
        self._lock = Lock()  # two stacks may share a source

    def mark(self):
        """Remember the random state, for `rewind`."""
        if self.private or (self.marks and self.marks[-1][0] == self.n_drawn):
            return
        # Two marks are enough unless a network is behind others.
        with self._lock:
            kept = self.marks if self.shared else self.marks[-1:]
            self.marks = [*kept, (self.n_drawn, self.random_state.get_state(legacy=False))]

    def next_order(self, user):
        """The order of the samples in this user's next epoch."""
        with self._lock:
            if not self.pending[user]:
                shuffled = self._shuffled(self.random_state)
                self.last = shuffled if self.last is None else self.last[shuffled]
                self.n_drawn += 1
                for orders in self.pending.values():
                    orders.append(self.last)
            return self.pending[user].popleft()

    def leave(self, user, n_epochs):
        """End a network's use after n_epochs epochs, and rewind its random state to their end."""
        if not user.owns_stream:
            self.rewind(user.random_state, n_epochs)
        with self._lock:
            del self.pending[user]
            if not self.pending:
                self.last = None

    def rewind(self, random_state, n_epochs):
        """Bring `random_state` to the state after drawing the orders of n_epochs epochs."""
        if self.private:
            return
        with self._lock:
            if self.n_drawn == n_epochs:
                random_state.set_state(self.random_state.get_state(legacy=False))
                return
            n_drawn, state = [mark for mark in self.marks if mark[0] <= n_epochs][-1]
            random_state.set_state(state)
            for _ in range(n_epochs - n_drawn):
                self._shuffled(random_state)

    def _shuffled(self, random_state):
        numbers = np.arange(self.n_samples)
        random_state.shuffle(numbers)
        return numbers


def sources_of(networks):
    """The source of the orders of each network that shuffles."""
    alike, several = {}, len(networks) > 1
    for network in networks:
        if network.shuffle:
            may_share = several and network.hyper.n_samples <= MAX_SHARED_SAMPLES
            alike.setdefault(_stream_key(network) if may_share else network, []).append(network)
    sources = {}
    for users in alike.values():
        first = users[0]
        private = all(network.owns_stream for network in users)
        source = Source(first.random_state, int(first.hyper.n_samples), users, private)
        sources.update(dict.fromkeys(users, source))
    return sources


def _stream_key(network):
    return network.hyper.n_samples, pickle.dumps(network.random_state.get_state(legacy=False))


class Lane:
    """One network in a stack, with its rows in the order of the epoch, `(steps, batch)`."""

    def __init__(self, network, source, first_row, batch):
        n_samples = int(network.hyper.n_samples)
        self.network, self.source = network, source
        self.samples = first_row + (np.arange(n_samples) if network.rows is None else network.rows)
        self.batch_size = int(network.hyper.batch_size)
        self.epoch = np.zeros((network.steps_per_epoch, batch), np.int32)
        self.epochs_left = int(network.hyper.max_epochs)
        if source is None:
            self._lay_out(self.samples)

    def next_epoch(self):
        """Lay out the next epoch."""
        if self.source is not None:
            self._lay_out(self.samples[self.source.next_order(self.network)])
        self.epochs_left -= 1

    def _lay_out(self, samples):
        size, (full, rest) = self.batch_size, divmod(len(samples), self.batch_size)
        self.epoch[:full, :size] = samples[: full * size].reshape(full, -1)
        # Positions behind a minibatch's last row have weight zero. They repeat its first row, since
        # another row may have infinite values, which times zero would be NaN.
        self.epoch[:, size:] = self.epoch[:, :1]
        if rest:
            self.epoch[full, :rest] = samples[full * size :]
            self.epoch[full, rest:] = samples[full * size]


class Orders:
    """The orders of all lanes of a stack, which begin their epochs at the same steps.

    They are drawn into two buffers in turn, so that one can be read while the other is filled. In steps
    that a network does not take, any rows will do: the program leaves the network unchanged.
    """

    def __init__(self, shape, lanes, steps_per_epoch, each_epoch):
        self.lanes, self.each_epoch = lanes, each_epoch
        self.steps_per_epoch = steps_per_epoch
        self.position = 0
        size = shape.steps, shape.height, shape.batch
        self.buffers = cycle(aligned_empty(size, np.int32) for _ in range(2))

    @property
    def are_drawn(self):
        """Whether the lanes' networks have no steps left to draw."""
        return self._limit(1) == 0

    def take(self, n_steps):
        """Draw the next `Chunk`, or None if all is drawn: n_steps at most, whole epochs if one fits."""
        n_steps = self._limit(n_steps)
        if n_steps == 0:
            return None
        chunk = Chunk(n_steps, next(self.buffers))
        for k in range(len(self.lanes)):
            self._fill(chunk, k, self.position)
        self.position = (self.position + n_steps) % self.steps_per_epoch
        return chunk

    def replace(self, k, lane, chunk):
        """Put another network into lane k, and its orders into this chunk, the last drawn, if any."""
        self.lanes[k] = lane
        if chunk is not None:
            self._fill(chunk, k, 0)

    def _limit(self, n_steps):
        epochs_left = max((lane.epochs_left for lane in self.lanes if lane is not None), default=0)
        if self.position:
            to_epoch_end = self.steps_per_epoch - self.position
            return min(n_steps, to_epoch_end)
        if self.each_epoch:
            epochs_left = min(epochs_left, 1)
        whole_epochs = n_steps // self.steps_per_epoch * self.steps_per_epoch
        return min(whole_epochs or n_steps, epochs_left * self.steps_per_epoch)

    def _fill(self, chunk, k, position):
        """Write the orders of lane k into a chunk, which begins at this position of an epoch."""
        lane = self.lanes[k]
        if lane is None:
            return
        if lane.source is not None:
            lane.source.mark()
        for start in range(-position, chunk.n_steps, self.steps_per_epoch):
            if start >= 0:  # at a negative start, the epoch began in an earlier chunk
                if not lane.epochs_left:
                    return
                lane.next_epoch()
            first = max(start, 0)
            new = lane.epoch[first - start : chunk.n_steps - start]
            chunk.orders[first : first + len(new), k] = new
