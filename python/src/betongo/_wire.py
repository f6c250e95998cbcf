"""Frames over a socket to the engine, with file descriptors beside them.

A frame is 8 bytes (two little-endian 32-bit numbers: the length J of its JSON object and P of its payload), J
bytes of JSON and P bytes. File descriptors travel with a frame's first byte; the object's "fds" lists what
they are.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
import sys
import threading
import weakref
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Union

from .errors import BuildError, EngineError, FormatError, SampleError, StateError, UnsupportedError

__all__ = ["PROTOCOL", "Connection", "error_of"]

PROTOCOL = 1
"""The version of what is spoken; the engine refuses another one."""

if not hasattr(socket, "CMSG_SPACE"):
    raise UnsupportedError(
        f"betongo's engine does not run on {sys.platform}: batches need Linux or macOS; betongo.open reads "
        "files anywhere"
    )

MAX_OBJECT = 16 << 20
MAX_PAYLOAD = 1 << 30

Payload = Union[bytes, bytearray, memoryview]

_HEAD = struct.Struct("<II")
_ROOM = 256 << 10  # of the buffer that frames are read into; larger ones get their own
_SMALL = 64 << 10  # up to here a frame is sent with one call
_ANCILLARY = socket.CMSG_SPACE(253 * 4)  # as many descriptors as one message may carry
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)

_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_loads = json.JSONDecoder().decode


class Connection:
    """A connection to an engine: requests and answers, one at a time.

    It belongs to the process that made it; in a forked child it is closed (the parent's goes on). request may
    be called by several threads; send and recv by one that has lock. dead makes the error that tells why the
    other side is gone.
    """

    def __init__(self, sock: socket.socket, dead: Callable[[], EngineError] | None = None) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.hello: dict[str, Any] = {}
        self._sock = sock
        self._dead = dead or (lambda: EngineError("the engine has closed the connection"))
        self._why = "the connection to the engine is closed"
        self._recvmsg_into = sock.recvmsg_into
        self._room = bytearray(_ROOM)
        # The reading end: buffer, its view, first and last byte not yet handed out, what the latest receive
        # returned, descriptors not yet handed out, how many frames were. One attribute: a KeyboardInterrupt
        # finds it whole.
        self._in: _In = (self._room, memoryview(self._room), 0, 0, [], (), 0)
        _open.add(self)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more: closed, broken or of another process."""
        return self._sock.fileno() < 0

    @property
    def frames(self) -> int:
        """How many frames recv has handed out: an interrupt right then may have taken one from the caller."""
        return self._in[6]

    def fileno(self) -> int:
        """The socket's descriptor, -1 when closed."""
        return self._sock.fileno()

    def request(
        self, obj: dict[str, Any], payload: Payload = b"", fds: Sequence[int] = ()
    ) -> tuple[dict[str, Any], bytearray]:
        """Sends a request and returns the whole answer, {"ok": …} or another object, with its payload.

        An answer {"error": …} is raised as the exception that it stands for. When the call is interrupted, by
        Ctrl-C for one, the connection is closed: its answer would come later.
        """
        with self.lock:
            try:
                self.send(obj, payload, fds)
                answer, data, got = self.recv()
            except BaseException:
                self.close()
                raise
            for fd in got:
                os.close(fd)
        if "error" in answer:
            raise error_of(answer["error"])
        return answer, data

    def send(self, obj: dict[str, Any] | None, payload: Payload = b"", fds: Sequence[int] = ()) -> None:
        """Sends a frame; obj None is one without an object. payload is bytes. Closes the connection on any
        failure."""
        text = b"" if obj is None else _dumps(obj).encode()
        if len(text) > MAX_OBJECT or len(payload) > MAX_PAYLOAD:
            raise ValueError(
                f"a request of {len(text)} and {len(payload)} bytes; "
                f"at most {MAX_OBJECT} and {MAX_PAYLOAD} can be sent"
            )
        head = _HEAD.pack(len(text), len(payload)) + text
        sent: list[int] = []
        rest: Payload = b""
        if len(payload) <= _SMALL:
            head += payload
        else:
            rest = payload
        try:
            # One call, whose result an interrupt can't take away: extend runs no Python between.
            if fds:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))]
                sent.extend(map(self._sock.sendmsg, ([head],), (rights,)))
            else:
                sent.extend(map(self._sock.send, (head,)))
            if sent[0] < len(head):
                self._sock.sendall(head[sent[0] :])
            if rest:
                self._sock.sendall(rest)
        except OSError as e:
            self.close()
            raise self._gone(e) from None
        except BaseException:
            if not sent or sent[0] < len(head) or rest:
                self.close()
            raise

    def recv(self) -> tuple[dict[str, Any], bytearray, Sequence[int]]:
        """Waits for a frame; returns its object, its payload and its descriptors, which the caller owns.

        A KeyboardInterrupt that comes while it waits loses nothing: the next call goes on where this one was.
        """
        buf, view, start, end, got, fds, count = self._in
        if got or end - start < 8:
            buf, view, start, end, got, fds, count = self._more(8)
        size, extra = _HEAD.unpack_from(buf, start)
        if size > MAX_OBJECT or extra > MAX_PAYLOAD:
            self.close()
            raise EngineError(f"the engine sent a frame of {size} and {extra} bytes, more than is allowed")
        whole = 8 + size + extra
        if end - start < whole:
            buf, view, start, end, got, fds, count = self._more(whole)
        at = start + 8
        try:
            obj = _loads(str(view[at : at + size], "utf-8")) if size else {}
            n = len(obj.get("fds", ()))
        except (ValueError, AttributeError, TypeError) as e:
            self.close()
            raise EngineError(f"the engine sent no JSON object: {e}") from None
        at += size
        data = bytearray(view[at : at + extra])
        mine, fds = fds[:n], fds[n:]
        start += whole
        if start < end:
            self._in = (buf, view, start, end, got, fds, count + 1)
        elif buf is self._room:
            self._in = (buf, view, 0, 0, got, fds, count + 1)
        else:
            self._in = (self._room, memoryview(self._room), 0, 0, got, fds, count + 1)
        return obj, data, mine

    def _more(self, need: int) -> _In:
        """Receives until need bytes lie together; returns the reading end."""
        buf, view, start, end, got, fds, count = self._in
        while True:
            if got:
                n, ancillary = got[0][0], got[0][1]
                if n == 0:
                    self.close()
                    raise self._gone(None)
                if ancillary:
                    fds += _descriptors(ancillary)
                end += n
                self._in = (buf, view, start, end, [], fds, count)
                got = self._in[4]
            if end - start >= need:
                return self._in
            if start + need > len(buf):
                to = bytearray(max(need, _ROOM))
                fresh = memoryview(to)
                fresh[: end - start] = view[start:end]
                buf, view, start, end = to, fresh, 0, end - start
                self._in = (buf, view, start, end, got, fds, count)
            try:
                # As in send: what was received is in got before an interrupt can be raised.
                room = view[end:] if len(buf) == _ROOM else view[end : start + need]
                got.extend(map(self._recvmsg_into, ((room,),), (_ANCILLARY,), (_CLOEXEC,)))
            except OSError as e:
                self.close()
                raise self._gone(e) from None

    def _gone(self, e: OSError | None) -> EngineError:
        if self.pid != os.getpid():
            return EngineError(f"this connection belongs to process {self.pid}, which made it")
        if e is not None and e.errno == errno.EBADF:
            return EngineError(self._why)
        if e is not None and e.errno not in _gone_errors:
            return EngineError(f"the connection to the engine failed: {e}")
        error = self._dead()
        self._why = str(error)
        return error

    def close(self, why: str = "") -> None:
        """Closes the connection: the engine gives up what it did for it. Again is no error. why is told who
        uses it then."""
        if self._sock.fileno() < 0:
            return
        self._why = why or self._why
        if self.pid == os.getpid():
            try:
                self._sock.shutdown(socket.SHUT_RDWR)  # also when a child has inherited the socket
            except OSError:
                pass
        self._sock.close()
        got, fds = self._in[4], self._in[5]
        for fd in fds + (_descriptors(got[0][1]) if got else ()):
            os.close(fd)
        self._in = (self._room, memoryview(self._room), 0, 0, [], (), self._in[6])

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_in"):
            self.close()


