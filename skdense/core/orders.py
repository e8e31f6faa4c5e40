"""The row numbers of every minibatch step, drawn on the host from the networks' random streams."""

import pickle
from collections import deque
from copy import deepcopy
from itertools import cycle
from threading import Lock
from typing import NamedTuple

import numpy as np

_MAX_SHARED = 20_000
"""The most samples of networks that share a source: it keeps orders for those that are behind."""


class Drawn(NamedTuple):
    """The steps of one call of the program: the first n_steps of `rows`, int32 `(steps, K, batch)`."""

    n_steps: int
    rows: np.ndarray


class Source:
    """The orders that one random stream gives, epoch by epoch.

    Each epoch's shuffle is composed with the last epoch's order, as in MLPClassifier. Networks whose
    streams are alike share a source, which keeps an order until all its users have passed it. It draws
    from a copy of the random state: `rewind` brings the networks' own to where they belong when the
    training ends, unless all are private, so that it does not matter.
    """

    def __init__(self, random_state, n_samples, users, private):
        self.random_state = deepcopy(random_state)
        self.shared, self.private = len(users) > 1, private
        self.identity = np.arange(n_samples)
        self.shuffled = np.arange(n_samples)
        self.last = self.identity
        self.orders = deque()
        self.n_drawn = self.n_dropped = 0
        self.n_given = dict.fromkeys(users, 0)
        self.marks = []
        self._lock = Lock()  # two stacks may share a source

    def mark(self):
        """Remember the random state, for `rewind`."""
        if self.private or (self.marks and self.marks[-1][0] == self.n_drawn):
            return
        # Only the last two marks can be needed, unless a network is behind others.
        with self._lock:
            kept = self.marks if self.shared else self.marks[-1:]
            self.marks = [*kept, (self.n_drawn, self.random_state.get_state(legacy=False))]

    def next_order(self, user):
        """The order of the samples in this user's next epoch."""
        with self._lock:
            epoch = self.n_given[user]
            if epoch == self.n_drawn:
                self._shuffle(self.random_state)
                self.last = self.last[self.shuffled]
                self.orders.append(self.last)
                self.n_drawn += 1
            order = self.orders[epoch - self.n_dropped]
            self.n_given[user] += 1
            if epoch == self.n_dropped:
                self._drop_passed()
            return order

    def leave(self, user, n_epochs):
        """End a network's use, with its random state where drawing n_epochs orders leaves it."""
        if not user.owns_stream:
            self.rewind(user.random_state, n_epochs)
        with self._lock:
            del self.n_given[user]
            self._drop_passed()

    def _drop_passed(self):
        n_passed = min(self.n_given.values(), default=self.n_drawn)
        while self.n_dropped < n_passed:
            self.orders.popleft()
            self.n_dropped += 1

    def rewind(self, random_state, n_epochs):
        """Set `random_state` to where drawing the orders of n_epochs epochs leaves it."""
        if self.private:
            return
        with self._lock:
            self._rewind(random_state, n_epochs)

    def _rewind(self, random_state, n_epochs):
        if self.n_drawn == n_epochs:
            random_state.set_state(self.random_state.get_state(legacy=False))
            return
        n_drawn, state = [mark for mark in self.marks if mark[0] <= n_epochs][-1]
        random_state.set_state(state)
        for _ in range(n_epochs - n_drawn):
            self._shuffle(random_state)

    def _shuffle(self, random_state):
        self.shuffled[:] = self.identity
        random_state.shuffle(self.shuffled)


