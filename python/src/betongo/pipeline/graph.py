"""Graph: all pipelines of a loader as one tree, and where it is cut between engine and client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .operation import Operation
from .pipeline_spec import PipelineSpec
from .state import State, cpu

if TYPE_CHECKING:
    from ..fields.base import Field

__all__ = ["Cut", "DecoderNode", "Graph", "Node", "Split", "TransformNode", "initial_state", "native"]


def initial_state() -> State:
    """The state in front of a decoder."""
    return State(jit_mode=True, device=cpu(), dtype=np.dtype("u1"), shape=None)


class Node:
    """An operation in its place: output is the pipeline that it stands in, place its number there."""

    def __init__(
        self, operation: Operation, parent: Node | None, output: str, place: int, source: str
    ) -> None:
        self.operation = operation
        self.parent = parent
        self.output = output
        self.place = place
        self.source = source  # the field that it comes from
        self.children: list[Node] = []
        self.leaves: list[str] = []  # outputs that end here
        if parent is not None:
            parent.children.append(self)

    def path(self) -> list[Node]:
        """Return the nodes from the decoder to this one."""
        nodes: list[Node] = []
        node: Node | None = self
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes[::-1]

    @property
    def uses(self) -> int:
        """How many operations and outputs take what comes out of this one."""
        return len(self.children) + len(self.leaves)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.output!r}, {type(self.operation).__name__})"


class DecoderNode(Node):
    """Where a pipeline begins."""


class TransformNode(Node):
    """Any operation behind it."""


@dataclass(eq=False)
class Cut:
    """What the engine hands over: an output of its own.

    nodes is what it does, the decoder first; state that behind them, as the operations declare it. uses
    counts the steps and outputs that take it.
    """

    name: str
    nodes: list[Node]
    decoder: dict[str, Any] | None
    ops: list[dict[str, Any]]
    state: State
    uses: int = 0

    def spec(self) -> dict[str, Any]:
        """Return the engine's description of the output."""
        decoder = self.nodes[0]
        spec = {"name": self.name, "field": decoder.source, "decoder": self.decoder, "ops": self.ops}
        settings = getattr(decoder.operation, "_output", None)
        if settings is not None:
            spec.update(settings())
        return spec


@dataclass(eq=False)
class Step:
    """An operation of the client's. takes is where its input is found; None: it is a decoder, and takes the
    batch's ids.

    uses counts the steps and outputs that take what comes out.
    """

    node: Node
    takes: Step | Cut | None
    uses: int = 0


@dataclass
class Split:
    """How the work is shared: the engine's outputs, then the client's steps in the order of running."""

    cuts: list[Cut] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    leaves: dict[str, Step | Cut] = field(default_factory=dict)


