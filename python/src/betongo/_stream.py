"""Batches from the engine, as arrays over the memory that it wrote them to."""

from __future__ import annotations

import ast
import ctypes
import errno
import mmap
import os
import sys
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ._warn import warn
from ._wire import Connection, error_of
from .errors import EngineError

__all__ = ["Columns", "Epoch", "LoaderStream", "Out", "Slot"]

Ids = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

USUAL = 6
"""How many batches a consumer that drops each before the next one has in use, those on their way included."""

MANY = 4 * USUAL
"""From here on a consumer that keeps batches is told so, once."""

TOO_MANY = 512
"""From here on kept batches are copied out of the shared memory, of which a process can have only so many
pieces."""


class Out:
    """An output of a loader: name, dtype, and shape of a row, None where it differs between batches.

    With lengths, rows have a true length each, in items, which are of shape item; with offsets, the output is
    ragged: its array holds the items of all rows, and shape is an item's.
    """

    __slots__ = ("dtype", "item", "lengths", "name", "offsets", "shape")

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.dtype: np.dtype[Any] = _dtype(spec["dtype"])
        shape = spec.get("shape")
        self.shape: tuple[int, ...] | None = None if shape is None else tuple(shape)
        self.item: tuple[int, ...] = tuple(spec.get("item") or ())
        self.lengths: bool = bool(spec.get("lengths"))
        self.offsets: bool = bool(spec.get("offsets"))

    def __repr__(self) -> str:
        more = ", lengths" * self.lengths + ", offsets" * self.offsets
        return f"Out({self.name!r}, {self.dtype}, {self.shape}{more})"


def _dtype(text: Any) -> np.dtype[Any]:
    if isinstance(text, str) and text[:1] in "[{":
        text = ast.literal_eval(text)
    if isinstance(text, list):
        text = [tuple(tuple(x) if isinstance(x, list) else x for x in member) for member in text]
    return np.dtype(text)


class Columns:
    """An output's values in a batch.

    array is C-contiguous, writable, and not copied: (n, *shape), or (n, width, *item) of an output without a
    fixed shape, or (items, …) of a ragged one. lengths, int64 (n,), are the rows' true lengths; offsets,
    int64 (n+1,), the places of a ragged output's rows; both are the caller's own, or None.
    """

    __slots__ = ("array", "lengths", "offsets")

    def __init__(self, values: Array, lengths: Ids | None, offsets: Ids | None) -> None:
        self.array = values
        self.lengths = lengths
        self.offsets = offsets


class Slot:
    """A batch: ids, int64 (n,), the samples' numbers in the file; columns, one for each enabled output, in
    order.

    The arrays lie in memory that the engine fills again when the last of them, and of all that views them
    (slices, tensors), is gone, or when release was called. Until then nothing changes them but their owner;
    they may outlive the stream and the engine. skipped are samples that the error policy left out.
    """

    __slots__ = ("_lease", "columns", "ids", "index", "skipped")

    def __init__(
        self, index: int, ids: Ids, columns: list[Columns], skipped: list[dict[str, Any]], lease: _Lease
    ) -> None:
        self.index = index
        self.ids = ids
        self.columns = columns
        self.skipped = skipped
        self._lease = lease

    def release(self) -> None:
        """Gives the memory back now: the arrays, and all views of them, may change from here on. Again is no
        error."""
        self._lease.end()

    def __len__(self) -> int:
        return len(self.ids)


class _Lease:
    """The right to a slot's memory; it ends with the last array that holds it."""

    __slots__ = ("_back", "_seq")

    def __init__(self, seq: int, back: deque[int]) -> None:
        self._seq = seq
        self._back = back

    def end(self) -> None:
        seq, self._seq = self._seq, -1
        if seq >= 0:
            self._back.append(seq)

    __del__ = end


class _Held(np.ndarray):  # type: ignore[type-arg]
    """The base of the arrays that are handed out: NumPy keeps it as long as any view lives."""

    __slots__ = ("lease",)
    lease: _Lease