def sources_of(networks):
    """The source of the orders of each network that shuffles."""
    alike = {}
    for network in networks:
        if network.shuffle:
            few = network.hyper.n_samples <= _MAX_SHARED
            alike.setdefault(_stream_key(network) if few else network, []).append(network)
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
    """One network's place in a stack: its rows in the order of the epoch, `(steps, batch)`."""

    def __init__(self, network, source, first_row, batch):
        n_samples = int(network.hyper.n_samples)
        self.network, self.source = network, source
        self.samples = first_row + (np.arange(n_samples) if network.rows is None else network.rows)
        self.batch_size = int(network.hyper.batch_size)
        self.layout = np.zeros((network.steps_per_epoch, batch), np.int32)
        self.max_epochs = int(network.hyper.max_epochs)
        self.n_drawn = 0

    def mark(self):
        """Remember the random state, for rewinding."""
        if self.source is not None:
            self.source.mark()

    def next_epoch(self):
        """Lay out the next epoch."""
        if self.source is not None:
            self._lay_out(self.samples[self.source.next_order(self.network)])
        elif self.n_drawn == 0:
            self._lay_out(self.samples)
        self.n_drawn += 1

    def _lay_out(self, samples):
        size, (full, rest) = self.batch_size, divmod(len(samples), self.batch_size)
        self.layout[:full, :size] = samples[: full * size].reshape(full, -1)
        # What a minibatch leaves free has weight zero, but zero times infinity is no zero: it is filled
        # with the minibatch's own first row, and not with one that this network would not see now.
        self.layout[:, size:] = self.layout[:, :1]
        if rest:
            self.layout[full, :rest] = samples[full * size :]
            self.layout[full, rest:] = samples[full * size]


class Orders:
    """The orders of a stack's lanes, which go through their epochs in step.

    They are drawn into two buffers in turn, so that one can be read while the other is filled. What an
    earlier call has left there, in steps that a network does not take, is harmless: the program leaves
    the network as it was.
    """

    def __init__(self, shape, lanes, steps_per_epoch, each_epoch):
        self.lanes, self.each_epoch = lanes, each_epoch
        self.steps_per_epoch = steps_per_epoch
        self.position = 0
        size = shape.steps, shape.height, shape.batch
        self.buffers = cycle([np.zeros(size, np.int32), np.zeros(size, np.int32)])

    def take(self, n_steps):
        """Draw the next steps, or None if there are none; n_steps at most, whole epochs if one fits."""
        n_steps = self._limit(n_steps)
        if n_steps == 0:
            return None
        for lane in filter(None, self.lanes):
            lane.mark()
        drawn = Drawn(n_steps, next(self.buffers))
        filled = 0
        while filled < n_steps:
            n_new = min(n_steps - filled, self.steps_per_epoch - self.position)
            for k, lane in enumerate(self.lanes):
                if lane is not None:
                    self._fill(drawn.rows, k, lane, filled, self.position, n_new)
            filled += n_new
            self.position = (self.position + n_new) % self.steps_per_epoch
        return drawn

    def replace(self, k, lane, drawn):
        """Put another network into lane k, from the start of the drawn steps on."""
        self.lanes[k] = lane
        if lane is None or drawn is None:
            return
        lane.mark()
        for start in range(0, drawn.n_steps, self.steps_per_epoch):
            n_new = min(self.steps_per_epoch, drawn.n_steps - start)
            self._fill(drawn.rows, k, lane, start, 0, n_new)

    def _limit(self, n_steps):
        epochs_left = max(
            (lane.max_epochs - lane.n_drawn for lane in self.lanes if lane is not None), default=0
        )
        if self.position:
            to_epoch_end = self.steps_per_epoch - self.position
            return min(n_steps, to_epoch_end)
        if self.each_epoch:
            epochs_left = min(epochs_left, 1)
        whole_epochs = n_steps // self.steps_per_epoch * self.steps_per_epoch
        return min(whole_epochs or n_steps, epochs_left * self.steps_per_epoch)

    @staticmethod
    def _fill(rows, k, lane, start, position, n_steps):
        if position == 0:
            if lane.n_drawn == lane.max_epochs:
                return
            lane.next_epoch()
        new = lane.layout[position : position + n_steps]
        rows[start : start + len(new), k] = new