class Graph:
    """The pipelines of a loader, resolved: each output is a path from a field's decoder.

    handlers are the file's fields by name, metadata its table, custom the names of fields of which the
    engine knows nothing. ValueError for a source that is no field, a reference to an operation of no
    pipeline or of several, a circle of references, a decoder that is not first or not the field's.
    """

    def __init__(
        self,
        pipeline_specs: Mapping[str, PipelineSpec],
        handlers: Mapping[str, Field],
        fieldname_to_fix: Mapping[str, int],
        metadata: Any,
        memory_read: Any = None,
        *,
        custom: frozenset[str] = frozenset(),
    ) -> None:
        self.pipeline_specs = pipeline_specs
        self.handlers = handlers
        self.fieldname_to_fix = fieldname_to_fix
        self.metadata = metadata
        self.memory_read = memory_read
        self.custom = custom
        self.nodes: list[Node] = []
        self.root_nodes: dict[Node, str] = {}
        self.leaf_nodes: dict[str, Node] = {}
        self.operation_to_node: dict[Operation, list[Node]] = defaultdict(list)
        waiting = dict(pipeline_specs)
        while waiting:
            ready = [name for name in waiting if self._grow(name, waiting[name], waiting)]
            if not ready:
                raise ValueError(
                    f"outputs {', '.join(map(repr, waiting))}: their sources refer to each other in a circle"
                )
            for name in ready:
                del waiting[name]
        self.leaf_nodes = {name: self.leaf_nodes[name] for name in pipeline_specs}

    def _grow(self, name: str, spec: PipelineSpec, waiting: Mapping[str, PipelineSpec]) -> bool:
        """Put a pipeline into the tree; false if the operation that it begins with isn't there yet."""
        node: Node | None
        if isinstance(spec.source, str):
            if spec.decoder is None:
                raise ValueError(f"output {name!r}: field {spec.source!r} has no decoder")
            node = DecoderNode(spec.decoder, None, name, 0, spec.source)
            self._check_decoder(node)
            self._add(node)
            self.root_nodes[node] = spec.source
        else:
            node = self._resolve(name, spec.source, waiting)
            if node is None:
                return False
        for i, operation in enumerate(spec.transforms):
            if is_decoder(operation):
                raise ValueError(
                    f"output {name!r}: {type(operation).__name__} is a decoder, and stands at place {i + 1}: "
                    f"a decoder comes first, and must be one of field {node.source!r}, "
                    f"a {type(self.handlers[node.source]).__name__}"
                )
            node = TransformNode(operation, node, name, i + 1, node.source)
            self._add(node)
        node.leaves.append(name)
        self.leaf_nodes[name] = node
        return True

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self.operation_to_node[node.operation].append(node)

    def _check_decoder(self, node: Node) -> None:
        """Refuse a decoder of this package's for another type of field."""
        handler = self.handlers[node.source]
        Default = handler.get_decoder_class()
        accepts = getattr(node.operation, "_accepts", None)
        if isinstance(node.operation, Default) or (accepts is not None and accepts(handler)):
            return
        if not is_decoder(node.operation) or not type(node.operation).__module__.startswith("betongo."):
            return
        raise ValueError(
            f"output {node.output!r}: {type(node.operation).__name__} doesn't decode field {node.source!r}, "
            f"a {type(handler).__name__}: its default is {Default.__name__}"
        )

    def _resolve(self, name: str, source: Any, waiting: Mapping[str, PipelineSpec]) -> Node | None:
        if source is None:
            raise ValueError(
                f"output {name!r} is no field of the file and has no source: PipelineSpec(source=…)"
            )
        entries = self.operation_to_node.get(source, []) if isinstance(source, Operation) else []
        if len(entries) > 1:
            where = ", ".join(repr(n.output) for n in entries)
            raise ValueError(
                f"output {name!r}: its source {type(source).__name__} stands in several pipelines ({where})"
            )
        if entries:
            return entries[0]
        coming = any(source is op for spec in waiting.values() for op in (spec.decoder, *spec.transforms))
        if not coming:
            raise ValueError(
                f"output {name!r}: its source {source!r} is neither a field nor an operation "
                "of another pipeline"
            )
        return None

    def keep(self, output: str) -> None:
        """Leave one output alone, with what it needs."""
        self.leaf_nodes = {output: self.leaf_nodes[output]}
        needed = self.leaf_nodes[output].path()
        for node in needed:
            node.children = [child for child in node.children if child in needed]
            node.leaves = [name for name in node.leaves if name == output]

    def declare(
        self, node: Node, operation: Operation, state: State, memory_read: Any = None
    ) -> tuple[State, Any]:
        """Show an operation its field and the state in front of it; return that behind it, and its memory."""
        operation.accept_field(self.handlers[node.source])
        column = self.metadata[f"f{self.fieldname_to_fix[node.source]}"]
        if not isinstance(column, np.ndarray) and not type(operation).__module__.startswith("betongo."):
            column = np.asarray(column)
        operation.accept_globals(column, memory_read if memory_read is not None else self.memory_read)
        return operation.declare_state_and_memory(state)

    def split(self) -> Split:
        """Cut the tree: the engine does as much as it can of each output, from the decoder on."""
        walk = _Walk(self, frozenset())
        while True:
            for name, leaf in self.leaf_nodes.items():
                walk.follow(name, leaf)
            apart = walk.torn()
            if not apart:
                walk.check_followed()
                return walk.split
            walk = _Walk(self, walk.apart | apart)


