"""Which program a network belongs in: to which sizes it is padded, and which networks may share one."""

import math
from collections.abc import Container, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from scipy.sparse import issparse

from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import Layer
from skdense.core.formulas.losses import LOSSES
from skdense.core.formulas.optimizers import OPTIMIZERS
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine import costs
from skdense.core.network import Network, Spec
from skdense.core.program.epochs import Shape
from skdense.core.program.layout import Layout
from skdense.core.program.stores import store_shape


@dataclass(eq=False)
class Bucket:
    """Networks that share a program: what they have in common, and what they are padded to."""

    spec: Spec
    layout: Layout
    batch: int
    networks: list[Network]
    share_trained: float = 1.0
    """The share of their likely epochs that the networks will train, on average."""

    @cached_property
    def shape(self) -> Shape:
        """The sizes of the program."""
        n_features = self.layout.n_features
        validation, block, n_blocks = None, 0, 0
        if datas := [network.validation for network in self.networks if network.validation]:
            validation = store_shape(datas, n_features)
            most = max(network.hyper.n_validation for network in self.networks)
            block = min(costs.power_of_two(most), costs.VALIDATION_ROWS)
            n_blocks = costs.power_of_two(math.ceil(most / block))
        training = store_shape([network.data for network in self.networks], n_features)
        n_dropouts = len(self.networks[0].dropout)
        # As many steps, a power of two, as a fast machine runs in a chunk's time and memory allows.
        fan_in = training.row_entries or n_features
        n_kernels = replace(self.layout, n_features=fan_in).n_penalized
        seconds = costs.FAST.seconds(costs.step_multiply_adds(self.batch, n_kernels))
        steps_in_memory = costs.MAX_ORDERS_BYTES / (4 * self.batch)
        most = min(costs.CHUNK_SECONDS / seconds, steps_in_memory, costs.MAX_STEPS)
        steps = 2 ** max(2, math.floor(math.log2(most)))
        return Shape(steps, self.batch, self.layout, training, validation, block, n_blocks, n_dropouts)

    def only(self, networks: Container[Network]) -> "Bucket":
        """Those of the bucket that are among these networks, in the program of the whole bucket."""
        bucket = replace(self, networks=[network for network in self.networks if network in networks])
        bucket.shape = self.shape
        return bucket

    @cached_property
    def seconds(self) -> float:
        """About how much processor time the networks take to train."""
        n_steps = sum(likely_epochs(its) * its.hyper.steps_per_epoch for its in self.networks)
        multiply_adds = costs.step_multiply_adds(self.batch, self.layout.n_penalized)
        multiply_adds += costs.UPDATE * self.layout.n_parameters
        return self.share_trained * n_steps * costs.TYPICAL[self.spec.dtype].seconds(multiply_adds)


def likely_epochs(network: Network) -> float:
    """About how many epochs a network trains by itself: it never ends within its patience."""
    hyper = network.hyper
    return min(hyper.max_epochs, max(hyper.patience + 1, costs.SHARE_TRAINED * hyper.max_epochs))


def lone_bucket(spec: Spec, network: Network, share_trained: float = 1.0) -> Bucket:
    """The bucket of a network by itself."""
    batch = costs.padded(max(network.batch_capacity, int(network.hyper.batch_size)))
    return Bucket(spec, lone_layout(network), batch, [network], share_trained)


def lone_layout(network: Network) -> Layout:
    """The layout that a network by itself is padded to. The outputs have no padding."""
    n_features = network.n_features
    if not costs.is_large(network.data.X):
        n_features = costs.padded(n_features)
    *hidden, output = network.layers
    return Layout((*(layer.resized(costs.padded) for layer in hidden), output), n_features)


def buckets_of(networks: Sequence[tuple[Spec, Network]], share_trained: float = 1.0) -> list[Bucket]:
    """Buckets of networks that share a program, the slowest first.

    A network's bucket depends on the networks and on the share of their likely epochs that they will
    train, not on what the process has compiled before.
    """
    alike: dict[tuple, list[Bucket]] = {}
    for spec, network in networks:
        alone = lone_bucket(spec, network, share_trained)
        alike.setdefault(_key_to_share(spec, network), []).append(alone)
    buckets = [bucket for can_share in alike.values() for bucket in _merged(can_share)]
    return sorted(buckets, key=lambda bucket: -bucket.seconds)


def _key_to_share(spec: Spec, network: Network) -> tuple:
    """A key: networks with the same key can share a program, if features and units are padded."""
    X, (*hidden, output) = network.data.X, network.layers
    large = costs.is_large(X)
    return (
        spec,
        tuple(layer.resized(lambda width: 0) for layer in hidden),  # layers of any width
        output,
        network.n_features if issparse(X) or large else None,
        issparse(X),
        network.validation is not None,
        id(X) if large else None,
    )


def _merged(alone: list[Bucket]) -> list[Bucket]:
    """Buckets of similar sizes: networks share one where padding costs less time than a program."""
    seconds = {bucket.networks[0]: bucket.seconds for bucket in alone}
    alike: dict[tuple, Bucket] = {}
    for bucket in alone:
        same = alike.setdefault((bucket.layout, bucket.batch), replace(bucket, networks=[]))
        same.networks += bucket.networks
    buckets = list(alike.values())
    # Of all pairs of buckets, join the one that costs the least padding, until all cost too much.
    joined = {pair: _joined(*pair) for pair in combinations(buckets, 2)}
    while joined:
        pair = min(joined, key=lambda pair: joined[pair][0])
        padding_seconds, union = joined[pair]
        if padding_seconds > costs.PROGRAM_SECONDS:
            break
        buckets = [bucket for bucket in buckets if bucket not in pair]
        joined = {two: both for two, both in joined.items() if not {*two} & {*pair}}
        joined |= {(bucket, union): _joined(bucket, union) for bucket in buckets}
        buckets.append(union)
    for bucket in buckets:  # the slowest networks first, so that cores end at about the same time
        bucket.networks.sort(key=lambda network: -seconds[network])
    return buckets


def _joined(bucket: Bucket, other: Bucket) -> tuple[float, Bucket]:
    """What padding costs if two buckets become one, in seconds, and this one, as small as it can be."""

    def wider(layer: Layer, beside: Layer) -> Layer:
        # A layer without a width of its own, as `Dropout`, is not resized.
        return layer.resized(lambda width: max(width, beside.n_outputs(0)))

    layers = tuple(map(wider, bucket.layout.layers, other.layout.layers))
    layout = Layout(layers, max(bucket.layout.n_features, other.layout.n_features))
    networks, batch = bucket.networks + other.networks, max(bucket.batch, other.batch)
    union = replace(bucket, layout=layout, batch=batch, networks=networks)
    return union.seconds - bucket.seconds - other.seconds, union


_TABLES = ACTIVATIONS, OPTIMIZERS, SCHEDULES, LOSSES
_states = [deepcopy(_TABLES)]
"""What the tables have had in them: first the formulas of the sources, then others of a user."""


def formulas_now() -> int:
    """A number for what is in the tables of formulas now, 0 for those of the sources.

    It belongs to the key of a program, whose names stand for records that may be replaced at any time.
    """
    if _TABLES not in _states:
        _states.append(deepcopy(_TABLES))
    return _states.index(_TABLES)
