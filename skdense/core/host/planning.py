"""Which program a network belongs in: the bucket of its sizes, and which networks may share one."""

import math
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.sparse import issparse

from skdense.core.formulas.layers import Layer
from skdense.core.host.tables import table_shape
from skdense.core.machine import costs
from skdense.core.machine.costs import FAST, SLOW, TYPICAL, Machine, bucket
from skdense.core.network import Network, Spec
from skdense.core.program.layout import Layout
from skdense.core.program.program import Shape

_PROGRAM_SECONDS, _PROGRAM_OF_VIEWS_SECONDS = 0.3, 2.0
"""How much longer networks may train because of padding if that saves compiling a program.

The second is for networks of different numbers of features, such as those of two views of a table,
which are seldom fitted again. A program of two hidden layers takes 2 to 3 s of processor time to
compile. With 2 s for a search over widths, later searches of the digits take 1.5 times as long.
"""


@dataclass(eq=False)
class Group:
    """Networks that share a program: what they have in common, and the layout that fits all."""

    spec: Spec
    layout: Layout
    networks: list[Network]

    @cached_property
    def shape(self) -> Shape:
        """The sizes of the program."""
        return _shape(self.spec, self.layout, self.networks)

    def part(self, networks: Container[Network]) -> "Group":
        """Those of the group that are among these networks, in the program of the whole group."""
        part = Group(self.spec, self.layout, [each for each in self.networks if each in networks])
        part.shape = self.shape
        return part

    @property
    def is_large(self) -> bool:
        """Whether a table of the group is used where it lies."""
        return any(costs.is_large(network.data.X) for network in self.networks)

    @property
    def first_steps(self) -> int:
        """How many steps the first chunk may have, before their time is known."""
        return min(self.shape.steps, _steps_in_a_chunk(self.shape, SLOW))

    @property
    def seconds(self) -> float:
        """About how long the networks train, one after the other, to their last epochs."""
        return sum(_seconds(network, self.layout) for network in self.networks)

    def ordered(self) -> "Group":
        """The same group with the slowest networks first, so that cores end at about the same time."""
        networks = sorted(self.networks, key=lambda n: _seconds(n, lone_layout(n)), reverse=True)
        return Group(self.spec, self.layout, networks)


def lone_group(spec: Spec, network: Network) -> Group:
    """The group of a network by itself."""
    return Group(spec, lone_layout(network), [network])


def lone_layout(network: Network) -> Layout:
    """The layout that a network by itself is padded to. The outputs have no padding."""
    n_features = network.n_features
    if not costs.is_large(network.data.X):
        n_features = bucket(n_features)
    *hidden, output = network.layers
    return Layout((*(layer.resized(bucket) for layer in hidden), output), n_features)


def groups_of(networks: Sequence[tuple[Spec, Network]]) -> list[Group]:
    """Groups of networks that share a program, the slowest first.

    A network's group depends on the networks alone, not on what the process has compiled before.
    """
    alike: dict[tuple, list[Network]] = {}
    for spec, network in networks:
        alike.setdefault(_kind(spec, network), []).append(network)
    groups = [group for (spec, *_), kind in alike.items() for group in _merged(spec, kind)]
    return sorted((group.ordered() for group in groups), key=lambda group: -group.seconds)


def _kind(spec: Spec, network: Network) -> tuple:
    """A key: networks with the same key can share a program, if features and units are padded."""
    X, (*hidden, output) = network.data.X, network.layers
    large = costs.is_large(X)
    return (
        spec,
        tuple(layer.resized(lambda width: 0) for layer in hidden),
        output,
        network.n_features if issparse(X) or large else None,
        issparse(X),
        network.validation is not None,
        bucket(network.padded_batch),
        id(X) if large else None,
    )


def _merged(spec: Spec, networks: list[Network]) -> list[Group]:
    """Groups of similar widths: networks share one where padding costs less time than a program."""
    by_layout: dict[Layout, list[Network]] = {}
    for network in networks:
        by_layout.setdefault(lone_layout(network), []).append(network)
    groups: list[Group] = []
    for layout, alike in sorted(by_layout.items(), key=lambda item: sizes_of(item[0])):
        group = Group(spec, layout, alike)
        if groups:
            last = groups[-1]
            merged = Group(spec, _common(last.layout, layout), last.networks + alike)
            same_features = last.layout.n_features == layout.n_features
            allowed = _PROGRAM_SECONDS if same_features else _PROGRAM_OF_VIEWS_SECONDS
            if merged.seconds - last.seconds - group.seconds < allowed:
                groups[-1] = merged
                continue
        groups.append(group)
    return groups


def _common(layout: Layout, other: Layout) -> Layout:
    """The smallest layout that both fit in."""

    def wider(layer: Layer, beside: Layer) -> Layer:
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


def _seconds(network: Network, layout: Layout) -> float:
    multiply_adds = costs.step_multiply_adds(network.padded_batch, sizes_of(layout))
    return network.n_steps * TYPICAL.seconds(multiply_adds)


def _shape(spec: Spec, layout: Layout, networks: list[Network]) -> Shape:
    validation, block, n_blocks = None, 0, 0
    if networks[0].validation is not None:
        validation = table_shape([n.validation for n in networks], layout.n_features)
        most = max(network.hyper.n_validation for network in networks)
        block = min(costs.power_of_two(most), costs.VALIDATION_ROWS)
        n_blocks = costs.power_of_two(math.ceil(most / block))
    shape = Shape(
        steps=1,
        batch=bucket(max(network.padded_batch for network in networks)),
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
