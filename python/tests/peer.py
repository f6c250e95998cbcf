"""An engine's side of a connection, in Python: for what the real one never does, and for measuring the client
alone."""

from __future__ import annotations

import array
import json
import mmap
import os
import socket
import struct
import threading
from typing import Any

import numpy as np

from betongo._wire import Connection


def frame(obj: Any, payload: bytes = b"") -> bytes:
    text = json.dumps(obj).encode() if obj is not None else b""
    return struct.pack("<II", len(text), len(payload)) + text + payload


class Peer:
    """Serves one loader of batches of rows; each has an output x, float32 (width,), whose rows are
    100*batch+row."""

    def __init__(
        self, batches: int = 10, rows: int = 4, width: int = 3, outs: int = 1, ahead: int = 2
    ) -> None:
        self.batches, self.rows, self.width, self.outs, self.ahead = batches, rows, width, outs, ahead
        self.mine, self.theirs = socket.socketpair()
        self.free: list[int] = []
        self.maps: list[mmap.mmap] = []
        self.busy: dict[int, int] = {}
        self.seq = 0
        self.released: list[int] = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def connect(self) -> Connection:
        return Connection(self.theirs)

    def _read(self) -> tuple[Any, bytes] | None:
        def exact(n: int) -> bytes:
            b = b""
            while len(b) < n:
                more = self.mine.recv(n - len(b))
                if not more:
                    raise EOFError
                b += more
            return b

        try:
            size, extra = struct.unpack("<II", exact(8))
            text = exact(size)
            return json.loads(text) if text else None, exact(extra)
        except (EOFError, OSError):
            return None

    def _run(self) -> None:
        try:
            self._serve()
        except OSError:
            pass  # the client has closed it
        self.mine.close()

    def _serve(self) -> None:
        outs = [
            {"name": f"x{k}", "dtype": "<f4", "shape": [self.width], "lengths": False, "offsets": False}
            for k in range(self.outs)
        ]
        while (got := self._read()) is not None:
            obj, payload = got
            if obj is None:
                self._credit(payload)
            elif obj["do"] == "loader":
                self.mine.sendall(frame({"ok": {"batches": self.batches, "samples": 0, "outputs": outs}}))
            elif obj["do"] == "epoch":
                self.mine.sendall(frame({"ok": {"batches": self.batches}}))
                if not self._epoch():
                    return
            elif obj["do"] == "state":
                self.mine.sendall(frame({"state": {"batches": obj["batches"]}}))

    def _credit(self, payload: bytes) -> int:
        taken, *seqs = struct.unpack(f"<{len(payload) // 4}I", payload)
        for seq in seqs:
            self.released.append(seq)
            self.free.append(self.busy.pop(seq))
        return taken

    def _epoch(self) -> bool:
        taken = 0
        for k in range(self.batches):
            while k >= taken + self.ahead:
                got = self._read()
                if got is None:
                    return False
                obj, payload = got
                if obj is None:
                    taken = self._credit(payload)
                elif obj["do"] == "stop":
                    self.mine.sendall(frame({"end": True, "stopped": True}))
                    return True
                elif obj["do"] == "state":
                    self.mine.sendall(frame({"state": {"batches": obj["batches"]}}))
            self._batch(k)
        self.mine.sendall(frame({"end": True, "stopped": False, "stats": {"n": self.batches}}))
        return True

    def _batch(self, k: int) -> None:
        fds: list[int] = []
        size = 4 * self.rows * self.width * self.outs
        size += -size % 4096
        if not self.free:
            fd = os.memfd_create("segment")
            os.ftruncate(fd, size)
            self.maps.append(mmap.mmap(fd, size))
            self.free.append(len(self.maps) - 1)
            fds.append(fd)
        number = self.free.pop()
        one = 4 * self.rows * self.width
        for out in range(self.outs):
            x = np.frombuffer(self.maps[number], np.float32, self.rows * self.width, out * one)
            x.reshape(self.rows, self.width)[:] = (100 * k + np.arange(self.rows))[:, None]
        ids = np.arange(k * self.rows, (k + 1) * self.rows, dtype=np.int64).tobytes()
        self.busy[self.seq] = number
        obj = {
            "b": self.seq,
            "n": self.rows,
            "o": [[number, out * one, self.rows, -1] for out in range(self.outs)],
        }
        if fds:
            obj["fds"] = [[number, size]]
        self.seq += 1
        data = frame(obj, ids)
        if fds:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            n = self.mine.sendmsg([data], rights)
            data = data[n:]
            os.close(fds[0])
        if data:
            self.mine.sendall(data)
