"""What the client does with each batch of the engine's: operations of Python, and views."""

from __future__ import annotations

import copy
import os
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.compiler import Compiler
from ..pipeline.graph import Cut, Graph, Split, Step, initial_state, is_layout, native
from ..pipeline.operation import Operation
from ..pipeline.state import State, cpu, is_torch_dtype
from .failure import failure
from .memory import Pool, allocate

if TYPE_CHECKING:
    from .._stream import Columns, Out
    from .stored import Stored

__all__ = ["Program"]

_turn = (
    threading.Lock()
)  # of functions whose loops numba spreads over threads: not all its ways bear two at once


def _forked() -> None:
    global _turn
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_forked)

_search = 2.0  # seconds to look for the sample that an operation fails with


@dataclass
class _Source:
    """A column of the engine's as the operations behind it expect it."""

    column: int
    view: np.dtype | None  # the type as which it is shown
    width: int  # of padded rows; -1 for as they come


@dataclass
class _Call:
    """A step bound: its function, and where it finds what."""

    step: Step
    operation: Operation
    before: State
    state: State
    function: Callable[..., Any]
    takes: int  # place of the input among the values; -1: the batch's ids
    apart: bool  # whether it gets a copy of its input, which others take too
    queries: Any
    indexed: bool
    shared: _SharedState | None
    spread: bool  # whether numba spreads it over threads
    more: tuple[Any, ...]  # further arguments of a decoder: metadata; what is stored comes behind them
    to_cuda: bool


@dataclass
class _SharedState:
    """Memory that all places of one operation share; init is called once a batch."""

    query: AllocationQuery | None
    init: Callable[..., Any] | None


class _Look:
    """How a column of the engine's is shown as an output: by views, then as a tensor or not."""

    __slots__ = ("place", "_tensor", "_views")

    def __init__(
        self, place: int, views: tuple[Callable[[np.ndarray], np.ndarray], ...], tensor: bool
    ) -> None:
        torch = sys.modules.get("torch") if tensor else None
        self.place = place
        self._views = views
        self._tensor = None if torch is None else torch.from_numpy

    def show(self, array: np.ndarray) -> Any:
        for view in self._views:
            array = view(array)
        return array if self._tensor is None else self._tensor(array)


