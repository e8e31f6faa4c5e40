"""Which program a network belongs in: the bucket of its sizes, and which networks may share one."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from scipy.sparse import issparse

from skdense.core.formulas.layers import Layer
from skdense.core.host.tables import table_shape
from skdense.core.machine import costs
from skdense.core.machine.costs import (
    FAST,
    PROGRAM_SECONDS,
    SHARE_TRAINED,
    SLOW,
    TYPICAL,
    Machine,
    bucket,
)
from skdense.core.network import Network
from skdense.core.numbers import Spec
from skdense.core.program.epochs import Shape
from skdense.core.program.layout import Layout


@dataclass(eq=False)
class Group:
    """Networks that share a program: what they have in common, and what they are padded to."""

    spec: Spec
    layout: Layout
    batch: int
    networks: list[Network]
    share_trained: float = SHARE_TRAINED
    """The share of their epochs that the networks will train, on average."""

    @cached_property
    def shape(self) -> Shape:
        """The sizes of the program."""
        return _shape(self.layout, self.batch, self.networks)

    def part(self, networks: Container[Network]) -> "Group":
        """Those of the group that are among these networks, in the program of the whole group."""
        mine = [network for network in self.networks if network in networks]
        part = replace(self, networks=mine)
        part.shape = self.shape
        return part

    @property
    def first_steps(self) -> int:
        """How many steps the first chunk may have, before their time is known."""
        return min(self.shape.steps, _steps_in_a_chunk(self.shape, SLOW))

    @cached_property
    def seconds(self) -> float:
        """About how much processor time the networks take to train."""
        n_steps = self.share_trained * sum(network.n_steps for network in self.networks)
        return n_steps * _step_seconds(self.spec.dtype, self.batch, self.layout)

    def ordered(self) -> "Group":
        """The same group with the slowest networks first, so that cores end at about the same time."""

        def seconds(network: Network) -> float:
            layout = lone_layout(network)
            return network.n_steps * _step_seconds(self.spec.dtype, network.padded_batch, layout)

        networks = sorted(self.networks, key=seconds, reverse=True)
        return replace(self, networks=networks)

    def joined(self, other: "Group") -> "Group":
        """The group of the networks of both, with the smallest sizes that fit all."""
        layout = _common(self.layout, other.layout)
        batch = max(self.batch, other.batch)
        return replace(self, layout=layout, batch=batch, networks=self.networks + other.networks)


def lone_group(spec: Spec, network: Network) -> Group:
    """The group of a network by itself."""
    return Group(spec, lone_layout(network), bucket(network.padded_batch), [network])


def lone_layout(network: Network) -> Layout:
    """The layout that a network by itself is padded to. The outputs have no padding."""
    n_features = network.n_features
    if not costs.is_large(network.data.X):
        n_features = bucket(n_features)
    *hidden, output = network.layers
    return Layout((*(layer.resized(bucket) for layer in hidden), output), n_features)


def groups_of(
    networks: Sequence[tuple[Spec, Network]], share_trained: float = SHARE_TRAINED
) -> list[Group]:
    """Groups of networks that share a program, the slowest first.

    A network's group depends on the networks and on the share of their epochs that they will train, not
    on what the process has compiled before.
    """
    alike: dict[tuple, list[Network]] = {}
    for spec, network in networks:
        alike.setdefault(_kind(spec, network), []).append(network)
    groups = [
        group for (spec, *_), kind in alike.items() for group in _merged(spec, kind, share_trained)
    ]
    return sorted((group.ordered() for group in groups), key=lambda group: -group.seconds)


def _kind(spec: Spec, network: Network) -> tuple:
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


def _merged(spec: Spec, networks: list[Network], share_trained: float) -> list[Group]:
    """Groups of similar sizes: networks share one where padding costs less time than a program."""
    alike: dict[tuple, Group] = {}
    for network in networks:
        group = replace(lone_group(spec, network), share_trained=share_trained)
        same = alike.setdefault((group.layout, group.batch), replace(group, networks=[]))
        same.networks.append(network)
    groups = list(alike.values())
    # Of all pairs of groups, join the one that costs the least padding, until all cost too much.
    joined = {pair: pair[0].joined(pair[1]) for pair in combinations(groups, 2)}
    while joined:
        pair = min(joined, key=lambda pair: _padding_seconds(pair, joined[pair]))
        union = joined[pair]
        if _padding_seconds(pair, union) > PROGRAM_SECONDS:
            break
        groups = [group for group in groups if group not in pair]
        joined = {two: both for two, both in joined.items() if not {*two} & {*pair}}
        joined |= {(group, union): group.joined(union) for group in groups}
        groups.append(union)
    return groups


def _padding_seconds(pair: tuple[Group, Group], union: Group) -> float:
    return union.seconds - pair[0].seconds - pair[1].seconds


def _common(layout: Layout, other: Layout) -> Layout:
    """The smallest layout that both fit in."""

    def wider(layer: Layer, beside: Layer) -> Layer:
        # A layer without a width of its own, as `Dropout`, is not resized.
        return layer.resized(lambda width: max(width, beside.n_outputs(0)))

    layers = tuple(map(wider, layout.layers, other.layers))
    return Layout(layers, max(layout.n_features, other.n_features))


def sizes_of(layout: Layout) -> list[int]:
    """The number of features, and of the outputs of each layer with parameters."""
    sizes = [layout.n_features]
    for layer in layout.layers:
        if layer.parameters(sizes[-1]):
            sizes.append(layer.n_outputs(sizes[-1]))
    return sizes


def _step_seconds(dtype: str, batch: int, layout: Layout) -> float:
    multiply_adds = costs.step_multiply_adds(batch, sizes_of(layout))
    return TYPICAL[dtype].seconds(multiply_adds + costs.UPDATE * layout.n_parameters)


def _shape(layout: Layout, batch: int, networks: list[Network]) -> Shape:
    validation, block, n_blocks = None, 0, 0
    if datas := [network.validation for network in networks if network.validation]:
        validation = table_shape(datas, layout.n_features)
        most = max(network.hyper.n_validation for network in networks)
        block = min(costs.power_of_two(most), costs.VALIDATION_ROWS)
        n_blocks = costs.power_of_two(math.ceil(most / block))
    shape = Shape(
        steps=1,
        batch=batch,
        layout=layout,
        table=table_shape([network.data for network in networks], layout.n_features),
        validation=validation,
        block=block,
        n_blocks=n_blocks,
        n_dropouts=max(0, len(networks[0].dropout) - 1),
    )
    return shape._replace(steps=_room_for_steps(shape))


def _room_for_steps(shape: Shape) -> int:
    """As many steps, a power of two, as a fast machine runs in a chunk's time and memory allows."""
    most_bytes = costs.MAX_ORDERS_BYTES / (4 * shape.batch)
    most = min(_steps_in_a_chunk(shape, FAST), most_bytes, costs.MAX_STEPS)
    return 2 ** max(2, math.floor(math.log2(most)))


def _steps_in_a_chunk(shape: Shape, machine: Machine) -> int:
    """How many steps this machine runs in a chunk's time; at least one."""
    n_features, *others = sizes_of(shape.layout)
    sizes = (shape.table.row_entries or n_features, *others)
    seconds = machine.seconds(costs.step_multiply_adds(shape.batch, sizes))
    return max(1, int(costs.CHUNK_SECONDS / seconds))