class _Walk:
    """The cutting of one graph: what each node is to the engine, and what was cut so far."""

    def __init__(self, graph: Graph, apart: frozenset[str]) -> None:
        self.graph = graph
        self.apart = apart  # pairs of operations that the client does
        self.split = Split()
        self.seen: dict[Node, tuple[State, dict[str, Any] | None]] = {}
        self.cuts: dict[tuple[Node, str], Cut] = {}
        self.steps: dict[tuple[Node, int], Step] = {}

    def look(self, node: Node) -> tuple[State, dict[str, Any] | None]:
        """Return the state behind a node, and the engine's operation for it or None."""
        if node not in self.seen:
            operation = node.operation
            before = initial_state() if node.parent is None else self.look(node.parent)[0]
            try:
                state, _ = self.graph.declare(node, operation, before)
            except TypeError:
                if before.shape is not None or not is_layout(operation):
                    raise
                state = before  # of a shape that only the engine knows
            foreign = node.parent is None and node.source in self.graph.custom
            foreign = foreign or operation_pair(operation) in self.apart
            self.seen[node] = state, None if foreign else native(operation)
        return self.seen[node]

    def prefix(self, path: list[Node]) -> tuple[list[Node], list[Node]]:
        """Return a path's nodes that the engine does and those between that are free, up to another."""
        done: list[Node] = []
        free: list[Node] = []
        moved = last = False
        for node in path:
            operation = node.operation
            knows = self.look(node)[1] is not None
            if knows and not last and (not moved or operation._commutes):
                done.append(node)
                last = operation._last
            elif done and is_layout(operation):
                free.append(node)
                moved = moved or operation._moves
            else:
                break
        return done, free

    def check_followed(self) -> None:
        """Refuse an output that follows one whose pixels are moved where nobody can follow."""
        for cut in self.split.cuts:
            followed = cut.spec().get("follow", "")
            if followed not in self.graph.leaf_nodes:
                continue
            path = self.graph.leaf_nodes[followed].path()
            for node in (step.node for step in self.split.steps if step.node in path):
                op = self.look(node)[1]
                if op is not None and op.get("op") in _moving:
                    raise ValueError(
                        f"output {cut.name!r} follows {followed!r}, whose {type(node.operation).__name__} "
                        "runs in Python, because of an operation of Python in front of it: put it before that"
                    )

    def torn(self) -> frozenset[str]:
        """Return the names of pairs of which the engine does a part."""
        its = {operation_pair(node.operation) for cut in self.split.cuts for node in cut.nodes}
        ours = {operation_pair(step.node.operation) for step in self.split.steps}
        return frozenset((its & ours) - {""})

    def follow(self, output: str, leaf: Node) -> None:
        """Put one output into the split."""
        path = leaf.path()
        done, free = self.prefix(path)
        name = output
        branch = self.branch(path, done, free)
        if branch is not None:  # what several take is made once
            name = branch.output
            done, free = self.prefix(path[: path.index(branch) + 1])
        at: Step | Cut | None = self.cut(name, done) if done else None
        for node in path:
            if node not in done:
                at = self.step(node, at)
        assert at is not None
        at.uses += 1
        self.split.leaves[output] = at

    def branch(self, path: list[Node], done: list[Node], free: list[Node]) -> Node | None:
        """Return the first node of a path whose value must be the same to all that take it, None if there
        is none.

        Up to the first random operation, or to the end of what the engine does, it comes out the same anyway.
        """
        chance = False
        for node in path:
            chance = chance or not (node in free or (node in done and is_certain(self.look(node)[1])))
            if chance and node.uses > 1:
                return node
        return None

    def cut(self, name: str, done: list[Node]) -> Cut:
        """Return the engine's output that ends with these nodes, a new one if there is none."""
        key = done[-1], name
        if key not in self.cuts:
            decoder = self.look(done[0])[1]
            ops = [op for op in (self.look(node)[1] for node in done[1:]) if op is not None]
            self.cuts[key] = Cut(name, done, decoder or None, ops, self.look(done[-1])[0])
            self.split.cuts.append(self.cuts[key])
        return self.cuts[key]

    def step(self, node: Node, takes: Step | Cut | None) -> Step:
        """Return the client's step of a node, a new one if there is none."""
        key = node, id(takes)
        if key not in self.steps:
            self.steps[key] = Step(node, takes)
            self.split.steps.append(self.steps[key])
            if takes is not None:
                takes.uses += 1
        return self.steps[key]


# What the engine does without drawing random numbers.
_certain = frozenset(
    (
        "CenterCrop",
        "Convert",
        "Normalize",
        "Poison",
        "ReplaceLabel",
        "Resize",
        "Simple",
        "ToCHW",
        "View",
        "Grayscale",
    )
)

# What the engine does that puts pixels elsewhere.
_moving = frozenset(
    ("CenterCrop", "HorizontalFlip", "RandomCrop", "RandomResizedCrop", "Translate", "VerticalFlip")
)


def is_certain(op: dict[str, Any] | None) -> bool:
    """Tell whether an operation of the engine's always gives the same for the same."""
    return op is not None and (not op or op.get("op") in _certain)


def is_layout(operation: Operation) -> bool:
    """Tell whether an operation only looks at the same memory in another way."""
    return bool(getattr(operation, "_layout", False))


def native(operation: Operation) -> dict[str, Any] | None:
    """Return the engine's operation for one of this package's, None when the engine doesn't do it."""
    ask = getattr(operation, "_native", None)
    return None if ask is None else ask()


def is_decoder(operation: Operation) -> bool:
    """Tell whether an operation is one of this package's decoders, or derived from one."""
    return bool(getattr(operation, "_decoder", False))


def operation_pair(operation: Operation) -> str:
    """Return the name of those that must be done together with an operation, "" if there are none."""
    return str(getattr(operation, "_pair", ""))