class Program:
    """The client's part of a loader's pipelines, for one epoch after another as long as nothing in them
    changes.

    threaded tells whether there is any work in it, other than looking at memory in another way. late names
    the operations of this package that run here only because of one in front of them.
    """

    def __init__(
        self,
        graph: Graph,
        split: Split,
        outs: Sequence[Out],
        *,
        file: str,
        spare: int,
        stored: Stored,
        indices_dtype: np.dtype,
        pin: bool = False,
        apart: bool = False,
    ) -> None:
        self.file = file
        self.names = list(split.leaves)
        self.pool = Pool(spare)
        self.late: list[str] = []
        self._graph = graph
        self._stored = stored
        self._dtype = indices_dtype
        self._places: dict[int, int] = {}  # of cuts and steps among the values
        self._states: dict[int, State] = {}
        self._shared: dict[int, _SharedState] = {}
        columns = {out.name: i for i, out in enumerate(outs)}
        self._sources = [self._source(cut, columns[cut.name], outs[columns[cut.name]]) for cut in split.cuts]
        takers = _takers(split)
        copies = _copies(split, apart)
        self._calls = [self._bind(step, op, takers) for step, op in zip(split.steps, copies)]
        self._reads = any(call.takes < 0 for call in self._calls)
        self._leaves = [self._places[id(at)] for at in split.leaves.values()]
        self._width = len(self._sources) + len(self._calls)
        self._pin = pin and _has_cuda()
        devices = [call.state.device for call in self._calls if _on_cuda(call.state)]
        self._cuda = _Cuda(devices[0]) if devices else None
        self.threaded = self._pin or any(not is_layout(call.operation) for call in self._calls)
        self._looks = None if self.threaded else self._look(split)

    def _source(self, cut: Cut, column: int, out: Out) -> _Source:
        """Bind an output of the engine's."""
        dtype, shape = out.dtype, out.shape
        declared = cut.state
        view = None
        if not is_torch_dtype(declared.dtype) and np.dtype(declared.dtype) != dtype:
            if np.dtype(declared.dtype).itemsize == dtype.itemsize:  # such as float16, shown as int16
                view = dtype = np.dtype(declared.dtype)
        width = -1
        if shape is None and not out.offsets and declared.shape is not None:
            width, shape = int(declared.shape[0]), declared.shape
        self._places[id(cut)] = len(self._places)
        self._states[id(cut)] = State(jit_mode=True, device=cpu(), shape=shape, dtype=dtype)
        return _Source(column, view, width)

    def _bind(self, step: Step, operation: Operation, takers: dict[int, int]) -> _Call:
        """Bind a step: its operation is shown what is in front of it."""
        node, takes = step.node, step.takes
        before = initial_state() if takes is None else self._states[id(takes)]
        read = self._stored.reader() if takes is None else None
        if takes is None and hasattr(operation, "_images_of"):
            operation._images_of = self._stored.images(node.source)
        state, queries = self._graph.declare(node, operation, before, read)
        shared = self._share(node.operation, operation, before)
        function = operation.generate_code()
        indexed = bool(getattr(function, "with_indices", False))
        if (state.jit_mode or takes is None) and not is_layout(operation):
            function = Compiler.compile(function)
        self._note(step, operation)
        self._places[id(step)] = len(self._places)
        self._states[id(step)] = state
        more: tuple[Any, ...] = ()
        if takes is None:
            more = (np.asarray(operation.metadata),)
        return _Call(
            step=step,
            operation=operation,
            before=before,
            state=state,
            function=function,
            takes=-1 if takes is None else self._places[id(takes)],
            apart=takes is not None and not is_layout(operation) and takers[id(_origin(takes))] > 1,
            queries=queries,
            indexed=indexed,
            shared=shared,
            spread=bool(getattr(function, "targetoptions", {}).get("parallel")),
            more=more,
            to_cuda=_on_cuda(state) and not _on_cuda(before),
        )

    def _look(self, split: Split) -> list[_Look] | None:
        """Return how each output is shown where nothing is done to it, None where that isn't known.

        It is what the calls do, with less of Python in it: behind the decoding of pictures nothing of that
        is left in the processor's caches.
        """
        functions = {id(call.step): getattr(call.operation, "_look", lambda: None)() for call in self._calls}
        looks = []
        for at in split.leaves.values():
            chain: list[Callable[..., Any]] = []
            tensor = False
            while isinstance(at, Step):
                function = functions[id(at)]
                if function is None or at.takes is None:
                    return None
                if function == "tensor":
                    tensor = True
                elif function != "same":
                    chain.append(function)
                at = at.takes
            looks.append(_Look(self._places[id(at)], tuple(chain[::-1]), tensor))
        return looks

    def _share(self, key: Operation, operation: Operation, before: State) -> _SharedState | None:
        """Return the memory that an operation shares between its places, None if it wants none."""
        query = operation.declare_shared_memory(before)
        init = operation.generate_code_for_shared_state()
        if query is None and init is None:
            return None
        if id(key) not in self._shared:
            if init is not None:
                init = Compiler.compile(init)
            self._shared[id(key)] = _SharedState(query, init)
        return self._shared[id(key)]

    def _note(self, step: Step, operation: Operation) -> None:
        """Note an operation of this package that the engine would have done, but for one in front of it."""
        takes = step.takes
        while isinstance(takes, Step) and is_layout(takes.node.operation):
            takes = takes.takes
        if not isinstance(takes, Step) or takes.takes is None or is_layout(operation):
            return
        op = native(operation)
        if op is not None:
            mine = type(operation).__name__
            its = op.get("op", mine)
            self.late.append(f"{mine} of output {step.node.output!r} (the engine's {its})")

    def begin(self, seed: int, epoch: int) -> None:
        """Begin an epoch: what operations of this package draw here belongs to seed, epoch and place."""
        for call in self._calls:
            reseed = getattr(call.operation, "_reseed", None)
            if reseed is not None:
                node = call.step.node
                reseed(seed, epoch, zlib.crc32(node.output.encode()), node.place)

    def run(self, ids: np.ndarray, columns: Sequence[Columns]) -> Any:
        """Return the outputs of a batch, in order, for hand_out to give to the loop."""
        if self._cuda is None:
            return self._run(ids, columns)
        return self._cuda.run(lambda: self._run(ids, columns))

    def _run(self, ids: np.ndarray, columns: Sequence[Columns]) -> list[Any]:
        values: list[Any] = []
        for source in self._sources:
            array = columns[source.column].array
            if source.view is not None:
                array = array.view(source.view)
            if 0 <= array.ndim - 2 and array.shape[1] < source.width:
                array = self._pad(array, source.width)
            values.append(array)
        if self._looks is not None:
            try:
                return [look.show(values[look.place]) for look in self._looks]
            except Exception:
                pass  # a call tells what it is, and of which operation
        if self._calls:
            indices = ids.astype(self._dtype, copy=False)
            state = self._stored.state(ids) if self._reads else None
            shared = {key: self._set_up(s, len(ids)) for key, s in self._shared.items()}
            for call in self._calls:
                values.append(self._call(call, values, indices, shared, state))
        outputs = [values[i] for i in self._leaves]
        return [_pinned(v) for v in outputs] if self._pin else outputs

    def _pad(self, array: np.ndarray, width: int) -> np.ndarray:
        """Return rows made as long as the longest of the file, with zeros."""
        wide = self.pool.array((len(array), width, *array.shape[2:]), array.dtype)
        wide[:, : array.shape[1]] = array
        wide[:, array.shape[1] :] = 0
        return wide

    def _set_up(self, shared: _SharedState, n: int) -> Any:
        memory = None if shared.query is None else self._memory(shared.query, n)
        if shared.init is not None:
            shared.init(memory)
        return memory

    def _memory(self, queries: Any, n: int) -> Any:
        if queries is None:
            return None
        if isinstance(queries, AllocationQuery):
            return allocate(queries, n, self.pool)
        return tuple(allocate(query, n, self.pool) for query in queries)

    def _call(
        self, call: _Call, values: list[Any], indices: np.ndarray, shared: dict[int, Any], state: Any
    ) -> Any:
        value = indices if call.takes < 0 else values[call.takes]
        if call.apart:
            value = _copy(value)
        if call.to_cuda:
            value = _pinned(value)
        more = [*call.more, state] if call.takes < 0 else []
        if call.indexed:
            more.insert(0, indices)
        if call.shared is not None:
            more.append(shared[id(call.step.node.operation)])
        memory = self._memory(call.queries, len(indices))
        try:
            if not call.spread:
                return call.function(value, memory, *more)
            with _turn:
                return call.function(value, memory, *more)
        except Exception as e:
            node = call.step.node
            raise failure(
                e,
                file=self.file,
                output=node.output,
                field=node.source,
                operation=type(call.operation).__name__,
                samples=indices.tolist(),
                sample=self._culprit(call, value, indices, shared, state, type(e)),
            ) from e

    def _culprit(
        self,
        call: _Call,
        value: Any,
        indices: np.ndarray,
        shared: dict[int, Any],
        state: Any,
        cls: type[Exception],
    ) -> int | None:
        """Return the first sample with which alone an operation fails so too, None if there is none."""
        end = time.monotonic() + _search
        for i in range(len(indices)):
            one = indices[i : i + 1]
            more = [one] if call.indexed else []
            if call.takes < 0:
                more.extend((*call.more, state))
            if call.shared is not None:
                more.append(shared[id(call.step.node.operation)][i : i + 1])
            try:
                call.function(value[i : i + 1], self._memory(call.queries, 1), *more)
            except cls:
                return int(indices[i])
            except Exception:
                return None
            if time.monotonic() > end:
                return None
        return None

    def hand_out(self, batch: Any) -> list[Any]:
        """Make what run returned fit for the caller's thread."""
        return self._cuda.hand_out(batch) if self._cuda is not None else batch


