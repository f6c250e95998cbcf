"""Frames and what goes wrong with them, against a peer that breaks the rules."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from peer import frame

import betongo
from betongo._wire import Connection, error_of


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket.socket]]:
    a, b = socket.socketpair()
    c = Connection(a)
    yield c, b
    c.close()
    b.close()


def test_frames(pair: tuple[Connection, socket.socket]) -> None:
    c, s = pair
    d = Connection(s)
    c.send({"x": "ü"}, b"abc")
    c.send(None, b"zz")
    c.send({"y": None})
    assert d.recv() == ({"x": "ü"}, b"abc", ())
    assert d.recv() == ({}, b"zz", ())
    assert d.recv() == ({"y": None}, b"", ())


@pytest.mark.parametrize("size", [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 256 << 10, 3 << 20])
def test_sizes(pair: tuple[Connection, socket.socket], size: int) -> None:
    c, s = pair
    d = Connection(s)
    data = os.urandom(size)

    def send() -> None:
        for k in range(3):
            c.send({"k": k}, data)
        c.send({"k": 3}, b"end")

    t = threading.Thread(target=send)
    t.start()
    for k in range(3):
        obj, got, _ = d.recv()
        assert obj == {"k": k} and got == data
    assert d.recv() == ({"k": 3}, b"end", ())
    t.join()


def test_byte_by_byte(pair: tuple[Connection, socket.socket]) -> None:
    c, s = pair
    data = frame({"a": 1}, b"xyz") + frame({"b": 2})

    def send() -> None:
        for i in range(len(data)):
            s.send(data[i : i + 1])
            time.sleep(0.001)

    t = threading.Thread(target=send)
    t.start()
    assert c.recv() == ({"a": 1}, b"xyz", ())
    assert c.recv() == ({"b": 2}, b"", ())
    t.join()


def test_descriptors(pair: tuple[Connection, socket.socket]) -> None:
    c, s = pair
    d = Connection(s)
    r, w = os.pipe()
    try:
        c.send({"before": 1})
        c.send({"fds": [[1, 2], [3, 4]]}, b"q", [r, w])
        c.send({"after": 1})
        assert d.recv() == ({"before": 1}, b"", ())
        obj, payload, fds = d.recv()
        assert obj == {"fds": [[1, 2], [3, 4]]} and payload == b"q" and len(fds) == 2
        assert not any(map(os.get_inheritable, fds))
        os.write(fds[1], b"through")
        assert os.read(r, 9) == b"through"
        for fd in fds:
            os.close(fd)
        assert d.recv() == ({"after": 1}, b"", ())
    finally:
        os.close(r)
        os.close(w)


def test_unread_descriptors_are_closed() -> None:
    before = len(os.listdir("/dev/fd"))
    a, b = socket.socketpair()
    c, d = Connection(a), Connection(b)
    r, w = os.pipe()
    c.send({"x": 1})
    c.send({"fds": [[1, 2]]}, b"", [r])
    d.recv()
    time.sleep(0.01)
    c.close()
    d.close()
    os.close(r)
    os.close(w)
    assert len(os.listdir("/dev/fd")) == before


def test_interrupt_loses_nothing(pair: tuple[Connection, socket.socket]) -> None:
    c, s = pair
    d = Connection(s)
    me = threading.get_ident()
    armed = False
    interrupts = 0

    def send() -> None:
        for k in range(41):
            if k < 40:
                signal.pthread_kill(me, signal.SIGUSR1)
            time.sleep(0.002)
            c.send({"k": k}, b"x" * 100000)

    class Interrupted(Exception):
        pass

    def handler(*_: object) -> None:
        if armed:
            raise Interrupted

    old = signal.signal(signal.SIGUSR1, handler)
    got = [-1]
    t = threading.Thread(target=send)
    t.start()
    try:
        while got[-1] < 40:
            try:
                armed = True
                obj = d.recv()[0]
                armed = False
                got.append(obj["k"])
            except Interrupted:
                armed = False
                interrupts += 1
    finally:
        t.join()
        signal.signal(signal.SIGUSR1, old)
    assert interrupts > 0
    # The one thing that an interrupt can take is a frame on its way from recv to us: rare, and never half of
    # one.
    assert got == sorted(set(got)) and len(got) > 35


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (struct.pack("<II", 1 << 30, 0), "more than is allowed"),
        (struct.pack("<II", 2, (1 << 30) + 1), "more than is allowed"),
        (struct.pack("<II", 5, 0) + b"nonsense"[:5], "no JSON object"),
        (struct.pack("<II", 2, 0) + b"[]", "no JSON object"),
        (struct.pack("<II", 2, 0) + b"\xff\xfe", "no JSON object"),
        (b"\x01", "closed the connection"),
        (b"", "closed the connection"),
        (frame({"a": 1}, b"abc")[:-1], "closed the connection"),
    ],
)
def test_broken(pair: tuple[Connection, socket.socket], data: bytes, what: str) -> None:
    c, s = pair
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    with pytest.raises(betongo.EngineError, match=what):
        c.recv()
    assert c.closed
    with pytest.raises(betongo.EngineError):
        c.request({"do": "x"})


def test_request(pair: tuple[Connection, socket.socket]) -> None:
    c, s = pair
    s.sendall(
        frame({"ok": 1}, b"p")
        + frame({"error": {"kind": "option", "message": "no such thing"}})
        + frame({"ok": 2})
    )
    assert c.request({"do": "a"}) == ({"ok": 1}, b"p")
    with pytest.raises(ValueError, match="no such thing"):
        c.request({"do": "b"})
    assert c.request({"do": "c"})[0] == {"ok": 2}
    with pytest.raises(ValueError, match="can be sent"):
        c.send({"a": "x" * (17 << 20)})
    assert not c.closed


@pytest.mark.parametrize(
    ("error", "kind", "members"),
    [
        (
            {"kind": "sample", "file": "f", "field": "img", "sample": 0, "offset": 9},
            betongo.SampleError,
            {"file": "f", "field": "img", "sample": 0, "offset": 9},
        ),
        (
            {"kind": "format", "file": "f", "offset": 3},
            betongo.FormatError,
            {"file": "f", "offset": 3, "place": None},
        ),
        ({"kind": "notfound", "file": "f"}, FileNotFoundError, {"errno": 2}),
        ({"kind": "os", "errno": 13}, PermissionError, {"errno": 13}),
        ({"kind": "os"}, OSError, {"errno": 5}),
        ({"kind": "option"}, ValueError, {}),
        ({"kind": "type"}, TypeError, {}),
        ({"kind": "state"}, betongo.StateError, {}),
        ({"kind": "unsupported"}, betongo.UnsupportedError, {}),
        ({"kind": "protocol"}, betongo.EngineError, {}),
        ({"kind": "internal"}, betongo.EngineError, {}),
        ({"kind": "other"}, betongo.EngineError, {}),
        ({}, betongo.EngineError, {}),
    ],
)
def test_errors(error: dict[str, object], kind: type, members: dict[str, object]) -> None:
    e = error_of({"message": "what happened", **error})
    assert isinstance(e, kind) and "what happened" in str(e)
    assert {k: getattr(e, k) for k in members} == members
