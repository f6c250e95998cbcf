"""State: what one stage of a pipeline hands to the next."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

__all__ = ["Device", "State", "cpu", "is_torch_dtype"]


class Device:
    """Stands in for torch.device as long as torch has not been imported: the processor.

    It equals torch.device("cpu") and "cpu"; type and index are as there.
    """

    __slots__ = ()
    type = "cpu"
    index = None

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"

    def __eq__(self, other: object) -> bool:
        return str(other) == "cpu"

    def __hash__(self) -> int:
        return hash("cpu")


def cpu() -> Any:
    """Return torch's device of the processor when torch has been imported, else a Device equal to it."""
    torch: Any = sys.modules.get("torch")
    return torch.device("cpu") if hasattr(torch, "device") else Device()


def is_torch_dtype(dtype: object) -> bool:
    """Tell whether dtype is one of torch's, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(dtype, getattr(torch, "dtype", ()))


@dataclass
class State:
    """What a stage gets: the type, shape and place of its input.

    jit_mode: whether the stage is compiled; it gets NumPy arrays then.
    device: a torch.device, or a Device while torch is not imported.
    shape: of one sample, without the batch; None before the decoder.
    dtype: NumPy's in jit_mode, else NumPy's or torch's.
    AssertionError when jit_mode is set on another device than the processor, or with a dtype of torch's.
    """

    jit_mode: bool
    device: Any
    shape: tuple[int, ...] | None
    dtype: Any

    def __post_init__(self) -> None:
        if self.jit_mode and getattr(self.device, "type", str(self.device).split(":")[0]) != "cpu":
            raise AssertionError(f"a compiled stage runs on the processor, not on {self.device}")
        if self.jit_mode and is_torch_dtype(self.dtype):
            raise AssertionError(f"a compiled stage takes NumPy arrays, not tensors of {self.dtype}")
