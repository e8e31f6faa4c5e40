"""Planning: the sizes that networks are padded to, and which networks share a program."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import combinations

from scipy.sparse import issparse

from skdense.core.machine import costs
from skdense.core.network import Network, Spec
from skdense.core.program.epochs import Shape
from skdense.core.program.layout import Layout
from skdense.core.program.stores import store_shape


@dataclass(eq=False)
class Bucket:
    """Networks that share a program, with their common spec and the sizes that they are padded to.

    `n_steps` is an estimate of the steps of all networks together.
    """

    spec: Spec
    layout: Layout
    batch: int
    n_steps: float
    networks: list[Network]

    @cached_property
    def shape(self) -> Shape:
        """The sizes of the program. They stay when some of the networks leave the bucket."""
        n_features = self.layout.n_features
        training = store_shape([network.data for network in self.networks], n_features)
        validation, block, n_blocks = None, 0, 0
        if datas := [network.validation for network in self.networks if network.validation]:
            validation = store_shape(datas, n_features)
            most = max(network.hyper.n_validation for network in self.networks)
            block = min(costs.power_of_two(most), costs.VALIDATION_ROWS)
            n_blocks = costs.power_of_two(math.ceil(most / block))
        steps = min(costs.MAX_STEPS, costs.MAX_ORDERS_BYTES // (4 * self.batch))
        steps = 2 ** max(2, steps.bit_length() - 1)
        return Shape(steps, self.batch, self.layout, training, validation, block, n_blocks)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """The sizes that joining makes larger: the batch, the features and the widths of the layers."""
        widths = (layer.width for layer in self.layout.layers)
        return self.batch, self.layout.n_features, *widths

    @cached_property
    def step_seconds(self) -> float:
        """An estimate of the seconds of a step."""
        n_penalized, n_parameters = self.layout.n_penalized, self.layout.n_parameters
        return costs.step_seconds(self.batch, n_penalized, n_parameters, self.spec.dtype)

    @property
    def seconds(self) -> float:
        """An estimate of the processor time of the training, in seconds."""
        return self.n_steps * self.step_seconds


def likely_steps(network: Network) -> float:
    """An estimate of the steps of a network. Training never ends within its patience."""
    hyper = network.hyper
    epochs = min(hyper.max_epochs, max(hyper.patience + 1, costs.SHARE_TRAINED * hyper.max_epochs))
    return epochs * hyper.steps_per_epoch


def lone_bucket(spec: Spec, network: Network) -> Bucket:
    """The bucket of a network by itself."""
    batch = costs.padded(max(network.batch_capacity, int(network.hyper.batch_size)))
    return Bucket(spec, lone_layout(network), batch, likely_steps(network), [network])


def lone_layout(network: Network) -> Layout:
    """The layout that a network by itself is padded to. The outputs have no padding."""
    is_large = costs.is_large(network.data.X)
    n_features = network.n_features if is_large else costs.padded(network.n_features)
    *hidden, output = network.layers
    padded = (replace(layer, width=costs.padded(layer.width)) for layer in hidden)
    return Layout((*padded, output), n_features)


def plan_buckets(networks: Sequence[tuple[Spec, Network]], share_trained: float = 1.0) -> list[Bucket]:
    """Buckets of networks that share a program where padding costs less time; the slowest come first.

    A network's bucket depends on the networks and on the share of their likely steps that they will
    train, not on what the process has compiled before.
    """
    alike: dict[tuple, dict[tuple, Bucket]] = {}
    for spec, network in networks:
        bucket = lone_bucket(spec, network)
        sizes = bucket.step_seconds, *bucket.sizes
        by_size = alike.setdefault(_key_to_share(spec, network), {})
        by_size[sizes] = _joined(by_size[sizes], bucket) if sizes in by_size else bucket
    buckets: list[Bucket] = []
    for by_size in alike.values():
        buckets += _joined_where_cheap([by_size[sizes] for sizes in sorted(by_size)], share_trained)
    for bucket in buckets:  # the slowest first, so that cores end at about the same time
        bucket.networks.sort(key=likely_steps, reverse=True)
    return sorted(buckets, key=lambda bucket: bucket.seconds, reverse=True)


def _joined_where_cheap(buckets: Sequence[Bucket], share_trained: float) -> list[Bucket]:
    """Of all pairs of buckets, join the two that cost the least padding, until all cost too much."""
    step_seconds: dict[tuple, float] = {}  # by sizes, as many pairs have the same

    def padding(bucket: Bucket, other: Bucket) -> float:
        """The seconds that training takes longer if these buckets share a program."""
        sizes = tuple(map(max, bucket.sizes, other.sizes))
        if sizes not in step_seconds:
            step_seconds[sizes] = _joined(bucket, other).step_seconds
        seconds = (bucket.n_steps + other.n_steps) * step_seconds[sizes]
        return seconds - bucket.seconds - other.seconds

    numbered = dict(enumerate(buckets))  # the buckets that are not joined
    # The padding of each pair, with the numbers of its buckets, which decide ties.
    pairs = [(padding(numbered[i], numbered[j]), i, j) for i, j in combinations(numbered, 2)]
    heapify(pairs)
    number = len(numbered)
    while pairs:
        least, i, j = heappop(pairs)
        if i not in numbered or j not in numbered:
            continue
        if share_trained * least > costs.PROGRAM_SECONDS:
            break
        joined = _joined(numbered.pop(i), numbered.pop(j))
        for k, bucket in numbered.items():
            heappush(pairs, (padding(bucket, joined), k, number))
        numbered[number] = joined
        number += 1
    return [*numbered.values()]


def _key_to_share(spec: Spec, network: Network) -> tuple:
    """A key: networks with the same key can share a program, if features and units are padded."""
    X, (*hidden, output) = network.data.X, network.layers
    large = costs.is_large(X)
    return (
        spec,
        tuple(replace(layer, width=0) for layer in hidden),  # layers of any width
        output,
        network.n_features if issparse(X) or large else None,
        issparse(X),
        network.validation is not None,
        id(X) if large else None,
    )


def _joined(bucket: Bucket, other: Bucket) -> Bucket:
    """The smallest bucket that holds the networks of both."""
    one, two = bucket.layout, other.layout
    pairs = zip(one.layers, two.layers, strict=True)
    layers = tuple(
        replace(layer, width=max(layer.width, other_layer.width)) for layer, other_layer in pairs
    )
    layout = Layout(layers, max(one.n_features, two.n_features))
    networks, batch = bucket.networks + other.networks, max(bucket.batch, other.batch)
    return Bucket(bucket.spec, layout, batch, bucket.n_steps + other.n_steps, networks)
