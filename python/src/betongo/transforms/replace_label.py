"""Replace the labels of some samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..pipeline.state import State
from ._tensors import numpy_dtype
from ._transform import Transform, indexed

__all__ = ["ReplaceLabel"]


class ReplaceLabel(Transform):
    """Give some samples another label.

    indices: the samples' numbers in the dataset. new_label: what all of a sample's values become. Takes
    arrays of any shape, which are changed in place.
    """

    def __init__(self, indices: Sequence[int], new_label: int) -> None:
        super().__init__()
        self.indices = np.sort(np.asarray(indices, dtype=np.int64))
        self.new_label = new_label

    def _op(self) -> dict[str, Any] | None:
        dtype = np.dtype("<i8") if self._before is None else numpy_dtype(self._before.dtype)
        if dtype is None or self.new_label != int(self.new_label):
            return None
        label = int(self.new_label)
        if dtype.kind in "iu":
            held = np.iinfo(dtype).min <= label <= min(np.iinfo(dtype).max, (1 << 63) - 1)
        else:
            held = dtype in (np.float32, np.float64) and abs(label) <= 1 << (
                24 if dtype.itemsize == 4 else 53
            )
        if not held or len(self.indices) and self.indices[0] < 0:
            return None
        return {"op": "ReplaceLabel", "indices": self.indices.tolist(), "newlabel": label}

    def generate_code(self) -> Callable[..., Any]:
        chosen, label = self.indices, self.new_label

        def replace_label(labels: np.ndarray, dst: Any, indices: Any) -> np.ndarray:
            labels[np.isin(np.asarray(indices, dtype=np.int64), chosen)] = label
            return labels

        return indexed(replace_label)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        return self._arrays(previous_state), None
