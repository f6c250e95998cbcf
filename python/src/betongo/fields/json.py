"""JSONField: what the json module can write."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from .base import FORM_BYTES, Entry, Field, Malloc, _torch
from .bytes import BytesField

__all__ = ["ENCODING", "JSONField", "SEPARATOR"]

ENCODING = "utf8"
SEPARATOR = "\0"


class JSONField(BytesField):
    """A value that json.dumps can write. Batches hold its text, with a NUL behind it; unpack reads them."""

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return BytesField()

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        super().encode(destination, (json.dumps(field) + SEPARATOR).encode(ENCODING), malloc)

    @staticmethod
    def unpack(batch: Any) -> Any:
        """Returns what a batch of this field says: a list of values; of a single sample (one dimension) its
        value.

        batch is what the loader gives, an array or tensor of uint8 of shape (n, width) or (width,).
        """
        rows = batch.cpu().numpy() if _torch(batch) else np.asarray(batch)
        values = [_parse(row) for row in (rows if rows.ndim > 1 else [rows])]
        return values if rows.ndim > 1 else values[0]

    def _spec(self) -> dict[str, Any]:
        return {"kind": "json"}

    def _entry(self, value: Any) -> Entry:
        return FORM_BYTES, 0, 0, 0, json.dumps(value).encode(ENCODING)


def _parse(row: np.ndarray) -> Any:
    text, nul, _ = row.tobytes().partition(b"\0")
    if not nul:
        raise ValueError(f"{len(text)} bytes without a NUL at the end of the JSON text: {text[:60]!r}")
    return json.loads(text.decode(ENCODING))
