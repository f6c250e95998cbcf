"""Slots and their memory, against a peer whose memory is in view."""

from __future__ import annotations

import gc
import pickle
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peer import Peer, frame

import betongo
from betongo import DatasetWriter, _engine, _stream
from betongo._stream import LoaderStream
from betongo.fields import BytesField

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peer makes its memory as on Linux")


def stream(peer: Peer) -> LoaderStream:
    return LoaderStream(peer.connect, {"outputs": []})


def test_batches_and_state() -> None:
    s = stream(Peer(20))
    epoch = s.epoch(0)
    assert epoch.batches == 20 and len(s.outputs) == 1
    for k, b in enumerate(epoch):
        x = b.columns[0].array
        assert b.index == k and len(b) == 4
        assert b.ids.tolist() == list(range(4 * k, 4 * k + 4)) and b.ids.flags.writeable
        assert x.shape == (4, 3) and x.dtype == np.float32 and type(x) is np.ndarray
        assert x.flags.writeable and x.flags.c_contiguous and (x[:, 0] == 100 * k + np.arange(4)).all()
        x[:] = 7  # it is the consumer's
        assert s.state(0, k) == {"batches": k}
    assert k == 19 and epoch.stats == {"n": 20} and not epoch.stopped
    assert list(epoch) == []


def test_memory_goes_round() -> None:
    peer = Peer(50)
    s = stream(peer)
    for e in range(3):
        for _ in s.epoch(e):
            pass
    assert len(peer.maps) <= _stream.USUAL


def test_a_view_keeps_its_batch() -> None:
    peer = Peer(12)
    s = stream(peer)
    views = []
    for b in s.epoch(0):
        views.append(b.columns[0].array[1:, 2].reshape(3, 1))
    for e in (1, 2):
        for _ in s.epoch(e):
            pass
    for k, x in enumerate(views):
        assert (x[:, 0] == 100 * k + np.arange(1, 4)).all()
    s.close()
    del s, peer, b
    gc.collect()
    assert views[3][0, 0] == 301
    views[3][:] = 5


def test_release() -> None:
    peer = Peer(12)
    s = stream(peer)
    for b in s.epoch(0):
        b.release()
        b.release()
    s.epoch(1).close()
    assert sorted(set(peer.released)) == sorted(peer.released)
    assert len(peer.maps) <= 3


def test_dlpack() -> None:
    peer = Peer(12)
    s = stream(peer)
    kept = [np.from_dlpack(b.columns[0].array) for b in s.epoch(0)]
    for _ in s.epoch(1):
        pass
    assert [int(x[0, 0]) for x in kept] == [100 * k for k in range(12)]


def test_keeping_everything_warns_once_and_never_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stream, "TOO_MANY", 40)
    peer = Peer(150)
    s = stream(peer)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = list(s.epoch(0)) + list(s.epoch(1))
    assert len(caught) == 1 and "batches are in use" in str(caught[0].message)
    for i, b in enumerate(kept):
        assert b.columns[0].array[0, 0] == 100 * (i % 150), i
    assert len(peer.maps) < 50  # the others were copied
    assert all(b.columns[0].array.flags.writeable for b in kept)


def test_leaving_early() -> None:
    s = stream(Peer(1000))
    for e in range(20):
        for b in s.epoch(e):
            if b.index == e % 3:
                break
    epoch = s.epoch(20)
    next(epoch)
    epoch.close()
    with pytest.raises(StopIteration):
        next(epoch)
    with s.epoch(21) as epoch:
        assert next(epoch).index == 0


def test_dead_peer() -> None:
    peer = Peer(1000)
    s = stream(peer)
    epoch = s.epoch(0)
    b = next(epoch)
    peer.mine.close()
    with pytest.raises(betongo.EngineError, match="closed the connection"):
        for b in epoch:
            pass
    assert b.columns[0].array[0, 0] == 100 * b.index
    s.close()
    with pytest.raises(ValueError, match="closed"):
        s.epoch(0)


def test_slots_die_in_other_threads() -> None:
    peer = Peer(300)
    s = stream(peer)
    lot: list[Any] = []

    def drop() -> None:
        while len(lot) != 1 or lot[0] is not None:
            if lot and lot[0] is not None:
                lot.pop(0)

    threads = [threading.Thread(target=drop)]
    for t in threads:
        t.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k, b in enumerate(s.epoch(0)):
            assert b.columns[0].array[0, 0] == 100 * k
            lot.append(b)
    del b
    lot.append(None)
    for t in threads:
        t.join()
    for _ in s.epoch(1):
        pass
    assert len(set(peer.released)) == len(peer.released)


def test_a_frame_lost_to_an_interrupt() -> None:
    """What an interrupt took between the socket and the consumer may have brought segments: another
    connection is made."""
    peers = [Peer(10), Peer(10)]
    s = LoaderStream(lambda: peers.pop(0).connect(), {"outputs": []})
    epoch = s.epoch(0)
    next(epoch)
    line = epoch._line
    assert line is not None and not line.lost
    line.conn.recv()  # as if it had been taken
    assert line.lost
    epoch.close()
    assert len(list(s.epoch(1))) == 10 and not peers and line.conn.closed


def test_outs() -> None:
    out = _stream.Out(
        {"name": "a", "dtype": "[('x', '<i4'), ('y', '<f8', (2,))]", "shape": None, "lengths": True}
    )
    assert out.dtype == np.dtype([("x", "<i4"), ("y", "<f8", (2,))]) and out.shape is None and out.lengths
    assert pickle.loads(pickle.dumps(out)).dtype == out.dtype


def test_rows_of_items(engine: Any, tmp_path: Path) -> None:
    """Rows that differ in how many items they have, each of a shape."""
    path = tmp_path / "a.beton"
    rows = [np.arange(6 * (1 + i % 3), dtype="<u2") for i in range(8)]
    DatasetWriter(path, {"x": BytesField()}).from_iterable([(r.view(np.uint8),) for r in rows])
    out = {"name": "x", "field": "x", "item": {"dtype": "<u2", "shape": [2, 3]}}
    spec = {"paths": [str(path)], "batch_size": 4, "order": {"name": "sequential"}, "outputs": [out]}
    with LoaderStream(_engine.Connector(), spec) as s:
        assert s.outputs[0].item == (2, 3) and s.outputs[0].shape is None
        for b in s.epoch(0):
            x = b.columns[0]
            assert x.array.shape == (4, 3, 2, 3) and x.array.dtype == np.uint16
            for i, row, n in zip(b.ids, x.array, x.lengths):
                assert n == 1 + i % 3 and (row[:n].ravel() == rows[i]).all() and not row[n:].any()


def test_an_error_of_something_else_does_not_end_an_epoch() -> None:
    """An answer to a request that was given up is no batch, and no end."""

    class Late(Peer):
        def _batch(self, k: int) -> None:
            if k == 2:
                error = {"error": {"kind": "option", "message": "late"}, "do": "state"}
                self.mine.sendall(frame(error))
            super()._batch(k)

    assert [b.index for b in stream(Late(6)).epoch(0)] == list(range(6))

    class Ends(Peer):
        def _batch(self, k: int) -> None:
            if k == 2:
                self.mine.sendall(frame({"error": {"kind": "option", "message": "it"}, "do": "epoch"}))
            super()._batch(k)

    with pytest.raises(ValueError, match="it"):
        list(stream(Ends(6)).epoch(0))