class _Cuda:
    """A stream for copies to devices and what comes after: they overlap with the loop's work."""

    def __init__(self, device: Any) -> None:
        self._torch = sys.modules["torch"]
        self._device = device
        self._stream: Any = None

    def run(self, work: Callable[[], list[Any]]) -> tuple[list[Any], Any]:
        torch = self._torch
        if self._stream is None:  # of the thread that works
            self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            outputs = work()
            done = torch.cuda.Event()
            done.record(self._stream)
        return outputs, done

    def hand_out(self, batch: tuple[list[Any], Any]) -> list[Any]:
        outputs, done = batch
        current = self._torch.cuda.current_stream(self._device)
        current.wait_event(done)
        for value in outputs:
            if getattr(value, "is_cuda", False):
                value.record_stream(current)  # its memory isn't used again before current is done with it
        return outputs


def _origin(at: Step | Cut) -> Step | Cut:
    """Return what made the memory that a step or cut shows."""
    while isinstance(at, Step) and at.takes is not None and is_layout(at.node.operation):
        at = at.takes
    return at


def _takers(split: Split) -> dict[int, int]:
    """Count for each piece of memory the outputs and operations that take it."""
    takers: dict[int, int] = {}
    for at in split.leaves.values():
        takers[id(_origin(at))] = takers.get(id(_origin(at)), 0) + 1
    for step in split.steps:
        if step.takes is not None and not is_layout(step.node.operation):
            takers[id(_origin(step.takes))] = takers.get(id(_origin(step.takes)), 0) + 1
    return takers


def _copies(split: Split, apart: bool) -> list[Operation]:
    """Return the steps' operations, one that stands in several places as copies: each is shown its own state.

    With apart all are copies.
    """
    seen: set[int] = set()
    operations = []
    for step in split.steps:
        operation = step.node.operation
        operations.append(copy.copy(operation) if apart or id(operation) in seen else operation)
        seen.add(id(operation))
    return operations


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, np.ndarray) else value.clone()


def _on_cuda(state: State) -> bool:
    return getattr(state.device, "type", None) == "cuda"


def _has_cuda() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_available())


def _pinned(value: Any) -> Any:
    """Return a tensor of the processor's in pinned memory, with the same strides; anything else as it is."""
    torch = sys.modules.get("torch")
    if (
        torch is None
        or not isinstance(value, torch.Tensor)
        or value.device.type != "cpu"
        or value.is_pinned()
    ):
        return value
    return torch.empty_like(value, pin_memory=True).copy_(value)