class _Address:
    """Memory at an address, for NumPy."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }


class _Segment(np.ndarray):  # type: ignore[type-arg]
    """A mapped segment, uint8 (size,); unmapped when nothing views it any more."""

    address: int

    def __del__(self) -> None:
        address = getattr(self, "address", 0)
        if address:
            _munmap(address, self.size)


_libc = ctypes.CDLL(None, use_errno=True)
_mmap = _libc.mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_munmap = _libc.munmap
_munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_failed = ctypes.c_void_p(-1).value
_FIXED = 0x10  # MAP_FIXED of Linux, which Python doesn't name


_HUGE = 2 << 20
"""Size of the huge pages that larger segments lie in, where the system lets them."""


def _room(size: int) -> int | None:
    """Finds an address for a segment so that its huge pages can be mapped as such; None if it has none.

    It is taken already: the segment's mapping replaces what holds it.
    """
    if size < 2 * _HUGE or not sys.platform.startswith("linux"):
        return None
    first = _mmap(None, size + _HUGE, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if first in (None, _failed):
        return None
    before = -first % _HUGE
    if before:
        _munmap(first, before)
    _munmap(first + before + size, _HUGE - before)
    return int(first + before)


def _map(fd: int, size: int) -> _Segment:
    """Maps a segment. Python's own mmap would keep a descriptor for each."""
    room = _room(size)
    flags = mmap.MAP_SHARED if room is None else mmap.MAP_SHARED | _FIXED
    address = _mmap(room, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, 0)
    if address in (None, _failed):
        code = ctypes.get_errno()
        if room is not None:
            _munmap(room, size)
        if code == errno.ENOMEM:
            raise MemoryError(
                f"no room to map {size} bytes of a batch: the process is at its limit of address space "
                "(ulimit -v) or of mappings (vm.max_map_count); smaller batches, or fewer of them kept, fit"
            )
        raise OSError(code, f"mapping {size} bytes of a batch: {os.strerror(code)}")
    segment = np.asarray(_Address(address, size)).view(_Segment)
    segment.address = address
    return segment


