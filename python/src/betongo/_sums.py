"""Checksums of a .beton's values, compared by the engine: CRC-32C needs more than NumPy has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._file import File

__all__ = ["Sums"]


class Sums:
    """What of a file was found to be as its checksums say, and the asking for what was not looked at yet.

    Making one raises UnsupportedError for a file without checksums, EngineError where there is no engine. Any
    number of threads, and forked children, may use it.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self._rows = False  # all of them
        self._known: dict[int, np.ndarray] = {}  # by field: whether a sample's value is known to be right
        self._ask([], {"from": 0, "to": 0})

    def check(self, samples: np.ndarray | None, fields: Sequence[int]) -> None:
        """Compares rows and the fields' values of samples, int64 numbers inside the file (None: all). Without
        fields: rows alone, of all. SampleError for the first that differs."""
        everything = {"from": 0, "to": self._file.num_samples}
        if not fields:
            if not self._rows:
                self._ask([], everything)
                self._rows = True
            return
        known = [self._of(k) for k in fields]
        if samples is None:
            missing = [k for k, done in zip(fields, known) if not done.all()]
            if missing:
                self._ask(missing, everything)
        else:
            missing = [k for k, done in zip(fields, known) if not done[samples].all()]
            if missing:
                self._ask(missing, {"ids": len(samples)}, np.ascontiguousarray(samples, "<i8").tobytes())
        for k, done in zip(fields, known):
            done[slice(None) if samples is None else samples] = True

    def _of(self, k: int) -> np.ndarray:
        if k not in self._known:
            self._known[k] = np.zeros(self._file.num_samples, bool)
        return self._known[k]

    def _ask(self, fields: Sequence[int], samples: dict[str, int], payload: bytes = b"") -> None:
        if not payload and samples.get("ids") == 0:
            return
        f = self._file
        f.ask({"do": "verify", "fields": [f.fields[k].name for k in fields], **samples}, payload)
