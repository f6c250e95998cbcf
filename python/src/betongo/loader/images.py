"""Whole images from the engine, for decoders that run in the client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _engine
from .._wire import Connection

if TYPE_CHECKING:
    from .._file import File

__all__ = ["Images"]

_at_a_time = 16


class Images:
    """Decodes images of a field: called with samples' numbers it gives them one by one, uint8 (height,
    width, 3).

    The arrays are the caller's. With cached the engine doesn't map the file for it. One thread at a time.
    """

    def __init__(self, file: File, field: str, cached: bool) -> None:
        self._file = file
        self._request: dict[str, Any] = {"do": "images", "field": field, "cached": cached}
        self._connection: Connection | None = None
        self._owner = 0

    def __call__(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        for at in range(0, len(ids), _at_a_time):
            yield from self._ask(np.ascontiguousarray(ids[at : at + _at_a_time], "<i8"))

    def _ask(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        connection = None if self._file.far else self._mine()
        request = {**self._request, "ids": len(ids)}
        answer, pixels = self._file.ask(request, ids.view(np.uint8).data, connection)
        at = 0
        for height, width, channels, size in answer["ok"]["images"]:
            n = height * width * channels * size
            yield np.frombuffer(pixels, np.uint8 if size == 1 else "<u2", n // size, at).reshape(
                height, width, channels
            )
            at += n

    def _mine(self) -> Connection:
        """A connection of this process for a file that has none of its own."""
        connection = self._connection
        if connection is None or connection.closed or self._owner != os.getpid():
            connection = self._connection = _engine.Connector()()
            self._owner = os.getpid()
        return connection

    def __getstate__(self) -> dict[str, Any]:
        return {"_file": self._file, "_request": self._request, "_connection": None, "_owner": 0}