class _Line:
    """A connection with a loader of its own at the other end, and the segments that it has shown."""

    def __init__(self, conn: Connection, spec: dict[str, Any], indices: Ids | None) -> None:
        self.conn = conn
        self.lock = conn.lock
        self.segments: dict[int, _Segment] = {}
        self.back: deque[int] = deque()  # slots to give back; appended to by any thread, at any time
        self.given = 0  # slots handed out, less those given back
        self.frames = 0  # received, of conn.frames
        self.running = False  # whether an epoch's end was not received yet
        self.stopped = False  # whether that epoch was told to end
        # Batches received while waiting for something else.
        self.ahead: deque[tuple[dict[str, Any], bytearray]] = deque()
        self.warned = False
        request = {"do": "loader", **spec}
        payload: bytes | memoryview = b""
        if indices is not None:
            request["indices"] = len(indices)
            payload = memoryview(np.ascontiguousarray(indices, "<i8")).cast("B") if len(indices) else b""
        answer = self.request(request, payload)
        self.plan: dict[str, Any] = answer
        self.batches: int = answer["batches"]
        self.outputs = [Out(o) for o in answer["outputs"]]
        self.sent: Any = spec.get("outputs")
        tell(answer)

    def request(self, request: dict[str, Any], payload: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.conn.request(request, payload)[0]["ok"]
        self.frames = self.conn.frames
        return answer

    @property
    def lost(self) -> bool:
        """Whether the connection is closed, or an interrupt has taken a frame, and what segments came with
        it."""
        return self.conn.closed or self.frames != self.conn.frames

    def credit(self, taken: int) -> None:
        """Tells how many batches of the epoch were taken, and which slots can be filled again."""
        numbers = array("I", (taken,))
        back = self.back
        while back:
            numbers.append(back.popleft())
        self.given -= len(numbers) - 1
        self.conn.send(None, numbers.tobytes())

    def receive(self) -> tuple[dict[str, Any], bytearray]:
        """Waits for the next frame, and keeps its segments."""
        obj, payload, fds = self.conn.recv()
        if fds:
            try:
                for (number, size), fd in zip(obj["fds"], fds):
                    self.segments[number] = _map(fd, size)
            except BaseException:
                self.conn.close()  # what is in segments is not what the engine believes
                raise
            finally:
                for fd in fds:
                    os.close(fd)
        for number in obj.get("drop", ()):
            self.segments.pop(number, None)
        if "b" in obj:
            self.given += 1
        self.frames += 1
        return obj, payload

    def slot(self, obj: dict[str, Any], payload: bytearray, index: int) -> Slot:
        """Makes a batch's arrays."""
        n = obj["n"]
        ids: Ids = np.frombuffer(payload, np.int64, n)
        lease = _Lease(obj["b"], self.back)
        kept = self.given - len(self.back)
        copy = kept > TOO_MANY
        segments, place = self.segments, 8 * n
        columns = []
        for out, (number, offset, rows, width) in zip(self.outputs, obj["o"]):
            shape = (rows,) if width < 0 else (rows, width, *out.item)
            if out.shape is not None:
                shape = (rows, *out.shape)
            values: Array
            if number < 0:
                values = np.zeros(shape, out.dtype)
            else:
                held = _Held(shape, out.dtype, segments[number], offset)
                held.lease = lease
                values = held.view(np.ndarray) if not copy else np.array(held, subok=False)
            lengths = offsets = None
            if out.lengths:
                lengths = np.frombuffer(payload, np.int64, n, place)
                place += 8 * n
            if out.offsets:
                offsets = np.frombuffer(payload, np.int64, n + 1, place)
                place += 8 * (n + 1)
            columns.append(Columns(values, lengths, offsets))
        if copy:
            lease.end()
        if kept > MANY and not self.warned:
            self.warn(kept, sum(c.array.nbytes for c in columns))
        return Slot(index, ids, columns, obj.get("skipped") or [], lease)

    def warn(self, kept: int, size: int) -> None:
        self.warned = True
        warn(
            f"{kept} batches are in use, of {size / 1e6:.3g} MB each, where {USUAL} are usual: memory grows "
            "with each that is kept. Copy what you keep of a batch, or release it",
            RuntimeWarning,
        )

    def stop(self) -> None:
        """Tells the engine to end the epoch, once; finish receives what is still on its way."""
        if self.running and not self.stopped and not self.conn.closed:
            self.stopped = True
            self.conn.send({"do": "stop"})

    def finish(self) -> None:
        """Receives the rest of an epoch that nobody reads any more, and gives it back."""
        self.stop()
        while self.running and not self.lost:
            obj = self.ahead.popleft()[0] if self.ahead else self.receive()[0]
            if "b" in obj:
                self.back.append(obj["b"])
            elif ends(obj):
                self.running = False

    def ask(self, request: dict[str, Any], payload: Any = b"") -> dict[str, Any]:
        """Sends a request while an epoch may run; returns its answer. Batches that come before it wait for
        their turn."""
        try:
            self.conn.send(request, payload)
            while True:
                obj, data = self.receive()
                if "b" not in obj and "end" not in obj and obj.get("do") in (None, request["do"]):
                    break  # else it is of the epoch, if only its error
                self.ahead.append((obj, data))
        except BaseException:
            self.conn.close()
            raise
        if "error" in obj:
            raise error_of(obj["error"])
        return obj

    def fetch(self, request: dict[str, Any], payload: Any = b"") -> Slot:
        """Sends a request that is answered by a batch."""
        try:
            self.conn.send(request, payload)
            return self.one()
        except (EngineError, KeyboardInterrupt):
            self.conn.close()
            raise

    def one(self) -> Slot:
        obj, data = self.receive()
        if "error" in obj:
            raise error_of(obj["error"])
        return self.slot(obj, data, 0)


def ends(obj: dict[str, Any]) -> bool:
    """Whether a frame ends an epoch. An error belongs to the request that it names, or ends everything."""
    return "end" in obj or "error" in obj and obj.get("do") in (None, "epoch")


def tell(answer: dict[str, Any]) -> None:
    """Says what the engine warns of."""
    for text in answer.get("warnings") or ():
        warn(text, RuntimeWarning)


class Epoch:
    """The batches of an epoch, as Slots. One thread at a time.

    Any exception out of it, Ctrl-C too, ends the epoch. batches is how many it has; outputs are what each
    has. stats and report are the engine's when the epoch has ended, else None.
    """

    def __init__(self, stream: LoaderStream, line: _Line, answer: dict[str, Any]) -> None:
        self._stream = stream
        self.batches: int = answer["batches"]
        self.outputs: list[Out] = line.outputs
        self.stats: dict[str, Any] | None = None
        self.report: dict[str, Any] | None = None
        self.stopped = False
        self.taken = 0
        self._line: _Line | None = line

    def __iter__(self) -> Iterator[Slot]:
        return self

    def __next__(self) -> Slot:
        line = self._line
        if line is None:
            raise StopIteration
        try:
            with line.lock:
                taken = self.taken
                if taken or line.back:
                    line.credit(taken)
                while True:
                    obj, payload = line.ahead.popleft() if line.ahead else line.receive()
                    if "b" in obj:
                        slot = line.slot(obj, payload, taken)
                        self.taken = taken + 1
                        return slot
                    if ends(obj):
                        break
                line.running = False
                self._line = None
        except BaseException:
            self.close()
            raise
        self._stream._give(line)
        if "error" in obj:
            raise error_of(obj["error"])
        self.stopped = bool(obj.get("stopped"))
        self.stats = obj.get("stats")
        self.report = obj.get("report")
        tell(obj)
        raise StopIteration

    def __length_hint__(self) -> int:
        return self.batches - self.taken

    def close(self) -> None:
        """Ends the epoch where it is. Again is no error."""
        line, self._line = self._line, None
        if line is None:
            return
        if line.lock.acquire(blocking=False):  # else whoever uses the line next tells it
            try:
                line.stop()
            except EngineError:
                pass
            finally:
                line.lock.release()
        self._stream._give(line)

    def __del__(self) -> None:
        if getattr(self, "_line", None) is not None:
            self.close()

    def __enter__(self) -> Epoch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LoaderStream:
    """A loader at the engine.

    connect makes connections (_engine.Connector()), spec is the loader's description as the engine takes it,
    indices are the samples to load, int64, or None for all. outputs and batches tell what an epoch gives. The
    loader is made at once: what is wrong with spec raises here. It may be used by several threads, pickled,
    and used by forked children, which get a loader of their own.
    """

    def __init__(
        self, connect: Callable[[], Connection], spec: dict[str, Any], indices: npt.ArrayLike | None = None
    ) -> None:
        self._connect = connect
        self._spec = dict(spec)
        self._indices: Ids | None = None if indices is None else np.array(indices, np.int64).reshape(-1)
        self._reset()
        line = self._free()
        with self._lock:
            self.batches: int = line.batches
            self.outputs: list[Out] = line.outputs
            self.plan: dict[str, Any] = line.plan
            self._idle.append(line)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self._idle: list[_Line] = []  # no epoch is read from them
        self._last: _Line | None = None  # that of the latest epoch
        self.closed = False

    def _free(self) -> _Line:
        """Returns a line on which no epoch is read, taken out of idle."""
        if self._pid != os.getpid():
            self._reset()
        if self.closed:
            raise ValueError("the loader is closed")
        while True:
            with self._lock:
                if not self._idle:
                    break
                line = self._idle.pop()
            try:
                with line.lock:
                    line.finish()
                if not line.lost:
                    return line
            except EngineError:
                pass
            line.conn.close()
        conn = self._connect()
        try:
            return _Line(conn, self._spec, self._indices)
        except BaseException:
            conn.close()
            raise

    def epoch(
        self, epoch: int, outputs: Sequence[dict[str, Any]] | None = None, order: npt.ArrayLike | None = None
    ) -> Epoch:
        """Begins an epoch. outputs are others than the spec's from now on; order, int64, the samples of the
        order "given".

        While another one is being read, it is read from a loader of its own.
        """
        if outputs is not None:
            self._spec["outputs"] = list(outputs)
        line = self._free()
        request: dict[str, Any] = {"do": "epoch", "epoch": epoch}
        if self._spec.get("outputs") != line.sent:
            request["outputs"] = self._spec["outputs"]
        payload: Any = b""
        if order is not None:
            numbers = np.ascontiguousarray(order, "<i8").reshape(-1)
            request["order"] = len(numbers)
            payload = memoryview(numbers).cast("B") if len(numbers) else b""
        try:
            answer = line.request(request, payload)
        except Exception:
            self._give(line)
            raise
        line.sent = self._spec.get("outputs")
        if answer.get("outputs") is not None:
            line.outputs = [Out(o) for o in answer["outputs"]]
        line.running, line.stopped = True, False
        self.outputs, self.batches = line.outputs, answer["batches"]
        self._last = line
        return Epoch(self, line, answer)

    def _give(self, line: _Line) -> None:
        """Takes a line back that nobody reads from."""
        if line.conn.closed or self._pid != os.getpid():
            return
        with self._lock:
            few = len(self._idle) < 2 or not line.lock.acquire(blocking=False)
            if few and not self.closed:
                self._idle.append(line)
                return
        line.conn.close()
        if not few:
            line.lock.release()

    def state(self, epoch: int, batches: int) -> dict[str, Any]:
        """Returns the loader's state when the first batches batches of an epoch have been taken: a JSON
        object."""
        request = {"do": "state", "epoch": epoch, "batches": batches}
        line = self._last
        if line is not None and self._pid == os.getpid():
            with line.lock:
                if not line.conn.closed:
                    return self._state(line, request)
        line = self._free()
        try:
            with line.lock:
                return self._state(line, request)
        finally:
            self._give(line)

    def _state(self, line: _Line, request: dict[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = line.ask(request)["state"]
        return state

    def get(self, ids: npt.ArrayLike, epoch: int = 0) -> Slot:
        """Returns a batch of the samples with these numbers, transformed as in that epoch."""
        numbers = np.ascontiguousarray(ids, "<i8").reshape(-1)
        line = self._free()
        try:
            with line.lock:
                if line.back:
                    line.credit(0)
                payload = memoryview(numbers).cast("B") if len(numbers) else b""
                return line.fetch({"do": "get", "ids": len(numbers), "epoch": epoch}, payload)
        finally:
            self._give(line)

    def replay(self, epoch: int, sample: int) -> tuple[dict[str, Any], Slot]:
        """Returns how a sample comes to be in an epoch, and a batch of it alone."""
        line = self._free()
        try:
            with line.lock:
                how = line.ask({"do": "replay", "epoch": epoch, "sample": sample})["ok"]
                return how, line.one()
        finally:
            self._give(line)

    def close(self) -> None:
        """Ends the loader at the engine; batches stay as they are. Again is no error."""
        if self._pid != os.getpid():
            self._reset()  # the parent's goes on
        with self._lock:
            self.closed = True
            lines, self._idle = self._idle, []
        if self._last is not None:
            lines.append(self._last)
            self._last = None
        for line in lines:
            line.conn.close()

    def __getstate__(self) -> dict[str, Any]:
        names = ("_connect", "_spec", "_indices", "batches", "outputs", "plan")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __enter__(self) -> LoaderStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