_In = tuple[bytearray, memoryview, int, int, list[Any], tuple[int, ...], int]

_gone_errors = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN)

_open: weakref.WeakSet[Connection] = weakref.WeakSet()


def _descriptors(ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, ...]:
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if not _CLOEXEC:
        for fd in fds:
            os.set_inheritable(fd, False)
    return tuple(fds)


def _forked() -> None:
    """In a forked child: lets go of the parent's connections, so that they end with the parent."""
    for c in list(_open):
        c.lock = threading.RLock()
        c.close()
    _open.clear()


os.register_at_fork(after_in_child=_forked)


def error_of(error: dict[str, Any]) -> Exception:
    """Returns the exception for an answer's "error" object: its "kind", its "message", and what else the kind
    has."""
    kind, message = error.get("kind"), str(error.get("message", "the engine gave no reason"))
    place = {k: error[k] for k in ("file", "field", "sample", "offset") if error.get(k) is not None}
    if kind == "sample":
        return SampleError(message, **place)
    if kind == "format":
        more = {
            k: error[k] for k in ("file", "place", "offset", "found", "expected") if error.get(k) is not None
        }
        return FormatError(message, **more)
    if kind == "build":
        names = ("file", "shard", "key", "sample", "field", "offset", "next")
        made = BuildError(message, **{k: error[k] for k in names if error.get(k) is not None})
        if error.get("cause"):
            made.__cause__ = error_of(error["cause"])
        return made
    if kind == "notfound":
        return FileNotFoundError(errno.ENOENT, message)
    if kind == "os":
        return OSError(int(error.get("errno") or errno.EIO), message)
    make = _kinds.get(str(kind))
    return (
        make(message)
        if make
        else EngineError(f"{kind}: {message}" if kind not in (None, "internal") else message)
    )


_kinds: dict[str, Callable[[str], Exception]] = {
    "option": ValueError,
    "type": TypeError,
    "state": StateError,
    "unsupported": UnsupportedError,
    "protocol": EngineError,
}
